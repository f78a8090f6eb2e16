-- Not under the thread sanitizer.
-- Registries as they are met: logins, tokens, redirects, pages, servers that are busy or leave things out.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"

-- An image without layers, as the manifest's text and the rules of a registry that holds it under app:v1.
local config = '{"architecture":"amd64","os":"linux"}'
local function image_rules()
	local manifest = luff.json.encode {
		schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
		config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
	}
	return manifest, { "GET", "/v2/app/manifests/(v1|" .. luff.digest(manifest) .. ")", body = manifest,
		headers = { ["Content-Type"] = oci_manifest } }, { "GET", "/v2/app/blobs/" .. luff.digest(config), body = config }
end

local function base64(text)
	return (support.must({ "base64", "-w0" }, { stdin = text }))
end

-- The environment that holds a docker config.json with a login for an address.
local function login(address, user, password)
	local dir = support.scratch()
	support.write(dir .. "/config.json", luff.json.encode {
		auths = { [address] = { auth = base64(user .. ":" .. password) } },
	})
	return { env = { DOCKER_CONFIG = dir, REGISTRY_AUTH_FILE = false } }
end

local count = support.count

describe("a registry", function()
	describe("that wants a password", function()
		local docker
		before_each(function()
			docker = support.peer "docker-registry" and support.docker_registry { htpasswd = { me = "pass:word" } }
		end)
		after_each(function()
			return docker and docker:stop()
		end)

		it("is served from docker's config.json", function()
			if not docker then
				pending "docker-registry is not installed"
			end
			local opts = login(docker.address, "me", "pass:word")
			local source = "oci:" .. support.scratch() .. ":v1"
			local image = support.make_image(source, { layers = { 30000 } })
			local result = support.luff({ "copy", source, docker.address .. "/app:v1" }, opts)
			assert.equal(0, result.code, result.stderr)
			result = support.luff({ "digest", docker.address .. "/app:v1" }, opts)
			assert.equal(image:digest() .. "\n", result.stdout)
			result = support.luff({ "ls", docker.address .. "/app" }, opts)
			assert.equal("v1\n", result.stdout)
		end)

		it("says what is wrong without a login, and with a wrong one", function()
			if not docker then
				pending "docker-registry is not installed"
			end
			for _, opts in ipairs { { env = { DOCKER_CONFIG = support.scratch() } }, login(docker.address, "me", "wr0ng") } do
				local result = support.luff({ "-v", "digest", docker.address .. "/app:v1" }, opts)
				assert.equal(4, result.code, result.stderr)
				assert.truthy(result.stderr:find(docker.address, 1, true), result.stderr)
				assert.is_nil(result.stderr:find("wr0ng", 1, true))
				assert.is_nil(result.stderr:find(base64 "me:wr0ng", 1, true))
			end
			assert.equal("unauthorized", support.fails(luff.open, docker.address .. "/app:v1").code)
		end)
	end)

	describe("with tokens", function()
		local manifest, get_manifest, get_blob = image_rules()
		local function with_tokens(extra)
			get_manifest.when, get_blob.when = "^Authorization: Bearer t0ken-1", "^Authorization: Bearer t0ken-1"
			local rules = { table.unpack(extra or {}) }
			for _, rule in ipairs { get_manifest, get_blob,
				{ "GET", "/token\\?.*", body = '{"access_token":"t0ken-1","expires_in":300}',
					headers = { ["Content-Type"] = "application/json" } },
				{ "*", "/v2/.*", status = 401, headers = { ["WWW-Authenticate"] =
					'Bearer realm="http://{{address}}/token?account=a",service="registry, of specs",scope="repository:app:pull"' } },
			} do
				rules[#rules + 1] = rule
			end
			return support.canned(rules)
		end

		it("is asked for one, once", function()
			local server = with_tokens()
			local image = luff.open(server.address .. "/app:v1")
			assert.equal(luff.digest(manifest), image:digest())
			assert.equal(config, image:raw_config_file())
			luff.open(server.address .. "/app:v1")
			assert.equal(1, count(server, "GET", "^/token"))
			for _, request in ipairs(server.requests()) do
				if request.path:find "^/token" then
					assert.truthy(request.path:find("account=a", 1, true))
					assert.truthy(request.path:find("service=registry%2C%20of%20specs", 1, true)
						or request.path:find("service=registry,%20of%20specs", 1, true)
						or request.path:find("service=registry%2C+of+specs", 1, true), request.path)
					assert.truthy(request.path:find("scope=repository%3Aapp%3Apull", 1, true)
						or request.path:find("scope=repository:app:pull", 1, true), request.path)
					assert.is_nil(request.head:find("Authorization:", 1, true))
				end
			end
		end)

		it("gets the password at the realm alone", function()
			local server = with_tokens()
			local opts = login(server.address, "user", "pa55")
			local result = support.luff({ "-v", "manifest", server.address .. "/app:v1" }, opts)
			assert.equal(manifest, (result.stdout:gsub("\n$", "")), result.stderr)
			assert.is_nil(result.stderr:find("t0ken", 1, true), result.stderr)
			assert.is_nil(result.stderr:find(base64 "user:pa55", 1, true), result.stderr)
			for _, request in ipairs(server.requests()) do
				local basic = request.head:find("Authorization: Basic " .. base64 "user:pa55", 1, true)
				assert.equal(request.path:find "^/token" ~= nil, basic ~= nil, request.head)
			end
		end)

		it("is asked for another where one has run out", function()
			local server = with_tokens {
				{ "GET", "/token\\?.*", body = '{"token":"t0ken-0"}', once = true },
			}
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
			assert.equal(2, count(server, "GET", "^/token"))
		end)

		it("that do not help is unauthorized, and is not asked for ever", function()
			local server = support.canned {
				{ "GET", "/token.*", body = '{"token":"useless"}' },
				{ "*", "/v2/.*", status = 401,
					headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
			}
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.equal("unauthorized", err.code)
			assert.is_nil(err.message:find("useless", 1, true))
			assert.is_true(#server.requests() < 10)
		end)

		it("that it refuses says so", function()
			local server = support.canned {
				{ "GET", "/token.*", status = 401, body = '{"details":"incorrect username or password"}' },
				{ "*", "/v2/.*", status = 401,
					headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
			}
			assert.equal("unauthorized", support.fails(luff.open, server.address .. "/app:v1").code)
		end)

		it("for one scope is used before one for several, of which servers may grant the first alone", function()
			local function pull(scope)
				return { "GET", "/token\\?.*scope=repository(:|%3A)" .. scope .. "(:|%3A).*",
					body = ('{"token":"%s"}'):format(scope) }
			end
			local layers, rules = luff.array {}, {}
			for i = 1, 6 do
				local text = "layer " .. i
				layers[i] = { mediaType = "application/vnd.oci.image.layer.v1.tar", digest = luff.digest(text), size = #text }
				rules[i] = { "GET", "/v2/from/blobs/" .. luff.digest(text), body = text, when = "Bearer from" }
			end
			local text = luff.json.encode {
				schemaVersion = 2, mediaType = oci_manifest, layers = layers,
				config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
			}
			for _, rule in ipairs {
				{ "GET", "/v2/from/blobs/.*", body = config, when = "Bearer from" },
				{ "GET", "/v2/from/manifests/v1", body = text, when = "Bearer from",
					headers = { ["Content-Type"] = oci_manifest } },
				{ "HEAD", "/v2/to/.*", status = 404, when = "Bearer to" },
				{ "POST", "/v2/to/blobs/uploads/.*", status = 202, when = "Bearer to", headers = { Location = "/v2/to/up" } },
				{ "PUT", "/v2/to/.*", status = 201, when = "Bearer to" },
				pull "to", pull "from",
				{ "*", "/v2/.*", status = 401,
					headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
			} do
				rules[#rules + 1] = rule
			end
			local server = support.canned(rules)
			luff.copy(server.address .. "/from:v1", server.address .. "/to:v1")
			local refused = 0
			for _, request in ipairs(server.requests()) do
				refused = refused + (request.path:find "^/v2/from/" and not request.head:find("Bearer from", 1, true) and 1 or 0)
			end
			assert.is_true(refused <= 1, tostring(refused))
		end)

		it("that has run out does not hold up who cancels an upload", function()
			local server = support.canned {
				{ "GET", "/token.*", body = '{"token":"first","expires_in":1}', once = true },
				{ "GET", "/token.*", hang = true, raw = "" },
				{ "HEAD", "/v2/.*", status = 404, when = "Bearer first" },
				{ "POST", "/v2/.*", status = 202, when = "Bearer first", headers = { Location = "/v2/app/up" } },
				{ "PUT", "/v2/app/up.*", hang = true, raw = "" },
				{ "*", "/v2/.*", status = 401,
					headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
			}
			local push = support.start { support.program, "-e", ([[
				luff.push_blob("%s/app", "content", { media_type = "text/plain" })]]):format(server.address) }
			support.eventually(function() return count(server, "PUT", "/up") > 0 end)
			support.sleep(1.5)
			push:kill "INT"
			assert.equal(130, push:wait())
		end)

		it("among other schemes is understood", function()
			local server = support.canned {
				get_manifest,
				{ "GET", "/token.*", body = '{"token":"t0ken-1"}' },
				{ "*", "/v2/.*", raw = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nwww-authenticate: "
					.. 'bearer  service="s" , realm="http://{{address}}/token" , error="invalid_token"\r\n'
					.. "Content-Length: 0\r\nConnection: close\r\n\r\n" },
			}
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		end)
	end)

	describe("that is not at its best", function()
		local manifest, get_manifest, get_blob = image_rules()

		it("is asked again after 429, 500, 502, 503 and 504", function()
			for _, status in ipairs { 429, 500, 502, 503, 504 } do
				local server = support.canned {
					{ "*", "/v2/app/manifests/v1", status = status, once = true, headers = { ["Retry-After"] = "0" } },
					get_manifest,
				}
				assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
			end
		end)

		it("is asked again when a connection breaks", function()
			local server = support.canned { { "*", "/v2/app/manifests/v1", raw = "", once = true }, get_manifest }
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		end)

		it("is not asked for ever", function()
			local server = support.canned { { "*", "/v2/.*", status = 429, headers = { ["Retry-After"] = "0" } } }
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.equal("rate_limited", err.code)
			assert.equal(429, err.status)
			assert.is_true(#server.requests() < 12)
		end)

		it("is not asked again where that cannot help", function()
			for status, code in pairs { [403] = "denied", [404] = "not_found", [400] = "http" } do
				local server = support.canned { { "*", "/v2/.*", status = status } }
				assert.equal(code, support.fails(luff.open, server.address .. "/app:v1").code)
				assert.is_true(#server.requests() <= 3)
			end
		end)

		it("may give no Docker-Content-Digest, and no Content-Type that says anything", function()
			for _, media_type in ipairs { "application/json", "text/plain; charset=utf-8", "application/octet-stream" } do
				local rule = { table.unpack(get_manifest) }
				rule.body, rule.headers = manifest, { ["Content-Type"] = media_type }
				local server = support.canned { rule, get_blob }
				local image = luff.open(server.address .. "/app:v1")
				assert.equal(luff.digest(manifest), image:digest())
				assert.equal(oci_manifest, image:media_type())
				assert.equal("linux/amd64", image:platform())
				assert.equal(luff.digest(manifest) .. "\n", support.luff("digest", server.address .. "/app:v1").stdout)
			end
		end)

		it("may not know HEAD", function()
			local server = support.canned { get_manifest, get_blob, { "HEAD", ".*", status = 405 } }
			assert.equal(luff.digest(manifest) .. "\n", support.luff("digest", server.address .. "/app:v1").stdout)
		end)

		it("may send chunks", function()
			local server = support.canned { { "GET", "/v2/app/manifests/v1", raw = ("HTTP/1.1 200 OK\r\nContent-Type: %s\r\n"
				.. "Transfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n%x\r\n%s\r\n0\r\nX-Trailer: y\r\n\r\n"):format(
				oci_manifest, 10, manifest:sub(1, 10), #manifest - 10, manifest:sub(11)) }, get_blob }
			assert.equal(luff.digest(manifest), luff.open(server.address .. "/app:v1"):digest())
		end)

		it("may redirect, in steps, and by paths of its own", function()
			local server = support.canned {
				{ "GET", "/v2/app/blobs/.*", status = 302, headers = { Location = "/elsewhere/1" } },
				{ "GET", "/elsewhere/1", status = 307, headers = { Location = "2?a=b%20c" } },
				{ "GET", "/elsewhere/2\\?a=b%20c", body = config },
				get_manifest,
			}
			assert.equal(config, luff.open(server.address .. "/app:v1"):raw_config_file())
		end)
	end)

	describe("with many tags", function()
		it("may give the next page in one of several links", function()
			local body = '{"name":"app","tags":["a"]}'
			local server = support.canned {
				{ "GET", "/v2/app/tags/list\\?n=.*", raw = "HTTP/1.1 200 OK\r\nLink: <https://docs.invalid/>; rel=\"help\"\r\n"
					.. 'Link: </v2/app/tags/list?last=a>; rel="next"\r\nConnection: close\r\n'
					.. ("Content-Length: %d\r\n\r\n%s"):format(#body, body) },
				{ "GET", "/v2/app/tags/list\\?last=a", body = '{"name":"app","tags":["b"]}' },
			}
			local tags = {}
			for tag in luff.tags(server.address .. "/app") do
				tags[#tags + 1] = tag
			end
			assert.same({ "a", "b" }, tags)
		end)

		it("is asked once for those that a message names", function()
			local server = support.canned {
				{ "GET", "/v2/app/tags/list.*", status = 429, headers = { ["Retry-After"] = "30" } },
			}
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.equal("not_found", err.code)
			assert.equal(1, count(server, "GET", "tags/list"))
		end)

		it("is read page by page, in any spelling of the link", function()
			local server = support.canned {
				{ "GET", "/v2/app/tags/list(\\?n=\\d+)?", body = '{"name":"app","tags":["a","b"]}',
					headers = { Link = '</v2/app/tags/list?last=b&n=2>; rel="next"' } },
				{ "GET", "/v2/app/tags/list\\?last=b&n=2", body = '{"name":"app","tags":["c"]}',
					headers = { link = '<http://{{address}}/v2/app/tags/list?last=c>;rel=next' } },
				{ "GET", "/v2/app/tags/list\\?last=c", body = '{"name":"app","tags":null}' },
			}
			local tags = {}
			for tag in luff.tags(server.address .. "/app") do
				tags[#tags + 1] = tag
			end
			assert.same({ "a", "b", "c" }, tags)
		end)

		it("is asked for no more pages than are used", function()
			local server = support.canned {
				{ "GET", "/v2/app/tags/list.*", body = '{"tags":["a","b"]}',
					headers = { Link = '<list?last=b>; rel="next"' } },
			}
			local cursor <close> = luff.tags(server.address .. "/app")
			assert.equal("a", cursor())
			assert.equal("b", cursor())
			assert.equal(1, #server.requests())
		end)

		it("gives each of docker-registry's", function()
			local docker = support.docker_registry() or pending "docker-registry is not installed"
			local image = support.make_image(docker.address .. "/app:t1")
			for i = 2, 20 do
				luff.tag(docker.address .. "/app@" .. image:digest(), "t" .. i)
			end
			local n = 0
			for _ in luff.tags(docker.address .. "/app") do
				n = n + 1
			end
			assert.equal(20, n)
		end)
	end)

	describe("that is written to", function()
		it("is asked for uploads the way that it says", function()
			-- Location relative, with a query, another for each step.
			local digest = luff.digest "content"
			local server = support.canned {
				{ "HEAD", "/v2/app/blobs/.*", status = 404 },
				{ "POST", "/v2/app/blobs/uploads/.*", status = 202, headers = { Location = "/upload/1?state=a%2Bb" } },
				{ "PATCH", "/upload/1\\?state=a%2Bb", status = 202,
					headers = { Location = "http://{{address}}/upload/2?state=c" } },
				{ "PUT", "/upload/(1\\?state=a%2Bb|2\\?state=c)&digest=.*", status = 201 },
			}
			luff.push_blob(server.address .. "/app", "content", { media_type = "text/plain" })
			local put = server.requests()[#server.requests()]
			assert.equal("PUT", put.method)
			assert.truthy(put.path:find("digest=" .. digest, 1, true)
				or put.path:find("digest=" .. digest:gsub(":", "%%3A"), 1, true), put.path)
		end)

		it("is not sent what it has", function()
			local server = support.canned { { "HEAD", "/v2/app/blobs/.*", status = 200 } }
			support.make_image "memory:has:v1"
			luff.try(luff.copy, "memory:has:v1", server.address .. "/app:v1")
			assert.equal(0, count(server, "POST", "uploads"))
		end)

		it("is uploaded to where a mount is refused", function()
			local manifest, get_manifest, get_blob = image_rules()
			local server = support.canned {
				get_manifest, get_blob,
				{ "HEAD", "/v2/to/.*", status = 404 },
				{ "POST", "/v2/to/blobs/uploads/\\?.*mount=.*", status = 202, headers = { Location = "/upload/1" } },
				{ "POST", "/v2/to/blobs/uploads/", status = 202, headers = { Location = "/upload/1" } },
				{ "PATCH", "/upload/1", status = 202, headers = { Location = "/upload/1" } },
				{ "PUT", "/upload/1\\?digest=.*", status = 201 },
				{ "PUT", "/v2/to/manifests/v1", status = 201 },
			}
			local result = luff.copy(server.address .. "/app:v1", server.address .. "/to:v1")
			assert.equal(luff.digest(manifest), result.digest)
			assert.equal(1, result.copied)
			assert.equal(0, result.mounted)
		end)

		it("may say 403 of what is not there", function()
			local server = support.canned {
				{ "HEAD", "/v2/app/.*", status = 403 },
				{ "GET", "/v2/app/.*", status = 403 },
				{ "POST", "/v2/app/blobs/uploads/", status = 202, headers = { Location = "/upload/1" } },
				{ "PUT", "/upload/1\\?digest=.*", status = 201 },
				{ "PUT", "/v2/app/manifests/v1", status = 201 },
			}
			support.make_image "memory:unseen:v1"
			assert.is_true(luff.copy("memory:unseen:v1", server.address .. "/app:v1").copied > 0)
		end)

		it("may answer before it has heard all", function()
			local content = support.random(8 << 20)
			for what, rule in pairs {
				["bytes still to come"] = { "PUT", "/upload/1.*", early = true, status = 201 },
				["too large"] = { "PUT", "/upload/1.*", early = true, status = 413 },
				["413"] = { "PUT", "/upload/1.*", early = true, late = true, status = 413, body = "the limit is 1 MB" },
			} do
				local server = support.canned {
					{ "HEAD", "/v2/app/.*", status = 404 },
					{ "POST", "/v2/app/blobs/uploads/", status = 202, headers = { Location = "/upload/1" } },
					rule,
				}
				local err = support.fails(luff.push_blob, server.address .. "/app", content, { media_type = "text/plain" })
				assert.truthy(err.message:find(what, 1, true), err.message)
			end
		end)

		it("is told the error that it gives", function()
			local server = support.canned {
				{ "*", "/v2/app/.*", status = 403,
					body = '{"errors":[{"code":"DENIED","message":"quota exceeded for team","detail":{}},{"code":"OTHER"}]}' },
			}
			local err = support.fails(luff.push_blob, server.address .. "/app", "content", { media_type = "text/plain" })
			assert.equal("denied", err.code)
			assert.truthy(err.message:find("DENIED: quota exceeded for team; OTHER", 1, true), err.message)
			assert.truthy(err.message:find(server.address, 1, true), err.message)
		end)
	end)

	it("is spoken to in http on loopback or where that is asked for alone", function()
		local _, get_manifest = image_rules()
		local server = support.canned { get_manifest }
		local port = server.address:match ":(%d+)$"
		assert.truthy(luff.open("localhost:" .. port .. "/app:v1"))
		-- A name that is not loopback's: curl asks by https, where nobody answers.
		local err = support.fails(luff.open, "luff-spec.invalid:" .. port .. "/app:v1")
		assert.equal("network", err.code)
		for _, request in ipairs(server.requests()) do
			assert.truthy(request.head:find("localhost", 1, true))
		end
	end)
end)
