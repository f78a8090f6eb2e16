-- Who may do what at the embedded registry (core/server/guard.c, htpasswd.c, bindings/hooks.c).
local luff = require "luff"
local support = require "spec.support"

local function bcrypt(password, salt)
	return support.must { "perl", "-e", 'print crypt($ARGV[0], q($2y$05$) . $ARGV[1])', password,
		salt or "abcdefghijklmnopqrstuu" }
end

-- A server in a program of its own, whose Lua waits: "return { options }".
local function serve(code)
	local script = support.write(support.scratch() .. "/serve.lua", ([[
		local server <close> = luff.serve((function() %s end)())
		print(server:address())
		io.stdout:flush()
		server:wait()
	]]):format(code))
	local server = support.start { support.program, script }
	server.address = support.eventually(function()
		return server:stdout():match "127%.0%.0%.1:%d+" or not server:running() and error(server:stderr())
	end)
	return server
end

-- Status and body; words go to curl.
local function request(server, method, path, ...)
	local result = support.run { "curl", "-s", "-S", "-X", method, "--max-time", "60", "-w", "\n%{http_code}",
		"http://" .. server.address .. path, ... }
	local body, status = result.stdout:match "^(.*)\n(%d+)$"
	assert(status, result.stderr)
	return tonumber(status), body
end

local function put_manifest(server, name, ...)
	return request(server, "PUT", "/v2/" .. name, "-H", "Content-Type: application/vnd.oci.image.index.v1+json",
		"--data-binary", '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}', ...)
end

