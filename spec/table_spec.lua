-- Not under sanitizers.
-- Each image through every ordered pair of mediums: into the first, from there into the second. What must be equal, is.
local luff = require "luff"
local support = require "spec.support"
local mediums = require "spec.support.mediums"

-- Beside those that suites run over: places of one image, docker's archive, a medium in Lua, and a registry behind a cache.
local places, started = {}, {}
for _, medium in ipairs(mediums) do
	if not medium.missing then
		places[#places + 1] = { name = medium.name, new = function() return medium.place() .. ":v1" end, medium = medium }
	end
end
local registry, cache
for name, new in pairs {
	["docker's archive"] = function() return "docker-archive:" .. support.scratch() .. "/x.tar:app:v1" end,
	["skopeo's folder"] = function() return "dir:" .. support.scratch() .. "/d" end,
	["a medium in Lua"] = function() return "pieces:" .. support.scratch() .. ":v1" end,
	["a registry behind a cache"] = function()
		started.n = (started.n or 0) + 1
		return registry:address() .. "/cached" .. started.n .. ":v1"
	end,
} do
	places[#places + 1] = { name = name, new = new }
end
table.sort(places, function(a, b) return a.name < b.name end)

setup(function()
	dofile "scripts/pieces.lua"
	registry, cache = luff.serve(), support.scratch()
	luff.config { cache = { dir = cache } }
	for _, place in ipairs(places) do
		if place.medium then
			place.medium.start()
		end
	end
end)

teardown(function()
	luff.config { cache = false }
	for _, place in ipairs(places) do
		if place.medium then
			place.medium.stop()
		end
	end
	registry:close()
end)

-- All that there is to know of an image or index, without where it is.
local function facts(opened)
	if opened.index_manifest then
		local list = { opened:raw_manifest() }
		for _, entry in ipairs(opened:index_manifest().manifests) do
			list[#list + 1] = entry.platform and entry.platform.os ~= "unknown" and facts(opened:image(entry.digest)) or nil
		end
		return list
	end
	local list = { opened:raw_manifest(), opened:raw_config_file() }
	for _, layer in ipairs(opened:layers()) do
		list[#list + 1] = layer:digest() .. " " .. luff.digest(layer:compressed():read "a")
	end
	return list
end

-- Through all pairs, or for what is large from each to the next, several at a time.
local function run(name, large)
	local source = luff.open(name)
	local expected = luff.digest(luff.json.encode(facts(source)))
	local first, pairs_of = {}, {}
	for i, place in ipairs(places) do
		first[i] = place.new()
		for j = 1, #places do
			if not large or j == i % #places + 1 then
				pairs_of[#pairs_of + 1] = { i, j, places[j].new() }
			end
		end
	end
	local function check(place, what)
		local opened = luff.open(place)
		assert(opened:digest() == source:digest(), what .. " has another digest")
		assert(luff.digest(luff.json.encode(facts(opened))) == expected, what .. " is something else")
	end
	luff.map(first, { jobs = 4 }, function(place, i)
		luff.copy(source, place, { compress = "none" })
		check(place, places[i].name)
	end)
	luff.map(pairs_of, { jobs = 4 }, function(pair)
		local what = places[pair[1]].name .. " → " .. places[pair[2]].name
		local ok, err = pcall(luff.copy, first[pair[1]], pair[3], { compress = "none" })
		assert(ok, what .. ": " .. tostring(err))
		check(pair[3], what)
	end)
end

describe("Through every pair of mediums goes", function()
	it("an image", function()
		local name = "memory:table:one"
		local packed = support.packed(support.tar { a = "x" }, "gzip")
		support.make_image(name, { layers = { packed, 3000, 0 }, annotations = { a = "b" } })
		run(name)
	end)

	it("an image in Docker's types", function()
		support.make_image("memory:table:docker", { docker = true, layers = { 1000 } })
		run "memory:table:docker"
	end)

	it("an index", function()
		support.make_index("memory:table:index", { "linux/amd64", "linux/arm64/v8" })
		run "memory:table:index"
	end)

	local official = support.official()
	local folder = os.getenv "LUFF_IMAGES" or "../shared/images"
	for name, image in pairs {
		["busybox for one platform"] = { "oci:%s/busybox/arm64-musl" },
		["busybox for another"] = { "oci:%s/busybox/amd64-glibc", large = true },
		["busybox for many"] = { "oci:%s/multi-busybox-oci", large = true },
		["what Docker saved"] = { "docker-archive:" .. folder .. "/docker-save-alpine.tar", large = true },
		["what containerd exported"] = { "oci-archive:" .. folder .. "/containerd-export-busybox.tar", large = true },
		["a root filesystem"] = { "rootfs:" .. folder .. "/alpine-minirootfs-3.20.3-x86_64.tar.gz", large = true },
	} do
		it(name, function()
			if not official then
				pending "the official images are not here ($LUFF_IMAGES, ../shared/images)"
			end
			run(image[1]:format(official), image.large)
		end)
	end
end)
