-- Content that descriptors carry themselves (image-spec, descriptor.md "data").
local luff = require "luff"
local support = require "spec.support"

local function base64(bytes)
	return support.sh("base64 -w0 " .. support.write(support.scratch() .. "/bytes", bytes))
end

-- An image whose config and layer stand in its manifest, in a layout that has neither; change(manifest) may lie.
local function make(change)
	local dir = support.scratch()
	local blob, name = support.layout(dir)
	local tar = support.tar { ["etc/made-by"] = "specs\n" }
	local config = luff.json.encode {
		architecture = "amd64", os = "linux", rootfs = { type = "layers", diff_ids = { luff.digest(tar) } },
	}
	local manifest = {
		schemaVersion = 2,
		mediaType = "application/vnd.oci.image.manifest.v1+json",
		config = blob(config, "application/vnd.oci.image.config.v1+json"),
		layers = luff.array { blob(tar, "application/vnd.oci.image.layer.v1.tar") },
	}
	manifest.config.data, manifest.layers[1].data = base64(config), base64(tar)
	for _, d in ipairs { manifest.config, manifest.layers[1] } do
		os.remove(dir .. "/blobs/" .. d.digest:gsub(":", "/"))
	end
	if change then
		change(manifest)
	end
	local text = luff.json.encode(manifest)
	local image = blob(text, manifest.mediaType)
	name("v1", image)
	-- and in an index that carries the image's manifest
	image.platform = { os = "linux", architecture = "amd64" }
	image.data = base64(text)
	name("index", blob(luff.json.encode {
		schemaVersion = 2, mediaType = "application/vnd.oci.image.index.v1+json", manifests = luff.array { image },
	}, "application/vnd.oci.image.index.v1+json"))
	return dir, config, tar, image.digest
end

describe("data in a descriptor", function()
	it("is read in place of what would be fetched", function()
		local dir, config, tar = make()
		local image = luff.image("oci:" .. dir .. ":v1")
		assert.equal(config, image:raw_config_file())
		assert.equal(tar, image:layers()[1]:compressed():read "a")
		assert.equal("linux/amd64", image:platform())
	end)

	it("is copied as if it had been fetched, without a request for it", function()
		local dir, config, tar = make()
		local server <close> = luff.serve { root = support.scratch(), record = true }
		assert.equal(2, luff.copy("oci:" .. dir .. ":v1", server:address() .. "/app:v1").copied)
		server:requests()
		local target = "oci:" .. support.scratch() .. "/copy:v1"
		luff.copy(server:address() .. "/app:v1", target)
		for _, request in ipairs(server:requests()) do
			assert.is_nil(request.path:find("/blobs/", 1, true))
		end
		assert.equal(config, luff.image(target):raw_config_file())
		assert.equal(tar, luff.image(target):layers()[1]:compressed():read "a")
	end)

	it("stands for a manifest of an index", function()
		local dir, _, tar, digest = make()
		assert(os.remove(dir .. "/blobs/" .. digest:gsub(":", "/")))
		local index = luff.index("oci:" .. dir .. ":index")
		assert.equal(tar, index:image { platform = "linux/amd64" }:layers()[1]:compressed():read "a")
		local target = "oci:" .. support.scratch() .. "/copy:v1"
		luff.copy("oci:" .. dir .. ":index", target)
		assert.equal(digest, luff.index(target):image { platform = "linux/amd64" }:digest())
	end)

	it("leaves referrers where they are", function()
		local dir = make()
		assert.is_nil(luff.referrers("oci:" .. dir .. ":v1")())
		luff.copy("oci:" .. dir .. ":v1", "memory:data:v1", { referrers = true })
	end)

	local short = "layer 1: data of 1 bytes, where %d+ are promised"
	local lies = {
		["of another digest"] = { code = "digest_mismatch", part = "layer 1: ", lie = function(d)
			d.data = base64(("x"):rep(d.size))
		end },
		["of another size"] = { code = "size_mismatch", part = short, lie = function(d)
			d.data = base64 "x"
		end },
		["that is no base64"] = { code = "bad_format", part = "layer 1: data that is no base64", lie = function(d)
			d.data = "*"
		end },
		["that is no text"] = { code = "bad_format", part = "layer 1: data that is no base64", lie = function(d)
			d.data = 7
		end },
	}
	for what, case in pairs(lies) do
		it(what .. " is an error", function()
			local dir = make(function(manifest)
				case.lie(manifest.layers[1])
			end)
			for _, f in ipairs {
				function() luff.image("oci:" .. dir .. ":v1") end,
				function() luff.copy("oci:" .. dir .. ":v1", "memory:lies:v1") end,
			} do
				local err = support.fails(f)
				assert.equal(case.code, err.code)
				assert.truthy(err.message:find("^oci:.*" .. case.part), err.message)
			end
		end)
	end
end)
