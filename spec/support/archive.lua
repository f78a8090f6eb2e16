-- Tars for specs, entry by entry, so that they can hold what no tool would write.
local archive = {}

local flags = { file = "0", hardlink = "1", symlink = "2", char = "3", block = "4", folder = "5", fifo = "6" }

local function field(text, size)
	return text:sub(1, size) .. ("\0"):rep(size - #text)
end

-- Eight bytes, the highest first.
local function eight(n)
	if string.pack then
		return (">i8"):pack(n)
	end
	local bytes = {}
	for i = 8, 1, -1 do
		bytes[i] = string.char(n % 256)
		n = math.floor(n / 256)
	end
	return table.concat(bytes)
end

-- Octal digits, or to the base of 256 where they do not fit.
local function number(n, size)
	if math.type(n) == "integer" and n >= 0 and n < 8 ^ (size - 1) then
		return ("%0" .. size - 1 .. "o\0"):format(n)
	end
	local fill = n < 0 and "\255" or "\0"
	return (n < 0 and "\255" or "\128") .. (fill:rep(4) .. eight(n)):sub(1 - size)
end

--- One ustar header (POSIX.1-2017, pax "ustar Interchange Format"); e.flag goes before e.type, e.raw replaces bytes:
-- { [offset] = bytes }.
function archive.header(e)
	local header = field(e.path, 100) .. number(e.mode or (e.type == "folder" and 493 or 420), 8) .. number(e.uid or 0, 8)
		.. number(e.gid or 0, 8) .. number(e.size or #(e.content or ""), 12) .. number(e.mtime or 0, 12) .. (" "):rep(8)
		.. (e.flag or flags[e.type or "file"]) .. field(e.link or "", 100) .. (e.magic or "ustar\00000")
		.. field(e.user or "", 32) .. field(e.group or "", 32) .. number(e.major or 0, 8) .. number(e.minor or 0, 8)
		.. field(e.prefix or "", 155)
	header = header .. ("\0"):rep(512 - #header)
	for offset, bytes in pairs(e.raw or {}) do
		header = header:sub(1, offset) .. bytes .. header:sub(offset + #bytes + 1)
	end
	local sum = 0
	for i = 1, 512 do
		sum = sum + header:byte(i)
	end
	return header:sub(1, 148) .. ("%06o\0 "):format(sum + (e.lie or 0)) .. header:sub(157)
end

local function padded(content)
	return content .. ("\0"):rep(-#content % 512)
end

--- One record of an extended header.
function archive.record(key, value)
	local rest = " " .. key .. "=" .. value .. "\n"
	local size = #rest + 1
	while #tostring(size) + #rest ~= size do
		size = #tostring(size) + #rest
	end
	return size .. rest
end

--- An extended header of records in order: { { "path", "…" }, … } or the bytes.
function archive.pax(records, flag)
	if type(records) == "table" then
		local parts = {}
		for i, r in ipairs(records) do
			parts[i] = archive.record(r[1], r[2])
		end
		records = table.concat(parts)
	end
	return archive.header { path = "PaxHeaders/x", flag = flag or "x", size = #records } .. padded(records)
end

--- A tar of entries, each a table: path, type ("file" where absent), content, link, mode, uid, gid, user, group, mtime, major,
-- minor, xattrs; pax (records before it); what archive.header takes. A string is a folder ("etc/") or the bytes as they are,
-- where it is as long as blocks are. Names that do not fit get an extended header.
function archive.tar(entries)
	local parts = {}
	for _, e in ipairs(entries) do
		if type(e) == "string" then
			e = #e > 0 and #e % 512 == 0 and { bytes = e } or { path = e, type = "folder" }
		end
		local records = {}
		for name, value in pairs(e.xattrs or {}) do
			records[#records + 1] = { "SCHILY.xattr." .. name, value }
		end
		if e.path and #e.path > 100 then
			records[#records + 1] = { "path", e.path }
		end
		if e.link and #e.link > 100 then
			records[#records + 1] = { "linkpath", e.link }
		end
		table.move(e.pax or {}, 1, #(e.pax or {}), #records + 1, records)
		if #records > 0 then
			parts[#parts + 1] = archive.pax(records)
		end
		parts[#parts + 1] = e.bytes or archive.header(e) .. padded(e.content or "")
	end
	return table.concat(parts) .. ("\0"):rep(1024)
end

return archive
