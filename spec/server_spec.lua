-- The embedded registry, by the plain HTTP of the distribution-spec.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"

local request = support.http

local function error_code(response)
	return luff.json.decode(response.body).errors[1].code
end

local function suite(on_disk)
	local server, base, root, n = nil, nil, nil, 0

	setup(function()
		root = on_disk and support.scratch() or nil
		server = luff.serve { root = root }
	end)
	teardown(function()
		server:close()
	end)
	before_each(function()
		n = n + 1
		base = ("http://%s/v2/team/app%d"):format(server:address(), n)
	end)

	local function location(response)
		local where = response.headers.location
		return where:match("^/") and "http://" .. server:address() .. where or where
	end
	local function with_digest(url, digest)
		return url .. (url:find("?", 1, true) and "&" or "?") .. "digest=" .. digest
	end
	local function push_blob(bytes)
		local digest = luff.digest(bytes)
		local started = request("POST", base .. "/blobs/uploads/")
		local done = request("PUT", with_digest(location(started), digest), { body = bytes })
		assert.equal(201, done.status, done.body)
		return digest
	end
	local function manifest_text(author)
		local config = ('{"architecture":"amd64","os":"linux","author":"%s"}'):format(author or "spec")
		return luff.json.encode { schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {}, config = {
			mediaType = "application/vnd.oci.image.config.v1+json", digest = push_blob(config), size = #config } }
	end
	local function push_manifest(name, text)
		return request("PUT", base .. "/manifests/" .. name, { body = text, headers = { ["Content-Type"] = oci_manifest } })
	end

	it("answers to /v2/", function()
		assert.equal(200, request("GET", "http://" .. server:address() .. "/v2/").status)
		assert.equal(404, request("GET", "http://" .. server:address() .. "/").status)
	end)

	it("takes a blob in one PUT, and gives it back", function()
		local digest = push_blob "some bytes"
		local got = request("GET", base .. "/blobs/" .. digest)
		assert.equal(200, got.status)
		assert.equal("some bytes", got.body)
		assert.equal(digest, got.headers["docker-content-digest"])
		local head = request("HEAD", base .. "/blobs/" .. digest)
		assert.equal(200, head.status)
		assert.equal("10", head.headers["content-length"])
	end)

	it("takes a blob in one POST, or says where to put it", function()
		local digest = luff.digest "posted"
		local posted = request("POST", base .. "/blobs/uploads/?digest=" .. digest, { body = "posted" })
		if posted.status == 202 then
			posted = request("PUT", with_digest(location(posted), digest), { body = "posted" })
		end
		assert.equal(201, posted.status)
		assert.equal("posted", request("GET", base .. "/blobs/" .. digest).body)
	end)

	it("takes a blob in chunks", function()
		local started = request("POST", base .. "/blobs/uploads/")
		assert.equal(202, started.status)
		local first = request("PATCH", location(started), { body = "hello ", headers = { ["Content-Range"] = "0-5" } })
		assert.equal(202, first.status)
		assert.equal("0-5", first.headers.range)
		local status = request("GET", location(first))
		assert.equal(204, status.status)
		assert.equal("0-5", status.headers.range)
		local wrong = request("PATCH", location(first), { body = "x", headers = { ["Content-Range"] = "9-9" } })
		assert.equal(416, wrong.status)
		local second = request("PATCH", location(first), { body = "wor", headers = { ["Content-Range"] = "6-8" } })
		assert.equal("0-8", second.headers.range)
		local digest = luff.digest "hello world"
		local done = request("PUT", with_digest(location(second), digest), { body = "ld" })
		assert.equal(201, done.status, done.body)
		assert.equal("hello world", request("GET", base .. "/blobs/" .. digest).body)
	end)

	it("takes a chunk without a length", function()
		local bytes = ("0123456789"):rep(50000)
		local started = request("POST", base .. "/blobs/uploads/")
		local patched = request("PATCH", location(started), { body = bytes, headers = { ["Transfer-Encoding"] = "chunked" } })
		assert.equal(202, patched.status)
		local done = request("PUT", with_digest(location(patched), luff.digest(bytes)), { body = "" })
		assert.equal(201, done.status)
		assert.equal(bytes, request("GET", base .. "/blobs/" .. luff.digest(bytes)).body)
	end)

	it("refuses bytes of another digest, and keeps none of them", function()
		local before = on_disk and support.checksums(root)
		local started = request("POST", base .. "/blobs/uploads/")
		local done = request("PUT", with_digest(location(started), luff.digest "right"), { body = "wrong" })
		assert.equal(400, done.status)
		assert.equal("DIGEST_INVALID", error_code(done))
		for _, text in ipairs { "right", "wrong" } do
			assert.equal(404, request("GET", base .. "/blobs/" .. luff.digest(text)).status)
		end
		local status = request("PUT", location(started) .. "?digest=sha256:short", { body = "x" }).status
		assert.equal(400, status - status % 100)
		if on_disk then
			assert.equal(before, support.checksums(root))
		end
	end)

	it("forgets an upload that is cancelled", function()
		local started = request("POST", base .. "/blobs/uploads/")
		assert.equal(202, request("PATCH", location(started), { body = "some" }).status)
		assert.equal(204, request("DELETE", location(started)).status)
		local gone = request("GET", location(started))
		assert.equal(404, gone.status)
		assert.equal("BLOB_UPLOAD_UNKNOWN", error_code(gone))
	end)

	it("gives parts of a blob", function()
		local bytes = support.random(5000)
		local url = base .. "/blobs/" .. push_blob(bytes)
		for range, want in pairs { ["0-0"] = { 1, 1 }, ["10-19"] = { 11, 20 }, ["4990-"] = { 4991, 5000 },
			["4990-9999"] = { 4991, 5000 }, ["-10"] = { 4991, 5000 } } do
			local part = request("GET", url, { headers = { Range = "bytes=" .. range } })
			assert.equal(206, part.status, range)
			assert.equal(bytes:sub(want[1], want[2]), part.body, range)
			assert.equal(("bytes %d-%d/5000"):format(want[1] - 1, want[2] - 1), part.headers["content-range"])
		end
		assert.equal(416, request("GET", url, { headers = { Range = "bytes=5000-" } }).status)
		for _, range in ipairs { "bytes=x", "lines=1-2", "bytes=9-1", "bytes=0-1,5-6", "bytes=99999999999999999999-" } do
			local whole = request("GET", url, { headers = { Range = range } })
			assert.is_true(whole.status == 416 or whole.status == 200 and whole.body == bytes, range)
		end
	end)

	it("mounts a blob from another repository", function()
		local bytes = support.random(1000)
		local digest, first = push_blob(bytes), base
		base = base .. "-other"
		local mounted = request("POST", ("%s/blobs/uploads/?mount=%s&from=%s"):format(base, digest, first:match("/v2/(.*)")))
		assert.equal(201, mounted.status)
		assert.equal(bytes, request("GET", base .. "/blobs/" .. digest).body)
		local missing = request("POST", ("%s/blobs/uploads/?mount=%s&from=no/such"):format(base, luff.digest "none"))
		assert.equal(202, missing.status)
		assert.truthy(location(missing))
		assert.equal(404, request("GET", base .. "/blobs/" .. luff.digest "none").status)
	end)

	it("keeps repositories apart", function()
		local digest = push_blob "private to one"
		assert.equal(404, request("GET", base .. "-other/blobs/" .. digest).status)
	end)

	it("takes manifests, by tag and by digest", function()
		local text = manifest_text()
		local put = push_manifest("v1", text)
		assert.equal(201, put.status, put.body)
		assert.equal(luff.digest(text), put.headers["docker-content-digest"])
		assert.equal(201, push_manifest(luff.digest(text), text).status)
		for _, name in ipairs { "v1", luff.digest(text) } do
			local got = request("GET", base .. "/manifests/" .. name)
			assert.equal(text, got.body)
			assert.equal(oci_manifest, got.headers["content-type"])
			assert.equal(luff.digest(text), got.headers["docker-content-digest"])
			local head = request("HEAD", base .. "/manifests/" .. name)
			assert.equal(200, head.status)
			assert.equal(tostring(#text), head.headers["content-length"])
			assert.equal(oci_manifest, head.headers["content-type"])
		end
	end)

	it("refuses manifests that are none", function()
		local text = manifest_text()
		assert.equal(400, push_manifest(luff.digest "another", text).status)
		for _, bad in ipairs { "", "{", "[]", ("["):rep(100000), '{"schemaVersion":1}', text:sub(1, -2) } do
			local put = push_manifest("bad", bad)
			assert.equal(400, put.status, bad:sub(1, 40))
			assert.equal("MANIFEST_INVALID", error_code(put))
		end
		local large = push_manifest("large", (text:gsub("^{", '{"x":"' .. ("x"):rep(4300000) .. '",')))
		assert.equal(413, large.status)
		local unknown = push_manifest("unknown", (text:gsub("sha256:%x+", luff.digest "nowhere")))
		assert.equal("MANIFEST_BLOB_UNKNOWN", error_code(unknown))
		for _, name in ipairs { "bad", "large", "unknown" } do
			assert.equal(404, request("GET", base .. "/manifests/" .. name).status)
		end
	end)

	it("says what is not there", function()
		for path, code in pairs {
			["/manifests/none"] = "MANIFEST_UNKNOWN", ["/blobs/" .. luff.digest "none"] = "BLOB_UNKNOWN",
			["/tags/list"] = "NAME_UNKNOWN",
		} do
			local got = request("GET", base .. path)
			assert.equal(404, got.status)
			assert.equal(code, error_code(got))
			assert.truthy(got.headers["content-type"]:find("application/json", 1, true))
		end
	end)

	it("lists tags, in order and in pages", function()
		local text = manifest_text()
		for _, tag in ipairs { "c", "a", "b", "B", "e", "d" } do
			push_manifest(tag, text)
		end
		local all = request("GET", base .. "/tags/list")
		assert.same({ "a", "B", "b", "c", "d", "e" }, luff.json.decode(all.body).tags)
		assert.equal(base:match("/v2/(.*)"), luff.json.decode(all.body).name)
		local seen, url = {}, base .. "/tags/list?n=2"
		while url do
			local page = request("GET", url)
			for _, tag in ipairs(luff.json.decode(page.body).tags) do
				seen[#seen + 1] = tag
			end
			local link = page.headers.link and page.headers.link:match("<([^>]+)>")
			url = link and (link:match("^/") and "http://" .. server:address() .. link or link)
		end
		assert.same({ "a", "B", "b", "c", "d", "e" }, seen)
		assert.same({ "d", "e" }, luff.json.decode(request("GET", base .. "/tags/list?last=c").body).tags)
		assert.same({ "d" }, luff.json.decode(request("GET", base .. "/tags/list?last=c&n=1").body).tags)
		assert.same({}, luff.json.decode(request("GET", base .. "/tags/list?last=e").body).tags)
		assert.same({}, luff.json.decode(request("GET", base .. "/tags/list?n=0").body).tags)
	end)

	it("deletes tags, manifests and blobs", function()
		local text = manifest_text()
		local digest = luff.digest(text)
		push_manifest("v1", text)
		push_manifest("v2", text)
		assert.equal(202, request("DELETE", base .. "/manifests/v1").status)
		assert.equal(404, request("GET", base .. "/manifests/v1").status)
		assert.equal(200, request("GET", base .. "/manifests/v2").status)
		assert.equal(202, request("DELETE", base .. "/manifests/" .. digest).status)
		assert.equal(404, request("GET", base .. "/manifests/v2").status)
		assert.equal(404, request("GET", base .. "/manifests/" .. digest).status)
		assert.equal(404, request("DELETE", base .. "/manifests/" .. digest).status)
		local blob = push_blob "to be deleted"
		assert.equal(202, request("DELETE", base .. "/blobs/" .. blob).status)
		assert.equal(404, request("GET", base .. "/blobs/" .. blob).status)
	end)

	it("refuses names that are none, and leads nowhere by them", function()
		push_blob "something"
		local host = "http://" .. server:address()
		for _, path in ipairs {
			"/v2/../../etc/passwd", "/v2/a/../b/manifests/v1", "/v2/..%2f..%2fetc/manifests/v1",
			"/v2/UPPER/manifests/v1", "/v2/-a/manifests/v1", "/v2/a//b/manifests/v1", "/v2//manifests/v1",
			"/v2/manifests/v1", "/v2/" .. ("a/"):rep(2000) .. "manifests/v1", "/v2/.ingest/manifests/v1",
			"/v2/a/manifests/..", "/v2/a/manifests/%00", "/v2/a/manifests/", "/v2/a/tags/list/x",
			"/v2/a/blobs/sha256:../../../../etc/passwd", "/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd",
			"/v2/a/blobs/x", "/v2/a/blobs/uploads/..", "/v2/a/blobs/uploads/%2e%2e%2f%2e%2e",
		} do
			for _, method in ipairs { "GET", "PUT", "POST", "DELETE", "PATCH" } do
				local got = request(method, host .. path, { body = method:find "^P" and "x" or nil,
					headers = method:find "^P" and { ["Content-Type"] = oci_manifest } or nil })
				assert.is_true(got.status >= 400 and got.status < 500, method .. " " .. path .. ": " .. tostring(got.status))
				assert.is_nil(got.body:find("root:", 1, true))
			end
		end
		if on_disk then
			assert.equal("team", support.sh("cd " .. root .. " && ls -A"))
		end
	end)

	it("knows no other methods", function()
		for _, method in ipairs { "OPTIONS", "TRACE", "BREW" } do
			local got = request(method, base .. "/manifests/v1")
			assert.is_true(got.status >= 400 and got.status < 502, method)
		end
	end)

	it("serves many at a time", function()
		support.make_image("memory:many:v1", { layers = { 200000, 100000 } })
		local list = {}
		for i = 1, 24 do
			list[i] = i
		end
		local place = base:match("^http://(.*)"):gsub("/v2/", "/")
		luff.map(list, { jobs = 12 }, function(i)
			luff.copy("memory:many:v1", place .. ":t" .. i)
			return luff.copy(place .. ":t" .. i, "memory:many" .. i .. ":v1").digest
		end)
		assert.equal(24, #luff.json.decode(request("GET", base .. "/tags/list").body).tags)
	end)

	it("outlives clients that leave in the middle", function()
		local started = request("POST", base .. "/blobs/uploads/")
		for _ = 1, 5 do
			support.run({ "timeout", "-s", "KILL", "0.2", "curl", "-s", "-T", "/dev/zero", "-X", "PATCH", location(started) })
		end
		assert.equal(200, request("GET", "http://" .. server:address() .. "/v2/").status)
		push_blob "still there"
	end)
end

describe("the embedded registry", function()
	describe("in memory", function()
		suite(false)
	end)

	describe("on disk", function()
		suite(true)

		it("keeps what it has when it is started again", function()
			local root = support.scratch()
			local image
			do
				local server <close> = luff.serve { root = root }
				image = support.make_image(server:address() .. "/a/b/c:v1", { layers = { 1000 } })
				luff.tag(server:address() .. "/a/b/c:v1", "v2")
			end
			local server <close> = luff.serve { root = root }
			assert.equal(image, luff.open(server:address() .. "/a/b/c:v2"))
			assert.equal(image, luff.open("oci:" .. root .. "/a/b/c:v1"))
		end)

		it("serves the layouts of a folder", function()
			local root = support.scratch()
			local index = support.make_index("oci:" .. root .. "/from/layout:v1", { "linux/amd64", "linux/arm64" })
			local server <close> = luff.serve { root = root }
			assert.equal(index, luff.open(server:address() .. "/from/layout:v1"))
		end)

		it("goes on with a layout that a killed writer did not come to end", function()
			local root = support.scratch()
			assert(os.execute(("mkdir -p %s/app && echo '{\"imageLayoutVersion\":\"1.0.0\"}' >%s/app/oci-layout"):format(
				root, root)))
			local server <close> = luff.serve { root = root }
			local name = server:address() .. "/app:v1"
			assert.equal("not_found", support.fails(luff.open, name).code)
			assert.equal(support.make_image(name), luff.open(name))
		end)
	end)

	it("says where it listens", function()
		local server <close> = luff.serve { listen = "127.0.0.1:0" }
		assert.truthy(server:address():find("^127%.0%.0%.1:%d+$"))
		assert.not_equal("127.0.0.1:0", server:address())
	end)

	it("names the address that is taken", function()
		local server <close> = luff.serve {}
		local err = support.fails(luff.serve, { listen = server:address() })
		assert.truthy(err.message:find(server:address(), 1, true), err.message)
		for _, listen in ipairs { "nonsense", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:x", "" } do
			assert.is_false((pcall(luff.serve, { listen = listen })), listen)
		end
	end)

	it("is gone when it is closed, twice or by the collector", function()
		local server = luff.serve {}
		local address = server:address()
		assert.equal(200, request("GET", "http://" .. address .. "/v2/").status)
		server:close()
		server:close()
		assert.equal("network", support.fails(luff.open, address .. "/app:v1").code)
		luff.serve { listen = address }
		collectgarbage()
		collectgarbage()
		assert.equal("network", support.fails(luff.open, address .. "/app:v1").code)
	end)

	it("serves as a program until it is interrupted", function()
		local root = support.scratch()
		local server = support.start { support.program, "serve", root, "--listen", "127.0.0.1:0" }
		local address = support.eventually(function()
			return (server:stdout() .. server:stderr()):match("127%.0%.0%.1:%d+")
		end)
		support.make_image(address .. "/app:v1")
		server:kill "INT"
		assert.equal(0, server:wait())
		assert.truthy(luff.open("oci:" .. root .. "/app:v1"))
	end)
end)
