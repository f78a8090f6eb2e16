-- Many small images: a mirror of 60 repositories with 20 tags each beside `skopeo sync`, for the first time and with nothing to
-- do; 1,000 tags that a script of ten lines looks at. Options and output as those of bench.lua; run it by spec/bench/run many.
package.path = "./?.lua;" .. package.path
local luff = require "luff"
local lib = require "spec.bench.lib"
local process = require "spec.support.process"
local command, row, contenders = lib.command, lib.row, lib.contenders

local REPOSITORIES, TAGS = lib.options.quick and 12 or 60, 20

local skopeo = lib.peer "skopeo"

local script = [[
local luff = require "luff"
local tags = {}
for tag in luff.tags(arg[1]) do
	tags[#tags + 1] = tag
end
local created = luff.map(tags, { jobs = 16 }, function(tag)
	return luff.image(arg[1] .. ":" .. tag, { platform = "linux/amd64" }):config_file().created
end)
table.sort(created)
print(#created, created[1], created[#created])
]]

-- An image of one layer of 10 kB for each tag, the same in each repository but for its config.
local function fill(address, repository, count)
	local numbers = {}
	for i = 1, count do
		numbers[i] = i
	end
	luff.map(numbers, { jobs = 8 }, function(i)
		local name = ("%s/%s:1.%d"):format(address, repository, i)
		local layer = luff.push_blob(name, ("%010d"):format(i):rep(1000),
			{ media_type = "application/vnd.oci.image.layer.v1.tar" })
		local config = luff.push_blob(name, luff.json.encode {
			architecture = "amd64", os = "linux", author = repository,
			created = os.date("!%Y-%m-%dT%H:%M:%SZ", i * 86400), rootfs = { type = "layers", diff_ids = { layer.digest } },
		}, { media_type = "application/vnd.oci.image.config.v1+json" })
		luff.push_manifest(name, { schemaVersion = 2, mediaType = "application/vnd.oci.image.manifest.v1+json",
			config = config, layers = { layer } })
	end)
end

local function rows()
	local from, to = lib.embedded(), lib.embedded()
	local lines, images = { "return { repositories = {\n" }, { from.address .. ":\n  tls-verify: false\n  images:\n" }
	for i = 1, REPOSITORIES do
		local name = ("bench/r%02d"):format(i)
		fill(from.address, name, TAGS)
		lines[#lines + 1] = ('{ from = "%s/%s", to = arg_to .. "/%s" },\n'):format(from.address, name, name)
		images[#images + 1] = ("    %s: []\n"):format(name)
	end
	lines[#lines + 1] = "} }\n"
	local list = process.write(lib.work .. "/sync.yaml", table.concat(images))

	-- Each run has a prefix of its own, unless nothing is to be done.
	local function mirror(prefix)
		local file = process.write(lib.work .. "/mirror.lua", "local arg_to = '" .. prefix .. "'\n" .. table.concat(lines))
		return { lib.program, "mirror", "--json", "-c", file }
	end
	local function sync(prefix)
		lib.forget_blobs()
		return command(skopeo, "--insecure-policy", "sync", "--src", "yaml", "--dest", "docker",
			"--dest-tls-verify=false", list, prefix)
	end
	local function title(what)
		return ("mirror of %d × %d tags, %s"):format(REPOSITORIES, TAGS, what)
	end
	row(title "first run", contenders {
		{ "luff", true, function(n)
			return mirror(("%s/luff%d"):format(to.address, n)), lib.remover(("%s/luff%d"):format(to.root, n))
		end },
		{ "skopeo sync", skopeo, function(n)
			return sync(("%s/skopeo%d"):format(to.address, n)), lib.remover(("%s/skopeo%d"):format(to.root, n))
		end },
	}, lib.options.runs)
	row(title "nothing to do", contenders {
		{ "luff", true, function() return mirror(to.address .. "/luff") end },
		{ "skopeo sync", skopeo, function() return sync(to.address .. "/skopeo") end },
	}, lib.options.runs)

	fill(from.address, "bench/tags", 1000)
	local path = process.write(lib.work .. "/created.lua", script)
	row("1,000 tags, their configs by a script", contenders {
		{ "luff", true, function() return { lib.program, path, from.address .. "/bench/tags" } end },
	}, lib.options.runs)
	from:stop()
	to:stop()
end

lib.main(rows)