describe("the embedded registry", function()
	describe("with htpasswd", function()
		local file

		before_each(function()
			file = support.write(support.scratch() .. "/users",
				"# people\nme:" .. bcrypt "secret" .. "\n\nyou:" .. bcrypt("other", "zyxwvutsrqponmlkjihgfu") .. "\r\n")
		end)

		local function start(more)
			return serve(("return { htpasswd = %q, %s }"):format(file, more or ""))
		end

		it("lets in who brings the right password, again and again", function()
			local server = start()
			for _ = 1, 2 do
				assert.equal(200, (request(server, "GET", "/v2/", "-u", "me:secret")))
				assert.equal(200, (request(server, "GET", "/v2/", "-u", "you:other")))
				for _, wrong in ipairs { "me:other", "me:", "me:secretx", "nobody:secret", "you:secret", ":secret",
					"me:" .. ("x"):rep(5000) } do
					assert.equal(401, (request(server, "GET", "/v2/", "-u", wrong)), wrong)
				end
			end
		end)

		it("asks for a login at every address, before it tells what is there", function()
			local server = start()
			for _, path in ipairs { "/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/v1", "/nowhere",
				"/v2/app/blobs/sha256:" .. ("0"):rep(64), "/v2/UPPER/manifests/v1" } do
				local status, body = request(server, "GET", path, "-D", "-")
				assert.equal(401, status, path)
				assert.truthy(body:lower():find('www-authenticate: basic realm="luff"', 1, true), body)
				assert.truthy(body:find("UNAUTHORIZED", 1, true))
			end
			for _, header in ipairs { "Basic", "Basic !!!!", "Basic bWU=", "Bearer token", "Basic Og==",
				"Basic bWUAOnNlY3JldA==" } do
				assert.equal(401, (request(server, "GET", "/v2/", "-H", "Authorization: " .. header)), header)
			end
			assert.equal(401, (put_manifest(server, "app/manifests/v1")))
		end)

		it("takes a new file when it changes, and nobody while that is none", function()
			local server = start()
			assert.equal(200, (request(server, "GET", "/v2/", "-u", "me:secret")))
			support.write(file, "me:" .. bcrypt "newer" .. "\n")
			assert.equal(401, (request(server, "GET", "/v2/", "-u", "me:secret")))
			assert.equal(200, (request(server, "GET", "/v2/", "-u", "me:newer")))
			support.write(file, "me:plain\n")
			assert.equal(503, (request(server, "GET", "/v2/", "-u", "me:newer")))
			os.remove(file)
			assert.equal(503, (request(server, "GET", "/v2/", "-u", "me:newer")))
		end)

		it("starts with no file that it cannot read", function()
			for _, text in ipairs { "me:plain", "me", ":" .. bcrypt "x", "me:$apr1$abcdefgh$xxxxxxxxxxxxxxxxxxxxxx",
				"me:" .. bcrypt("x"):gsub("%$05%$", "$31$"), "a:" .. bcrypt("x"):sub(1, -2),
				("u"):rep(300) .. ":" .. bcrypt "x" } do
				local err = support.fails(luff.serve, { htpasswd = support.write(file, "me:" .. bcrypt "x" .. "\n" .. text) })
				assert.equal("bad_format", err.code)
				assert.truthy(err.message:find("line 2", 1, true), err.message)
			end
			assert.equal("not_found", support.fails(luff.serve, { htpasswd = file .. "-none" }).code)
		end)

		it("is where luff and others log in", function()
			local server = start()
			local env = { DOCKER_CONFIG = support.scratch(), REGISTRY_AUTH_FILE = false }
			local source = "oci:" .. support.scratch() .. "/source:v1"
			support.make_image(source)
			assert.equal(4, support.luff({ "copy", source, server.address .. "/app:v1" }, { env = env }).code)
			assert.equal(4, support.luff({ "login", server.address, "--user", "me", "--password-stdin" },
				{ env = env, stdin = "wrong" }).code)
			assert.equal(0, support.luff({ "login", server.address, "--user", "me", "--password-stdin" },
				{ env = env, stdin = "secret" }).code)
			assert.equal(0, support.luff({ "copy", source, server.address .. "/app:v1" }, { env = env }).code)
			local crane = support.peer "crane"
			if crane then
				support.must({ crane, "digest", server.address .. "/app:v1" }, { env = env })
			end
		end)

		it("asks authorize about those without a login, too", function()
			local server = start [[ authorize = function(r) return r.action == "pull" or r.user == "me" end ]]
			assert.equal(401, (request(server, "GET", "/v2/")))
			assert.equal(200, (request(server, "GET", "/v2/", "-u", "you:other")))
			assert.equal(404, (request(server, "GET", "/v2/app/manifests/v1")))
			assert.equal(401, (request(server, "GET", "/v2/app/manifests/v1", "-u", "me:wrong")))
			assert.equal(401, (put_manifest(server, "app/manifests/v1")))
			assert.equal(403, (put_manifest(server, "app/manifests/v1", "-u", "you:other")))
			assert.equal(201, (put_manifest(server, "app/manifests/v1", "-u", "me:secret")))
			assert.equal(200, (request(server, "GET", "/v2/app/manifests/v1")))
		end)
	end)

	it("that is read-only gives, and takes nothing", function()
		local root = support.scratch()
		local blob = luff.push_blob("oci:" .. root .. "/app", "blob")
		support.make_image("oci:" .. root .. "/app:v1")
		local before = support.tree(root)
		local server = serve(("return { root = %q, read_only = true }"):format(root))
		assert.equal(200, (request(server, "GET", "/v2/app/manifests/v1")))
		assert.equal(200, (request(server, "GET", "/v2/app/blobs/" .. blob.digest)))
		for _, case in ipairs { { "POST", "/v2/app/blobs/uploads/" }, { "DELETE", "/v2/app/manifests/v1" },
			{ "DELETE", "/v2/app/blobs/" .. blob.digest },
			{ "POST", "/v2/new/blobs/uploads/?mount=" .. blob.digest .. "&from=app" } } do
			local status, body = request(server, table.unpack(case))
			assert.equal(405, status)
			assert.truthy(body:find("read-only", 1, true), body)
		end
		assert.equal(405, (put_manifest(server, "app/manifests/v2")))
		assert.equal(before, support.tree(root))
	end)

	describe("with functions of its program", function()
		it("tells authorize what is asked for, and by whom", function()
			local server = serve [[ return { authorize = function(r)
				io.stderr:write(("%s %s %s %s %s %s\n"):format(r.method, r.action, r.repository, r.tag, r.user, r.password))
				assert(r.client:find("^127%.0%.0%.1:%d+$"))
				if r.user == "me" then
					return r.password == "secret"
				end
				return false, "not\nfor you"
			end } ]]
			assert.equal(401, (request(server, "GET", "/v2/")))
			assert.equal(200, (request(server, "GET", "/v2/", "-u", "me:secret")))
			assert.equal(200, (request(server, "GET", "/v2/_catalog", "-u", "me:secret")))
			assert.equal(201, (put_manifest(server, "app/manifests/v1", "-u", "me:secret")))
			assert.equal(202, (request(server, "DELETE", "/v2/app/manifests/v1", "-u", "me:secret")))
			local status, body = request(server, "POST", "/v2/app/blobs/uploads/", "-u", "you:x")
			assert.equal(403, status)
			assert.same({ code = "DENIED", message = "not?for you" }, luff.json.decode(body).errors[1])
			assert.equal("GET pull nil nil me secret\nGET list nil nil me secret\nPUT push app v1 me secret\n"
				.. "DELETE delete app v1 me secret\nPOST push app nil you x\n", server:stderr())
		end)

		it("asks for leave to read what is mounted from elsewhere", function()
			local root = support.scratch()
			local blob = luff.push_blob("oci:" .. root .. "/private", "blob")
			luff.push_blob("oci:" .. root .. "/public", "blob")
			local server = serve(([[ return { root = %q, authorize = function(r) return r.repository ~= "private" end } ]])
				:format(root))
			local path = "/v2/new/blobs/uploads/?mount=" .. blob.digest
			assert.equal(202, (request(server, "POST", path .. "&from=private")))
			assert.equal(202, (request(server, "POST", path)))
			assert.equal(202, (request(server, "POST", path .. "&from=")))
			assert.equal(201, (request(server, "POST", path .. "&from=public")))
		end)

		it("refuses by on_push and on_pull, with their message", function()
			local server = serve [[ return {
				on_push = function(r)
					assert(luff.json.decode(r.manifest).schemaVersion == 2)
					return r.tag ~= "latest", "tags only"
				end,
				on_pull = function(r) return r.tag ~= "old" end,
			} ]]
			assert.equal(201, (put_manifest(server, "app/manifests/old")))
			assert.equal(201, (put_manifest(server, "app/manifests/v1")))
			local status, body = put_manifest(server, "app/manifests/latest")
			assert.equal(403, status)
			assert.same({ code = "DENIED", message = "tags only" }, luff.json.decode(body).errors[1])
			assert.equal(200, (request(server, "GET", "/v2/app/manifests/v1")))
			assert.equal(403, (request(server, "GET", "/v2/app/manifests/old")))
			assert.equal(404, (request(server, "GET", "/v2/app/manifests/latest")))
		end)

		it("lets nothing through where they fail, and says so", function()
			local server = serve [[ return { authorize = function(r) error("out of order") end } ]]
			local status, body = request(server, "GET", "/v2/app/tags/list")
			assert.equal(500, status)
			assert.is_nil(body:find("out of order", 1, true))
			support.eventually(function() return server:stderr():find("out of order", 1, true) end)
		end)

		it("answers those that wait when the program turns to luff", function()
			local asked = 0
			local server <close> = luff.serve { authorize = function() asked = asked + 1 return true end }
			luff.push_manifest(server:address() .. "/app:v1", luff.json.decode
				'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}')
			local before = asked
			assert.is_true(before > 0)
			luff.map({ 1, 2, 3, 4, 5, 6 }, { jobs = 6 }, function()
				luff.resolve(server:address() .. "/app:v1")
			end)
			assert.is_true(asked >= before + 6)
		end)

		it("stops without them", function()
			local server = luff.serve { authorize = function() return true end }
			local client = support.start { "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60",
				"http://" .. server:address() .. "/v2/app/tags/list" }
			support.sleep(0.3)
			server:close()
			client:wait()
		end)

		it("must be functions", function()
			local err = support.fails(luff.serve, { authorize = "yes" })
			assert.equal("invalid", err.code)
		end)
	end)
end)
