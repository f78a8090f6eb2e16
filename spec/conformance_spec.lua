-- Not under the thread sanitizer.
-- The distribution-spec, requirement by requirement, as the suite of its project asks for them. Each test names the section
-- and what it must (or should, or may) be; end-N are the endpoints of the spec's table. "main" is what came after 1.1.1.
local luff = require "luff"
local support = require "spec.support"

local request = support.http

local types = {
	manifest = "application/vnd.oci.image.manifest.v1+json",
	index = "application/vnd.oci.image.index.v1+json",
	config = "application/vnd.oci.image.config.v1+json",
	layer = "application/vnd.oci.image.layer.v1.tar+gzip",
	empty = "application/vnd.oci.empty.v1+json",
}
local missing = "sha256:" .. ("0"):rep(64)
-- The codes of the spec's table, and nothing else.
local codes = {}
for code in ([[BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN
	MANIFEST_INVALID MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED
	TOOMANYREQUESTS]]):gmatch "%S+" do
	codes[code] = true
end

local function random(size)
	return support.random(size)
end

local function suite(on_disk)
	local server, base, other, host
	local n = 0

	setup(function()
		server = luff.serve { root = on_disk and support.scratch() or nil }
		host = "http://" .. server:address()
	end)
	teardown(function()
		server:close()
	end)
	before_each(function()
		n = n + 1
		base, other = ("%s/v2/conformance/repo%d"):format(host, n), ("%s/v2/conformance/other%d"):format(host, n)
	end)

	local function location(response)
		local where = assert(response.headers.location, "no Location")
		return where:match "^/" and host .. where or where
	end
	local function with(url, query)
		return url .. (url:find("?", 1, true) and "&" or "?") .. query
	end
	local function is(status, response)
		assert.equal(status, response.status, response.body)
		return response
	end
	-- An error has the spec's JSON (section "Error Codes") and one of its codes.
	local function fails(status, code, response)
		is(status, response)
		assert.equal("application/json", response.headers["content-type"])
		local err = luff.json.decode(response.body).errors[1]
		assert.is_true(codes[err.code], "not in the spec: " .. tostring(err.code))
		assert.equal("string", type(err.message))
		assert.equal(code, err.code)
	end
	local function start(query)
		return request("POST", base .. "/blobs/uploads/" .. (query or ""))
	end
	local function push(bytes, where, algorithm)
		local digest = luff.digest(bytes, algorithm or "sha256")
		local url = location(is(202, request("POST", (where or base) .. "/blobs/uploads/")))
		is(201, request("PUT", with(url, "digest=" .. digest), { body = bytes }))
		return digest
	end
	local function put(reference, text, media_type, query)
		return request("PUT", ("%s/manifests/%s%s"):format(base, reference, query or ""), {
			body = text, headers = { ["Content-Type"] = media_type or types.manifest } })
	end
	local function descriptor(bytes, media_type, algorithm)
		return { mediaType = media_type, digest = luff.digest(bytes, algorithm or "sha256"), size = #bytes }
	end
	local function manifest(more, algorithm)
		local author = tostring(more or random(8)):gsub("%W", "")
		local config = luff.json.encode { architecture = "amd64", os = "linux", author = author }
		local layer = random(64)
		push(config, nil, algorithm)
		push(layer, nil, algorithm)
		local value = { schemaVersion = 2, mediaType = types.manifest, config = descriptor(config, types.config, algorithm),
			layers = { descriptor(layer, types.layer, algorithm) } }
		for key, member in pairs(type(more) == "table" and more or {}) do
			value[key] = member
		end
		return luff.json.encode(value), value
	end

	describe("Determining Support (end-1)", function()
		it("GET /v2/ MUST be 200 OK", function()
			local response = is(200, request("GET", host .. "/v2/"))
			assert.equal("registry/2.0", response.headers["docker-distribution-api-version"])
		end)
	end)

	describe("Pulling manifests (end-3)", function()
		it("GET by tag MUST be 200 with the manifest, and SHOULD name its digest and type", function()
			local text = manifest()
			is(201, put("v1", text))
			local got = is(200, request("GET", base .. "/manifests/v1", { headers = { Accept = types.manifest } }))
			assert.equal(text, got.body)
			assert.equal(types.manifest, got.headers["content-type"])
			assert.equal(tostring(#text), got.headers["content-length"])
			assert.equal(luff.digest(text), got.headers["docker-content-digest"])
		end)
		it("GET by digest MUST be 200 with the manifest", function()
			local text = manifest()
			is(201, put(luff.digest(text), text))
			assert.equal(text, is(200, request("GET", base .. "/manifests/" .. luff.digest(text))).body)
		end)
		it("HEAD MUST be 200, with digest, length and type and no body", function()
			local text = manifest()
			is(201, put("v1", text))
			for _, reference in ipairs { "v1", luff.digest(text) } do
				local got = is(200, request("HEAD", base .. "/manifests/" .. reference))
				assert.equal(luff.digest(text), got.headers["docker-content-digest"])
				assert.equal(tostring(#text), got.headers["content-length"])
				assert.equal(types.manifest, got.headers["content-type"])
			end
		end)
		it("GET and HEAD of what is not there MUST be 404", function()
			fails(404, "MANIFEST_UNKNOWN", request("GET", base .. "/manifests/none"))
			push "a repository"
			for _, reference in ipairs { "none", missing, ".NOT_A_TAG" } do
				fails(404, "MANIFEST_UNKNOWN", request("GET", base .. "/manifests/" .. reference))
				is(404, request("HEAD", base .. "/manifests/" .. reference))
			end
		end)
		it("a reference MUST NOT be in any other format", function()
			fails(400, "DIGEST_INVALID", request("GET", base .. "/manifests/sha256:baddigeststring"))
		end)
		it("a name MUST match the grammar", function()
			for _, name in ipairs { "Upper", "a//b", "-a", "a-", "a..b", "a___b" } do
				fails(400, "NAME_INVALID", request("GET", ("%s/v2/%s/tags/list"):format(host, name)))
			end
		end)
	end)

	describe("Pulling blobs (end-2)", function()
		it("GET MUST be 200 with the blob, and SHOULD name its digest", function()
			local bytes = random(1000)
			local digest = push(bytes)
			local got = is(200, request("GET", base .. "/blobs/" .. digest))
			assert.equal(bytes, got.body)
			assert.equal("1000", got.headers["content-length"])
			assert.equal(digest, got.headers["docker-content-digest"])
		end)
		it("HEAD MUST be 200 with the length", function()
			local digest = push(random(1000))
			local got = is(200, request("HEAD", base .. "/blobs/" .. digest))
			assert.equal("1000", got.headers["content-length"])
			assert.equal(digest, got.headers["docker-content-digest"])
		end)
		it("GET and HEAD of what is not there MUST be 404", function()
			fails(404, "BLOB_UNKNOWN", request("GET", base .. "/blobs/" .. missing))
			push "a repository"
			fails(404, "BLOB_UNKNOWN", request("GET", base .. "/blobs/" .. missing))
			is(404, request("HEAD", base .. "/blobs/" .. missing))
			fails(400, "DIGEST_INVALID", request("GET", base .. "/blobs/sha256:short"))
		end)
		it("SHOULD support Range (RFC 9110)", function()
			local bytes = random(2048)
			local url = base .. "/blobs/" .. push(bytes)
			local function range(text)
				return request("GET", url, { headers = { Range = "bytes=" .. text } })
			end
			for _, part in ipairs { { "500-1499", 500, 1499 }, { "500-", 500, 2047 }, { "-500", 1548, 2047 },
				{ "2000-5000", 2000, 2047 } } do
				local got = is(206, range(part[1]))
				assert.equal(bytes:sub(part[2] + 1, part[3] + 1), got.body)
				assert.equal(("bytes %d-%d/2048"):format(part[2], part[3]), got.headers["content-range"])
				assert.equal(tostring(#got.body), got.headers["content-length"])
			end
			is(416, range "500-0")
			is(416, range "5000-10000")
		end)
	end)

	describe("Pushing blobs", function()
		it("POST then PUT (end-4a, end-6): 202 with a Location MUST come, then 201 with one that can be pulled", function()
			local bytes = random(512)
			local started = is(202, start())
			local done = is(201, request("PUT", with(location(started), "digest=" .. luff.digest(bytes)), { body = bytes }))
			assert.equal(luff.digest(bytes), done.headers["docker-content-digest"])
			assert.equal(bytes, is(200, request("GET", location(done))).body)
		end)
		it("each session MUST have a location of its own", function()
			assert.not_equal(location(start()), location(start()))
		end)
		it("single POST (end-4b): 201 with a Location, or 202 and a PUT", function()
			local bytes = random(512)
			local done = is(201, request("POST", base .. "/blobs/uploads/?digest=" .. luff.digest(bytes), { body = bytes }))
			assert.equal(bytes, is(200, request("GET", location(done))).body)
		end)
		it("a digest that is another MUST be refused, in every form, and leaves nothing", function()
			local bytes = random(100)
			local wrong = "digest=" .. luff.digest(bytes .. "oh no")
			fails(400, "DIGEST_INVALID", request("POST", base .. "/blobs/uploads/?" .. wrong, { body = bytes }))
			fails(400, "DIGEST_INVALID", request("PUT", with(location(start()), wrong), { body = bytes }))
			local streamed = location(is(202, request("PATCH", location(start()), { body = bytes })))
			fails(400, "DIGEST_INVALID", request("PUT", with(streamed, wrong), { body = "" }))
			is(404, request("GET", base .. "/blobs/" .. luff.digest(bytes)))
			is(404, request("GET", base .. "/blobs/" .. luff.digest(bytes .. "oh no")))
		end)
		it("a PUT without a digest, or with a malformed one, MUST be refused", function()
			fails(400, "DIGEST_INVALID", request("PUT", location(start()), { body = "x" }))
			fails(400, "DIGEST_INVALID", request("PUT", with(location(start()), "digest=sha256:nope"), { body = "x" }))
		end)
		it("the empty blob and {} are blobs", function()
			for _, bytes in ipairs { "", "{}" } do
				local digest = luff.digest(bytes)
				is(201, request("POST", base .. "/blobs/uploads/?digest=" .. digest, { body = bytes }))
				local got = is(200, request("GET", base .. "/blobs/" .. digest))
				assert.equal(bytes, got.body)
				assert.equal(tostring(#bytes), got.headers["content-length"])
				assert.equal(tostring(#bytes), is(200, request("HEAD", base .. "/blobs/" .. digest)).headers["content-length"])
				is(202, request("DELETE", base .. "/blobs/" .. digest))
			end
		end)
	end)

	describe("Pushing a blob in chunks", function()
		local function chunk(method, url, bytes, first, last)
			return request(method, url, { body = bytes:sub(first + 1, last + 1),
				headers = { ["Content-Range"] = ("%d-%d"):format(first, last) } })
		end
		for _, algorithm in ipairs { "sha256", "sha512" } do
			it("chunks (end-5) MUST be 202 with a Location, the PUT 201, by " .. algorithm, function()
				local bytes = random(3067)
				local url = location(is(202, start()))
				for first = 0, 3067, 1024 do
					local response = is(202, chunk("PATCH", url, bytes, first, math.min(first + 1023, 3066)))
					assert.equal(("0-%d"):format(math.min(first + 1023, 3066)), response.headers.range)
					url = location(response)
				end
				local done = is(201, request("PUT", with(url, "digest=" .. luff.digest(bytes, algorithm)), { body = "" }))
				assert.equal(bytes, is(200, request("GET", location(done))).body)
			end)
			it("the last chunk MAY come with the PUT, by " .. algorithm, function()
				local bytes = random(2000)
				local url = location(is(202, chunk("PATCH", location(start()), bytes, 0, 1023)))
				local done = is(201, chunk("PUT", with(url, "digest=" .. luff.digest(bytes, algorithm)), bytes, 1024, 1999))
				assert.equal(bytes, is(200, request("GET", location(done))).body)
			end)
		end
		it("out of order MUST be 416, and the upload goes on (end-13)", function()
			local bytes = random(3067)
			local digest = "digest=" .. luff.digest(bytes)
			local url = location(start())
			for first = 0, 3067, 1024 do
				local last = math.min(first + 1023, 3066)
				local bad = first + 1024 < 3067 and first + 1024 or 0
				local method = bad > 0 and math.min(bad + 1023, 3066) == 3066 and "PUT" or "PATCH"
				fails(416, "BLOB_UPLOAD_INVALID", chunk(method, method == "PUT" and with(url, digest) or url, bytes, bad,
					math.min(bad + 1023, 3066)))
				local status = is(204, request("GET", url))
				if first > 0 then
					assert.equal(("0-%d"):format(first - 1), status.headers.range)
				end
				url = location(is(202, chunk("PATCH", location(status), bytes, first, last)))
			end
			is(201, request("PUT", with(url, digest), { body = "" }))
			assert.equal(bytes, is(200, request("GET", base .. "/blobs/" .. luff.digest(bytes))).body)
		end)
		it("a Content-Range that the length belies, or that is none, is refused", function()
			local url = location(start())
			local function patch(range)
				return request("PATCH", url, { body = "abc", headers = { ["Content-Range"] = range } })
			end
			fails(400, "SIZE_INVALID", patch "0-1")
			fails(400, "SIZE_INVALID", patch "0-3")
			is(416, patch "x-y")
			is(202, patch "0-2")
		end)
		it("streamed: one PATCH without Content-Range, with or without a length", function()
			for _, headers in ipairs { {}, { ["Transfer-Encoding"] = "chunked" } } do
				local bytes = random(70000)
				local url = location(is(202, request("PATCH", location(start()), { body = bytes, headers = headers })))
				is(201, request("PUT", with(url, "digest=" .. luff.digest(bytes)), { body = "" }))
				assert.equal(bytes, is(200, request("GET", base .. "/blobs/" .. luff.digest(bytes))).body)
			end
		end)
		it("the status (end-13) MUST be 204 with Location and Range", function()
			local url = location(is(202, request("PATCH", location(start()), { body = ("x"):rep(100) })))
			local status = is(204, request("GET", url))
			assert.equal("0-99", status.headers.range)
			assert.equal(url, location(status))
		end)
		it("an upload that is not there MUST be 404", function()
			for _, id in ipairs { ("0"):rep(32), "nothing-like-it" } do
				local url = ("%s/blobs/uploads/%s"):format(base, id)
				fails(404, "BLOB_UPLOAD_UNKNOWN", request("GET", url))
				fails(404, "BLOB_UPLOAD_UNKNOWN", request("PATCH", url, { body = "x" }))
				fails(404, "BLOB_UPLOAD_UNKNOWN", request("PUT", with(url, "digest=" .. missing), { body = "x" }))
				fails(404, "BLOB_UPLOAD_UNKNOWN", request("DELETE", url))
			end
		end)
		it("an upload is of its repository alone", function()
			local id = location(start()):match "[^/]+$"
			push("something", other)
			fails(404, "BLOB_UPLOAD_UNKNOWN", request("GET", ("%s/blobs/uploads/%s"):format(other, id)))
		end)
	end)

	describe("Cancelling an upload (main, end-14)", function()
		it("DELETE MUST be 204, and the session is gone", function()
			local url = location(is(202, request("PATCH", location(start()), { body = "some" })))
			is(204, request("DELETE", url))
			fails(404, "BLOB_UPLOAD_UNKNOWN", request("GET", url))
			fails(404, "BLOB_UPLOAD_UNKNOWN", request("DELETE", url))
		end)
	end)

	describe("Digest algorithms", function()
		it("digest-algorithm (main, end-4c) says what will come", function()
			for _, algorithm in ipairs { "sha256", "sha512" } do
				local bytes = random(100)
				local url = location(is(202, start("?digest-algorithm=" .. algorithm)))
				url = location(is(202, request("PATCH", url, { body = bytes })))
				is(201, request("PUT", with(url, "digest=" .. luff.digest(bytes, algorithm)), { body = "" }))
				assert.equal(bytes, is(200, request("GET", base .. "/blobs/" .. luff.digest(bytes, algorithm))).body)
			end
		end)
		it("one that the registry does not know MUST be refused", function()
			fails(400, "DIGEST_INVALID", start "?digest-algorithm=md5")
			fails(400, "DIGEST_INVALID", request("POST", base .. "/blobs/uploads/?digest=md5:" .. ("0"):rep(32), { body = "" }))
			fails(400, "DIGEST_INVALID", request("GET", base .. "/blobs/blake3:" .. ("0"):rep(64)))
		end)
		it("blobs and manifests go by sha512 in every form", function()
			local bytes = random(512)
			local digest = luff.digest(bytes, "sha512")
			is(201, request("POST", base .. "/blobs/uploads/?digest=" .. digest, { body = bytes }))
			assert.equal(bytes, is(200, request("GET", base .. "/blobs/" .. digest)).body)
			local text = manifest(nil, "sha512")
			local by = luff.digest(text, "sha512")
			local done = is(201, put(by, text))
			assert.equal(by, done.headers["docker-content-digest"])
			local got = is(200, request("GET", location(done)))
			assert.equal(text, got.body)
			assert.equal(by, got.headers["docker-content-digest"])
			assert.equal(by, is(200, request("HEAD", base .. "/manifests/" .. by)).headers["docker-content-digest"])
			is(202, request("DELETE", base .. "/manifests/" .. by))
			is(404, request("HEAD", base .. "/manifests/" .. by))
		end)
	end)

	describe("Mounting a blob (end-11)", function()
		it("from another repository MUST be 201 with a Location", function()
			local bytes = random(512)
			local digest = push(bytes, other)
			local from = other:match "/v2/(.*)"
			local done = is(201, start(("?mount=%s&from=%s"):format(digest, from:gsub("/", "%%2F"))))
			assert.equal(digest, done.headers["docker-content-digest"])
			assert.equal(base .. "/blobs/" .. digest, location(done))
			assert.equal(bytes, is(200, request("GET", location(done))).body)
			is(202, request("DELETE", location(done)))
			is(200, request("HEAD", other .. "/blobs/" .. digest))
		end)
		it("without from, the registry MAY find it itself: 201", function()
			local bytes = random(512)
			local digest = push(bytes, other)
			local done = is(201, start("?mount=" .. digest))
			assert.equal(bytes, is(200, request("GET", location(done))).body)
		end)
		it("of what is not there SHOULD be 202, and the upload can go on", function()
			local bytes = random(512)
			local digest = luff.digest(bytes)
			for _, query in ipairs { "?mount=%s&from=conformance/none", "?mount=%s" } do
				local url = location(is(202, start(query:format(digest))))
				is(201, request("PUT", with(url, "digest=" .. digest), { body = bytes }))
				assert.equal(bytes, is(200, request("GET", base .. "/blobs/" .. digest)).body)
				is(202, request("DELETE", base .. "/blobs/" .. digest))
			end
		end)
	end)

	describe("Pushing manifests (end-7)", function()
		it("by tag and by digest MUST be 201 with a Location that can be pulled", function()
			local text = manifest()
			for _, reference in ipairs { "v1", luff.digest(text) } do
				local done = is(201, put(reference, text))
				assert.equal(luff.digest(text), done.headers["docker-content-digest"])
				local got = is(200, request("GET", location(done)))
				assert.equal(text, got.body)
				assert.equal(types.manifest, got.headers["content-type"])
			end
		end)
		it("MUST be stored byte by byte: odd spaces, unknown members", function()
			local text = (manifest { ["org.example.custom"] = { 1, 2, { "three" } } }):gsub(",", " ,\n\t")
			is(201, put("odd", text))
			assert.equal(text, is(200, request("GET", base .. "/manifests/odd")).body)
		end)
		it("of at least 4 MB SHOULD be taken; a larger one is 413", function()
			local annotations = {}
			for i = 1, 390 do
				annotations["large-annotation-" .. i] = ("A"):rep(10000)
			end
			local text = manifest { annotations = annotations }
			assert.is_true(#text > 3900000)
			is(201, put("large", text))
			assert.equal(text, is(200, request("GET", base .. "/manifests/large")).body)
			fails(413, "MANIFEST_INVALID", put("larger", text .. (" "):rep(400000)))
		end)
		it("that names a blob which is not there MAY be refused: MANIFEST_BLOB_UNKNOWN", function()
			local _, value = manifest()
			value.layers[2] = descriptor("never pushed", types.layer)
			fails(400, "MANIFEST_BLOB_UNKNOWN", put("v1", luff.json.encode(value)))
			is(404, request("GET", base .. "/manifests/v1"))
		end)
		it("without layers, with a data field, with layers that must not be distributed MUST be taken", function()
			is(201, put("bare", (manifest { layers = luff.array {} })))
			local _, value = manifest()
			value.config.data = "e30="
			is(201, put("data", luff.json.encode(value)))
			table.insert(value.layers, 1, { size = 123456, digest = luff.digest "elsewhere",
				mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls = { "https://example.com/x" } })
			is(201, put("foreign", luff.json.encode(value)))
		end)
		it("of another digest, of a malformed one, and what is no manifest MUST be refused", function()
			local text = manifest()
			fails(400, "DIGEST_INVALID", put(luff.digest(text), text .. "  "))
			fails(400, "DIGEST_INVALID", put("sha256:baddigeststring", text))
			fails(400, "MANIFEST_INVALID", put(".tag", text))
			for _, bad in ipairs { "{}", "[]", "blah", '{"schemaVersion":2', "" } do
				fails(400, "MANIFEST_INVALID", put("bad", bad))
			end
		end)
		it("tag parameters (main, end-7b) MUST each be named by OCI-Tag", function()
			for _, algorithm in ipairs { "sha256", "sha512" } do
				local text = manifest(nil, algorithm)
				local digest = luff.digest(text, algorithm)
				local done = is(201, put(digest, text, nil, "?tag=a-" .. algorithm .. "&tag=b-" .. algorithm))
				assert.equal(("a-%s, b-%s"):format(algorithm, algorithm), done.headers["oci-tag"])
				for _, tag in ipairs { "a-", "b-" } do
					local got = is(200, request("GET", base .. "/manifests/" .. tag .. algorithm))
					assert.equal(text, got.body)
					assert.equal(digest, got.headers["docker-content-digest"])
				end
			end
		end)
		it("at least 10 tag parameters MUST be taken (main); too many are 414, malformed ones 400", function()
			local text = manifest()
			local function query(count)
				local list = {}
				for i = 1, count do
					list[i] = "tag=t" .. i
				end
				return "?" .. table.concat(list, "&")
			end
			is(201, put(luff.digest(text), text, nil, query(10)))
			is(200, request("HEAD", base .. "/manifests/t10"))
			fails(414, "MANIFEST_INVALID", put(luff.digest(text), text, nil, query(100)))
			is(404, request("HEAD", base .. "/manifests/t11"))
			fails(400, "MANIFEST_INVALID", put(luff.digest(text), text, nil, "?tag=.x"))
			fails(400, "MANIFEST_INVALID", put("v1", text, nil, "?tag=x"))
		end)
	end)

	describe("Indexes", function()
		it("of images, of indexes, of nothing MUST be taken, with their types", function()
			local text = manifest()
			is(201, put(luff.digest(text), text))
			local inner = luff.json.encode { schemaVersion = 2, mediaType = types.index, manifests = {
				descriptor(text, types.manifest) } }
			is(201, put(luff.digest(inner), inner, types.index))
			local outer = luff.json.encode { schemaVersion = 2, mediaType = types.index, manifests = {
				descriptor(inner, types.index), descriptor(text, types.manifest) }, artifactType = "application/vnd.example" }
			is(201, put("outer", outer, types.index))
			assert.equal(types.index, is(200, request("GET", base .. "/manifests/outer")).headers["content-type"])
			local empty = luff.json.encode { schemaVersion = 2, mediaType = types.index, manifests = luff.array {} }
			is(201, put("empty", empty, types.index))
			assert.equal(empty, is(200, request("GET", base .. "/manifests/empty")).body)
		end)
	end)

	describe("Listing tags (end-8)", function()
		local function tags(query)
			local got = is(200, request("GET", base .. "/tags/list" .. (query or "")))
			return luff.json.decode(got.body).tags, got
		end
		it("MUST be 200, in lexical order, with n and last", function()
			local text = manifest()
			for _, tag in ipairs { "test2", "Test1", "test0", "test3" } do
				is(201, put(tag, text))
			end
			local all, got = tags()
			assert.same({ "test0", "Test1", "test2", "test3" }, all)
			assert.equal(base:match "/v2/(.*)", luff.json.decode(got.body).name)
			assert.same({ "test0", "Test1" }, tags "?n=2")
			assert.same({ "test2", "test3" }, tags "?n=2&last=Test1")
			assert.same({ "test3" }, tags "?last=test2")
			assert.same({ "test0", "Test1", "test2", "test3" }, tags "?n=100")
		end)
		it("a page that is not the last MUST have a Link (RFC 5988), which leads to the rest", function()
			local text = manifest()
			for i = 1, 5 do
				is(201, put("t" .. i, text))
			end
			local all, query = {}, "?n=2"
			while query do
				local page, got = tags(query)
				table.move(page, 1, #page, #all + 1, all)
				local url, relation = (got.headers.link or ""):match '^<([^>]*)>; rel="(%w+)"$'
				assert.is_true(url == nil or relation == "next")
				query = url and url:match "%?.*$"
			end
			assert.same({ "t1", "t2", "t3", "t4", "t5" }, all)
		end)
		it("n=0 MUST be an empty list without a Link", function()
			is(201, put("v1", (manifest())))
			local none, got = tags "?n=0"
			assert.equal(0, #none)
			assert.is_nil(got.headers.link)
		end)
		it("of no repository MUST be 404, of one without tags an empty list", function()
			fails(404, "NAME_UNKNOWN", request("GET", base .. "/tags/list"))
			push "something"
			assert.equal(0, #tags())
		end)
	end)

	describe("Listing referrers (end-12)", function()
		local subject, expected

		local function referrers(query, digest)
			local of = digest or luff.digest(subject)
			local got = is(200, request("GET", ("%s/referrers/%s%s"):format(base, of, query or "")))
			local index = luff.json.decode(got.body)
			assert.equal(types.index, got.headers["content-type"])
			assert.equal(types.index, index.mediaType)
			assert.equal(2, index.schemaVersion)
			return index.manifests, got
		end
		before_each(function()
			subject, expected = manifest(), {}
			is(201, put("image", subject))
			push "{}"
			local empty = descriptor("{}", types.empty)
			for i, more in ipairs {
				{},
				{ artifactType = "application/vnd.example+1", config = empty, annotations = { key = "one" } },
				{ artifactType = "application/vnd.example+2", config = empty, annotations = { key = "two" } },
			} do
				more.subject = descriptor(subject, types.manifest)
				local text, value = manifest(more)
				local done = is(201, put(i == 2 and "tagged" or luff.digest(text), text))
				assert.equal(luff.digest(subject), done.headers["oci-subject"])
				local d = descriptor(text, types.manifest)
				d.artifactType, d.annotations = value.artifactType or types.config, value.annotations
				expected[d.digest] = d
			end
			local text = luff.json.encode { schemaVersion = 2, mediaType = types.index, manifests = luff.array {},
				artifactType = "application/vnd.example+1", annotations = { key = "index" },
				subject = descriptor(subject, types.manifest) }
			local done = is(201, put(luff.digest(text), text, types.index))
			assert.equal(luff.digest(subject), done.headers["oci-subject"])
			local d = descriptor(text, types.index)
			d.artifactType, d.annotations = "application/vnd.example+1", { key = "index" }
			expected[d.digest] = d
		end)
		it("MUST be an index of all that have the subject, with artifactType and annotations", function()
			local seen = {}
			for _, d in ipairs(referrers()) do
				seen[d.digest] = d
			end
			assert.same(expected, seen)
		end)
		it("artifactType filters, and OCI-Filters-Applied MUST say so", function()
			for _, spelling in ipairs { "application/vnd.example+1", "application%2Fvnd.example%2B1" } do
				local list, got = referrers("?artifactType=" .. spelling)
				assert.equal("artifactType", got.headers["oci-filters-applied"])
				assert.equal(2, #list)
				for _, d in ipairs(list) do
					assert.equal("application/vnd.example+1", d.artifactType)
				end
			end
			local list, got = referrers "?artifactType=application/none"
			assert.equal(0, #list)
			assert.equal("artifactType", got.headers["oci-filters-applied"])
			assert.is_nil(select(2, referrers()).headers["oci-filters-applied"])
		end)
		it("of what nothing refers to, and of no repository, MUST be 200 and an empty index, never 404", function()
			assert.equal(0, #referrers("", missing))
			base = base .. "-none"
			assert.equal(0, #referrers("", missing))
		end)
		it("of a malformed digest MUST be 400", function()
			fails(400, "DIGEST_INVALID", request("GET", base .. "/referrers/sha256:x"))
		end)
		it("a subject that is missing MUST be taken (Pushing Manifests with Subject), and listed", function()
			local text = manifest { subject = { mediaType = types.manifest, size = 123, digest = missing } }
			assert.equal(missing, is(201, put(luff.digest(text), text)).headers["oci-subject"])
			assert.equal(luff.digest(text), referrers("", missing)[1].digest)
		end)
		it("what is deleted is listed no more; what stays, is", function()
			is(202, request("DELETE", base .. "/manifests/" .. next(expected)))
			assert.equal(3, #referrers())
			is(202, request("DELETE", base .. "/manifests/" .. luff.digest(subject)))
			assert.equal(3, #referrers())
		end)
		it("a list too large for one answer MUST go on by Link", function()
			local long = ("A"):rep(1500000)
			for i = 1, 4 do
				local text = manifest { subject = { mediaType = types.manifest, size = 5, digest = missing },
					artifactType = "application/vnd.long+x", annotations = { long = long .. i } }
				is(201, put(luff.digest(text), text))
			end
			local seen, query = {}, "?artifactType=application/vnd.long%2Bx"
			while query do
				local list, got = referrers(query, missing)
				assert.is_true(#list > 0)
				for _, d in ipairs(list) do
					seen[#seen + 1] = d.digest
				end
				query = got.headers.link and got.headers.link:match '^<[^?]*(%?[^>]*)>; rel="next"$'
			end
			assert.equal(4, #seen)
		end)
	end)

	describe("Content management", function()
		it("deleting a tag (end-9) MUST be 202, takes the tag alone, at once", function()
			local text = manifest()
			is(201, put("v1", text))
			is(201, put("v2", text))
			is(202, request("DELETE", base .. "/manifests/v1"))
			is(404, request("HEAD", base .. "/manifests/v1"))
			is(200, request("HEAD", base .. "/manifests/v2"))
			is(200, request("HEAD", base .. "/manifests/" .. luff.digest(text)))
			fails(404, "MANIFEST_UNKNOWN", request("DELETE", base .. "/manifests/v1"))
		end)
		it("deleting a manifest (end-9) MUST be 202, with its tags, at once", function()
			local text = manifest()
			is(201, put("v1", text))
			is(202, request("DELETE", base .. "/manifests/" .. luff.digest(text)))
			is(404, request("HEAD", base .. "/manifests/" .. luff.digest(text)))
			is(404, request("HEAD", base .. "/manifests/v1"))
			fails(404, "MANIFEST_UNKNOWN", request("DELETE", base .. "/manifests/" .. luff.digest(text)))
		end)
		it("in a repository that is not there MUST be 404", function()
			fails(404, "MANIFEST_UNKNOWN", request("DELETE", base .. "/manifests/" .. missing))
			fails(404, "MANIFEST_UNKNOWN", request("DELETE", base .. "/manifests/v1"))
			fails(404, "BLOB_UNKNOWN", request("DELETE", base .. "/blobs/" .. missing))
		end)
		it("deleting a blob (end-10) MUST be 202, at once; again, 404", function()
			local digest = push(random(100))
			is(202, request("DELETE", base .. "/blobs/" .. digest))
			is(404, request("HEAD", base .. "/blobs/" .. digest))
			fails(404, "BLOB_UNKNOWN", request("DELETE", base .. "/blobs/" .. digest))
		end)
		for _, order in ipairs { "manifests before blobs", "blobs before manifests" } do
			it("goes in either order: " .. order, function()
				local text, value = manifest()
				is(201, put("v1", text))
				local steps = {
					function()
						is(202, request("DELETE", base .. "/manifests/v1"))
						is(202, request("DELETE", base .. "/manifests/" .. luff.digest(text)))
					end,
					function()
						for _, d in ipairs { value.config, value.layers[1] } do
							is(202, request("DELETE", base .. "/blobs/" .. d.digest))
						end
					end,
				}
				for i = 1, 2 do
					steps[order == "manifests before blobs" and i or 3 - i]()
				end
				is(404, request("HEAD", base .. "/manifests/" .. luff.digest(text)))
				is(404, request("HEAD", base .. "/blobs/" .. value.config.digest))
			end)
		end
		it("takes no manifest by the address of blobs, which would leave its tags", function()
			local text = manifest()
			is(201, put("v1", text))
			fails(404, "BLOB_UNKNOWN", request("DELETE", base .. "/blobs/" .. luff.digest(text)))
			is(200, request("GET", base .. "/manifests/v1"))
		end)
	end)

	describe("What no endpoint does", function()
		it("is 405 by the method, 404 by the address", function()
			fails(405, "UNSUPPORTED", request("PUT", base .. "/blobs/" .. missing, { body = "x" }))
			fails(405, "UNSUPPORTED", request("POST", base .. "/manifests/v1", { body = "x" }))
			fails(405, "UNSUPPORTED", request("DELETE", base .. "/tags/list"))
			fails(404, "UNSUPPORTED", request("GET", base .. "/nothing/here"))
		end)
	end)
end

describe("the distribution-spec, by the embedded registry", function()
	describe("in memory:", function()
		suite(false)
	end)
	describe("on disk:", function()
		suite(true)
	end)
end)
