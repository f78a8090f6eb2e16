-- Not under the thread sanitizer.
-- Edits of indexes.
local luff = require "luff"
local support = require "spec.support"

-- An index for two platforms as BuildKit makes it: with an attestation about each image.
local function attested(name)
	local place = name:gsub(":[^:]+$", "")
	local index = support.make_index(name, { "linux/amd64", "linux/arm64" })
	local manifest = index:index_manifest()
	for i = 1, 2 do
		local statement = support.make_image(place, { untagged = true, layers = {
			{ bytes = "{}" .. i, media_type = "application/vnd.in-toto+json" } } })
		manifest.manifests[2 + i] = { mediaType = statement:media_type(), digest = statement:digest(),
			size = statement:size(),
			platform = { os = "unknown", architecture = "unknown" }, annotations = {
				["vnd.docker.reference.digest"] = manifest.manifests[i].digest,
				["vnd.docker.reference.type"] = "attestation-manifest" } }
	end
	return luff.push_manifest(name, manifest)
end

local function digests(index)
	local list = {}
	for i, entry in ipairs(index:index_manifest().manifests) do
		list[i] = entry.digest
	end
	return list
end

local function about(index, i)
	return index:index_manifest().manifests[i].annotations["vnd.docker.reference.digest"]
end

describe("an edited index", function()
	it("keeps the platforms that are wanted, with what is about them", function()
		local index = attested "memory:indexes:v1"
		local all = digests(index)
		assert.same({ all[2], all[4] }, digests(index:filter { platform = "linux/arm64" }))
		assert.same({ all[1], all[3] }, digests(index:filter { platform = { "amd64", "linux/s390x" } }))
		assert.same({ all[1], all[3] },
			digests(index:filter(function(entry) return entry.platform.architecture == "amd64" end)))
		assert.same({}, digests(index:filter { platform = "windows/amd64" }))
		assert.equal(index, index:filter { platform = { "linux/amd64", "linux/arm64" } })
		assert.equal("invalid", support.fails(index.filter, index, { platforms = "x" }).code)
		assert.equal("invalid_name", support.fails(index.filter, index, { platform = "a/b/c/d/e" }).code)
	end)

	it("loses an image with what is about it", function()
		local index = attested "memory:indexes:v1"
		local all = digests(index)
		assert.same({ all[2], all[4] }, digests(index:remove(all[1])))
		assert.same({}, digests(index:remove { index:image { platform = "linux/arm64" }, all[1] }))
		assert.same({ all[1], all[2], all[4] }, digests(index:remove(all[3])))
		assert.equal("not_found", support.fails(index.remove, index, luff.digest "x").code)
	end)

	it("maps its images, and what is about them follows", function()
		local index = attested "memory:indexes:v1"
		local all = digests(index)
		local platforms = {}
		local new = index:map(function(image, platform)
			platforms[#platforms + 1] = platform
			return platform == "linux/amd64" and image:annotate { a = "b" } or nil
		end)
		assert.same({ "linux/amd64", "linux/arm64" }, platforms)
		local now = digests(new)
		assert.not_equal(all[1], now[1])
		assert.same({ all[2], all[3], all[4] }, { now[2], now[3], now[4] })
		assert.equal(now[1], about(new, 3))
		assert.equal(all[2], about(new, 4))
		assert.same({ os = "linux", architecture = "amd64" }, new:index_manifest().manifests[1].platform)
		assert.same({ all[2], all[4] }, digests(index:map(function(_,
			platform) return platform ~= "linux/amd64" and nil end)))
		assert.equal(index, index:map(function() end))
		assert.equal("invalid", support.fails(index.map, index, function() return index end).code)
		-- edits on edits, written elsewhere
		local newer = new:map(function(image) return image:configure(function(c) c.config.User = "me" end) end):annotate {
			x = "y" }
		local server <close> = luff.serve {}
		assert.equal(newer:digest(), luff.copy(newer, server:address() .. "/app:v1").digest)
		local read = luff.index(server:address() .. "/app:v1")
		assert.equal("me", read:image { platform = "linux/amd64" }:config_file().config.User)
		assert.same({ a = "b" }, read:image { platform = "linux/amd64" }:annotations())
		assert.equal("linux/arm64\n", read:image { platform = "linux/arm64" }:read "/etc/platform")
	end)

	it("changes the platform with the image's", function()
		local index = support.make_index("memory:indexes:v2", { "linux/amd64" })
		local new = index:map(function(image)
			return image:configure(function(config) config.architecture, config.variant = "arm", "v6" end)
		end)
		assert.same({ os = "linux", architecture = "arm", variant = "v6" }, new:index_manifest().manifests[1].platform)
	end)

	it("maps the indexes within it", function()
		local inner = attested "memory:indexes:inner"
		local outer = luff.index_of { inner, support.make_image "memory:indexes:beside" }
		local new = outer:map(function(image) return image:annotate { a = "b" } end)
		luff.copy(new, "memory:indexes:mapped")
		local read = luff.index "memory:indexes:mapped"
		assert.same({ a = "b" }, read:image { platform = "linux/arm64" }:annotations())
		assert.same({ a = "b" }, read:image(digests(read)[2]):annotations())
		assert.equal(digests(read:image_index(digests(read)[1]))[1], about(read:image_index(digests(read)[1]), 3))
	end)

	it("is made of images from anywhere", function()
		local server <close> = luff.serve { record = true }
		local dir = support.scratch()
		local one = support.make_image(server:address() .. "/a:v1", { platform = "linux/amd64", layers = { 3000 } })
		local two = support.make_image("oci:" .. dir .. ":v1", { platform = "linux/arm/v6" })
		local three = support.make_index("memory:indexes:three", { "linux/s390x" })
		server:requests()
		local index = luff.index_of({ server:address() .. "/a:v1", two, three }, { annotations = { a = "b" } })
		assert.same({ one:digest(), two:digest(), three:digest() }, digests(index))
		local entries = index:index_manifest().manifests
		assert.same({ os = "linux", architecture = "arm", variant = "v6" }, entries[2].platform)
		assert.is_nil(entries[3].platform)
		local result = luff.copy(index, server:address() .. "/b:v1")
		assert.equal(index:digest(), result.digest)
		assert.equal(2, result.mounted) -- from the same registry
		assert.equal("linux/s390x\n", luff.image(server:address() .. "/b:v1", {
			platform = "linux/s390x" }):read "/etc/platform")
		assert.same(entries[2].platform.variant, "v6")
		assert.equal(index, index:append(one))
		assert.equal(4, #digests(index:append(one, support.make_image("memory:indexes:four", { layers = { 7 } }))))
		local docker = luff.index_of({}, { format = "docker", artifact_type = "x/y" })
		assert.equal("application/vnd.docker.distribution.manifest.list.v2+json", docker:media_type())
		assert.same({}, digests(docker))
	end)

	it("speaks Docker's media types with all that is in it", function()
		local index = attested "memory:indexes:v1"
		local docker = index:with_format "docker"
		assert.equal("application/vnd.docker.distribution.manifest.list.v2+json", docker:media_type())
		for _, entry in ipairs(docker:index_manifest().manifests) do
			assert.equal("application/vnd.docker.distribution.manifest.v2+json", entry.mediaType)
		end
		assert.equal(digests(docker)[1], about(docker, 3))
		assert.equal(index, docker:with_format "oci")
		assert.equal(docker:digest(), luff.copy(docker, "memory:indexes:docker").digest)
	end)

	it("takes annotations, a subject and an artifact type", function()
		local index = attested "memory:indexes:v1"
		local image = support.make_image "memory:indexes:subject"
		local new = index:annotate { a = "b" }:with_subject(image):with_artifact_type "x/y"
		assert.same({ a = "b" }, new:annotations())
		assert.equal(image:digest(), new:index_manifest().subject.digest)
		assert.equal("x/y", new:index_manifest().artifactType)
		assert.equal(index, new:annotate { a = false }:with_subject():with_artifact_type())
	end)
end)
