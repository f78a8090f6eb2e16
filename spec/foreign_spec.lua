-- Layers that a registry need not hold: they are where the URLs of their descriptors say, and those are anybody's word.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local foreign_types = {
	oci = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	docker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}

local function serve(faults)
	local server = luff.serve { faults = faults, record = true }
	support.defer(function()
		server:close()
	end)
	return server, server:address()
end

-- Another host, which the user names, with the layer as a blob of "store"; more than one URL of it may be wanted.
local function elsewhere(layer, faults)
	local server, address = serve(faults)
	luff.config { hosts = { [address] = {} } }
	luff.push_blob(address .. "/store", layer, { media_type = "text/plain" })
	server:requests()
	return server, ("http://%s/v2/store/blobs/%s"):format(address, luff.digest(layer))
end

-- An image with a layer that the registry lacks, as "app:v1"; returns its name and the layer's descriptor.
local function make(address, layer, urls, media_type)
	local config = '{"architecture":"amd64","os":"windows"}'
	local config_type = "application/vnd.oci.image.config.v1+json"
	luff.push_blob(address .. "/app", config, { media_type = config_type })
	luff.push_manifest(address .. "/app:v1", {
		schemaVersion = 2, mediaType = oci_manifest,
		config = { mediaType = config_type, digest = luff.digest(config), size = #config },
		layers = luff.array { {
			mediaType = media_type or foreign_types.oci, digest = luff.digest(layer), size = #layer, urls = luff.array(urls),
		} },
	})
	return address .. "/app:v1", luff.digest(layer)
end

-- A folder to copy to; what it holds of a blob.
local function folder()
	local dir = support.scratch() .. "/copy"
	return "oci:" .. dir .. ":v1", function(digest)
		local path = dir .. "/blobs/" .. digest:gsub(":", "/")
		return support.exists(path) and support.read(path)
	end, dir
end

describe("a foreign layer", function()
	it("stays where it is, unless it is asked for", function()
		for _, media_type in pairs(foreign_types) do
			local layer = support.random(5000)
			local other, url = elsewhere(layer)
			local source, digest = make(select(2, serve()), layer, { url }, media_type)
			local target, content = folder()
			assert.equal(1, luff.copy(source, target).copied)
			assert.is_false(content(digest))
			assert.equal(1, luff.copy(source, target, { foreign = false }).skipped)
			assert.same({}, other:requests())
			local result = luff.copy(source, target, { foreign = true })
			assert.equal(1, result.copied)
			assert.equal(#layer, result.bytes)
			assert.equal(luff.resolve(source).digest, result.digest)
			assert.equal(layer, content(digest))
			assert.equal(1, #other:requests())
		end
	end)

	it("is pushed to a registry that has all of the image but this", function()
		local layer = support.random(5000)
		local other, url = elsewhere(layer)
		local source, digest = make(select(2, serve()), layer, { url })
		local target = select(2, serve()) .. "/copy:v1"
		luff.copy(source, target)
		local result = luff.copy(source, target, { foreign = true })
		assert.equal(1, result.copied)
		assert.equal(0, result.manifests)
		assert.equal(layer, luff.blob((target:gsub(":v1$", "@" .. digest))):read "a")
		assert.equal(layer, luff.image(target):layers()[1]:compressed():read "a")
		-- now it is there
		other:requests()
		assert.equal(0, luff.copy(target, (folder()), { foreign = true }).mounted)
		assert.same({}, other:requests())
	end)

	it("comes no faster than its host may be asked, whatever else comes from there", function()
		local _, address = serve()
		local sources, registry = {}, select(2, serve())
		for i = 1, 3 do
			local layer = support.random(500)
			luff.push_blob(address .. "/store", layer, { media_type = "text/plain" })
			local name = make(registry .. "/image" .. i, layer,
				{ ("http://%s/v2/store/blobs/%s"):format(address, luff.digest(layer)) })
			sources[i] = name
		end
		luff.config { hosts = { [address] = { rate = 1 } } }
		local began = tonumber(support.sh "date +%s.%N")
		luff.map(sources, { jobs = 3 }, function(source)
			luff.copy(source, (folder()), { foreign = true })
		end)
		assert.is_true(tonumber(support.sh "date +%s.%N") - began >= 1.9)
	end)

	it("comes from a URL that gets no login, whatever is known and whatever it asks for", function()
		local layer = support.random(5000)
		local other, url = elsewhere(layer, { { path = "/v2/store/blobs/*", method = "GET", auth = "basic" } })
		local third, good = elsewhere(layer)
		local registry, address = serve { { path = "/v2/app/*", auth = "basic", user = "me", password = "secret" } }
		for _, host in ipairs { address, url:match "//([^/]+)", good:match "//([^/]+)" } do
			luff.config { hosts = { [host] = { user = "me", password = "secret" } } }
		end
		local source, digest = make(address, layer, { url, good })
		local target, content = folder()
		registry:requests()
		luff.copy(source, target, { foreign = true })
		assert.equal(layer, content(digest))
		local logins = 0
		for _, request in ipairs(registry:requests()) do
			logins = logins + (request.headers.authorization and 1 or 0)
		end
		assert.truthy(logins > 0)
		local first, second = other:requests(), third:requests()
		assert.equal(1, #first)
		assert.equal(401, first[1].status)
		assert.equal(1, #second)
		for _, request in ipairs { first[1], second[1] } do
			assert.is_nil(request.headers.authorization)
			assert.is_nil(request.headers.cookie)
		end
	end)

	it("comes from the first URL that has it", function()
		local layer = support.random(5000)
		local wrong = { { method = "GET", path = "/v2/store/blobs/*", count = 1, status = 404 },
			{ method = "GET", path = "/v2/store/blobs/*", after = 1, count = 1, flip = 77 },
			{ method = "GET", path = "/v2/store/blobs/*", after = 2, count = 1, length = 4000 } }
		local other, url = elsewhere(layer, wrong)
		local third, good = elsewhere(layer)
		local urls = { "file:///etc/passwd", 7, "", "http://", "ftp://example.com/layer", "//example.com/layer",
			url:gsub("//", "//me:secret@", 1), url, url, url, good, good }
		for name, place in pairs { layout = folder, registry = function()
			return select(2, serve()) .. "/copy:v1"
		end } do
			local source, digest = make(select(2, serve()), layer, urls)
			local target = place()
			luff.copy(source, target, { foreign = true })
			assert.equal(layer, luff.image(target):layers()[1]:compressed():read "a", name)
			assert.equal(digest, luff.image(target):layers()[1]:digest())
		end
		-- the second copy found it at once
		assert.equal(4, #other:requests())
		assert.equal(1, #third:requests())
	end)

	it("is refused where no URL has it, and leaves no tag", function()
		local layer = support.random(5000)
		local _, url = elsewhere(layer, { { method = "GET", path = "/v2/store/blobs/*", flip = 77 } })
		local target = folder()
		local source = make(select(2, serve()), layer, { url })
		assert.equal("digest_mismatch", support.fails(luff.copy, source, target, { foreign = true }).code)
		assert.equal("not_found", support.fails(luff.open, target).code)
		source = make(select(2, serve()), layer, {})
		assert.equal("not_found", support.fails(luff.copy, source, target, { foreign = true }).code)
		source = make(select(2, serve()), layer, { "ftp://example.com/layer" })
		local err = support.fails(luff.copy, source, target, { foreign = true })
		assert.equal("bad_format", err.code)
		assert.truthy(err.message:find("foreign layer: a URL that is neither http nor https", 1, true), err.message)
	end)

	it("goes on where the connection broke", function()
		local layer = support.random(300000)
		local other, url = elsewhere(layer, { { method = "GET", path = "/v2/store/blobs/*", count = 1, cut = 100000 } })
		local target, content = folder()
		local source, digest = make(select(2, serve()), layer, { url })
		luff.copy(source, target, { foreign = true })
		assert.equal(layer, content(digest))
		local requests = other:requests()
		assert.equal(2, #requests)
		assert.equal("bytes=100000-299999", requests[2].headers.range)
	end)

	it("comes from no private address that the user did not name, by URL or by redirect", function()
		local layer = support.random(5000)
		local other, address = serve()
		luff.push_blob(address .. "/store", layer, { media_type = "text/plain" })
		other:requests()
		local path = "/v2/store/blobs/" .. luff.digest(layer)
		local inside = ("http://%s%s"):format(address, path)
		local _, named = elsewhere(layer, { { method = "GET", path = path, redirect = inside } })
		local port = address:match ":%d+$"
		for _, url in ipairs { inside, named, "http://localhost" .. port .. path, "http://[::ffff:127.0.0.1]" .. port .. path,
			"http://2130706433" .. port .. path, "http://127.1" .. port .. path } do
			local source = make(select(2, serve()), layer, { url })
			local err = support.fails(luff.copy, source, (folder()), { foreign = true })
			assert.equal("denied", err.code, err.message)
			assert.truthy(err.message:find("private address", 1, true), err.message)
		end
		assert.same({}, other:requests())
		luff.config { hosts = { [address] = {} } }
		local target, content = folder()
		luff.copy(make(select(2, serve()), layer, { named }), target, { foreign = true })
		assert.equal(layer, content(luff.digest(layer)))
	end)

	it("is not asked of a private address through a proxy, which nothing else would keep from it", function()
		local layer = support.random(5000)
		local proxy = support.canned { { "GET", ".*", body = layer } }
		local function copy(url)
			local target, content = folder()
			local result = support.luff({ "copy", "-q", "--foreign", make(select(2, serve()), layer, { url }), target },
				{ env = { http_proxy = "http://" .. proxy.address } })
			return result, content(luff.digest(layer))
		end
		for _, host in ipairs { "10.0.0.1", "169.254.169.254", "[fd00::1]" } do
			local result = copy("http://" .. host .. "/layer")
			assert.equal(4, result.code, result.stderr)
			assert.truthy(result.stderr:find("private address", 1, true), result.stderr)
		end
		assert.same({}, proxy.requests())
		local result, content = copy "http://layers.example/layer"
		assert.equal(0, result.code, result.stderr)
		assert.equal(layer, content)
		assert.equal("http://layers.example/layer", proxy.requests()[1].path)
	end)

	it("is not fetched where the destination is what refuses", function()
		local layer = support.random(5000)
		local other, url = elsewhere(layer)
		local source, digest = make(select(2, serve()), layer, { url })
		local server, address = serve { { method = "POST", path = "/v2/*/blobs/uploads/*", status = 403 } }
		luff.push_blob(source:gsub(":v1$", ""), layer, { media_type = "text/plain" })
		local err = support.fails(luff.copy, source, address .. "/app:v1", { foreign = true })
		assert.equal("denied", err.code)
		assert.truthy(err.message:find(address, 1, true), err.message)
		assert.same({}, other:requests())
		assert.truthy(#server:requests() > 0 and digest)
	end)

	it("ends a walk from redirect to redirect", function()
		local layer = support.random(5000)
		local other, address = serve { { path = "/around", redirect = "/around" } }
		luff.config { hosts = { [address] = {} } }
		local source = make(select(2, serve()), layer, { "http://" .. address .. "/around" })
		local err = support.fails(luff.copy, source, (folder()), { foreign = true })
		assert.truthy(err.message:find("without end", 1, true), err.message)
		assert.truthy(#other:requests() < 20)
	end)

	it("cannot be read where it is not, and the error says what helps", function()
		local source = make(select(2, serve()), "layer", { "https://example.com/layer" })
		local layer = luff.image(source):layers()[1]
		local err = support.fails(layer.compressed, layer)
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find("luff copy --foreign", 1, true), err.message)
	end)

	it("is copied by the commands and by a mirror", function()
		local layer = support.random(5000)
		local _, url = elsewhere(layer)
		local source, digest = make(select(2, serve()), layer, { url })
		local target, content, dir = folder()
		local env = { XDG_CONFIG_HOME = support.scratch() }
		support.sh("mkdir " .. env.XDG_CONFIG_HOME .. "/luff")
		support.write(env.XDG_CONFIG_HOME .. "/luff/config.lua",
			("return { hosts = { [%q] = {} } }"):format(url:match "//([^/]+)"))
		support.luff({ "copy", "-q", source, target }, { env = env })
		assert.is_false(content(digest))
		assert.equal(0, support.luff({ "copy", "-q", "--foreign", source, target }, { env = env }).code)
		assert.equal(layer, content(digest))

		os.remove(dir .. "/blobs/" .. digest:gsub(":", "/"))
		local from, to = source:gsub(":v1$", ""), target:gsub(":v1$", "")
		assert.equal(0, support.luff({ "mirror", from, to }, { env = env }).code)
		assert.is_false(content(digest))
		assert.equal(0, support.luff({ "mirror", "--foreign", from, to }, { env = env }).code)
		assert.equal(layer, content(digest))
		os.remove(dir .. "/blobs/" .. digest:gsub(":", "/"))
		assert.equal(1, require("luff.mirror").run { from = from, to = to, foreign = true }.copied)
		assert.equal(layer, content(digest))
	end)
end)
