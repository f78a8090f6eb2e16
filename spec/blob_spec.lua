-- Not under the thread sanitizer.
-- Blobs by their digest alone, and whether a registry answers at all.
local luff = require "luff"
local support = require "spec.support"

local content = support.random(300000)
local digest = luff.digest(content)

describe("luff.blob", function()
	for kind, place_of in pairs {
		["a layout"] = function() return "oci:" .. support.scratch() .. "/place" end,
		memory = function() return "memory:blob" end,
		["the embedded registry"] = function()
			local server = luff.serve {}
			support.defer(function() server:close() end)
			return server:address() .. "/app"
		end,
		["docker-registry"] = function()
			local docker = support.docker_registry() or pending "docker-registry is not installed"
			return docker.address .. "/app"
		end,
	} do
		it("reads one from " .. kind, function()
			local place = place_of()
			luff.push_blob(place, content, { media_type = "text/plain" })
			local reader <close>, size = luff.blob(place .. "@" .. digest)
			assert.equal(#content, size)
			assert.equal(content, reader:read "a")
			assert.equal("not_found", support.fails(luff.blob, place .. "@" .. luff.digest "x").code)
			assert.equal("invalid_name", support.fails(luff.blob, place).code)
			if kind ~= "memory" then
				assert.is_true(content == support.must { support.program, "blob", place .. "@" .. digest })
			end
		end)
	end

	local function canned(rules)
		return support.canned(rules).address .. "/app@" .. digest
	end

	it("gives no end to what does not match its digest", function()
		local name = canned { { "*", "/v2/app/blobs/.*", body = (content:gsub("^.", "x", 1)) } }
		local reader <close> = luff.blob(name)
		assert.equal("digest_mismatch", support.fails(reader.read, reader, "a").code)
		assert.equal(6, support.luff("blob", name).code)
	end)

	it("asks by GET where HEAD is refused, fails, or tells no length", function()
		for _, rule in ipairs {
			{ "HEAD", ".*", status = 405 }, { "HEAD", ".*", status = 403 },
			{ "HEAD", ".*", raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" },
		} do
			local reader <close> = luff.blob(canned { rule, { "GET", "/v2/app/blobs/.*", body = content } })
			assert.equal(content, reader:read "a")
		end
	end)

	it("says so where nothing tells the length", function()
		local err = support.fails(luff.blob, canned { { "*", ".*", raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" } })
		assert.equal("bad_format", err.code)
		assert.truthy(err.message:find("how large", 1, true), err.message)
	end)
end)

describe("luff.ping", function()
	it("says where a registry is", function()
		local server <close> = luff.serve {}
		assert.equal("http://" .. server:address(), luff.ping(server:address()).url)
		local result = support.luff("ping", server:address())
		assert.truthy(result.stdout:find("^" .. server:address() .. " answers at http://" .. server:address() .. " in %d"),
			result.stdout .. result.stderr)
		local answer = luff.json.decode(support.must { support.program, "ping", "--json", server:address() })
		assert.equal(server:address(), answer.registry)
	end)

	it("knows docker-registry's version of the API, and its login", function()
		local docker = support.docker_registry { htpasswd = { me = "pass" } } or pending "docker-registry is not installed"
		assert.equal("unauthorized", support.fails(luff.ping, docker.address).code)
		assert.equal(4, support.luff("ping", docker.address).code)
		luff.config { hosts = { [docker.address] = { user = "me", password = "pass" } } }
		assert.equal("registry/2.0", luff.ping(docker.address).version)
	end)

	it("raises where there is none", function()
		assert.equal("not_found", support.fails(luff.ping, support.canned({}).address).code)
		assert.equal("network", support.fails(luff.ping, "127.0.0.1:1").code)
		for _, name in ipairs { "nginx", "localhost:5000/app", "a b", "" } do
			assert.equal("invalid_name", support.fails(luff.ping, name).code, name)
		end
	end)
end)
