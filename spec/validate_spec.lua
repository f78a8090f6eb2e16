-- Not under the thread sanitizer.
-- luff.validate and luff validate: sound images have no findings, and each fault has its own.
local luff = require "luff"
local support = require "spec.support"

local OCI = "application/vnd.oci.image."

-- An image by hand under the tag "v1" of a new layout; change(parts) may change any of its parts before they are stored:
-- layers (descriptors), config (a table), manifest (a table). Returns its name and the layout's blob(), name() and folder.
local function image(change, tars)
	local dir = support.scratch()
	local blob, name = support.layout(dir)
	local parts = { layers = {}, config = {
		architecture = "amd64", os = "linux", rootfs = { type = "layers", diff_ids = {} }, history = {},
	} }
	for i, tar in ipairs(tars or { support.tar { ["etc/one"] = "1\n" }, support.tar { ["etc/two"] = "2\n" } }) do
		parts.layers[i] = blob(tar, OCI .. "layer.v1.tar")
		parts.config.rootfs.diff_ids[i] = luff.digest(tar)
		parts.config.history[i] = { created_by = "layer " .. i }
	end
	parts.manifest = { schemaVersion = 2, mediaType = OCI .. "manifest.v1+json" }
	parts.blob, parts.dir = blob, dir
	if change then
		change(parts)
	end
	parts.manifest.layers = luff.array(parts.layers)
	parts.manifest.config = parts.manifest.config
		or blob(parts.raw_config or luff.json.encode(parts.config), OCI .. "config.v1+json", parts.config_lie)
	parts.descriptor = blob(luff.json.encode(parts.manifest), OCI .. "manifest.v1+json")
	name("v1", parts.descriptor)
	return "oci:" .. dir .. ":v1", parts
end

local function file_of(parts, descriptor)
	return parts.dir .. "/blobs/" .. descriptor.digest:gsub(":", "/", 1)
end

