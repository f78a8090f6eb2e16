-- Copying: between any two mediums, only what is missing, in the order that keeps the destination readable.
local luff = require "luff"
local mediums = require "spec.support.mediums"
local support = require "spec.support"

local oci_index = "application/vnd.oci.image.index.v1+json"

local here = {}
for _, medium in ipairs(mediums) do
	if medium.missing then
		pending(medium.name .. ": " .. medium.missing)
	else
		here[#here + 1] = medium
	end
end

describe("copy", function()
	setup(function()
		for _, medium in ipairs(here) do
			medium.start()
		end
	end)
	teardown(function()
		for _, medium in ipairs(here) do
			medium.stop()
		end
	end)

	for _, from in ipairs(here) do
		for _, to in ipairs(here) do
			it(("moves an index from %s to %s"):format(from.name, to.name), function()
				local source, target = from.place() .. ":v1", to.place() .. ":v2"
				local index = support.make_index(source, { "linux/amd64", "linux/arm64" })
				local result = luff.copy(source, target)
				assert.equal(index:digest(), result.digest)
				assert.equal(oci_index, result.media_type)
				assert.equal(#index:raw_manifest(), result.size)
				-- Two configs, two layers of their own, one that they share.
				assert.equal(5, result.copied + result.mounted)
				assert.equal(0, result.skipped)
				assert.equal(3, result.manifests)
				local copied = luff.index(target)
				assert.equal(index:raw_manifest(), copied:raw_manifest())
				for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
					local image = copied:image { platform = platform }
					assert.equal(platform .. "\n", image:layers()[1]:uncompressed():read "a":match("linux/%w+\n", 512))
				end

				local again = luff.copy(source, target)
				assert.equal(index:digest(), again.digest)
				assert.equal(0, again.copied)
				assert.equal(0, again.bytes)
				assert.equal(0, again.manifests)
			end)
		end
	end

	it("makes no folder for what cannot be reached or named", function()
		local dir = support.scratch()
		support.make_image("oci:" .. dir .. "/from:v1")
		local before = support.tree(dir)
		for code, names in pairs {
			network = { "127.0.0.1:1/app:v1", "new/deep:v1" },
			not_found = { "oci:" .. dir .. "/from:v2", "new:v1" },
			invalid_name = { "oci:" .. dir .. "/from:v1", "new:a b" },
		} do
			assert.equal(code, support.fails(luff.copy, names[1], "oci:" .. dir .. "/" .. names[2]).code)
			assert.equal(before, support.tree(dir))
		end
		local image = luff.image("oci:" .. dir .. "/from:v1", { platform = "linux/amd64" })
		assert.equal(image:digest(), luff.copy(image, "oci:" .. dir .. "/new/deep:v1").digest)
		assert.equal(image:digest(), luff.copy("oci:" .. dir .. "/from:v1", "oci:" .. dir .. "/same").digest)
		assert.equal(image, luff.image("oci:" .. dir .. "/same:v1", { platform = "linux/amd64" }))
	end)

	it("refuses a number of jobs that is none", function()
		support.make_image "memory:jobs:v1"
		for _, jobs in ipairs { 0, 65, 2.5, "2", {} } do
			local err = support.fails(luff.copy, "memory:jobs:v1", "memory:jobs:v2", { jobs = jobs })
			assert.same({ "invalid", 'option "jobs" must be a whole number from 1 to 64' }, { err.code, err.message })
		end
	end)

	describe("of anything", function()
		local source, target, registry

		setup(function()
			registry = luff.serve {}
		end)
		teardown(function()
			registry:close()
		end)
		before_each(function()
			local n = luff.digest(support.random(16)):sub(-12)
			source, target = "memory:from" .. n, registry:address() .. "/to" .. n
		end)

		it("takes one platform of an index", function()
			support.make_index(source .. ":v1", { "linux/amd64", "linux/arm/v7", "linux/arm64" })
			local result = luff.copy(source .. ":v1", target .. ":v1", { platform = "linux/arm" })
			assert.equal("application/vnd.oci.image.manifest.v1+json", result.media_type)
			assert.equal(1, result.manifests)
			assert.equal(3, result.copied)
			assert.equal("linux/arm/v7", luff.open(target .. ":v1"):platform():gsub("arm$", "arm/v7"))
		end)

		it("says which platforms there are where the one asked for is not, and writes nothing", function()
			support.make_index(source .. ":v1", { "linux/amd64", "linux/arm64" })
			local err = support.fails(luff.copy, source .. ":v1", target .. ":v1", { platform = "linux/mips64le" })
			assert.equal("not_found", err.code)
			assert.truthy(err.message:find("linux/arm64", 1, true), err.message)
			assert.equal("not_found", support.fails(luff.open, target .. ":v1").code)
		end)

		it("keeps the source's tag where the destination names none", function()
			local image = support.make_image(source .. ":kept")
			local dir = support.scratch()
			luff.copy(source .. ":kept", "oci:" .. dir)
			assert.equal(image, luff.open("oci:" .. dir .. ":kept"))
		end)

		it("copies by digest", function()
			local image = support.make_image(source .. ":v1")
			luff.copy(source .. "@" .. image:digest(), target .. ":chosen")
			assert.equal(image, luff.open(target .. ":chosen"))
		end)

		it("takes an Image or an Index as its source", function()
			local index = support.make_index(source .. ":v1", { "linux/amd64", "linux/arm64" })
			luff.copy(index, target .. ":all")
			luff.copy(index:image { platform = "linux/arm64" }, target .. ":one")
			assert.equal(index, luff.open(target .. ":all"))
			assert.equal("linux/arm64", luff.open(target .. ":one"):platform())
		end)

		it("refuses a destination that names another digest", function()
			support.make_image(source .. ":v1")
			local err = support.fails(luff.copy, source .. ":v1", target .. "@" .. luff.digest "another")
			assert.equal("digest_mismatch", err.code)
		end)

		it("moves only what is missing", function()
			local base = support.tar { ["base"] = support.random(50000) }
			support.make_image(source .. ":old", { layers = { base } })
			support.make_image(source .. ":new", { layers = { base, 20000 } })
			luff.copy(source .. ":old", target .. ":old")
			local result = luff.copy(source .. ":new", target .. ":new")
			assert.equal(2, result.copied) -- the upper layer and the config
			assert.equal(1, result.skipped)
			assert.is_true(result.bytes > 20000 and result.bytes < 30000)
		end)

		it("moves a layer once that is there twice", function()
			local layer = support.tar { ["same"] = support.random(30000) }
			support.make_image(source .. ":v1", { layers = { layer, layer, layer } })
			local result = luff.copy(source .. ":v1", target .. ":v1")
			assert.equal(2, result.copied)
			assert.is_true(result.bytes < 40000)
		end)

		it("copies nested indexes, and what several of them share once", function()
			local inner = support.make_index(source .. ":inner", { "linux/amd64", "linux/arm64" })
			local entry = { mediaType = oci_index, digest = inner:digest(), size = inner:size() }
			local image = support.make_image(source, { untagged = true, platform = "linux/riscv64" })
			local outer = luff.push_manifest(source .. ":outer", { schemaVersion = 2, mediaType = oci_index,
				manifests = luff.array { entry, entry, { mediaType = image:media_type(), digest = image:digest(),
					size = #image:raw_manifest(), platform = { os = "linux", architecture = "riscv64" } } } })
			local result = luff.copy(source .. ":outer", target .. ":outer")
			assert.equal(outer:digest(), result.digest)
			assert.equal(5, result.manifests)
			assert.equal("linux/arm64", luff.image(target .. ":outer", { platform = "linux/arm64" }):platform())
			assert.equal(inner:raw_manifest(), luff.index(target .. "@" .. inner:digest()):raw_manifest())
		end)

		it("leaves no name behind where a part of the source is missing", function()
			local dir = support.scratch()
			local image = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000, 1000 } })
			local gone = image:layers()[2]:digest()
			assert(os.remove(dir .. "/blobs/" .. gone:gsub(":", "/")))
			local err = support.fails(luff.copy, "oci:" .. dir .. ":v1", target .. ":v1")
			assert.equal("not_found", err.code)
			assert.truthy(err.message:find(gone:sub(8, 19), 1, true), err.message)
			assert.equal("not_found", support.fails(luff.open, target .. ":v1").code)
		end)

		it("keeps the old image under the name until the new one is whole", function()
			local dir = support.scratch()
			local old = support.make_image("oci:" .. dir .. ":v1", { config = { author = "old" } })
			luff.copy("oci:" .. dir .. ":v1", target .. ":v1")
			local new = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000 } })
			assert(os.remove(dir .. "/blobs/" .. new:layers()[1]:digest():gsub(":", "/")))
			support.fails(luff.copy, "oci:" .. dir .. ":v1", target .. ":v1")
			assert.equal(old, luff.open(target .. ":v1"))
		end)

		it("mends a destination that lost a blob", function()
			support.make_image(source .. ":v1", { layers = { 2000, 3000 } })
			local dir = support.scratch()
			luff.copy(source .. ":v1", "oci:" .. dir .. ":v1")
			local layer = luff.image("oci:" .. dir .. ":v1", { platform = "linux/amd64" }):layers()[2]
			assert(os.remove(dir .. "/blobs/" .. layer:digest():gsub(":", "/")))
			local result = luff.copy(source .. ":v1", "oci:" .. dir .. ":v1")
			assert.equal(1, result.copied)
			assert.equal(layer:digest(), luff.digest(luff.image("oci:" .. dir .. ":v1", { platform = "linux/amd64" })
				:layers()[2]:compressed():read "a"))
		end)

		it("reports its progress", function()
			local image = support.make_image(source .. ":v1", { layers = { 300000, 200000 } })
			local bytes, seen, ended, last = 0, {}, {}, nil
			local result = luff.copy(source .. ":v1", target .. ":v1", { jobs = 2, progress = function(event)
				seen[event.kind] = (seen[event.kind] or 0) + 1
				assert.equal("string", type(event.digest))
				assert.equal("string", type(event.media_type))
				if event.kind == "bytes" then
					bytes = bytes + event.bytes
				elseif event.kind == "done" then
					ended[event.digest] = event.size
				end
				last = event
			end })
			assert.equal(result.bytes, bytes)
			assert.equal(result.bytes, last.total)
			assert.equal(3, seen.start)
			assert.equal(3, seen.done)
			for _, layer in ipairs(image:layers()) do
				assert.equal(layer:size(), ended[layer:digest()])
			end
			local skipped = 0
			luff.copy(source .. ":v1", target .. ":new", { progress = function(event)
				assert.equal("skipped", event.kind)
				skipped = skipped + 1
			end })
			assert.equal(3, skipped)
		end)

		it("raises what the progress function raises, and stops", function()
			support.make_image(source .. ":v1", { layers = { 300000, 200000 } })
			local ok, err = pcall(luff.copy, source .. ":v1", target .. ":v1", { progress = function()
				error "enough"
			end })
			assert.is_false(ok)
			assert.truthy(tostring(err):find("enough", 1, true), tostring(err))
		end)

		it("moves many blobs at a time, or one", function()
			local layers = {}
			for i = 1, 20 do
				layers[i] = 1000 + i
			end
			local image = support.make_image(source .. ":v1", { layers = layers })
			for _, jobs in ipairs { 1, 7, 64 } do
				local dir = support.scratch()
				local result = luff.copy(source .. ":v1", "oci:" .. dir .. ":v1", { jobs = jobs })
				assert.equal(21, result.copied)
				assert.equal(image:raw_manifest(), luff.open("oci:" .. dir .. ":v1"):raw_manifest())
			end
			for _, jobs in ipairs { 0, 65, -1, 1.5 } do
				assert.is_false(pcall(luff.copy, source .. ":v1", target .. ":v1", { jobs = jobs }))
			end
		end)

		it("names an unknown option, and the one that was meant", function()
			local err = support.fails(luff.copy, source .. ":v1", target .. ":v1", { platfrom = "linux/arm64" })
			assert.equal("invalid", err.code)
			assert.equal('unknown option "platfrom" (did you mean "platform"?)', err.message)
		end)

		it("copies onto itself", function()
			local image = support.make_image(source .. ":v1")
			local result = luff.copy(source .. ":v1", source .. ":v2")
			assert.equal(0, result.copied)
			luff.copy(source .. ":v1", source .. ":v1")
			assert.equal(image, luff.open(source .. ":v2"))
		end)

		it("runs side by side in tasks", function()
			local names = {}
			for i = 1, 12 do
				support.make_image(source .. ":t" .. i, { layers = { 20000 } })
				names[i] = "t" .. i
			end
			local dir = support.scratch()
			local results = luff.map(names, { jobs = 4 }, function(tag)
				luff.copy(source .. ":" .. tag, target .. ":" .. tag)
				return luff.copy(target .. ":" .. tag, "oci:" .. dir .. ":" .. tag).digest
			end)
			for i, tag in ipairs(names) do
				assert.equal(results[i], luff.open("oci:" .. dir .. ":" .. tag):digest())
			end
		end)
	end)

	describe("within one registry", function()
		local function mounts(address)
			support.make_image(address .. "/team/from:v1", { layers = { 100000, 50000 } })
			local result = luff.copy(address .. "/team/from:v1", address .. "/other/to:v1")
			assert.equal(3, result.mounted)
			assert.equal(0, result.copied)
			assert.equal(0, result.bytes)
			local layers = luff.image(address .. "/other/to:v1", { platform = "linux/amd64" }):layers()
			assert.equal(layers[1]:digest(), luff.digest(layers[1]:compressed():read "a"))
		end

		it("takes blobs over without moving them, in the embedded registry", function()
			local memory <close> = luff.serve {}
			mounts(memory:address())
			local disk <close> = luff.serve { root = support.scratch() }
			mounts(disk:address())
		end)

		it("takes blobs over without moving them, in docker-registry", function()
			local docker = support.docker_registry() or pending "docker-registry is not installed"
			mounts(docker.address)
		end)
	end)
end)
