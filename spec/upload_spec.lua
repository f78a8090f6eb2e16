-- Blobs on their way into registries: in one request or in chunks, and on from where they broke, whoever broke them.
local luff = require "luff"
local support = require "spec.support"

local scaled_down = os.getenv "ASAN_OPTIONS" or os.getenv "TSAN_OPTIONS"
local MB = 1000 * 1000

local function serve(options)
	local server = luff.serve(options or { record = true })
	support.defer(function()
		server:close()
	end)
	return server
end

local uploads = "/v2/app/blobs/uploads/*"

-- "POST PUT" and so on: the requests that have to do with uploads.
local function verbs(requests)
	local list = {}
	for _, request in ipairs(requests) do
		if request.path:find "/blobs/uploads/" then
			list[#list + 1] = request.method
		end
	end
	return table.concat(list, " ")
end

local function lengths(requests, method)
	local list = {}
	for _, request in ipairs(requests) do
		if request.method == method and request.path:find "/blobs/uploads/" then
			list[#list + 1] = request.headers["content-length"]
		end
	end
	return table.concat(list, " ")
end

local function push(address, content)
	return luff.push_blob(address .. "/app", content, { media_type = "text/plain" })
end

local function holds(address, content, repository)
	local got = support.must { "curl", "-sf", ("http://%s/v2/%s/blobs/%s"):format(address, repository or "app",
		luff.digest(content)) }
	assert.is_true(got == content)
end

describe("an upload", function()
	local content = support.random(3 * MB)

	it("is one request after that for its place", function()
		local server = serve()
		push(server:address(), content)
		assert.equal("POST PUT", verbs(server:requests()))
		holds(server:address(), content)
	end)

	it("goes in chunks where settings want it, as long as they say", function()
		local server = serve()
		luff.config { hosts = { [server:address()] = { chunk_size = MB } } }
		push(server:address(), content)
		local requests = server:requests()
		assert.equal("POST PATCH PATCH PATCH PUT", verbs(requests))
		assert.equal("1000000 1000000 1000000", lengths(requests, "PATCH"))
		assert.equal("1000000-1999999", requests[3].headers["content-range"])
		holds(server:address(), content)
		-- what fits goes at once
		push(server:address(), content:sub(1, MB))
		assert.equal("POST PUT", verbs(server:requests()))
	end)

	it("goes in chunks where the registry asks for them, not shorter than it wants them", function()
		local long = support.random((16 << 20) + 1000)
		for min, chunks in pairs { ["1000"] = ("%d 1000"):format(16 << 20), [tostring((16 << 20) + 999)] = "16778215 1" } do
			local asks = { method = "POST", path = uploads, headers = { ["OCI-Chunk-Min-Length"] = min } }
			local server = serve { faults = { asks } }
			push(server:address(), long)
			local requests = server:requests()
			assert.equal("POST PATCH PATCH PUT", verbs(requests))
			assert.equal(chunks, lengths(requests, "PATCH"))
			push(server:address(), content)
			assert.equal("POST PUT", verbs(server:requests()))
		end
	end)

	it("goes in smaller and smaller chunks where all of it is too large, and the next one at once so", function()
		local server = serve { faults = { { method = "PUT", path = uploads, count = 1, status = 413 },
			{ method = "PATCH", path = uploads, count = 1, status = 413 } } }
		push(server:address(), content)
		local requests = server:requests()
		assert.equal("POST PUT GET PATCH GET" .. (" PATCH"):rep(12) .. " PUT", verbs(requests))
		assert.truthy(lengths(requests, "PATCH"):find "^1048576 262144 262144 ")
		holds(server:address(), content)
		local other = content:sub(2, 300001)
		push(server:address(), other)
		assert.equal("POST PATCH PATCH PUT", verbs(server:requests()))
		holds(server:address(), other)
	end)

	it("is too large where no chunk is small enough", function()
		local server = serve { faults = { { method = "PUT", path = uploads, status = 413 },
			{ method = "PATCH", path = uploads, status = 413 } } }
		local err = support.fails(push, server:address(), content)
		assert.equal(413, err.status)
		assert.truthy(err.message:find("too large", 1, true), err.message)
		assert.equal("POST PUT GET PATCH GET PATCH DELETE", verbs(server:requests()))
	end)

	for what, fault in pairs {
		["breaks"] = { hang_up = true },
		["meets a busy server"] = { status = 503, headers = { ["Retry-After"] = "0" } },
		["is out of step"] = { status = 416 },
		["comes too early after one that broke"] = { status = 409 },
	} do
		it("that " .. what .. " asks how far it came and goes on", function()
			for _, method in ipairs { "PUT", "PATCH" } do
				local one = { method = method, path = uploads, count = 2, after = method == "PATCH" and 1 or 0 }
				for key, value in pairs(fault) do
					one[key] = value
				end
				local server = serve { faults = { one } }
				if method == "PATCH" then
					luff.config { hosts = { [server:address()] = { chunk_size = MB } } }
				end
				push(server:address(), content)
				assert.equal(method == "PUT" and "POST PUT GET PUT GET PUT"
					or "POST PATCH PATCH GET PATCH GET PATCH PATCH PUT", verbs(server:requests()))
				holds(server:address(), content)
			end
		end)
	end

	it("starts anew where the registry has forgotten it", function()
		local server = serve { faults = { { method = "PUT", path = uploads, count = 1, hang_up = true },
			{ method = "GET", path = uploads, count = 1, status = 404 } } }
		push(server:address(), content)
		assert.equal("POST PUT GET POST PUT", verbs(server:requests()))
		holds(server:address(), content)
	end)

	it("is complete where only the answer got lost", function()
		local server = serve { faults = { { method = "PUT", path = uploads, count = 1, hang_up = true },
			{ method = "GET", path = uploads, count = 1, status = 404 } } }
		local other = server:address() .. "/other"
		luff.push_blob(other, "x", { media_type = "text/plain" })
		server:requests()
		-- as if the PUT that was answered by nothing had arrived
		support.must { "curl", "-sf", "-X", "POST", "-H", "Content-Type: application/octet-stream", "--data-binary", "hello",
			("http://%s/v2/app/blobs/uploads/?digest=%s"):format(server:address(), luff.digest "hello") }
		push(server:address(), "hello")
		assert.equal("POST POST PUT GET", verbs(server:requests()))
	end)

	it("believes a registry that has less than it was sent, and none that never has more", function()
		local server = support.canned {
			{ "POST", "/v2/app/blobs/uploads/", status = 202, headers = { Location = "/up/1", ["OCI-Chunk-Min-Length"] = "1" } },
			{ "PATCH", "/up/1", once = true, status = 202, headers = { Range = "0-9", Location = "/up/2" } },
			{ "GET", "/up/2", status = 204, headers = { Range = "0-9", Location = "/up/3" } },
			{ "PATCH", "/up/3", status = 202, when = "^Content-Range: 10-", headers = { Range = "0-9", Location = "/up/2" } },
		}
		luff.config { hosts = { [server.address] = { chunk_size = 100000 } } }
		local err = support.fails(push, server.address, content)
		assert.equal("http", err.code)
		assert.truthy(err.message:find("was sent 100010 bytes, and has 10", 1, true), err.message)
		assert.is_true(#server.requests() < 20)
	end)

	it("is given up in the end, and taken back", function()
		local server = serve { faults = { { method = "PUT", path = uploads, status = 502 } } }
		assert.equal(502, support.fails(push, server:address(), "hello").status)
		assert.equal("POST" .. (" PUT GET"):rep(5) .. " PUT DELETE", verbs(server:requests()))
	end)

	it("gets a new token in the middle", function()
		local server = serve { faults = { { path = "/v2/*", auth = "bearer", token_ttl = 2 },
			{ method = "PATCH", path = uploads, after = 1, count = 1, stall = 2.5 } } }
		luff.config { hosts = { [server:address()] = { chunk_size = MB } } }
		push(server:address(), content)
		local tokens = 0
		for _, request in ipairs(server:requests()) do
			tokens = tokens + (request.path == "/token" and 1 or 0)
		end
		assert.is_true(tokens > 1)
	end)

	it("in chunks is understood by docker-registry", function()
		local registry = support.docker_registry()
		if not registry then
			pending "docker-registry is not installed"
		end
		luff.config { hosts = { [registry.address] = { chunk_size = MB } } }
		push(registry.address, content .. "x")
		holds(registry.address, content .. "x")
		local up = support.sh(("find %s -path '*_uploads*' -type f"):format(registry.root))
		assert.equal("", up)
	end)

	it("fits through nginx, which takes 1 MiB at once", function()
		local registry = support.docker_registry()
		local port = support.free_port()
		local nginx = registry and support.nginx(([[
			server { listen 127.0.0.1:%d;
				location / { proxy_pass http://%s; proxy_set_header Host $http_host; client_max_body_size 1m; } }
		]]):format(port, registry.address))
		if not nginx then
			pending "docker-registry or nginx is not installed"
		end
		local address = "127.0.0.1:" .. port
		local image = support.make_image("oci:" .. support.scratch() .. ":v1", { layers = { 5 * MB, 4 * MB, 1000 } })
		luff.copy(image, address .. "/app:v1")
		assert.equal(image, luff.open(address .. "/app:v1"))
		for _, layer in ipairs(luff.open(address .. "/app:v1"):layers()) do
			assert.equal(layer:size(), #layer:compressed():read "a")
		end
	end)
end)

describe("a blob that several images need", function()
	local function count(requests, method, pattern)
		local n = 0
		for _, request in ipairs(requests) do
			n = n + (request.method == method and (request.path .. "?" .. (request.query or "")):find(pattern) and 1 or 0)
		end
		return n
	end

	local layer = { bytes = support.random(2 * MB) }
	local function images(n)
		local list = {}
		for i = 1, n do
			list[i] = support.make_image(("oci:%s:v%d"):format(support.scratch(), i), { layers = { layer, 100 } })
		end
		return list
	end

	it("goes up once, for tags of one repository and for many repositories", function()
		for _, repository in ipairs { "/app:v%d", "/app%d:v1" } do
			local server = serve { faults = { { method = "PUT", path = "/v2/*/blobs/uploads/*", count = 1, stall = 0.3 } } }
			luff.map(images(8), { jobs = 8 }, function(image, i)
				luff.copy(image, server:address() .. repository:format(i))
			end)
			local requests, size = server:requests(), tostring(#layer.bytes)
			local sent = 0
			for _, request in ipairs(requests) do
				sent = sent + (request.method == "PUT" and request.headers["content-length"] == size and 1 or 0)
			end
			assert.equal(1, sent)
			assert.equal(repository == "/app%d:v1" and 7 or 0, count(requests, "POST", "mount=" .. luff.digest(layer.bytes)))
			for i = 1, 8 do
				holds(server:address(), layer.bytes, repository:format(i):match "^/([^:]+)")
			end
		end
	end)

	it("goes up by the second where the first one fails", function()
		local server = serve { faults = { { method = "PUT", path = "/v2/app1/blobs/uploads/*", status = 403, stall = 0.3 } } }
		local list = images(2)
		local results = luff.map({ 1, 2 }, { jobs = 2 }, function(i)
			return (luff.try(luff.copy, list[i], ("%s/app%d:v1"):format(server:address(), i)))
		end)
		assert.is_falsy(results[1])
		assert.is_truthy(results[2])
		holds(server:address(), layer.bytes, "app2")
	end)

	it("does not hold up who is cancelled", function()
		local server = serve { faults = { { method = "PUT", path = uploads, stall = 60 } } }
		local list = images(2)
		local first = luff.spawn(luff.copy, list[1], server:address() .. "/app:v1")
		support.eventually(function()
			support.sleep(0.1)
			return verbs(server:requests()):find "POST"
		end)
		local second = luff.spawn(luff.copy, list[2], server:address() .. "/app:v2")
		support.sleep(0.2)
		second:cancel()
		assert.equal("cancelled", support.fails(second.wait, second).code)
		first:cancel()
		assert.equal("cancelled", support.fails(first.wait, first).code)
	end)
end)

describe("what is there already", function()
	it("costs a mirror of 500 tags one request for each at each side", function()
		local source, target, tags, count = serve(), serve(), {}, support.scaled(500)
		local image = support.make_image(source:address() .. "/app:v1", { layers = { 1000, 2000 } })
		luff.copy(image, target:address() .. "/app:v1")
		for i = 1, count do
			tags[i] = "v" .. i
			if i > 1 then
				luff.tag(source:address() .. "/app:v1", tags[i])
				luff.tag(target:address() .. "/app:v1", tags[i])
			end
		end
		source:requests()
		target:requests()
		luff.map(tags, { jobs = 16 }, function(tag)
			local result = luff.copy(source:address() .. "/app:" .. tag, target:address() .. "/app:" .. tag)
			assert.equal(0, result.copied + result.manifests)
		end)
		for _, server in ipairs { source, target } do
			local requests, seen = server:requests(), {}
			assert.equal(count, #requests)
			for _, request in ipairs(requests) do
				assert.equal("HEAD", request.method)
				seen[request.path] = true
			end
			for _, tag in ipairs(tags) do
				assert.is_true(seen["/v2/app/manifests/" .. tag])
			end
		end
	end)

	it("is a manifest that is not sent again", function()
		local server = serve()
		local index = support.make_index("oci:" .. support.scratch() .. ":v1", { "linux/amd64", "linux/arm64" })
		luff.copy(index, server:address() .. "/app:v1")
		server:requests()
		-- under another name, the index alone is
		assert.equal(1, luff.copy(index, server:address() .. "/app:v2").manifests)
		local puts = {}
		for _, request in ipairs(server:requests()) do
			if request.method == "PUT" then
				puts[#puts + 1] = request.path
			end
		end
		assert.same({ "/v2/app/manifests/v2" }, puts)
		assert.equal(0, luff.copy(index, server:address() .. "/app@" .. index:digest()).manifests)
		for _, request in ipairs(server:requests()) do
			assert.not_equal("PUT", request.method)
		end
	end)
end)

describe("an upload that is broken", function()
	local size = (tonumber(os.getenv "LUFF_UPLOAD_MB") or (scaled_down and 24 or 128)) * MB

	-- A layout with one large layer, which no compression would make smaller: { name, digest of the layer }.
	local function large_image(dir)
		local file = dir .. "/layer"
		support.must({ "sh", "-c", ("openssl enc -aes-128-ctr -K %s -iv %s -in /dev/zero 2>/dev/null | head -c %d >%s")
			:format(("0"):rep(32), ("0"):rep(32), size, support.quote(file)) })
		local place = "oci:" .. dir .. "/source"
		local layer = luff.push_blob(place, { file = file }, { media_type = "application/vnd.oci.image.layer.v1.tar" })
		os.remove(file)
		local config = luff.push_blob(place, '{"architecture":"amd64","os":"linux"}',
			{ media_type = "application/vnd.oci.image.config.v1+json" })
		luff.push_manifest(place .. ":v1", { schemaVersion = 2, mediaType = "application/vnd.oci.image.manifest.v1+json",
			config = config, layers = { layer } })
		return place .. ":v1", layer.digest
	end

	-- In front of `target`: breaks at the places, or holds there.
	local function flaky(target, places)
		local dir = support.scratch()
		local proxy = support.start { "perl", "spec/support/flaky.pl", target, dir, table.concat(places, ",") }
		proxy.folder = dir
		proxy.address = support.eventually(function()
			return proxy:stdout():match "listening on (%S+)"
		end)
		return proxy
	end

	local breaks = scaled_down and 6 or 20

	it("at " .. breaks .. " places, by the network and by kill -9 in turn, sends little twice", function()
		local dir = support.scratch()
		local source, layer = large_image(dir)
		local server = serve { root = dir .. "/store" }
		local places, kills = {}, {}
		math.randomseed(11)
		for i = 1, breaks do
			local at = math.floor(size * (i - math.random()) / (breaks + 1)) + 5000
			places[i] = i % 2 == 0 and at .. "!" or at
			kills[#kills + 1] = i % 2 == 0 and at or nil
		end
		local proxy = flaky(server:address(), places)
		local function copy()
			return support.start({ support.program, "copy", "--quiet", source, proxy.address .. "/app:v1" },
				{ env = { XDG_STATE_HOME = dir .. "/state" } })
		end
		for _, at in ipairs(kills) do
			local run = copy()
			support.eventually(function()
				return support.exists(proxy.folder .. "/held") and tonumber(support.read(proxy.folder .. "/held")) == at
					or not run:running() and error(run:stderr())
			end, 120)
			run:kill "KILL"
			assert.equal(137, run:wait())
			support.write(proxy.folder .. ("/go.%d"):format(at), "")
		end
		assert.equal("600", support.sh(("stat -c %%a %s/state/luff/uploads/*"):format(dir)))
		assert.equal("700", support.sh(("stat -c %%a %s/state/luff/uploads"):format(dir)))
		local last = copy()
		assert.equal(0, last:wait(300), last:stderr())
		support.eventually(function()
			return tonumber(support.read(proxy.folder .. "/total")) >= size
		end)
		local total = tonumber(support.read(proxy.folder .. "/total"))
		-- What sockets held when a connection broke is the same for blobs of all sizes; of a gigabyte it may be a twentieth.
		assert.is_true(total - size < math.max(size, 1000 * MB) * 0.05, total - size)
		assert.equal(layer, luff.digest { file = ("%s/store/app/blobs/%s"):format(dir, (layer:gsub(":", "/"))) })
		assert.equal("", support.sh(("find %s/state -type f"):format(dir)))
		assert.equal("", support.sh(("find %s/store -path '*ingest/*' -type f"):format(dir)))
	end)

	it("starts anew at docker-registry, which forgets what broke in the middle of a request", function()
		local registry = support.docker_registry()
		if not registry then
			pending "docker-registry is not installed"
		end
		local dir, place = support.scratch(), "/app:v1"
		local image = support.make_image("oci:" .. dir .. "/source:v1", { layers = { 3 * MB, 100 } })
		local proxy = flaky(registry.address, { 1 * MB, 2 * MB, "3000000!", 8 * MB })
		local function copy()
			return support.start({ support.program, "copy", "--quiet", "oci:" .. dir .. "/source:v1", proxy.address .. place },
				{ env = { XDG_STATE_HOME = dir .. "/state" } })
		end
		local killed = copy()
		support.eventually(function()
			return support.exists(proxy.folder .. "/held") or not killed:running() and error(killed:stderr())
		end)
		killed:kill "KILL"
		killed:wait()
		support.write(proxy.folder .. "/go.3000000", "")
		local run = copy()
		assert.equal(0, run:wait(120), run:stderr())
		assert.equal(image, luff.open(registry.address .. place))
		assert.equal(image:layers()[1]:size(), #luff.open(registry.address .. place):layers()[1]:compressed():read "a")
	end)
end)
