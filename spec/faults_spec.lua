-- A registry that misbehaves on purpose: what a plain HTTP client sees of each fault, and what luff makes of it.
local luff = require "luff"
local support = require "spec.support"

local content = "0123456789"
local digest = luff.digest(content)
local blob_path = "/v2/app/blobs/" .. digest

-- A server with these faults that holds the blob, which no fault of GET or HEAD keeps it from getting.
local function serve(...)
	local server = luff.serve { faults = { ... } }
	support.defer(function()
		server:close()
	end)
	luff.push_blob(server:address() .. "/app", content, { media_type = "text/plain" })
	server:requests()
	return server
end

-- One request by curl: { status, headers (names in lower case), body, code (curl's own) }.
local function curl(server, path, ...)
	local argv = { "curl", "-s", "-i", "--max-time", "20", "http://" .. server:address() .. path, ... }
	local result = support.run(argv)
	local head, body = result.stdout:match "^(.-\r\n)\r\n(.*)$"
	local headers = {}
	for name, value in (head or ""):gmatch "([%w-]+): ([^\r]*)\r\n" do
		headers[name:lower()] = value
	end
	return {
		status = tonumber((head or ""):match "^HTTP/1.1 (%d+)"), headers = headers, body = body, code = result.code,
	}
end

local function get(fault, ...)
	fault.method = "GET"
	return curl(serve(fault), blob_path, ...)
end

local broken_off, no_answer = 18, 52 -- exit codes of curl

describe("a fault", function()
	it("answers something else", function()
		local answer = get { status = 503, headers = { ["Retry-After"] = "1" }, body = "closed" }
		assert.equal(503, answer.status)
		assert.equal("1", answer.headers["retry-after"])
		assert.equal("closed", answer.body)
		answer = get { status = 404 }
		assert.equal(404, answer.status)
		assert.equal("", answer.body)
	end)

	it("does so in place of what a request would have done", function()
		local server = serve { method = "POST", after = 1, status = 500 }
		local err = support.fails(luff.push_blob, server:address() .. "/app", "other", { media_type = "text/plain" })
		assert.equal(500, err.status)
		assert.equal(404, curl(server, "/v2/app/blobs/" .. luff.digest "other").status)
	end)

	it("breaks off a body", function()
		for n = 0, 4, 4 do
			local answer = get { cut = n }
			assert.equal(200, answer.status)
			assert.equal("10", answer.headers["content-length"])
			assert.equal(content:sub(1, n), answer.body)
			assert.equal(broken_off, answer.code)
		end
		assert.equal(0, get({ cut = 10 }).code)
	end)

	it("turns a byte over", function()
		local answer = get { flip = 3 }
		assert.equal(0, answer.code)
		assert.equal("01" .. string.char(0xff ~ ("2"):byte()) .. "3456789", answer.body)
		assert.equal(content, get({ flip = 11 }).body)
	end)

	it("lets wait, before the answer and in the middle of it", function()
		for _, at in ipairs { false, 3 } do
			local server = serve { method = "GET", stall = 0.4, stall_at = at or nil }
			local times = support.run { "curl", "-s", "-o", "/dev/null", "-w", "%{time_starttransfer} %{time_total}",
				"http://" .. server:address() .. blob_path }
			local first, total = times.stdout:match "^(%S+) (%S+)$"
			assert.is_true(tonumber(total) >= 0.4 and tonumber(total) < 5, total)
			assert.equal(not at, tonumber(first) >= 0.4)
		end
	end)

	it("lets nobody wait when the server is closed", function()
		local server = serve { method = "GET", stall = 60 }
		local client = support.start { "curl", "-s", "http://" .. server:address() .. blob_path }
		support.sleep(0.3)
		local began = os.time()
		server:close()
		assert.is_true(os.time() - began < 50)
		client:wait()
	end)

	it("hangs up", function()
		local server = serve { method = "GET", hang_up = true }
		assert.equal(no_answer, curl(server, blob_path).code)
		assert.is_nil(server:requests()[1].status)
	end)

	it("lies about the length", function()
		local answer = get { length = 4 }
		assert.equal("4", answer.headers["content-length"])
		assert.equal("0123", answer.body)
		assert.equal(0, answer.code)
		answer = get { length = 20 }
		assert.equal("20", answer.headers["content-length"])
		assert.equal(content, answer.body)
		assert.equal(broken_off, answer.code)
		answer = get { length = false }
		assert.is_nil(answer.headers["content-length"])
		assert.equal(content, answer.body)
		assert.equal("7", curl(serve { method = "HEAD", length = 7 }, blob_path, "--head").headers["content-length"])
	end)

	it("lies in other headers, and takes them away", function()
		local answer = get { digest = luff.digest "x", type = "text/html", headers = { ["X-More"] = "y" } }
		assert.equal(luff.digest "x", answer.headers["docker-content-digest"])
		assert.equal("text/html", answer.headers["content-type"])
		assert.equal("y", answer.headers["x-more"])
		assert.equal(content, answer.body)
		answer = get { digest = false, type = false, headers = { ["accept-ranges"] = false } }
		for _, name in ipairs { "docker-content-digest", "content-type", "accept-ranges" } do
			assert.is_nil(answer.headers[name])
		end
		answer = get { link = '</x>; rel="next"' }
		assert.equal('</x>; rel="next"', answer.headers.link)
	end)

	it("ignores ranges and lies about them", function()
		local answer = get({ ignore_range = true }, "-r", "2-4")
		assert.equal(200, answer.status)
		assert.equal(content, answer.body)
		answer = get({ range = "bytes 5-7/10" }, "-r", "2-4")
		assert.equal(206, answer.status)
		assert.equal("bytes 5-7/10", answer.headers["content-range"])
		assert.equal("234", answer.body)
	end)

	it("leads elsewhere", function()
		local answer = get { redirect = "http://127.0.0.1:1/x" }
		assert.equal(307, answer.status)
		assert.equal("http://127.0.0.1:1/x", answer.headers.location)
		assert.equal(302, get({ redirect = "/x", status = 302 }).status)
	end)

	it("is the same for files as for memory", function()
		for _, fault in ipairs { { cut = 4 }, { length = 4 } } do
			fault.method = "GET"
			local server <close> = luff.serve { root = support.scratch(), faults = { fault } }
			luff.push_blob(server:address() .. "/app", content, { media_type = "text/plain" })
			assert.equal("0123", curl(server, blob_path).body)
		end
		local faults = { { method = "GET", length = false, flip = 1 } }
		local server <close> = luff.serve { root = support.scratch(), faults = faults }
		luff.push_blob(server:address() .. "/app", content, { media_type = "text/plain" })
		-- the part ends where it should, though the file goes on
		assert.equal("\xcd34", curl(server, blob_path, "-r", "2-4").body)
	end)

	describe("hits", function()
		local function statuses(server, n, path)
			local list = {}
			for i = 1, n do
				list[i] = curl(server, path or blob_path).status
			end
			return table.concat(list, " ")
		end

		it("as many as it says, from where it says", function()
			assert.equal("200 200 503 200", statuses(serve { method = "GET", after = 2, count = 1, status = 503 }, 4))
			assert.equal("200 503 200 503 200", statuses(serve { method = "GET", every = 2, status = 503 }, 5))
			assert.equal("200 200 503 200 503 200 200",
				statuses(serve { method = "GET", after = 1, every = 2, count = 2, status = 503 }, 7))
		end)

		it("only the method and the path that it says", function()
			local server = serve { method = "GET", path = "/v2/*/blobs/*", status = 503 }
			assert.equal("503", statuses(server, 1))
			assert.equal("503", statuses(server, 1, "/v2/a/b/blobs/x"))
			assert.equal("200", statuses(server, 1, "/v2/"))
			assert.equal(200, curl(server, blob_path, "--head").status)
			assert.equal("503", statuses(serve { method = "*", path = "/v2/", status = 503 }, 1, "/v2/?query"))
		end)

		it("first of all that are due, where each counts for itself", function()
			local server = serve({ method = "GET", every = 2, status = 503 }, { method = "GET", every = 3, status = 429 })
			assert.equal("200 503 429 503 200 503", statuses(server, 6))
		end)
	end)

	it("is refused where it makes no sense", function()
		for fault, word in pairs {
			[{ stauts = 503 }] = 'unknown option "stauts" (did you mean "status"?)',
			[{ status = 1000 }] = "fault 1: status must be a whole number from 200 to 599",
			[{ status = "503" }] = "fault 1: status must be",
			[{ cut = -1 }] = "fault 1: cut must be a whole number from 0 on",
			[{ flip = 0 }] = "fault 1: flip must be",
			[{ stall = 101 }] = "fault 1: stall must be",
			[{ stall_at = 1 }] = "fault 1: stall must be",
			[{ hang_up = 1 }] = "fault 1: hang_up must be",
			[{ body = "x" }] = "fault 1: a body needs a status",
			[{ headers = { ["Content-Length"] = "1" } }] = "length",
			[{ headers = { A = "b\r\nc: d" } }] = "fault 1: a header",
			[{ headers = { A = true } }] = "fault 1: headers must be",
			[{ auth = "digest" }] = "fault 1: auth must be",
			[{ user = "me" }] = "fault 1: auth must be",
			[{ path = "a\0b" }] = "fault 1: path must be",
		} do
			local err = support.fails(luff.serve, { faults = { fault } })
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(word, 1, true), err.message)
		end
		for _, faults in ipairs { { status = 503 }, { { status = 503 }, x = 1 }, "503" } do
			assert.is_false(pcall(luff.serve, { faults = faults }))
		end
	end)
end)

describe("a login that a fault demands", function()
	it("may be a password", function()
		local server = luff.serve { faults = { { auth = "basic", user = "me", password = "pass" } } }
		support.defer(function()
			server:close()
		end)
		local answer = curl(server, "/v2/")
		assert.equal(401, answer.status)
		assert.equal('Basic realm="luff"', answer.headers["www-authenticate"])
		assert.equal(401, curl(server, "/v2/", "-u", "me:wrong").status)
		assert.equal(200, curl(server, "/v2/", "-u", "me:pass").status)
	end)

	it("may be a token, which is good for a repository and a time", function()
		local server <close> = luff.serve { faults = { { auth = "bearer", user = "me", password = "pass", token_ttl = 4 } } }
		local challenge = curl(server, blob_path).headers["www-authenticate"]
		assert.equal(('Bearer realm="http://%s/token",service="luff",scope="repository:app:pull"'):format(server:address()),
			challenge)
		assert.equal(401, curl(server, "/token?scope=repository:app:pull").status)
		local answer = luff.json.decode(curl(server, "/token?scope=repository%3Aapp%3Apull", "-u", "me:pass").body)
		assert.equal(4, answer.expires_in)
		local bearer = "Authorization: Bearer " .. answer.token
		assert.equal(404, curl(server, blob_path, "-H", bearer).status)
		assert.equal(401, curl(server, "/v2/app/blobs/uploads/", "-H", bearer, "-X", "POST").status)
		assert.equal(401, curl(server, "/v2/other/tags/list", "-H", bearer).status)
		assert.equal(401, curl(server, blob_path, "-H", bearer .. "x").status)
		support.sleep(4.1)
		answer = curl(server, blob_path, "-H", bearer)
		assert.equal(401, answer.status)
		assert.truthy(answer.headers["www-authenticate"]:find('error="invalid_token"', 1, true))
	end)

	it("may be handed out by another server", function()
		local tokens <close> = luff.serve { faults = { { path = "/v2/*", auth = "bearer" } } }
		local server <close> = luff.serve { faults = {
			{ auth = "bearer", realm = ("http://%s/token"):format(tokens:address()) } } }
		luff.push_blob(server:address() .. "/app", content, { media_type = "text/plain" })
		assert.equal("/token", tokens:requests()[1].path)
	end)

	it("stands beside another fault", function()
		local server = luff.serve { faults = { { method = "GET", count = 1, status = 404 }, { auth = "basic", user = "a",
			password = "b" } } }
		support.defer(function()
			server:close()
		end)
		assert.equal(401, curl(server, "/v2/").status)
		assert.equal(404, curl(server, "/v2/", "-u", "a:b").status)
		assert.equal(200, curl(server, "/v2/", "-u", "a:b").status)
	end)
end)

describe("what a server was asked", function()
	it("is told once, with headers and statuses", function()
		local server <close> = luff.serve { record = true }
		curl(server, "/v2/app/tags/list?n=%31", "-H", "X-Twice: a", "-H", "x-twice: b")
		curl(server, "/v2/")
		local requests = server:requests()
		assert.equal(2, #requests)
		assert.equal("GET", requests[1].method)
		assert.equal("/v2/app/tags/list", requests[1].path)
		assert.equal("n=%31", requests[1].query)
		assert.equal(404, requests[1].status)
		assert.equal("a, b", requests[1].headers["x-twice"])
		assert.equal("/v2/", requests[2].path)
		assert.is_nil(requests[2].query)
		assert.same({}, server:requests())
	end)

	it("is forgotten where nobody wants to know", function()
		local server <close> = luff.serve {}
		assert.equal("invalid", support.fails(server.requests, server).code)
	end)

	it("is kept for the newest alone", function()
		local server <close> = luff.serve { record = true }
		support.must { "curl", "-s", "-o", "/dev/null", ("http://%s/v2/?[1-10010]"):format(server:address()) }
		local requests = server:requests()
		assert.equal(10000, #requests)
		assert.equal("11", requests[1].query)
		assert.equal("10010", requests[10000].query)
	end)
end)

local function now()
	return tonumber(support.sh "date +%s.%N")
end

-- A date as HTTP has it, so many seconds from now.
local function date(seconds)
	return os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + seconds)
end

-- A server with these faults, and an image in it under app:v1 that was written before they begin.
local function serve_image(...)
	local root = support.scratch()
	local image
	do
		local server <close> = luff.serve { root = root }
		image = support.make_image(server:address() .. "/app:v1", { layers = { 300000, 1000 } })
	end
	local server = luff.serve { root = root, faults = { ... } }
	support.defer(function()
		server:close()
	end)
	return server, server:address() .. "/app:v1", image:digest()
end

local count = support.count

-- All of a layout is what its names say, and nothing is half-written.
local function sound(dir)
	local n = 0
	for _, path in ipairs(support.files(dir .. "/blobs")) do
		assert.equal("sha256:" .. path:match "%x+$", luff.digest { file = path })
		n = n + 1
	end
	assert.same({}, support.files(dir .. "/ingest"))
	return n
end

local manifests, blobs = "/v2/app/manifests/*", "/v2/app/blobs/*"

describe("luff's client", function()
	local function copies(...)
		local server, source, image = serve_image(...)
		local target = support.scratch() .. "/target"
		assert.equal(image, luff.copy(source, "oci:" .. target .. ":v1", { jobs = 1 }).digest)
		assert.equal(4, sound(target))
		return server
	end

	local function fails(code, ...)
		local server, source = serve_image(...)
		local target = support.scratch() .. "/target"
		local err = support.fails(luff.copy, source, "oci:" .. target .. ":v1", { jobs = 1 })
		assert.equal(code, err.code, err.message)
		assert.is_nil(luff.try(luff.open, "oci:" .. target .. ":v1"))
		sound(target)
		return server, err
	end

	for _, path in ipairs { manifests, blobs, "/token" } do
		it("asks again when " .. path .. " fails for a while", function()
			local statuses = path == manifests and { 408, 425, 429, 500, 502, 503, 504, 522 } or { 429, 503 }
			for _, status in ipairs(statuses) do
				copies({ path = path, count = 2, status = status, headers = { ["Retry-After"] = "0" } },
					path == "/token" and { path = "/v2/*", auth = "bearer" } or nil)
			end
			for _, fault in ipairs { { cut = 10 }, { cut = 10, length = false }, { hang_up = true }, { stall = 0.2 },
				{ stall = 0.2, stall_at = 10 } } do
				fault.path, fault.count = path, 2
				copies(fault, path == "/token" and { path = "/v2/*", auth = "bearer" } or nil)
			end
		end)
	end

	it("asks for a page of tags again", function()
		local _, source = serve_image { path = "/v2/app/tags/list", count = 1, cut = 3 }
		assert.equal("v1", luff.tags((source:gsub(":v1$", "")))())
	end)

	it("gives up in the end, with one clear error", function()
		for _, path in ipairs { manifests, blobs } do
			local server, err = fails("http", { path = path, status = 503, headers = { ["Retry-After"] = "0" } })
			assert.equal(503, err.status)
			assert.is_true(#server:requests() <= 30)
		end
		fails("rate_limited", { path = blobs, status = 429, headers = { ["Retry-After"] = "0" } })
		fails("rate_limited", { path = blobs, status = 429, headers = { ["Retry-After"] = "86400" } })
		fails("rate_limited", { path = blobs, status = 429, headers = { ["Retry-After"] = date(86400) } })
		fails("network", { path = manifests, hang_up = true })
	end)

	it("refuses what no second try makes right", function()
		fails("digest_mismatch", { path = blobs, flip = 1 })
		fails("digest_mismatch", { path = "/v2/app/manifests/v1", flip = 1 })
		fails("digest_mismatch", { path = "/v2/app/manifests/v1", digest = luff.digest "other" })
		fails("size_mismatch", { path = blobs, length = 5 })
		fails("network", { path = blobs, redirect = "http://127.0.0.1:1/" })
	end)

	it("takes a blob up where it broke off, and from the start where ranges are ignored", function()
		for _, fault in ipairs { {}, { ignore_range = true } } do
			fault.path, fault.method = blobs, "GET"
			local server = copies({ path = blobs, method = "GET", count = 1, cut = 100000 }, fault)
			local ranges = 0
			for _, request in ipairs(server:requests()) do
				ranges = ranges + ((request.headers.range or ""):find "^bytes=100000%-" and 1 or 0)
			end
			assert.equal(1, ranges)
		end
		fails("bad_format", { path = blobs, method = "GET", count = 1, cut = 100000 },
			{ path = blobs, range = "bytes 5-9/302592" })
	end)

	it("comes back when it was told to, in seconds or by the clock", function()
		luff.map({ "2", date(5) }, { jobs = 2 }, function(value)
			local _, source = serve_image { path = manifests, count = 1, status = 503, headers = { ["Retry-After"] = value } }
			local began = now()
			luff.open(source)
			local took = now() - began
			assert.is_true(took > 1.5 and took < 40, value .. ": " .. took)
		end)
	end)

	it("leaves a server alone that says so to one of many", function()
		luff.map({ 429, 503 }, { jobs = 2 }, function(status)
			local server, source = serve_image { path = "/v2/app/manifests/v1", count = 1, status = status,
				headers = { ["Retry-After"] = "4" } }
			local first = luff.spawn(luff.open, source)
			support.eventually(function()
				return #server:requests() > 0
			end)
			local began = now()
			luff.push_blob(server:address() .. "/app", "a", { media_type = "text/plain" })
			assert.is_true(now() - began > 1, now() - began)
			first:wait()
		end)
	end)

	it("goes on with an upload that broke", function()
		local source = "oci:" .. support.scratch() .. ":v1"
		local image = support.make_image(source, { layers = { 2000000, 1000 } })
		for _, fault in ipairs { { hang_up = true }, { status = 503 }, { status = 429,
			headers = { ["Retry-After"] = "1" } } } do
			fault.method, fault.path, fault.count = "PUT", "/v2/app/blobs/uploads/*", 3
			local server <close> = luff.serve { faults = { fault } }
			local bytes = 0
			local result = luff.copy(source, server:address() .. "/app:v1", { jobs = 1, progress = function(event)
				bytes = bytes + (event.kind == "bytes" and event.bytes or 0)
			end })
			assert.equal(image:digest(), luff.open(server:address() .. "/app:v1"):digest())
			assert.equal(3, result.copied)
			assert.equal(bytes, result.bytes)
			assert.is_true(bytes < 2010000, bytes)
			for _, layer in ipairs(luff.open(server:address() .. "/app:v1"):layers()) do
				assert.equal(layer:digest(), luff.digest(layer:compressed():read "a"))
			end
			local requests = server:requests()
			assert.equal(6, count(requests, "PUT", "/blobs/uploads/"))
			assert.equal(3, count(requests, "POST", "/blobs/uploads/"))
			assert.equal(3, count(requests, "GET", "/blobs/uploads/"))
		end
	end)

	it("gives an upload up in the end", function()
		local source = "oci:" .. support.scratch() .. ":v1"
		support.make_image(source)
		local server <close> = luff.serve { faults = { { method = "PUT", path = "/v2/app/blobs/uploads/*", status = 500 } } }
		assert.equal(500, support.fails(luff.copy, source, server:address() .. "/app:v1").status)
		assert.is_true(count(server:requests(), "PUT", "/blobs/uploads/") <= 12)
		assert.equal("not_found", support.fails(luff.open, server:address() .. "/app:v1").code)
	end)

	it("is cancelled while it waits", function()
		local server, source = serve_image { path = manifests, status = 503, headers = { ["Retry-After"] = "50" } }
		local first = luff.spawn(luff.open, source)
		support.eventually(function()
			return #server:requests() > 0
		end)
		local began = now()
		local second = luff.spawn(luff.resolve, server:address() .. "/app:v2")
		first:cancel()
		second:cancel()
		assert.equal("cancelled", support.fails(first.wait, first).code)
		assert.equal("cancelled", support.fails(second.wait, second).code)
		assert.is_true(now() - began < 40)
	end)

	it("gets a new token where one has ended, and shows it to nobody else", function()
		local elsewhere <close> = luff.serve { record = true }
		local server, source = serve_image({ path = "/v2/*", auth = "bearer", token_ttl = 4 },
			{ path = blobs, method = "GET", redirect = ("http://%s/elsewhere"):format(elsewhere:address()) })
		luff.resolve(source)
		support.sleep(4.2)
		luff.resolve(source)
		local requests = server:requests()
		assert.equal(2, count(requests, "GET", "^/token$"))
		local image = luff.open(source)
		luff.try(image.raw_config_file, image)
		assert.truthy(server:requests()[1].headers.authorization)
		local there = elsewhere:requests()
		assert.equal("/elsewhere", there[1].path)
		for _, request in ipairs(there) do
			assert.is_nil(request.headers.authorization)
		end
	end)
end)

describe("many small blobs", function()
	local now_and_then = { ["Retry-After"] = "0" }
	local ways = {
		{ status = 503, headers = now_and_then }, { cut = 40 }, { hang_up = true },
		{ status = 429, headers = now_and_then }, { stall = 0.02 }, { stall = 0.02, stall_at = 20 },
	}

	-- One request in ten meets one of these, in turn.
	local function one_in_ten(list)
		local faults = {}
		for i, way in ipairs(list) do
			faults[i] = { method = "GET", after = 10 * (i - 1), every = 10 * #list }
			for key, value in pairs(way) do
				faults[i][key] = value
			end
		end
		return faults
	end

	-- The images are copied by another process, four at a time.
	local function soak(faults, images)
		local layers = 99
		local server <close> = luff.serve { faults = faults }
		for i = 1, images do
			local list = {}
			for j = 1, layers do
				list[j] = { bytes = ("image %d layer %d %s"):format(i, j, ("x"):rep(100 + 17 * j)) }
			end
			support.make_image(("%s/app:v%d"):format(server:address(), i), { layers = list, config = { author = "n" .. i } })
		end
		server:requests()
		local target = support.scratch() .. "/target"
		local result = support.luff({ "-e", [[
			local luff = require "luff"
			local source, target, images = arg[1], arg[2], math.tointeger(arg[3])
			local numbers, copied = {}, 0
			for i = 1, images do
				numbers[i] = i
			end
			for _, result in ipairs(luff.map(numbers, { jobs = 4 }, function(i)
				return luff.copy(source .. ":v" .. i, "oci:" .. target .. ":v" .. i, { jobs = 8 })
			end)) do
				copied = copied + result.copied
			end
			print(copied, io.open("/proc/self/status"):read "a":match "VmHWM:%s*(%d+)")
		]], server:address() .. "/app", target, tostring(images) }, { timeout = 300 })
		assert.equal(0, result.code, result.stderr)
		local copied, peak = result.stdout:match "^(%d+)%s(%d+)"
		assert.equal(images * (layers + 1), tonumber(copied))
		assert.equal(images * (layers + 2), sound(target))
		if not os.getenv "ASAN_OPTIONS" then
			assert.is_true(tonumber(peak) < 40000, peak .. " kB")
		end
		-- what failed was asked for again, and nothing else
		local asked = count(server:requests(), "GET", "^/v2/")
		assert.is_true(asked < images * (layers + 2) * 1.15, asked)
		return asked - images * (layers + 2)
	end

	it("all arrive from a server that fails in any way, all the time", function()
		local images = support.scaled(20)
		assert.is_true(soak(one_in_ten(ways), images) > 5 * images)
	end)

	it("all arrive at a server that fails in any way", function()
		local source, root, layers = "oci:" .. support.scratch() .. ":v1", support.scratch(), {}
		for i = 1, 300 do
			layers[i] = { bytes = ("layer %d %s"):format(i, ("x"):rep(100 + 17 * i)) }
		end
		local image = support.make_image(source, { layers = layers })
		local faults = one_in_ten(ways)
		for _, fault in ipairs(faults) do
			fault.method = "*"
		end
		local server <close> = luff.serve { root = root, faults = faults }
		assert.equal(301, luff.copy(source, server:address() .. "/app:v1", { jobs = 8 }).copied)
		assert.equal(302, sound(root .. "/app"))
		assert.equal(image:digest(), luff.digest(luff.open("oci:" .. root .. "/app:v1"):raw_manifest()))
	end)

	for _, way in ipairs(ways) do
		it("all arrive from one whose fault is " .. luff.json.encode(way), function()
			soak(one_in_ten { way }, support.scaled(3))
		end)
	end
end)
