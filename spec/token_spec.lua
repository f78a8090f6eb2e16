-- Not under sanitizers.
-- docker-registry with tokens that somebody else signs (its "Token Authentication Specification"): nothing about them is luff's
-- own, but when it asks for one, for what, and where it shows it.
local luff = require "luff"
local support = require "spec.support"

local push_scope = "(pull,push|push,pull|pull%2Cpush)"
local service, issuer, repository = "registry.example", "issuer of the specs", "team/app"

describe("docker-registry with a token server", function()
	local dir, pull, push

	local function base64(text)
		local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		local out = {}
		for i = 1, #text, 3 do
			local a, b, c = text:byte(i, i + 2)
			local n = a << 16 | (b or 0) << 8 | (c or 0)
			for j = 0, 3 do
				local at = (n >> (18 - 6 * j) & 63) + 1
				out[#out + 1] = (j < 2 or j == 2 and b or c) and letters:sub(at, at) or "="
			end
		end
		return table.concat(out)
	end

	local function base64url(text)
		return (base64(text):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
	end

	before_each(function()
		if not support.peer "docker-registry" then
			pending "docker-registry is not installed"
		end
	end)

	-- A JSON Web Token (RFC 7519) for one repository, which ends so many seconds from now.
	local function token(seconds, ...)
		local now = os.time()
		local cert = support.read(dir .. "/cert.pem"):gsub("%-%-%-%-%-[^\n]+", ""):gsub("%s", "")
		local head = luff.json.encode { typ = "JWT", alg = "RS256", x5c = luff.array { cert } }
		local claims = luff.json.encode {
			iss = issuer, sub = "me", aud = service, iat = now - 600, nbf = now - 600, exp = now + seconds,
			jti = "t" .. seconds,
			access = luff.array { { type = "repository", name = repository, actions = luff.array { ... } } },
		}
		local text = base64url(head) .. "." .. base64url(claims)
		local signature = support.must({ "openssl", "dgst", "-sha256", "-sign", dir .. "/key.pem" }, { stdin = text })
		return text .. "." .. base64url(signature)
	end

	setup(function()
		dir = support.scratch()
		support.must { "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=issuer",
			"-keyout", dir .. "/key.pem", "-out", dir .. "/cert.pem" }
		pull, push = token(3000, "pull"), token(3000, "pull", "push")
	end)

	local function rule(actions, text, extra)
		local scope = "repository(?::|%3A)team(?:/|%2F)app(?::|%3A)" .. actions
		local answer = {
			"GET", "/token\\?(?=.*service=" .. service .. ").*scope=" .. scope .. "(&.*)?",
			when = "^Authorization: Basic " .. base64 "me:pa:ss" .. "\\r?$",
			headers = { ["Content-Type"] = "application/json" },
			body = luff.json.encode { token = text, expires_in = extra and extra.expires_in or 300 },
		}
		answer.once = extra and extra.once
		return answer
	end

	-- Both servers, and the name of the image at the registry. rules go before those that give good tokens.
	local function start(rules)
		local list = { table.unpack(rules or {}) }
		list[#list + 1] = rule("pull", pull)
		list[#list + 1] = rule(push_scope, push)
		list[#list + 1] = { "GET", "/token.*", status = 401, body = '{"details":"who are you?"}' }
		local tokens = support.canned(list)
		local registry = support.docker_registry { token = ("realm: 'http://%s/token', service: %s, issuer: %s, "
			.. "rootcertbundle: %s/cert.pem"):format(tokens.address, service, issuer, dir) }
		luff.config { hosts = { [registry.address] = { user = "me", password = "pa:ss" } } }
		support.defer(function()
			luff.config { hosts = { [registry.address] = {} } }
		end)
		return tokens, registry.address .. "/" .. repository .. ":v1"
	end

	it("takes an image, and gives it back", function()
		local tokens, name = start()
		local source = "oci:" .. support.scratch() .. ":v1"
		local image = support.make_image(source, { layers = { 100000, 2000 } })
		luff.copy(source, name)
		assert.equal(1, support.count(tokens, "GET", "^/token.*push"))
		assert.equal(image:digest(), luff.copy(name, "oci:" .. support.scratch() .. ":v1").digest)
		assert.same({ "v1" }, support.tags((name:gsub(":v1$", ""))))
		-- one for each right, however much was asked for with it
		assert.is_true(#tokens.requests() <= 2, #tokens.requests())
	end)

	it("is shown another token where it refuses one that has ended", function()
		local ended = token(-400, "pull", "push")
		local tokens, name = start { rule(".*", ended, { once = true, expires_in = 300 }) }
		local image = support.make_image("oci:" .. dir .. "/renewed:v1", { layers = { 100000 } })
		luff.copy("oci:" .. dir .. "/renewed:v1", name)
		assert.equal(image:digest(), luff.resolve(name).digest)
		assert.is_true(#tokens.requests() >= 2)
	end)

	it("is shown a new one before the old one ends", function()
		local tokens, name = start { rule(push_scope, push, { expires_in = 1 }) }
		for i = 1, 2 do
			luff.push_blob(name:gsub(":v1$", ""), "blob " .. i)
			support.sleep(1.1)
		end
		assert.is_true(support.count(tokens, "GET", "^/token.*push") >= 2)
	end)

	it("keeps out who has no right", function()
		local _, name = start { rule(".*", pull) }
		local err = support.fails(luff.push_blob, name:gsub(":v1$", ""), "blob")
		assert.is_true(err.code == "unauthorized" or err.code == "denied", err.code .. ": " .. err.message)
		local _, other = start()
		luff.config { hosts = { [other:match "^[^/]+"] = { user = "me", password = "wrong" } } }
		err = support.fails(luff.resolve, other)
		assert.equal("unauthorized", err.code, err.message)
		assert.is_nil(err.message:find("wrong", 1, true))
	end)
end)
