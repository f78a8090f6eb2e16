-- Not under the thread sanitizer.
-- What registries say beside their answers, and how much luff asks of them: warnings, limits of rate, bytes per second.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local manifest = luff.json.encode {
	schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
	config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest "{}", size = 2 },
}

-- A registry whose manifests come with more headers: lines, each a whole one.
local function serve(...)
	local lines = { "HTTP/1.1 200 OK", "Content-Type: " .. oci_manifest, "Content-Length: " .. #manifest,
		"Docker-Content-Digest: " .. luff.digest(manifest), "Connection: close", ... }
	return support.canned { { "*", "/v2/.*/manifests/.*", raw = table.concat(lines, "\r\n") .. "\r\n\r\n" .. manifest } }
end

local function heard(f)
	local list = {}
	luff.config { on_warning = function(registry, text) list[#list + 1] = registry .. "|" .. text end }
	f()
	luff.config { on_warning = false }
	return list
end

describe("A warning", function()
	before_each(function()
		heard(function() luff.try(luff.ping, "127.0.0.1:1") end) -- what others left
	end)

	it("is heard once from a registry, whatever asks", function()
		local server = serve('Warning: 299 - "this registry closes in May"',
			'warning: 299 - "and moves", 299 - "to x.example"')
		local list = heard(function()
			for i = 1, 3 do
				luff.resolve(server.address .. "/app" .. i .. ":v1")
			end
			luff.map({ 1, 2, 3, 4 }, { jobs = 4 }, function(i) luff.open(server.address .. "/other" .. i .. ":v1") end)
		end)
		assert.same({ server.address .. "|this registry closes in May", server.address .. "|and moves",
			server.address .. "|to x.example" }, list)
		local another = serve 'Warning: 299 - "and moves"'
		assert.same({ another.address .. "|and moves" }, heard(function() luff.resolve(another.address .. "/app:v1") end))
	end)

	it("waits for whoever listens later", function()
		local server = serve 'Warning: 299 - "early"'
		luff.resolve(server.address .. "/app:v1")
		assert.same({ server.address .. "|early" }, heard(function() luff.resolve(server.address .. "/app:v1") end))
	end)

	it("comes with a failure, too", function()
		local server = support.canned { { "*", ".*", status = 403, headers = { Warning = '299 - "no longer yours"' } } }
		assert.same({ server.address .. "|no longer yours" }, heard(function()
			assert.equal("denied", support.fails(luff.resolve, server.address .. "/app:v1").code)
		end))
	end)

	it("is of code 299 and the agent - alone, and may have a date", function()
		local server = serve('Warning: 110 cache.example "stale", 299 cache.example "other", 299 - "a \\"quoted\\" word" '
			.. '"Wed, 21 Oct 2026 07:28:00 GMT", '
			.. '199 - "misc", 299 - "", 299 - "b"', "Warning: 299 - unquoted", 'Warning: 299 - "no end',
			"Warning: ,,", 'Warning: 299 - "last"')
		assert.same({ server.address .. '|a "quoted" word', server.address .. "|b", server.address .. "|last" },
			heard(function() luff.resolve(server.address .. "/app:v1") end))
	end)

	it("is plain and bounded, and so is their number", function()
		local lines = { 'Warning: 299 - "red\27[31m\7 \255 bytes ' .. ("x"):rep(1000) .. '"' }
		for i = 1, 40 do
			lines[#lines + 1] = ('Warning: 299 - "number %d"'):format(i)
		end
		local server = serve(table.unpack(lines))
		local list = heard(function() luff.resolve(server.address .. "/app:v1") end)
		assert.equal(16, #list)
		local text = list[1]:match "|(.*)"
		assert.is_true(#text <= 255)
		assert.truthy(text:find("^red%[31m %? bytes x"), text)
	end)

	it("that a script takes for an error ends the call", function()
		local server = serve 'Warning: 299 - "stop"'
		luff.config { on_warning = function(_, text) error({ text = text }, 0) end }
		local ok, err = pcall(luff.resolve, server.address .. "/app:v1")
		luff.config { on_warning = false }
		assert.is_false(ok)
		assert.same({ text = "stop" }, err)
		assert.equal(luff.digest(manifest), luff.resolve(server.address .. "/app:v1").digest)
	end)

	it("may be looked into with luff itself, also inside of a task", function()
		local server, seen = serve 'Warning: 299 - "look"', nil
		luff.config { on_warning = function() seen = luff.resolve(server.address .. "/app:v2").digest end }
		luff.spawn(function() luff.resolve(server.address .. "/app:v1") end):wait()
		luff.config { on_warning = false }
		assert.equal(luff.digest(manifest), seen)
	end)

	it("is written to stderr by the program, and by the module not", function()
		local server = serve 'Warning: 299 - "closing \226\128\174 down"'
		local said = ("luff: %s warns: closing \\u{202e} down\n"):format(server.address)
		local result = support.luff("digest", server.address .. "/app:v1")
		assert.same({ code = 0, stdout = luff.digest(manifest) .. "\n", stderr = said }, result)
		local code = ("luff.resolve '%s/app:v1' luff.resolve '%s/app:v2'"):format(server.address, server.address)
		assert.equal(said, support.luff("-e", code).stderr)
		assert.equal("", support.luff("-e", "luff.config { on_warning = false } " .. code).stderr)
		result = support.run { "lua5.4", "-e", "local luff = require 'luff' " .. code }
		assert.same({ code = 0, stdout = "", stderr = "" }, result)
	end)

	it("stands above the moving lines of a terminal", function()
		local progress = require "luff.progress"
		local out = {}
		local stream = { write = function(_, ...) out[#out + 1] = table.concat { ... } end, flush = function() end }
		local bars = progress.new { columns = 80, stream = stream, now = function() return 0 end }
		local watch = bars:watch()
		watch { kind = "start", digest = luff.digest "", media_type = "text/plain", size = 10, bytes = 0, total = 10 }
		progress.say "a line"
		bars:close()
		assert.truthy(table.concat(out):find("\27%[%dA\ra line\27%[K\n"), table.concat(out))
	end)

	it("is not to be had from on_warning that is no function", function()
		assert.equal("invalid", support.fails(luff.config, { on_warning = "stderr" }).code)
	end)
end)

describe("luff.rate_limit", function()
	local function limit_of(...)
		local server = serve(...)
		assert.is_nil(luff.rate_limit(server.address))
		luff.resolve(server.address .. "/app:v1")
		local limit = luff.rate_limit(server.address)
		assert.equal(1, #server.requests())
		return limit, server
	end

	it("gives what Docker Hub says", function()
		local limit, server = limit_of("ratelimit-limit: 100;w=21600", "ratelimit-remaining: 76;w=21600",
			"docker-ratelimit-source: 192.0.2.1")
		assert.same({ limit = 100, remaining = 76, window = 21600, source = "192.0.2.1" }, limit)
		local name = server.address .. "/app:v1"
		assert.equal(server.address .. ": 76 requests left of 100 in 21600 s for 192.0.2.1\n",
			support.must { support.program, "ratelimit", name })
		limit.registry = server.address
		assert.same(limit, luff.json.decode(support.must { support.program, "ratelimit", "--json", name }))
	end)

	it("gives what the drafts of RateLimit headers say, and GitLab's date", function()
		assert.same({ limit = 10, remaining = 0, window = 1 },
			(limit_of("RateLimit-Limit: 10, 10;w=1;burst=100, 1000;w=3600", "RateLimit-Remaining: 0;w=1")))
		local limit = limit_of("RateLimit-Limit: 60", "RateLimit-Remaining: 59", "RateLimit-Reset: " .. os.time() + 1000)
		assert.is_true(limit.reset > 800 and limit.reset <= 1000, limit.reset)
		limit = limit_of("RateLimit-Remaining: 5", "RateLimit-Reset: 300")
		assert.is_true(limit.reset > 100 and limit.reset <= 300, limit.reset)
		assert.is_nil(limit.limit)
	end)

	it("comes with a refusal", function()
		local server = support.canned { { "*", ".*", status = 429, headers = { ["Retry-After"] = "0",
			["RateLimit-Limit"] = "100;w=21600", ["RateLimit-Remaining"] = "0;w=21600" } } }
		assert.equal("rate_limited", support.fails(luff.resolve, server.address .. "/app:v1").code)
		assert.same({ limit = 100, remaining = 0, window = 21600 }, luff.rate_limit(server.address))
	end)

	it("is nil where a registry says nothing, or nothing that could be understood", function()
		assert.is_nil((limit_of()))
		assert.is_nil((limit_of("RateLimit-Limit: many", "RateLimit-Remaining: -1")))
		assert.is_nil((limit_of("RateLimit-Limit: 99999999999999999999", "RateLimit-Reset: 5")))
		local server = serve()
		assert.equal(server.address .. ": it says nothing of a limit\n",
			support.must { support.program, "ratelimit", server.address .. "/app:v1" })
		assert.equal("invalid_name", support.fails(luff.rate_limit, "localhost:5000/app").code)
		assert.equal(2, support.luff("ratelimit", "oci:./x:v1").code)
	end)
end)

describe("bandwidth", function()
	local content = support.random(400000)

	-- Seconds that f takes, at least.
	local function timed(f)
		local from = tonumber(support.sh "date +%s%N")
		f()
		return (tonumber(support.sh "date +%s%N") - from) / 1e9
	end

	it("limits the bytes per second of all downloads together", function()
		local server <close> = luff.serve {}
		local blobs = {}
		for i = 1, 4 do
			blobs[i] = luff.push_blob(server:address() .. "/app", content .. i, { media_type = "text/plain" }).digest
		end
		luff.config { hosts = { [server:address()] = { bandwidth = 800000 } } }
		local seconds = timed(function()
			luff.map(blobs, { jobs = 4 }, function(digest)
				local reader <close> = luff.blob(server:address() .. "/app@" .. digest)
				assert.equal(400001, #reader:read "a")
			end)
		end)
		assert.is_true(seconds > 1.4, seconds)
	end)

	it("limits those of all uploads together", function()
		local server <close> = luff.serve {}
		luff.config { hosts = { [server:address()] = { bandwidth = 800000 } } }
		local seconds = timed(function()
			luff.map({ 1, 2, 3, 4 }, { jobs = 4 }, function(i)
				luff.push_blob(server:address() .. "/app", content .. i, { media_type = "text/plain" })
			end)
		end)
		assert.is_true(seconds > 1.4, seconds)
	end)

	it("counts what a registry has elsewhere", function()
		local elsewhere = support.canned { { "GET", "/blob", body = content } }
		local server = support.canned {
			{ "HEAD", ".*", raw = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"):format(#content) },
			{ "GET", "/v2/.*", status = 307, headers = { Location = "http://" .. elsewhere.address .. "/blob" } },
		}
		luff.config { hosts = { [server.address] = { bandwidth = 400000 } } }
		local seconds = timed(function()
			local reader <close> = luff.blob(server.address .. "/app@" .. luff.digest(content))
			assert.equal(content, reader:read "a")
		end)
		assert.is_true(seconds > 0.6, seconds)
	end)

	it("does not hold up who is cancelled", function()
		local server <close> = luff.serve {}
		luff.config { hosts = { [server:address()] = { bandwidth = 10 } } }
		local task = luff.spawn(function()
			luff.push_blob(server:address() .. "/app", content, { media_type = "text/plain" })
		end)
		luff.spawn(function() luff.ping(server:address()) end):wait()
		task:cancel()
		assert.equal("cancelled", support.fails(task.wait, task).code)
	end)

	it("is a number", function()
		for _, bad in ipairs { -1, 1e13, 0 / 0 } do
			assert.equal("invalid", support.fails(luff.config, { hosts = { ["a.example"] = { bandwidth = bad } } }).code)
		end
	end)
end)
