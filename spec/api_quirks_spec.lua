-- Not under the thread sanitizer.
-- The habits of registries in what is asked of names: heads, lists, referrers, mounts, manifests that go in, errors. How they
-- answer at all is in quirks_spec.lua.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local oci_index = "application/vnd.oci.image.index.v1+json"
local config = '{"architecture":"amd64","os":"linux"}'
local manifest = luff.json.encode {
	schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
	config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
}
local digest = luff.digest(manifest)

local count = support.count

local function gives(method, headers)
	return { method, "/v2/\\w+/manifests/(v1|" .. digest .. ")", body = manifest, headers = headers }
end

-- One server for many cases, each with a repository of its own: calls f(repository, i) where cases[i] answers at
-- path, in which %s stands for the repository. Servers take a while to start.
local function each(cases, method, path, rest, f)
	local rules = {}
	for i, case in ipairs(cases) do
		case[1], case[2] = method, path:format("case" .. i)
		rules[i] = case
	end
	local server = support.canned(table.move(rest, 1, #rest, #rules + 1, rules))
	for i = 1, #cases do
		f(server.address .. "/case" .. i, i, server)
	end
end

local function raw(...)
	return table.concat({ "HTTP/1.1 200 OK", ..., "Connection: close" }, "\r\n") .. "\r\n\r\n" .. manifest
end

describe("A HEAD of a manifest", function()
	local named = "Docker-Content-Digest: " .. digest
	local typed = "Content-Type: " .. oci_manifest
	local sized = "Content-Length: " .. #manifest
	it("that says too little, or is refused, is followed by a GET", function()
		each({
			{ raw = raw(typed, sized) }, -- static files, and proxies that strip the digest
			{ raw = raw(typed, named) },
			{ raw = raw(named, sized) },
			{ raw = raw(typed, named, "Content-Length: 0") },
			{ raw = raw(typed, sized, "Docker-Content-Digest: " .. digest:upper()) },
			{ status = 405 }, { status = 501 }, { status = 404 }, { status = 403 }, { status = 400 },
		}, "HEAD", "/v2/%s/.*", { gives("GET", { ["Content-Type"] = oci_manifest }) }, function(place, i, server)
			assert.same({ mediaType = oci_manifest, digest = digest, size = #manifest }, luff.resolve(place .. ":v1"), i)
			assert.equal(i, count(server, "GET", ""))
		end)
	end)

	it("whose type has parameters says enough", function()
		local server = support.canned { gives("HEAD", { ["Content-Type"] = oci_manifest .. "; charset=utf-8",
			["Docker-Content-Digest"] = digest }) }
		assert.equal(digest, luff.resolve(server.address .. "/app:v1").digest)
		assert.equal(0, count(server, "GET", ""))
	end)

	it("of a busy registry is no reason to ask by GET, which costs more", function()
		local server = support.canned { { "HEAD", ".*", status = 429, headers = { ["Retry-After"] = "0" } }, gives "GET" }
		assert.equal("rate_limited", support.fails(luff.resolve, server.address .. "/app:v1").code)
		assert.equal(0, count(server, "GET", ""))
	end)
end)

describe("A list of tags", function()
	local function list(rules, f)
		local server = support.canned(rules)
		local tags = {}
		for tag in (f or luff.tags)(server.address .. (f and "" or "/app")) do
			tags[#tags + 1] = tag
		end
		return tags, server
	end
	local first = "/v2/app/tags/list\\?n=\\d+"
	local function page(path, body, link)
		return { "GET", path, body = body, headers = { Link = link } }
	end

	it("is asked for in pages of no more than 1000, as ECR wants it", function()
		local _, server = list { page(first, '{"tags":[]}') }
		assert.is_true(tonumber(server.requests()[1].path:match "n=(%d+)") <= 1000)
	end)

	it("may have pages that are not full, or empty, in the middle", function()
		for _, empty in ipairs { '{"tags":[]}', '{"tags":null}', '{"name":"app"}' } do
			assert.same({ "a", "b" }, (list {
				page(first, '{"tags":["a"]}', '</v2/app/tags/list?last=a>; rel="next"'),
				page(".*last=a", empty, '</v2/app/tags/list?last=b>; rel="next"'),
				page(".*last=b", '{"tags":["b"]}'),
			}))
		end
	end)

	it("keeps the registry's order, which Quay's is", function()
		assert.same({ "z", "a", "m" }, (list { page(first, '{"tags":["z","a","m"]}') }))
	end)

	it("may say more, as Google's does", function()
		local body = luff.json.encode { name = "app", tags = luff.array { "v1" }, child = luff.array { "sub" },
			manifest = { [digest] = { imageSizeBytes = "7", tag = luff.array { "v1" }, mediaType = oci_manifest } } }
		assert.same({ "v1" }, (list { page(first, body) }))
	end)

	it("may link with a URL of its own, whose query is its own matter", function()
		assert.same({ "a", "b" }, (list {
			page(first, '{"tags":["a"]}',
				'<http://{{address}}/v2/app/tags/list?next_page=gAAAA%3D%3D&n=50>; title="x,y"; rel="next"'),
			page(".*\\?next_page=gAAAA%3D%3D&n=50", '{"tags":["b"]}'),
		}))
	end)

	it("that goes round through several pages ends", function()
		local server = support.canned {
			page(first, '{"tags":["a"]}', '</v2/app/tags/list?last=a>; rel="next"'),
			page(".*last=a", '{"tags":["b"]}', '</v2/app/tags/list?last=b>; rel="next"'),
			page(".*last=b", '{"tags":["c"]}', '</v2/app/tags/list?last=c>; rel="next"'),
			page(".*last=c", '{"tags":["d"]}', '</v2/app/tags/list?last=a>; rel="next"'),
		}
		local err = support.fails(function()
			for _ in luff.tags(server.address .. "/app") do end
		end)
		assert.equal("bad_format", err.code)
		assert.is_true(#server.requests() < 50, #server.requests())
	end)

	it("that is empty page after empty page ends", function()
		local server = support.canned {
			page("/v2/app/tags/list.*[02468]", '{"tags":[]}', '</v2/app/tags/list?n=1>; rel="next"'),
			page("/v2/app/tags/list.*[13579]", "{}", '</v2/app/tags/list?n=2>; rel="next"'),
		}
		support.fails(function()
			for _ in luff.tags(server.address .. "/app") do end
		end)
		assert.is_true(#server.requests() < 200, #server.requests())
	end)

	it("that breaks off in a page says so, and where", function()
		each({ { body = "<html>not found</html>" }, { body = "" }, { body = '["a"' } }, "GET", "/v2/%s/tags/list\\?last=a", {
			{ "GET", "/v2/\\w+/tags/list.*", body = '{"tags":["a"]}', headers = { Link = '<list?last=a>; rel="next"' } },
		}, function(place)
			local err = support.fails(function()
				for _ in luff.tags(place) do end
			end)
			assert.equal("bad_format", err.code)
			assert.truthy(err.message:find(place, 1, true), err.message)
		end)
	end)

	it("of repositories is refused by many, in their own words", function()
		for status, code in pairs { [401] = "unauthorized", [404] = "not_found" } do
			local server = support.canned { { "GET", "/v2/_catalog.*", status = status } }
			local err = support.fails(function()
				for _ in luff.catalog(server.address) do end
			end)
			assert.equal(code, err.code)
			assert.truthy(err.message:find(server.address, 1, true), err.message)
		end
	end)
end)

describe("Referrers", function()
	local subject = luff.digest "subject"
	local tag = subject:gsub(":", "-")
	local entry = { mediaType = oci_manifest, digest = luff.digest "one", size = 3, artifactType = "a/b" }
	local index = luff.json.encode { schemaVersion = 2, mediaType = oci_index, manifests = luff.array { entry } }
	local fallback = { "*", "/v2/(?!none)\\w+/manifests/" .. tag, body = index,
		headers = { ["Content-Type"] = oci_index } }

	local function list(place)
		local found = {}
		for referrer in luff.referrers(place .. "@" .. subject) do
			found[#found + 1] = referrer.digest
		end
		return found
	end

	it("are looked for under the subject's tag where the registry has no list of them", function()
		each({
			{ status = 400 }, { status = 404 }, { status = 405 }, { status = 406 },
			{ body = "<html></html>", headers = { ["Content-Type"] = "text/html" } }, { body = "" },
		}, "GET", "/v2/%s/referrers/.*", { fallback }, function(place, _, server)
			assert.same({ entry.digest }, list(place))
			assert.same({}, list(server.address .. "/none"))
		end)
	end)

	it("that a registry has but cannot give just now are an error", function()
		local codes = { "denied", "http", "rate_limited" }
		each({ { status = 403 }, { status = 501 }, { status = 429, headers = { ["Retry-After"] = "0" } } }, "GET",
			"/v2/%s/referrers/.*", { fallback }, function(place, i)
				assert.equal(codes[i], support.fails(list, place).code)
			end)
	end)

	-- A manifest with a subject goes in; returns the server.
	local function attach(rules)
		for _, rule in ipairs {
			{ "HEAD", ".*", status = 404 }, { "PUT", "/v2/app/manifests/" .. tag, status = 201 },
			{ "GET", ".*", status = 404 },
		} do
			rules[#rules + 1] = rule
		end
		local server = support.canned(rules)
		luff.push_manifest(server.address .. "/app:bom", {
			schemaVersion = 2, mediaType = oci_manifest, artifactType = "a/b", layers = luff.array {},
			config = { mediaType = "application/vnd.oci.empty.v1+json", digest = luff.digest "{}", size = 2 },
			subject = { mediaType = oci_manifest, digest = subject, size = 7 },
		})
		return server
	end

	it("are the registry's matter where it says OCI-Subject", function()
		local server = attach { { "PUT", "/v2/app/manifests/bom", status = 201, headers = { ["OCI-Subject"] = subject } } }
		assert.equal(0, count(server, "PUT", (tag:gsub("%-", "%%-"))))
	end)

	it("are the client's where it does not", function()
		local server = attach {
			{ "PUT", "/v2/app/manifests/bom", status = 201 },
			{ "GET", "/v2/app/manifests/" .. tag, status = 404, once = true },
			{ "GET", "/v2/app/manifests/" .. tag, headers = { ["Content-Type"] = oci_index }, body = (index:gsub(entry.digest,
				luff.digest(luff.json.encode {
					schemaVersion = 2, mediaType = oci_manifest, artifactType = "a/b", layers = luff.array {},
					config = { mediaType = "application/vnd.oci.empty.v1+json", digest = luff.digest "{}", size = 2 },
					subject = { mediaType = oci_manifest, digest = subject, size = 7 },
				}))) },
		}
		assert.equal(1, count(server, "PUT", (tag:gsub("%-", "%%-"))))
	end)
end)

describe("A copy within a registry", function()
	-- mounts: the answers to mounts, each into a repository of its own; f gets what the copy did, and the server.
	local function copy(mounts, f)
		each(mounts, "POST", "/v2/%s/blobs/uploads/\\?.*mount=.*", {
			{ "GET", "/v2/app/manifests/.*", body = manifest, headers = { ["Content-Type"] = oci_manifest } },
			{ "GET", "/v2/app/blobs/.*", body = config }, { "HEAD", "/v2/case.*", status = 404 },
			{ "POST", "/v2/\\w+/blobs/uploads/", status = 202, headers = { Location = "/up/1" } },
			{ "PATCH", "/up/1", status = 202, headers = { Location = "/up/1" } }, { "PUT", "/up/1\\?digest=.*", status = 201 },
			{ "PUT", "/v2/\\w+/manifests/v1", status = 201 }, { "DELETE", "/up/.*", status = 204 },
		}, function(place, _, server)
			f(luff.copy(server.address .. "/app:v1", place .. ":v1"), server)
		end)
	end

	it("mounts from where the blob is, never from nowhere, which Quay refuses", function()
		copy({ { status = 201 } }, function(result, server)
			assert.equal(1, result.mounted)
			for _, request in ipairs(server.requests()) do
				if request.path:find "mount=" then
					assert.truthy(request.path:find("from=app", 1, true), request.path)
					assert.is_nil(request.path:find("origin=", 1, true), request.path)
				end
			end
		end)
	end)

	it("uploads where a mount is not possible", function()
		copy({
			{ status = 400, body = '{"errors":[{"code":"UNSUPPORTED"}]}' }, { status = 403 }, { status = 404 }, { status = 405 },
			{ status = 202 }, { status = 202, headers = { Location = "/up/1" } }, { status = 200 },
			{ status = 202, headers = { Location = "http://169.254.169.254/up" } },
		}, function(result)
			assert.equal(0, result.mounted)
			assert.equal(1, result.copied)
		end)
	end)
end)

describe("A manifest that goes in", function()
	it("may be answered with 200, 201 and 202, and with no digest or another algorithm's", function()
		each({
			{ status = 200 }, { status = 201, headers = { ["Docker-Content-Digest"] = "sha512:" .. ("0"):rep(128) } },
			{ status = 202, headers = { ["Docker-Content-Digest"] = digest } },
		}, "PUT", "/v2/%s/manifests/v1", {}, function(place)
			assert.equal(digest, luff.push_manifest(place .. ":v1", manifest):digest())
		end)
	end)

	it("is not in where the registry names another digest", function()
		local server = support.canned { { "PUT", "/v2/app/manifests/v1", status = 201,
			headers = { ["Docker-Content-Digest"] = luff.digest "x" } } }
		assert.equal("digest_mismatch", support.fails(luff.push_manifest, server.address .. "/app:v1", manifest).code)
	end)
end)

describe("A challenge", function()
	local function behind(challenge, token_path)
		return support.canned {
			{ "GET", token_path or "/token\\?.*", body = '{"token":"t0ken"}' },
			{ "GET", "/v2/app/manifests/v1", body = manifest, headers = { ["Content-Type"] = oci_manifest },
				when = "^Authorization: Bearer t0ken" },
			{ "*", "/v2/.*", status = 401, headers = { ["WWW-Authenticate"] = challenge } },
		}
	end

	it("may offer Basic and Bearer in one header", function()
		local server = behind 'Basic realm="x", Bearer realm="http://{{address}}/token",service="s"'
		assert.equal(digest, luff.open(server.address .. "/app:v1"):digest())
	end)

	it("may want a scope that the name does not tell, which is asked for beside it", function()
		local server = behind('Bearer realm="http://{{address}}/token",service="s",scope="repository:team/app:pull"',
			"/token\\?service=s&scope=repository(:|%3A)app(:|%3A)pull&scope=repository(:|%3A)team(/|%2F)app(:|%3A)pull")
		assert.equal(digest, luff.open(server.address .. "/app:v1"):digest())
	end)
end)

describe("An error", function()
	local function refused(bodies, f)
		local cases = {}
		for i, body in ipairs(bodies) do
			cases[i] = { status = 403, body = body }
		end
		each(cases, "PUT", "/v2/%s/manifests/v1", {}, function(place, i)
			f(support.fails(luff.push_manifest, place .. ":v1", manifest).message, i)
		end)
	end

	it("is told in the registry's words, whatever their form", function()
		local words = { "DENIED: no quota", "no quota", "DENIED", "no quota", "DENIED: no quota" }
		refused({
			'{"errors":[{"code":"DENIED","message":"no quota"}]}', '{"errors":[{"message":"no quota"}]}',
			'{"errors":[{"code":"DENIED"}]}', '{"details":"no quota"}', '{"code":"DENIED","message":"no quota"}',
		}, function(message, i)
			assert.truthy(message:find("(403 " .. words[i] .. ")", 1, true), message)
		end)
	end)

	it("is told without them where they cannot be understood", function()
		refused({ "", "no", "<html><h1>403</h1></html>", "[]", "null", '{"errors":null}', '{"errors":[]}',
			'{"errors":[null,7,"x",{}]}', '{"errors":"x"}', '{"errors":[{"code":7,"message":{}}]}' }, function(message)
			assert.truthy(message:find "denied %(403%)$", message)
		end)
	end)
end)
