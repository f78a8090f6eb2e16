-- What specs share: `local support = require "spec.support"`. Whatever it makes inside a test (folders, servers,
-- programs) is gone when the test ends; what it makes outside of one, at the end of the file.
local busted = require "busted"
local lfs = require "lfs"
local images = require "spec.support.images"
local process = require "spec.support.process"

local support = {
	archive = require "spec.support.archive", canned = require "spec.support.canned", http = require "spec.support.http",
}

for _, module in ipairs { process, images } do
	for name, value in pairs(module) do
		support[name] = value
	end
end

local mark
busted.subscribe({ "test", "start" }, function()
	mark = process.undo_mark()
	return nil, true
end)
busted.subscribe({ "test", "end" }, function()
	process.undo_to(mark)
	return nil, true
end)
busted.subscribe({ "file", "end" }, function()
	process.undo_to(0)
	return nil, true
end)

--- How many of something there are to be: a sixth of them where a sanitizer makes each ten times as slow.
function support.scaled(n)
	return (os.getenv "SANITIZE" or "") ~= "" and math.max(n // 6, 1) or n
end

--- The luff program under test.
support.program = process.sh("realpath -m " .. process.quote(os.getenv("LUFF") or "build/luff"))

--- Runs luff: support.luff("digest", name) or support.luff({ arguments… }, opts); opts as run's.
function support.luff(...)
	local argv, opts = { ... }, nil
	if type(argv[1]) == "table" then
		argv, opts = argv[1], argv[2]
	end
	return process.run({ support.program, table.unpack(argv) }, opts)
end

--- Calls f, which must raise one of luff's errors; returns it after the checks that hold for each of them: a known
-- code, one line, no trailing full stop or blank.
function support.fails(f, ...)
	local ok, err = pcall(f, ...)
	if ok then
		error("it did not fail", 2)
	end
	if type(err) ~= "table" or type(err.code) ~= "string" or type(err.message) ~= "string" then
		error("not one of luff's errors: " .. tostring(err), 2)
	end
	if tostring(err) ~= err.message or err.message == "" or err.message:find("[\n\r]") or err.message:find("[%s.]$") then
		error(("not one plain line: %q"):format(err.message), 2)
	end
	return err
end

--- How many requests there were of a method (nil: any) to a path that a pattern matches; of: a server, or a list of requests.
function support.count(of, method, pattern)
	local n = 0
	for _, request in ipairs(of.requests and of.requests(of) or of) do
		n = n + ((not method or request.method == method) and request.path:find(pattern) and 1 or 0)
	end
	return n
end

--- Bytes of parts of blobs that a server was asked for since the last time, and the number of blobs that were as a whole.
function support.moved(server)
	local sum, whole = 0, 0
	for _, request in ipairs(server:requests()) do
		if request.method == "GET" and request.path:find "/blobs/" then
			local first, last = (request.headers.range or ""):match "^bytes=(%d+)%-(%d+)$"
			sum = sum + (first and last - first + 1 or 0)
			whole = whole + (first and 0 or 1)
		end
	end
	return sum, whole
end

--- The tags of a place, sorted.
function support.tags(place)
	local tags = {}
	for tag in require "luff".tags(place) do
		tags[#tags + 1] = tag
	end
	table.sort(tags)
	return tags
end

--- The paths of all files below a folder; none where there is no folder.
function support.files(dir)
	local paths = {}
	if lfs.attributes(dir, "mode") == "directory" then
		for name in lfs.dir(dir) do
			local path = dir .. "/" .. name
			local mode = lfs.symlinkattributes(path, "mode")
			if mode == "file" then
				paths[#paths + 1] = path
			elseif mode == "directory" and name ~= "." and name ~= ".." then
				local below = support.files(path)
				table.move(below, 1, #below, #paths + 1, paths)
			end
		end
	end
	return paths
end

--- Every file and folder below a folder with its size, one a line and sorted, to compare before and after.
function support.tree(dir)
	return process.sh(("cd %s && find . -mindepth 1 \\( -type d -printf '%%p/\\n' -o -printf '%%p %%s %%l\\n' \\) | sort")
		:format(process.quote(dir)))
end

--- The same with a checksum for each file.
function support.checksums(dir)
	return process.sh(("cd %s && find . -type f -exec cksum {} + | sort -k3"):format(process.quote(dir)))
end

return support
