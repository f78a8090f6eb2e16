-- luff diff: what is different between two images.
local diff = require "luff.diff"
local luff = require "luff"
local terminal = require "luff.terminal"

local signs = { added = "+", removed = "-", changed = "~" }

local function plain(value)
	return terminal.printable(type(value) == "string" and value or luff.json.encode(value))
end

local function write_config(list)
	for _, c in ipairs(list) do
		if c.from ~= nil then
			terminal.write("- ", terminal.printable(c.path), ": ", plain(c.from), "\n")
		end
		if c.to ~= nil then
			terminal.write("+ ", terminal.printable(c.path), ": ", plain(c.to), "\n")
		end
	end
end

local function write_history(list)
	for _, step in ipairs(list) do
		if step[1] ~= "=" then
			terminal.write(step[1], " ", terminal.printable(step[2]:gsub("%s+", " ")), "\n")
		end
	end
end

local function write_layers(list)
	for _, l in ipairs(list) do
		local one = l.to or l.from
		if l.kind == "recompressed" then
			terminal.write(("~ %s is %s, %s\n"):format(l.from.digest, l.to.digest, terminal.printable(l.to.mediaType)))
		elseif l.kind ~= "same" then
			terminal.write(("%s %s  %s\n"):format(signs[l.kind], one.digest, terminal.size(one.size)))
		end
	end
end

local words = {
	type = function(e) return e.type end,
	content = function(e) return ("%d bytes"):format(e.size) end,
	mode = function(e) return ("%04o"):format(e.mode) end,
	owner = function(e) return ("%d:%d"):format(e.uid, e.gid) end,
	time = function(e) return os.date("!%Y-%m-%d %H:%M:%S", e.mtime) end,
	link = function(e) return e.link and "-> " .. terminal.printable(e.link) or "no link" end,
	device = function(e) return ("%d:%d"):format(e.major or 0, e.minor or 0) end,
	xattrs = function(e)
		local names = {}
		for name in pairs(e.xattrs or {}) do
			names[#names + 1] = terminal.printable(name)
		end
		table.sort(names)
		return "{" .. table.concat(names, ", ") .. "}"
	end,
}

-- "mode 0644 -> 0755, content 3 bytes -> 4 bytes"
local function describe(f)
	local parts = {}
	for _, what in ipairs(f.what) do
		local from, to = words[what](f.from), words[what](f.to)
		parts[#parts + 1] = from == to and "other " .. what or ("%s %s -> %s"):format(what, from, to)
	end
	return #parts > 0 and "  " .. table.concat(parts, ", ") or ""
end

local function write_files(list, texts)
	for _, f in ipairs(list) do
		terminal.write(signs[f.kind], " ", terminal.printable(f.path), describe(f), "\n")
		if texts and f.from_content and diff.is_text(f.from_content) and diff.is_text(f.to_content) then
			local hunks = terminal.printable(diff.texts(f.from_content, f.to_content), "\n\t")
			terminal.write((hunks:gsub("[^\n]+", "    %0")))
		end
	end
end

-- Without what JSON cannot hold.
local function to_json(found)
	for _, f in ipairs(found.files) do
		f.path = terminal.printable(f.path)
		f.what = luff.array(f.what)
		for _, side in ipairs { "from", "to" } do
			local e = f[side]
			if e then
				e.path, e.xattrs = nil, nil
				e.link = e.link and terminal.printable(e.link)
			end
			local bytes = f[side .. "_content"]
			f[side .. "_content"] = bytes and utf8.len(bytes) and bytes or nil
		end
	end
	for _, step in ipairs(found.history) do
		step[2] = terminal.printable(step[2])
	end
	return luff.json.encode(found, { indent = true })
end

local parts = { "config", "history", "layers", "files" }

return {
	summary = "show what is different between two images",
	usage = "[--no-text] [--times] [--platform P] [--json] FROM TO [PATTERN]",
	arguments = { 2, 3 },
	options = {
		{ name = "no-text", help = "only which files are different, not their lines" },
		{ name = "times", help = "also files that only have another time" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
Shows what config, history, layers and files have in TO (+), had in FROM (-), or have otherwise (~), and the
lines of texts of up to 64 KiB. Nothing is printed where nothing is different. With a PATTERN (as luff files
has it) only files that fit it are looked at.

examples
  luff diff alpine:3.20 alpine:3.21
  luff diff --no-text oci:./before:v1 oci:./after:v1 '/etc/**'
  luff diff --json app:v1 app:v2 | jq -r '.files[] | select(.kind == "added") | .path'
]],
	run = function(args, opts)
		local where = { platform = opts.platform, plain_http = opts.plain_http }
		local found = diff.images(luff.image(args[1], where), luff.image(args[2], where),
			{ pattern = args[3], times = opts.times, contents = not opts.no_text })
		if opts.json then
			terminal.write(to_json(found), "\n")
			return
		end
		local writers = { config = write_config, history = write_history, layers = write_layers, files = write_files }
		for _, part in ipairs(parts) do
			local is_different = false
			for _, one in ipairs(found[part]) do
				is_different = is_different or one[1] ~= "=" and one.kind ~= "same"
			end
			if is_different and (part == "files" or not args[3]) then
				terminal.write(terminal.style("bold", part), "\n")
				writers[part](found[part], not opts.no_text)
			end
		end
	end,
}