-- "code thing" of each finding, one a line.
local function brief(name, opts)
	local lines = {}
	for i, f in ipairs((luff.validate(name, opts))) do
		assert.is_true(#f.what > 0 and not f.what:find "\n")
		assert.truthy(f.place:find("oci:", 1, true) or f.place:find("127.0.0.1", 1, true))
		lines[i] = f.code .. " " .. f.thing
	end
	return table.concat(lines, "\n")
end

describe("luff.validate", function()
	it("finds nothing in a sound image, and tells what it looked at", function()
		local name = image()
		local findings, seen = luff.validate(name)
		assert.same({}, findings)
		assert.same({ images = 1, indexes = 0, blobs = 3, bytes = 2 * 2048 }, seen)
		findings, seen = luff.validate(luff.image(name), { fast = true })
		assert.same({}, findings)
		assert.equal(0, seen.bytes)
	end)

	it("finds nothing in sound images of other kinds", function()
		local dir = support.scratch()
		support.make_image("oci:" .. dir .. ":docker", { docker = true })
		support.make_image("oci:" .. dir .. ":packed", { layers = {
			support.packed(support.tar { a = "1" }, "gzip"), support.packed(support.tar { b = "2" }, "zstd"),
		} })
		support.make_index("oci:" .. dir .. ":many", { "linux/amd64", "linux/arm64", "linux/arm/v6" })
		for _, tag in ipairs { "docker", "packed", "many" } do
			assert.equal("", brief("oci:" .. dir .. ":" .. tag), tag)
			assert.equal("", brief("oci:" .. dir .. ":" .. tag, { fast = true }), tag)
		end
		assert.equal("", brief("oci:" .. dir .. ":many", { platform = "linux/arm64" }))
		local official = support.official()
		if official then
			assert.equal("", brief("oci:" .. official .. "/multi-busybox-oci"))
		end
	end)

	it("looks at each manifest of an index once, and at nested ones", function()
		local dir = support.scratch()
		local name = "oci:" .. dir .. ":many"
		local index = support.make_index(name, { "linux/amd64", "linux/arm64" })
		local entries = index:index_manifest().manifests
		local inner = { mediaType = index:media_type(), digest = index:digest(), size = #index:raw_manifest() }
		luff.push_manifest("oci:" .. dir .. ":outer", { schemaVersion = 2, mediaType = index:media_type(),
			manifests = { inner, entries[1], inner } })
		local findings, seen = luff.validate("oci:" .. dir .. ":outer")
		assert.same({}, findings)
		assert.same({ 2, 2 }, { seen.images, seen.indexes })
	end)

	-- { what, change, findings, findings of the fast way (the same where absent), tars }
	local faults = {
		{ "a layer with other bytes", function(p)
			local path = file_of(p, p.layers[2])
			support.write(path, (support.read(path):gsub("2\n", "3\n")))
		end, "digest_mismatch layer 2", "" },
		{ "a layer that is too short", function(p)
			support.write(file_of(p, p.layers[1]), support.read(file_of(p, p.layers[1])):sub(1, 1024))
		end, "bad_format layer 1", "size_mismatch layer 1" },
		{ "a layer that is not there", function(p)
			os.remove(file_of(p, p.layers[1]))
		end, "not_found layer 1" },
		{ "a layer whose size is another one", function(p)
			p.layers[1].size = p.layers[1].size + 1
		end, "bad_format layer 1", "size_mismatch layer 1" },
		{ "a diff ID that is another one's", function(p)
			local ids = p.config.rootfs.diff_ids
			ids[1], ids[2] = ids[2], ids[1]
		end, "digest_mismatch diff ID 1\ndigest_mismatch diff ID 2", "" },
		{ "a diff ID that is none", function(p)
			p.config.rootfs.diff_ids[1] = "sha256:12"
		end, "bad_format diff ID 1" },
		{ "too few diff IDs", function(p)
			p.config.rootfs.diff_ids[2] = nil
		end, "bad_format diff IDs" },
		{ "a config without diff IDs", function(p)
			p.config.rootfs = nil
		end, "bad_format diff IDs" },
		{ "a rootfs of another type", function(p)
			p.config.rootfs.type = "layer"
		end, "bad_format config" },
		{ "too much history", function(p)
			p.config.history[3] = { created_by = "nothing" }
			p.config.history[4] = { created_by = "empty", empty_layer = true }
		end, "bad_format history" },
		{ "a config for no platform", function(p)
			p.config.os, p.config.architecture = nil, ""
		end, "bad_format config\nbad_format config" },
		{ "a time that is none", function(p)
			p.config.created = "yesterday"
		end, "bad_format config" },
		{ "a config that is no JSON", function(p)
			p.raw_config = "{"
		end, "bad_format config" },
		{ "a config that is no object", function(p)
			p.raw_config = "[]"
		end, "bad_format config" },
		{ "a config with another digest", function(p)
			p.config_lie = { digest = luff.digest "other" }
		end, "digest_mismatch config" },
		{ "a config that is not there", function(p)
			p.manifest.config = p.blob("{}", OCI .. "config.v1+json")
			os.remove(file_of(p, p.manifest.config))
		end, "not_found config" },
		{ "a media type that lies", function(p)
			p.layers[1].mediaType = OCI .. "layer.v1.tar+gzip"
		end, "bad_format layer 1", "" },
		{ "a subject that is none", function(p)
			p.manifest.subject = { mediaType = "a/b", digest = "sha256:1", size = 1 }
		end, "bad_format subject" },
		{ "annotations that are no texts", function(p)
			p.manifest.annotations = { size = 1 }
			p.layers[2].annotations = { "one" }
		end, "bad_format manifest\nbad_format layer 2" },
		{ "an artifact without a type", function(p)
			p.manifest.config = p.blob("{}", "application/vnd.oci.empty.v1+json")
		end, "bad_format manifest" },
		{ "a layer that is no tar", nil, "bad_format layer 1", "", { ("no tar\n"):rep(1000) } },
		{ "a path that leads out", nil, "bad_format layer 1", "", { support.tar { ["../../etc/passwd"] = "x" } } },
		{ "a hard link to nothing", nil, "bad_format layers", "",
			{ support.archive.tar { { path = "a", type = "hardlink", link = "b" } } } },
		{ "a path that is there twice", nil, "bad_format layer 1", "",
			{ support.tar_of { { "a/b", "1" }, { "a/.wh.b" }, { "./a//b", "2" } } } },
		{ "paths that are there several times", nil, "bad_format layer 1", "",
			{ support.tar_of { { "a", "1" }, { "b" }, { "a" }, { "b" }, { "a" } } } },
		{ "a file in a file", nil, "bad_format layers", "", { support.tar { a = "1" }, support.tar { ["a/b"] = "2" } } },
	}
	for _, fault in ipairs(faults) do
		it("finds " .. fault[1], function()
			local name = image(fault[2], fault[5])
			assert.equal(fault[4] or fault[3], brief(name, { fast = true }))
			assert.equal(fault[3], brief(name))
		end)
	end

	it("says which paths are there more than once", function()
		local found = luff.validate((image(nil, { support.tar_of { { "a", "1" }, { "b" }, { "a" }, { "b" }, { "a" } } })))
		assert.equal("a and others are in it more than once, 3 entries too many", found[1].what)
	end)

	it("counts as many diff IDs as a config can have in no time", function()
		local ids = {}
		for i = 1, 100000 do
			ids[i] = ('"sha256:%064x"'):format(i)
		end
		assert.equal("bad_format diff IDs", brief((image(function(p)
			p.layers, p.config.history = {}, nil
			p.raw_config = ('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%s]}}')
				:format(table.concat(ids, ","))
		end))))
	end)

	it("finds what an index says wrong", function()
		local _, parts = image()
		local blob, name = support.layout(parts.dir)
		local function entry(platform, lie)
			local e = { platform = platform }
			for _, from in ipairs { parts.descriptor, lie or {} } do
				for key, value in pairs(from) do
					e[key] = value
				end
			end
			return e
		end
		local count = 0
		local function index(entries)
			local media_type = OCI .. "index.v1+json"
			count = count + 1
			name("many" .. count,
				blob(luff.json.encode { schemaVersion = 2, mediaType = media_type, manifests = entries }, media_type))
			return "oci:" .. parts.dir .. ":many" .. count
		end
		local arm, amd = { os = "linux", architecture = "arm64" }, { os = "linux", architecture = "amd64" }
		assert.equal("", brief(index { entry(amd) }))
		assert.equal("bad_format platform", brief(index { entry(arm) }, { fast = true }))
		assert.equal("not_found manifest", brief(index { entry(amd, { digest = luff.digest "none" }) }))
		assert.equal("bad_format manifest", brief(index { entry(amd, { size = parts.descriptor.size + 1 }) }))
		assert.equal("bad_format manifest", brief(index {
			entry(amd, { mediaType = "application/vnd.docker.distribution.manifest.v2+json" }) }))
		-- an attestation names no platform, and is none
		assert.equal("", brief(index { entry { os = "unknown", architecture = "unknown" } }))
	end)

	it("finds a manifest whose bytes are others, and raises where nothing has the name", function()
		local name, parts = image()
		support.write(file_of(parts, parts.descriptor), support.read(file_of(parts, parts.descriptor)):gsub("v1", "v2", 1))
		assert.equal("digest_mismatch manifest", brief(name))
		assert.equal("not_found", support.fails(luff.validate, name .. "2").code)
		assert.equal("invalid", support.fails(luff.validate, name, { fats = true }).code)
	end)

	it("names the digest where damage makes a bad tar, too", function()
		local name, parts = image()
		local tar = support.read(file_of(parts, parts.layers[2]))
		support.write(file_of(parts, parts.layers[2]), tar:sub(1, 150) .. "!" .. tar:sub(152))
		assert.equal("digest_mismatch layer 2", brief(name))
	end)

	it("passes over layers that may not be distributed and are not there", function()
		local name = image(function(p)
			os.remove(file_of(p, p.layers[1]))
			p.layers[1].mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar"
		end)
		assert.equal("", brief(name))
		assert.equal("", brief(name, { fast = true }))
	end)

	it("holds what an artifact has against its digests alone", function()
		local name, parts = image(function(p)
			p.manifest.artifactType = "application/vnd.example"
			p.manifest.config = p.blob("{}", "application/vnd.oci.empty.v1+json")
			p.layers = { p.blob("no tar", OCI .. "layer.v1.tar+gzip"), p.blob("text", "text/plain") }
		end)
		assert.equal("", brief(name))
		support.write(file_of(parts, parts.layers[2]), "tixt")
		assert.equal("digest_mismatch layer 2", brief(name))
	end)

	it("asks a registry for no layer where it is to be fast", function()
		local server <close> = luff.serve { record = true }
		local name = server:address() .. "/app:v1"
		luff.copy(image(), name)
		server:requests()
		assert.equal("", brief(name, { fast = true }))
		local requests = server:requests()
		assert.equal(1, support.count(requests, "GET", "/blobs/")) -- the config
		assert.equal(2, support.count(requests, "HEAD", "/blobs/"))
		assert.equal("", brief(name))
		assert.equal(3, support.count(server, "GET", "/blobs/"))
	end)

	it("does not take a registry that fails for an image that is broken", function()
		local server <close> = luff.serve { faults = { { method = "GET", path = "/v2/*/blobs/*", status = 403 } } }
		local name = server:address() .. "/app:v1"
		luff.copy(image(), name)
		assert.equal("denied", support.fails(luff.validate, name).code)
	end)
end)

describe("luff validate", function()
	it("prints findings and ends with exit code 6", function()
		local name, parts = image(function(p)
			p.config.created = "yesterday"
		end)
		local done = support.luff("validate", name)
		assert.equal(6, done.code)
		assert.equal(("bad_format: %s@%s: config: \"created\" is no time as RFC 3339 has it\n"):format(
			name:gsub(":v1$", ""), parts.descriptor.digest), done.stdout)
		assert.truthy(done.stderr:find "^1 finding: 1 image, 3 blobs")
		local json = support.luff("validate", "--fast", "--json", name)
		assert.equal(6, json.code)
		json = luff.json.decode(json.stdout)
		assert.same({ 1, 1, 0, "config" }, { #json.findings, json.images, json.bytes, json.findings[1].thing })
	end)

	it("ends with 0 where all is sound, and with 3 where nothing is", function()
		local done = support.luff("validate", (image()))
		assert.same({ 0, "" }, { done.code, done.stdout })
		assert.truthy(done.stderr:find "^sound: 1 image, 3 blobs, 4.1 kB read")
		assert.equal(3, support.luff("validate", "oci:/nowhere").code)
	end)
end)
