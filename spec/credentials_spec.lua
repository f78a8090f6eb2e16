-- Logins that a script's own function knows, and what becomes of them when they are refused.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local config = '{"architecture":"amd64","os":"linux"}'
local manifest = luff.json.encode {
	schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
	config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
}

local function base64(text)
	return (support.must({ "base64", "-w0" }, { stdin = text }))
end

local function basic(text)
	return "^Authorization: Basic " .. base64(text):gsub("%+", "\\+") .. "\\r?$"
end

-- Manifests, and blobs, for whoever sends those.
local function manifests(when)
	return { "*", "/v2/.*/manifests/.*", body = manifest, headers = { ["Content-Type"] = oci_manifest }, when = when }
end
local function blobs(when)
	return { "GET", "/v2/.*/blobs/" .. luff.digest(config), body = config, when = when }
end

local wants_basic = { "*", "/v2/.*", status = 401, headers = { ["WWW-Authenticate"] = 'Basic realm="specs"' } }
local wants_bearer = { "*", "/v2/.*", status = 401,
	headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="specs"' } }

-- The server's logins come from that function; returns the list of hosts that it was called with.
local function ask(server, f, settings)
	local calls = {}
	settings = settings or {}
	settings.credentials = function(host)
		calls[#calls + 1] = host
		return f(#calls, host)
	end
	luff.config { hosts = { [server.address] = settings } }
	return calls
end

describe("A function of credentials", function()
	it("is called once for a host, in a call, in tasks and in iterators", function()
		local server = support.canned { manifests(basic "me:pass"),
			{ "GET", "/v2/app/tags/list.*", body = '{"tags":["v1"]}', when = basic "me:pass" }, wants_basic }
		local calls = ask(server, function() return { user = "me", password = "pass" } end)
		luff.open(server.address .. "/app:v1")
		luff.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, { jobs = 8 }, function(i)
			luff.open(server.address .. "/app" .. i .. ":v1")
			luff.resolve(server.address .. "/app:v1")
		end)
		for tag in luff.tags(server.address .. "/app") do
			assert.equal("v1", tag)
		end
		assert.same({ server.address }, calls)
	end)

	it("is called once by many tasks that come first", function()
		local server = support.canned { manifests(basic "me:pass"), wants_basic }
		local calls = ask(server, function() return { user = "me", password = "pass" } end)
		luff.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, { jobs = 8 }, function(i) luff.open(server.address .. "/app" .. i .. ":v1") end)
		assert.same({ server.address }, calls)
	end)

	it("is not called where nobody wants a login", function()
		local server = support.canned { manifests() }
		local calls = ask(server, function() error "called" end)
		luff.open(server.address .. "/app:v1")
		assert.same({}, calls)
	end)

	it("is called once more where its login is refused, in the same call", function()
		local server = support.canned { manifests(basic "me:new"), wants_basic }
		local calls = ask(server, function(n) return { user = "me", password = n == 1 and "old" or "new" } end)
		assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		assert.equal(2, #calls)
		luff.open(server.address .. "/other:v1")
		assert.equal(2, #calls)
	end)

	it("is called once more in the middle of things, too", function()
		local server = support.canned { manifests(basic "me:old"), blobs(basic "me:new"), wants_basic }
		local calls = ask(server, function(n) return { user = "me", password = n == 1 and "old" or "new" } end)
		local image = luff.open(server.address .. "/app:v1")
		luff.spawn(function() assert.equal(config, image:raw_config_file()) end):wait()
		assert.equal(2, #calls)
	end)

	it("is not called for ever", function()
		local server = support.canned { wants_basic }
		local calls = ask(server, function() return { user = "me", password = "wrong" } end)
		local err = support.fails(luff.open, server.address .. "/app:v1")
		assert.equal("unauthorized", err.code)
		assert.is_nil(err.message:find "wrong")
		assert.equal(2, #calls)
		calls = ask(server, function(n) return { user = "me", password = "wrong" .. n } end)
		assert.equal("unauthorized", support.fails(luff.open, server.address .. "/app:v1").code)
		assert.is_true(#calls <= 3, #calls)
	end)

	it("may give a token that the registry takes as it is", function()
		local server = support.canned { manifests "^Authorization: Bearer t0ken-2", wants_bearer }
		local calls = ask(server, function(n) return { token = "t0ken-" .. n } end)
		assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		assert.equal(2, #calls)
		for _, request in ipairs(server.requests()) do
			assert.is_nil(request.path:find "^/token")
		end
		calls = ask(server, function() return { token = "t0ken-1" } end)
		local err = support.fails(luff.open, server.address .. "/app:v1")
		assert.equal("unauthorized", err.code)
		assert.is_nil(err.message:find("t0ken", 1, true), err.message)
		assert.equal(2, #calls)
	end)

	it("may give an identity token, or a password to the token server, which may refuse them", function()
		for _, give in ipairs {
			function(n) return { identity_token = "id-" .. n } end,
			function(n) return { user = "me", password = "id-" .. n } end,
		} do
			local server = support.canned {
				{ "GET", "/token\\?.*", body = '{"token":"t"}', when = basic "me:id-2" },
				{ "GET", "/token\\?.*", status = 401 },
				{ "POST", "/token", status = 401, once = true },
				{ "POST", "/token", body = '{"access_token":"t"}' },
				manifests "^Authorization: Bearer t\\r?$", wants_bearer,
			}
			local calls = ask(server, give)
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
			assert.equal(2, #calls)
		end
	end)

	it("that knows nothing leaves the others to answer", function()
		local server = support.canned { manifests(basic "me:said"), wants_basic }
		local calls = ask(server, function() return nil end, { user = "me", password = "said" })
		luff.open(server.address .. "/app:v1")
		luff.open(server.address .. "/other:v1")
		assert.equal(1, #calls)
	end)

	it("that fails, or gives what is none, says so", function()
		local server = support.canned { wants_basic }
		for message, f in pairs {
			["credentials function fails: .*the vault is closed"] = function() error "the vault is closed" end,
			["credentials function fails: /nothing here: No such file"] = function() luff.open "oci:/nothing here" end,
			["gives a number, not"] = function() return 7 end,
			["a password that is no text"] = function() return { user = "me", password = 7 } end,
			["a user that is no text"] = function() return { user = "a\0b", password = "x" } end,
			["a user without a password"] = function() return { user = "me" } end,
		} do
			ask(server, f)
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.truthy(err.message:find(message), err.message)
			assert.truthy(err.message:find(server.address, 1, true), err.message)
		end
		assert.is_false((pcall(luff.config, { hosts = { ["a.example"] = { credentials = "me" } } })))
	end)

	it("may ask another registry, but not its own", function()
		local vault = support.canned { manifests(basic "vault:key"), blobs(basic "vault:key"), wants_basic }
		local server = support.canned { manifests(basic("me:" .. config)), wants_basic }
		ask(server, function()
			return { user = "me", password = luff.open(vault.address .. "/app:v1"):raw_config_file() }
		end)
		luff.config { hosts = { [vault.address] = { credentials = function()
			return { user = "vault", password = "key" }
		end } } }
		luff.spawn(function() luff.open(server.address .. "/app:v1") end):wait()
		ask(server, function() return luff.open(server.address .. "/app:v1") end)
		local err = support.fails(luff.open, server.address .. "/app:v1")
		assert.equal("unauthorized", err.code)
		assert.truthy(err.message:find("cannot wait for " .. server.address, 1, true), err.message)
	end)

	it("serves a copy that tells its progress, at both of its ends", function()
		local from = support.canned { manifests(basic "a:1"), blobs(basic "a:1"), wants_basic }
		local to = luff.serve { faults = { { auth = "bearer", user = "b", password = "2" } } }
		support.defer(function() to:close() end)
		local calls = {}
		local function login(user, password)
			return { credentials = function(host)
				calls[#calls + 1] = host
				return { user = user, password = password }
			end }
		end
		luff.config { hosts = { [from.address] = login("a", "1"), [to:address()] = login("b", "2") } }
		local events = 0
		luff.copy(from.address .. "/app:v1", to:address() .. "/app:v1", { progress = function() events = events + 1 end })
		assert.is_true(events > 0)
		table.sort(calls)
		local expected = { from.address, to:address() }
		table.sort(expected)
		assert.same(expected, calls)
	end)

	it("may stand in the user's file", function()
		local server = support.canned { manifests(basic "me:pass"), wants_basic }
		local home = support.scratch()
		support.must { "mkdir", home .. "/luff" }
		support.write(home .. "/luff/config.lua", ([[return { hosts = { ["%s"] = { credentials = function(host)
			return { user = "me", password = host == "%s" and "pass" or "" }
		end } } }]]):format(server.address, server.address))
		local result = support.luff({ "digest", server.address .. "/app:v1" }, { env = { XDG_CONFIG_HOME = home } })
		assert.equal(luff.digest(manifest) .. "\n", result.stdout, result.stderr)
	end)

	it("lets a task that waits for it be cancelled", function()
		local server = support.canned { wants_basic }
		ask(server, function() error "too late" end)
		local task = luff.spawn(function() luff.open(server.address .. "/app:v1") end)
		support.eventually(function() return #server.requests() > 0 end)
		task:cancel()
		assert.equal("cancelled", support.fails(task.wait, task).code)
	end)

	it("that has gone with its script is missed, not waited for", function()
		local server = support.canned { wants_basic }
		local result = support.luff("-e", ([[
			luff.config { hosts = { ["%s"] = { credentials = function() os.exit(7, true) end } } }
			local task = luff.spawn(function() luff.open("%s/app:v1") end)
			task:wait()
		]]):format(server.address, server.address))
		assert.equal(7, result.code, result.stderr)
	end)
end)

describe("A credential helper whose answer is refused", function()
	-- A helper that gives another secret each time; the environment, and a function that counts its calls.
	local function helper(server, secret)
		local dir = support.scratch()
		support.write(dir .. "/docker-credential-specs", ([[
#!/bin/sh
cat >/dev/null
echo x >> %s/calls
n=$(wc -l < %s/calls)
printf '{"ServerURL":"%s","Username":"me","Secret":"%s"}'
]]):format(dir, dir, server.address, secret))
		support.must { "chmod", "+x", dir .. "/docker-credential-specs" }
		support.write(dir .. "/config.json", '{"credsStore":"specs"}')
		local env = { HOME = dir, DOCKER_CONFIG = dir, DOCKER_AUTH_CONFIG = false, REGISTRY_AUTH_FILE = false,
			XDG_RUNTIME_DIR = dir, XDG_CONFIG_HOME = dir, PATH = dir .. ":" .. os.getenv "PATH" }
		return { env = env }, function()
			return select(2, support.read(dir .. "/calls"):gsub("x", ""))
		end
	end

	it("is asked once more", function()
		local server = support.canned { manifests(basic "me:secret2"), wants_basic }
		local opts, calls = helper(server, "secret'$n'")
		local result = support.luff({ "digest", server.address .. "/app:v1" }, opts)
		assert.equal(luff.digest(manifest) .. "\n", result.stdout, result.stderr)
		assert.equal(2, calls())
	end)

	it("is asked once more for a token server, too", function()
		local server = support.canned {
			{ "GET", "/token\\?.*", body = '{"token":"t"}', when = basic "me:secret2" },
			{ "GET", "/token\\?.*", status = 403 }, manifests "^Authorization: Bearer t\\r?$", wants_bearer,
		}
		local opts, calls = helper(server, "secret'$n'")
		local result = support.luff({ "digest", server.address .. "/app:v1" }, opts)
		assert.equal(luff.digest(manifest) .. "\n", result.stdout, result.stderr)
		assert.equal(2, calls())
	end)

	it("is not asked for ever", function()
		local server = support.canned { wants_basic }
		local opts, calls = helper(server, "wrong")
		local result = support.luff({ "digest", server.address .. "/app:v1" }, opts)
		assert.equal(4, result.code, result.stderr)
		assert.truthy(result.stderr:find("refuses the user and password", 1, true), result.stderr)
		assert.equal(2, calls())
	end)
end)
