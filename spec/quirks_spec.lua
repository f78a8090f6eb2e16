-- Not under the thread sanitizer.
-- Registries and what stands in front of them, each with the habit that it is known for. What all of them may do is in
-- registry_spec.lua, what only an attacker does in hostile_spec.lua.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local config = '{"architecture":"amd64","os":"linux"}'
local manifest = luff.json.encode {
	schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
	config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
}
local get_manifest = { "*", "/v2/app/manifests/(v1|" .. luff.digest(manifest) .. ")", body = manifest,
	headers = { ["Content-Type"] = oci_manifest } }
local get_config = { "*", "/v2/app/blobs/" .. luff.digest(config), body = config }

-- A registry that holds app:v1; rules of its own come first.
local function registry(rules)
	rules[#rules + 1] = get_manifest
	rules[#rules + 1] = get_config
	return support.canned(rules)
end

local function reads(server)
	local image = luff.open(server.address .. "/app:v1")
	assert.equal(luff.digest(manifest), image:digest())
	assert.equal(config, image:raw_config_file())
end

local count = support.count

describe("a token server", function()
	local function behind(realm, token_path, body)
		local server = support.canned {
			{ "GET", token_path, body = body },
			{ "*", get_manifest[2], body = manifest, headers = get_manifest.headers, when = "^Authorization: Bearer t0ken" },
			{ "*", get_config[2], body = config, when = "^Authorization: Bearer t0ken" },
			{ "*", "/v2/.*", status = 401,
				headers = { ["WWW-Authenticate"] = ('Bearer realm="http://{{address}}%s"'):format(realm) } },
		}
		reads(server)
		return server
	end

	it("may have no service, as Docker's first ones", function()
		behind("/token", "/token\\?scope=repository:app:pull", '{"token":"t0ken"}')
	end)

	it("may have a query in its realm, as GitLab's", function()
		behind("/jwt/auth?account=x", "/jwt/auth\\?account=x&scope=repository:app:pull", '{"token":"t0ken"}')
	end)

	it("may call it access_token, beside a token that is empty, as Azure's", function()
		behind("/token", "/token\\?.*", '{"access_token":"t0ken","token":""}')
	end)

	it("may say neither when a token was made nor when it ends, as Quay's", function()
		local server = behind("/token", "/token\\?.*", '{"token":"t0ken"}')
		assert.equal(1, count(server, "GET", "^/token"))
	end)

	it("may say that it ends in no time, or at none", function()
		local rules = {}
		for i, lifetime in ipairs { "0", "-5", "1e300", '"60"', "null", "9223372036854775807" } do
			rules[i] = { "GET", "/token\\?.*", once = true, body = '{"token":"t0ken","expires_in":' .. lifetime .. "}" }
		end
		local lifetimes = #rules
		for i = 1, lifetimes do
			rules[#rules + 1] = { "GET", ("/v2/app%d/manifests/v1"):format(i), body = manifest,
				headers = get_manifest.headers, when = "^Authorization: Bearer t0ken" }
		end
		rules[#rules + 1] = { "*", "/v2/.*", status = 401,
			headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token"' } }
		local server = support.canned(rules)
		for i = 1, lifetimes do
			luff.open(("%s/app%d:v1"):format(server.address, i))
		end
	end)
end)

describe("Docker Hub", function()
	it("ends the lines of a 429 with bare line feeds, and says no JSON", function()
		local server = registry { { "*", "/v2/app/manifests/.*", once = true,
			raw = "HTTP/1.1 429 Too Many Requests\nRetry-After: 0\nContent-Length: 9\nConnection: close\n\nslow down" } }
		reads(server)
	end)

	it("may refuse a mount in any way", function()
		local statuses = { 400, 401, 403, 404, 405, 500 }
		local rules = {
			{ "HEAD", "/v2/to.*", status = 404 }, { "PUT", "/upload/1\\?digest=.*", status = 201 },
			{ "PUT", "/v2/to\\d+/manifests/v1", status = 201 },
		}
		for _, status in ipairs(statuses) do
			rules[#rules + 1] = { "POST", ("/v2/to%d/blobs/uploads/\\?.*mount=.*"):format(status), status = status,
				headers = { ["WWW-Authenticate"] = 'Basic realm="x"', ["Retry-After"] = "0" } }
		end
		rules[#rules + 1] = { "POST", "/v2/to\\d+/blobs/uploads/", status = 202, headers = { Location = "/upload/1" } }
		local server = registry(rules)
		for _, status in ipairs(statuses) do
			local result = luff.copy(server.address .. "/app:v1", ("%s/to%d:v1"):format(server.address, status))
			assert.equal(1, result.copied, status)
		end
	end)
end)

describe("Cloudflare", function()
	it("answers 522 for a registry that it does not reach", function()
		reads(registry { { "*", "/v2/app/manifests/.*", once = true, status = 522, headers = { ["Retry-After"] = "0" } } })
	end)

	it("sets cookies, which nobody gets back", function()
		local server = registry {
			{ "GET", "/v2/app/manifests/.*", once = true, status = 503,
				headers = { ["Set-Cookie"] = "__cf=s3cret; Path=/", ["Retry-After"] = "0" } },
		}
		reads(server)
		for _, request in ipairs(server.requests()) do
			assert.is_nil(request.head:lower():find("\ncookie:", 1, true))
		end
	end)

	it("answers with pages for people", function()
		local server = support.canned { { "*", "/v2/.*", status = 403, headers = { ["Content-Type"] = "text/html" },
			body = "<!DOCTYPE html><html><title>Attention Required!</title>" } }
		local err = support.fails(luff.open, server.address .. "/app:v1")
		assert.equal("denied", err.code)
		assert.is_nil(err.message:find("<", 1, true), err.message)
	end)
end)

describe("a store behind a registry", function()
	it("may be reached by 301, 302, 303, 307 and 308", function()
		local store = support.canned { { "GET", "/bucket/config\\?.*", body = config } }
		local rules, statuses = {}, { 301, 302, 303, 307, 308 }
		for i, status in ipairs(statuses) do
			rules[i] = { "GET", "/v2/app/blobs/.*", once = true, status = status,
				headers = { Location = ("http://%s/bucket/config?X-Amz-Signature=a%%2Fb+c"):format(store.address) } }
		end
		local server = registry(rules)
		for i in ipairs(statuses) do
			reads(server)
			assert.equal("/bucket/config?X-Amz-Signature=a%2Fb+c", store.requests()[i].path)
		end
	end)

	it("may redirect a HEAD, too", function()
		local server = registry {
			{ "HEAD", "/v2/app/manifests/.*", status = 307, headers = { Location = "/moved" } },
			{ "HEAD", "/moved", headers = { ["Content-Type"] = oci_manifest, ["Content-Length"] = #manifest,
				["Docker-Content-Digest"] = luff.digest(manifest) } },
		}
		assert.equal(luff.digest(manifest) .. "\n", support.luff("digest", server.address .. "/app:v1").stdout)
	end)

	it("whose signature has run out is asked for anew through the registry", function()
		local layer = support.random(300000)
		local whole = luff.json.encode {
			schemaVersion = 2, mediaType = oci_manifest,
			config = luff.json.decode(manifest).config, layers = luff.array { {
				mediaType = "application/vnd.oci.image.layer.v1.tar", digest = luff.digest(layer), size = #layer,
			} },
		}
		local store = support.canned {
			{ "GET", "/one", raw = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(#layer,
				layer:sub(1, 100000)), once = true },
			{ "GET", "/one", status = 403 },
			{ "GET", "/two", when = "^Range: bytes=100000-", status = 206, body = layer:sub(100001),
				headers = { ["Content-Range"] = ("bytes 100000-%d/%d"):format(#layer - 1, #layer) } },
		}
		local server = support.canned {
			{ "GET", "/v2/app/blobs/" .. luff.digest(layer), once = true, status = 307,
				headers = { Location = "http://" .. store.address .. "/one" } },
			{ "GET", "/v2/app/blobs/" .. luff.digest(layer), status = 307,
				headers = { Location = "http://" .. store.address .. "/two" } },
			{ "*", "/v2/app/manifests/.*", body = whole, headers = { ["Content-Type"] = oci_manifest } }, get_config,
		}
		luff.copy(server.address .. "/app:v1", "memory:signed:v1")
		assert.equal(2, count(server, "GET", "^/v2/app/blobs/" .. luff.digest(layer)))
	end)

	it("of foreign layers is not asked on a server's word", function()
		local elsewhere = support.canned { { "*", ".*", body = "bytes" } }
		local text = luff.json.encode {
			schemaVersion = 2, mediaType = oci_manifest, config = luff.json.decode(manifest).config,
			layers = luff.array { {
				mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", digest = luff.digest "bytes",
				size = 5, urls = luff.array { "http://" .. elsewhere.address .. "/layer" },
			} },
		}
		local server = support.canned {
			{ "*", "/v2/app/manifests/.*", body = text, headers = { ["Content-Type"] = oci_manifest } }, get_config,
		}
		luff.try(luff.copy, server.address .. "/app:v1", "memory:foreign:v1")
		assert.same({}, elsewhere.requests())
	end)
end)

describe("Artifactory and proxies that strip headers", function()
	it("may leave a HEAD without length, type and digest", function()
		local server = registry { { "HEAD", ".*", raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" } }
		assert.equal(luff.digest(manifest) .. "\n", support.luff("digest", server.address .. "/app:v1").stdout)
		reads(server)
	end)

	it("may give a wrong digest and length for a HEAD alone", function()
		local server = registry { { "HEAD", ".*", headers = { ["Content-Type"] = "text/html", ["Content-Length"] = "7",
			["Docker-Content-Digest"] = "none" } } }
		assert.equal(luff.digest(manifest) .. "\n", support.luff("digest", server.address .. "/app:v1").stdout)
	end)
end)

describe("Harbor and ECR", function()
	local function writes(rules)
		rules[#rules + 1] = { "HEAD", "/v2/app/.*", status = 404 }
		rules[#rules + 1] = { "POST", "/v2/app/blobs/uploads/", status = 202, headers = {
			Location = "http://{{address}}/v2/app/blobs/uploads/1?_state=a%2Bb%3D&x=%20" } }
		local server = support.canned(rules)
		luff.push_blob(server.address .. "/app", "content", { media_type = "text/plain" })
		return server
	end

	it("have a query in the place of an upload, which stays as it is", function()
		local server = writes { { "PUT", ".*", status = 201 } }
		assert.equal(1, count(server, "PUT", "^/v2/app/blobs/uploads/1%?_state=a%%2Bb%%3D&x=%%20&digest=sha256:%x+$"))
	end)

	it("may be content with an upload by 200 or 204", function()
		for _, status in ipairs { 200, 204 } do
			writes { { "PUT", ".*", status = status } }
		end
	end)

	it("may lead the opening of an upload elsewhere", function()
		local server = support.canned {
			{ "HEAD", "/v2/app/.*", status = 404 },
			{ "POST", "/v2/app/blobs/uploads/", status = 307, headers = { Location = "/other/uploads/" } },
			{ "POST", "/other/uploads/", status = 202, headers = { Location = "1" } },
			{ "PUT", "/other/uploads/1\\?digest=.*", status = 201 },
		}
		luff.push_blob(server.address .. "/app", "content", { media_type = "text/plain" })
		assert.equal(1, count(server, "PUT", "^/other/uploads/1%?"))
	end)
end)

describe("an answer that is sent to smuggle another", function()
	local function whole(head, body)
		return { "GET", get_config[2], raw = "HTTP/1.1 200 OK\r\n" .. head .. "\r\n" .. body }
	end

	it("is read in one way, or not at all", function()
		local rules = {
			whole(("Content-Length: 5\r\nContent-Length: %d\r\nConnection: close\r\n"):format(#config), config),
			whole(("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"),
				("%x\r\n%s\r\n0\r\n\r\n"):format(#config, config)),
			whole("Transfer-Encoding: chunked\r\nConnection: close\r\n", ("%x\n%s\n0\n\n"):format(#config, config)),
			whole("Transfer-Encoding: chunked\r\nConnection: close\r\n", "zz\r\n" .. config),
			whole("Transfer-Encoding: chunked\r\nConnection: close\r\n", "ffffffffffffffffff\r\n" .. config),
			whole(("Content-Length: %d\r\n"):format(#config), config .. "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
		}
		local cases = #rules
		for _, rule in ipairs(rules) do
			rule.once = true
		end
		local server = registry(rules)
		for _ = 1, cases do
			local image = luff.open(server.address .. "/app:v1")
			local text, err = luff.try(image.raw_config_file, image)
			assert.is_true(text == config or err ~= nil, text)
			-- what is left of it answers no other request
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		end
	end)
end)
