-- luff.serve{ proxy = … }: a mirror that fetches from another registry what it is asked for (core/server/mirror.c).
local luff = require "luff"
local support = require "spec.support"

-- How often the upstream was asked: requests whose method and path fit.
local function asked(upstream, method, pattern)
	local n = 0
	for _, request in ipairs(upstream.seen) do
		if request.method == method and request.path:find(pattern) then
			n = n + 1
		end
	end
	return n
end

-- An upstream with an image in it, and what it is asked for in .seen after note().
local function start(faults)
	local self = { server = luff.serve { record = true, faults = faults }, seen = {} }
	self.address = self.server:address()
	function self.note()
		for _, request in ipairs(self.server:requests()) do
			self.seen[#self.seen + 1] = request
		end
	end
	return self
end

local function curl(url, ...)
	local result = support.run { "curl", "-s", "-S", "--max-time", "60", "-w", "\n%{http_code}", url, ... }
	local body, status = result.stdout:match "^(.*)\n(%d+)$"
	return tonumber(status), body, result.code
end

describe("a mirror of a registry", function()
	for _, where in ipairs { "in memory", "on disk" } do
		it("fetches once what it is asked for, and gives it again and again, " .. where, function()
			local upstream = start()
			local server <close> = luff.serve { proxy = "http://" .. upstream.address,
				root = where == "on disk" and support.scratch() or nil }
			local image = support.make_image(upstream.address .. "/team/app:v1", { layers = { 5000, 3000000 } })
			upstream.server:requests()
			for i = 1, 3 do
				local done = luff.copy(server:address() .. "/team/app:v1", "oci:" .. support.scratch() .. "/got" .. i .. ":v1")
				assert.equal(image:digest(), done.digest)
			end
			upstream.note()
			assert.equal(3, asked(upstream, "GET", "/blobs/"))
			assert.equal(1, asked(upstream, "GET", "/manifests/"))
			assert.is_true(asked(upstream, "HEAD", "/manifests/v1$") <= 1)
			upstream.server:close()
		end)
	end

	it("gives what it has when the upstream is gone, and says 503 of the rest", function()
		local root = support.scratch()
		local upstream = start()
		support.make_image(upstream.address .. "/app:v1")
		support.make_image(upstream.address .. "/app:v2", { layers = { 7000 } })
		local function serve()
			return luff.serve { proxy = "http://" .. upstream.address, root = root }
		end
		local first = serve()
		luff.copy(first:address() .. "/app:v1", "oci:" .. support.scratch() .. "/got:v1")
		first:close()
		upstream.server:close()
		local server <close> = serve()
		luff.copy(server:address() .. "/app:v1", "oci:" .. support.scratch() .. "/again:v1")
		local status, body = curl("http://" .. server:address() .. "/v2/app/manifests/v2")
		assert.equal(503, status)
		assert.equal("UNAVAILABLE", luff.json.decode(body).errors[1].code)
	end)

	it("follows tags that move, when they are no longer fresh", function()
		local root, upstream = support.scratch(), start()
		local old = support.make_image(upstream.address .. "/app:v1")
		local function digest_from_mirror()
			local server <close> = luff.serve { proxy = "http://" .. upstream.address, root = root }
			return luff.resolve(server:address() .. "/app:v1").digest
		end
		assert.equal(old:digest(), digest_from_mirror())
		local new = support.make_image(upstream.address .. "/app:v1", { layers = { 9000 } })
		assert.not_equal(old:digest(), new:digest())
		assert.equal(new:digest(), digest_from_mirror())
		luff.delete(upstream.address .. "/app:v1")
		assert.equal("not_found", support.fails(digest_from_mirror).code)
		upstream.server:close()
	end)

	it("asks once for many who wait", function()
		local upstream = start { { method = "GET", path = "/v2/*/blobs/*", stall_at = 1000000, stall = 1 } }
		local layer = ("0123456789abcdef"):rep(200000)
		luff.push_blob(upstream.address .. "/app", layer)
		upstream.server:requests()
		local server <close> = luff.serve { proxy = "http://" .. upstream.address, root = support.scratch() }
		local url = "http://" .. server:address() .. "/v2/app/blobs/" .. luff.digest(layer)
		local dir, clients = support.scratch(), {}
		for i = 1, 8 do
			clients[i] = support.start { "curl", "-s", "-S", "--max-time", "100", "-o", dir .. "/" .. i, url }
		end
		for i = 1, 8 do
			assert.equal(0, clients[i]:wait(100), clients[i]:stderr())
			assert.equal(luff.digest(layer), luff.digest { file = dir .. "/" .. i })
		end
		upstream.note()
		assert.equal(1, asked(upstream, "GET", "/blobs/"))
		upstream.server:close()
	end)

	it("gives while it fetches", function()
		local upstream = start { { method = "GET", path = "/v2/*/blobs/*", stall_at = 1000000, stall = 100 } }
		local layer = ("0123456789abcdef"):rep(200000)
		luff.push_blob(upstream.address .. "/app", layer)
		local server = luff.serve { proxy = "http://" .. upstream.address, root = support.scratch() }
		local got = support.run({ "sh", "-c", 'curl -s -N "$1" | head -c 500000 | wc -c', "sh",
			"http://" .. server:address() .. "/v2/app/blobs/" .. luff.digest(layer) }, { timeout = 90 }).stdout
		assert.equal(500000, tonumber(got))
		server:close()
		upstream.server:close()
	end)

	it("keeps nothing that is not what it should be, and lets nobody take it for whole", function()
		local upstream = start { { method = "GET", path = "/v2/*/blobs/*", flip = 100000, count = 50 } }
		local layer, root = ("0123456789abcdef"):rep(20000), support.scratch()
		luff.push_blob(upstream.address .. "/app", layer)
		local server <close> = luff.serve { proxy = "http://" .. upstream.address, root = root }
		local url = "http://" .. server:address() .. "/v2/app/blobs/" .. luff.digest(layer)
		local _, _, code = curl(url)
		assert.not_equal(0, code)
		assert.equal("", support.sh("find " .. root .. " -type f -path '*/blobs/*'"))
		upstream.server:close()
	end)

	it("gives parts and sizes of what it has to fetch first", function()
		local upstream = start()
		local layer = ("0123456789abcdef"):rep(20000)
		luff.push_blob(upstream.address .. "/app", layer)
		local server <close> = luff.serve { proxy = "http://" .. upstream.address }
		local url = "http://" .. server:address() .. "/v2/app/blobs/" .. luff.digest(layer)
		local status, head = curl(url, "--head")
		assert.equal(200, status)
		assert.truthy(head:find("Content-Length: 320000", 1, true), head)
		local body
		status, body = curl(url, "-r", "100000-100009")
		assert.equal(206, status)
		assert.equal(layer:sub(100001, 100010), body)
		upstream.server:close()
	end)

	it("lists what the upstream lists, page by page, and what it has itself when that is gone", function()
		local upstream = start()
		local server <close> = luff.serve { proxy = "http://" .. upstream.address, root = support.scratch() }
		local image = support.make_image(upstream.address .. "/app:v1")
		for _, tag in ipairs { "v2", "V3", "v4" } do
			luff.tag(upstream.address .. "/app:v1", tag)
		end
		local subject = { mediaType = image:media_type(), digest = image:digest(), size = #image:raw_manifest() }
		local function refer(n, kind)
			local manifest = {
				schemaVersion = 2, mediaType = "application/vnd.oci.image.manifest.v1+json", artifactType = kind,
				config = luff.push_blob(upstream.address .. "/app", "{}", { media_type = "application/vnd.oci.empty.v1+json" }),
				layers = luff.array {}, subject = subject, annotations = { n = tostring(n) } }
			luff.push_manifest(upstream.address .. "/app@" .. luff.digest(luff.json.encode(manifest)), manifest)
		end
		for n = 1, 3 do
			refer(n, n < 3 and "test/one" or "test/two")
		end
		assert.same({ "V3", "v1", "v2", "v4" }, support.tags(server:address() .. "/app"))
		local _, body = curl("http://" .. server:address() .. "/v2/app/tags/list?n=2&last=v1")
		assert.same({ "v2", "V3" }, { table.unpack(luff.json.decode(body).tags) })
		local function referrers(kind)
			local n = 0
			for _ in luff.referrers(server:address() .. "/app@" .. image:digest(), { artifact_type = kind }) do
				n = n + 1
			end
			return n
		end
		assert.same({ 3, 2, 0 }, { referrers(), referrers "test/one", referrers "test/none" })
		assert.equal(404, (curl("http://" .. server:address() .. "/v2/nothing/tags/list")))

		luff.copy(server:address() .. "/app:v2", "memory:listed:v2")
		upstream.server:close()
		assert.same({ "v2" }, support.tags(server:address() .. "/app"))
		assert.equal(0, referrers())
	end)

	it("takes nothing, and knows nothing that the upstream does not", function()
		local upstream = start()
		local server <close> = luff.serve { proxy = "http://" .. upstream.address }
		local base = "http://" .. server:address() .. "/v2/app/"
		assert.equal(405, (curl(base .. "blobs/uploads/", "-X", "POST")))
		assert.equal(404, (curl(base .. "manifests/v1")))
		assert.equal(404, (curl(base .. "manifests/" .. luff.digest "x")))
		assert.equal(404, (curl(base .. "blobs/" .. luff.digest "x")))
		upstream.server:close()
	end)

	it("lets go of what was not used for the longest, and of no manifest", function()
		local root, upstream = support.scratch(), start()
		local server <close> = luff.serve { proxy = "http://" .. upstream.address, root = root, proxy_max = 500000 }
		local url = "http://" .. server:address() .. "/v2/app/blobs/"
		support.make_image(upstream.address .. "/app:v1")
		luff.copy(server:address() .. "/app:v1", "oci:" .. support.scratch() .. "/got:v1")
		local digests = {}
		for i = 1, 4 do
			local bytes = (tostring(i)):rep(200000)
			digests[i] = luff.digest(bytes)
			luff.push_blob(upstream.address .. "/app", bytes)
			assert.equal(200, (curl(url .. digests[i], "-o", "/dev/null")))
			support.sleep(0.02)
			-- The first one is in use all the time.
			assert.equal(200, (curl(url .. digests[1], "-o", "/dev/null")))
			support.sleep(0.02)
		end
		local function is_there(digest)
			return support.exists(root .. "/app/blobs/" .. digest:gsub(":", "/"))
		end
		support.eventually(function() return not is_there(digests[3]) end)
		assert.is_nil(is_there(digests[2]) or nil)
		assert.truthy(is_there(digests[1]))
		assert.truthy(is_there(digests[4]))
		upstream.server:close()
		luff.copy(server:address() .. "/app:v1", "oci:" .. support.scratch() .. "/again:v1")
	end)

	it("is of a registry and nothing else", function()
		for _, proxy in ipairs { "", "https://", "app", "https://host.example/path", "ftp://host.example",
			"https://ho st.example",
			"https://user:password@host.example" } do
			assert.equal("invalid", support.fails(luff.serve, { proxy = proxy }).code, proxy)
		end
	end)

	it("promises no limit where it cannot let go of anything", function()
		local layout = support.scratch() .. "/layout"
		support.make_image("oci:" .. layout .. ":v1")
		for _, root in ipairs { false, layout } do
			local err = support.fails(luff.serve, { proxy = "http://127.0.0.1:1", proxy_max = 1000000, root = root or nil })
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find("proxy_max", 1, true), err.message)
		end
	end)

	it("stops while it fetches", function()
		local upstream = start { { method = "GET", path = "/v2/*/blobs/*", stall_at = 1000, stall = 90 } }
		luff.push_blob(upstream.address .. "/app", ("x"):rep(100000))
		local server = luff.serve { proxy = "http://" .. upstream.address }
		local client = support.start { "curl", "-s", "--max-time", "60", "-o", "/dev/null",
			"http://" .. server:address() .. "/v2/app/blobs/" .. luff.digest(("x"):rep(100000)) }
		support.eventually(function()
			upstream.note()
			return asked(upstream, "HEAD", "/blobs/") > 0
		end)
		server:close()
		client:wait()
		upstream.server:close()
	end)
end)
