-- Layers with a table of contents, eStargz and zstd:chunked, by hand: so that they can lie. Nothing in them is really compressed.
local archive = require "spec.support.archive"

local toc = {}

local crc_table = {}
for i = 0, 255 do
	local c = i
	for _ = 1, 8 do
		c = c & 1 == 1 and 0xedb88320 ~ (c >> 1) or c >> 1
	end
	crc_table[i] = c
end

local function crc32(bytes)
	local c = 0xffffffff
	for i = 1, #bytes do
		c = crc_table[(c ~ bytes:byte(i)) & 255] ~ (c >> 8)
	end
	return c ~ 0xffffffff
end

--- One gzip member of stored blocks (RFC 1951 3.2.4).
function toc.gzip(bytes)
	local parts, at = { "\x1f\x8b\8\0\0\0\0\0\0\255" }, 1
	repeat
		local piece = bytes:sub(at, at + 65534)
		at = at + #piece
		parts[#parts + 1] = ("<BI2I2"):pack(at > #bytes and 1 or 0, #piece, ~#piece & 0xffff) .. piece
	until at > #bytes
	return table.concat(parts) .. ("<I4I4"):pack(crc32(bytes), #bytes)
end

--- One zstd frame of raw blocks (RFC 8878 3.1.1).
function toc.zstd(bytes)
	local parts, at = { "\x28\xb5\x2f\xfd\xa0" .. ("<I4"):pack(#bytes) }, 1
	repeat
		local piece = bytes:sub(at, at + 0xffff)
		at = at + #piece
		parts[#parts + 1] = ("<I3"):pack((at > #bytes and 1 or 0) | #piece << 3) .. piece
	until at > #bytes
	return table.concat(parts)
end

local types = { file = "reg", folder = "dir" }

local function entry_of(e)
	return {
		name = e.path, type = types[e.type or "file"] or e.type or "reg", size = e.content and #e.content or nil,
		mode = e.mode or (e.type == "folder" and 493 or 420), modtime = os.date("!%Y-%m-%dT%H:%M:%SZ", e.mtime or 0),
		linkName = e.link, uid = e.uid, gid = e.gid, xattrs = e.coded,
	}
end

-- The tar in members that unpack by themselves, and the entries that say where they begin. A file with `chunk` is cut into
-- pieces of that size; one with `shares` is in the same member as the one before.
local function members(entries, pack)
	local luff = require "luff"
	local out, size, list, pending, member, inside = {}, 0, {}, "", 0, 0
	local function flush()
		if pending ~= "" then
			out[#out + 1] = pack(pending)
			size = size + #out[#out]
			pending = ""
		end
	end
	for _, e in ipairs(entries) do
		local content = e.content or ""
		local entry = entry_of(e)
		list[#list + 1] = entry
		pending = pending .. archive.tar({ { bytes = archive.header(e) } }):sub(1, 512)
		inside = inside + 512
		if content ~= "" then
			entry.digest = luff.digest(content)
			local step, first = e.chunk or #content, #list
			for at = 0, #content - 1, step do
				if not e.shares then
					flush()
					member, inside = size, 0
				end
				local piece = content:sub(at + 1, at + step)
				local chunk = at == 0 and entry or { name = e.path, type = "chunk" }
				chunk.offset, chunk.innerOffset = member, inside > 0 and inside or nil
				chunk.chunkOffset, chunk.chunkSize = at > 0 and at or nil, e.chunk and #piece or nil
				chunk.chunkDigest = luff.digest(piece)
				list[at == 0 and first or #list + 1] = chunk
				pending = pending .. piece
				inside = inside + #piece
			end
			if pack == toc.zstd then
				flush()
				entry.endOffset = size
			end
			pending = pending .. ("\0"):rep(-#content % 512)
			inside = inside + -#content % 512
		end
	end
	return out, list, flush, function() return size end
end

-- What luff's support calls a layer. change(table) may lie in the table before its digest is taken.
local function layer(bytes, tar, media_type, annotations)
	local luff = require "luff"
	return { bytes = bytes, diff_id = luff.digest(tar), media_type = media_type, annotations = annotations }
end

--- A layer as eStargz has it.
function toc.estargz(entries, change)
	local luff = require "luff"
	local out, list, flush, size = members(entries, toc.gzip)
	flush()
	local at = size()
	local contents = { version = 1, entries = list }
	local json = change and change(contents) or luff.json.encode(contents)
	local file = { path = "stargz.index.json", content = json }
	out[#out + 1] = toc.gzip(archive.tar { file })
	out[#out + 1] = "\x1f\x8b\8\4\0\0\0\0\0\255\26\0SG\22\0" .. ("%016xSTARGZ"):format(at) .. "\1\0\0\xff\xff"
		.. ("\0"):rep(8)
	local all = {}
	table.move(entries, 1, #entries, 1, all)
	all[#all + 1] = file
	return layer(table.concat(out), archive.tar(all), "application/vnd.oci.image.layer.v1.tar+gzip",
		{ ["containerd.io/snapshot/stargz/toc.digest"] = luff.digest(json) })
end

--- A layer as zstd:chunked has it.
function toc.chunked(entries, change)
	local luff = require "luff"
	local out, list, flush, size = members(entries, toc.zstd)
	flush()
	out[#out + 1] = toc.zstd(("\0"):rep(1024))
	local at = size() + #out[#out] + 8
	local contents = { version = 1, entries = list }
	local json = change and change(contents) or luff.json.encode(contents)
	local packed = toc.zstd(json)
	out[#out + 1] = "\x50\x2a\x4d\x18" .. ("<I4"):pack(#packed) .. packed
	return layer(table.concat(out), archive.tar(entries), "application/vnd.oci.image.layer.v1.tar+zstd", {
		["io.github.containers.zstd-chunked.manifest-checksum"] = luff.digest(packed),
		["io.github.containers.zstd-chunked.manifest-position"] = ("%d:%d:%d:1"):format(at, #packed, #json),
	})
end

return toc
