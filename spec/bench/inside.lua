-- What is done inside an image, beside crane, umoci and GNU tar: flatten, extract, list, read one file, validate. Options
-- and output as those of bench.lua; run it by spec/bench/run inside.
package.path = "./?.lua;" .. package.path
local luff = require "luff"
local lib = require "spec.bench.lib"
local process = require "spec.support.process"
local quote = process.quote
local command, row, contenders, into_folder = lib.command, lib.row, lib.contenders, lib.into_folder

local crane, umoci = lib.peer "crane", lib.peer "umoci"
local here = "oci:" .. lib.layout .. ":bench"

-- A shell's line; "$@" in it is the program's command.
local function shell(line, argv)
	return { "sh", "-c", line, "sh", table.unpack(argv) }
end

-- An image of a million small files in two hundred packages, four layers.
local function many()
	local title = "list a million files, from a layout"
	if not lib.wants(title) then
		return
	end
	local place = "oci:" .. lib.work .. "/many:v1"
	lib.note("making an image of a million files")
	local image = luff.empty()
	for i = 1, 4 do
		local files = {}
		for n = 1, 250000 do
			files[("usr/lib/node_modules/package-%d-%d/lib/part-%d/module_%d.js"):format(i, n % 50, n % 97, n)] = "x"
		end
		image = image:append { files = files }
	end
	luff.copy(image, place)
	row(title, contenders {
		{ "luff", true, function() return { lib.program, "files", place } end },
	}, lib.options.runs)
	local tree = process.write(lib.work .. "/tree.lua", [[
		require "luff".image(arg[1]):tree()
	]])
	row(title .. ", img:tree()", contenders {
		{ "luff", true, function() return { lib.program, tree, place } end },
	}, lib.options.runs)
end

local function rows()
	local server = lib.embedded()
	local name = server.address .. "/bench/image:bench"
	luff.copy(here, name)
	local flat = lib.work .. "/flat.tar"
	luff.image(here):export(flat)

	local exporting = crane and command({ "env" }, table.unpack(command(crane, "export", name, "-")))
	row("flatten to a tar, from a registry", contenders {
		{ "luff", true, function() return shell([["$@" >/dev/null]], { lib.program, "export", name }) end },
		{ "crane", crane, function() return shell([["$@" >/dev/null]], exporting) end },
	}, lib.options.runs)

	row("extract from a layout", contenders {
		{ "luff", true, into_folder(function(dir) return { lib.program, "extract", here, dir } end) },
		{ "tar -x of the flat tar", true, into_folder(function(dir)
			return { "sh", "-c", ("mkdir %s && exec tar -xpf %s -C %s"):format(quote(dir), quote(flat), quote(dir)) }
		end) },
		{ "umoci", umoci, into_folder(function(dir)
			return command(umoci, "unpack", "--image", lib.layout .. ":bench", dir)
		end) },
	}, lib.options.runs)

	row("list all files, from a registry", contenders {
		{ "luff", true, function() return { lib.program, "files", name } end },
		{ "crane, tar -t", crane, function() return shell([["$@" | tar -t]], exporting) end },
	}, lib.options.runs)

	-- The last file of the top layer, which is the smallest one.
	local path
	for e in luff.image(here):layers()[#lib.blobs - 1]:entries() do
		path = e.type == "file" and e.path or path
	end
	row("read one file, from a registry", contenders {
		{ "luff", true, function() return { lib.program, "cat", name, path } end },
		{ "crane, tar -x", crane, function()
			return shell(('"$@" | tar -xPO %s'):format(quote(path)), exporting)
		end },
	}, lib.options.runs * 2)

	row("validate, from a registry", contenders {
		{ "luff", true, function() return { lib.program, "validate", name } end },
		{ "crane", crane, function() return command(crane, "validate", "--remote", name) end },
	}, lib.options.runs)

	row("validate without layers, from a registry", contenders {
		{ "luff", true, function() return { lib.program, "validate", "--fast", name } end },
		{ "crane", crane, function() return command(crane, "validate", "--fast", "--remote", name) end },
	}, lib.options.runs * 2)
	server:stop()
end

lib.main(function()
	rows()
	many()
end)
