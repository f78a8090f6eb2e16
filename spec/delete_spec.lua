-- Not under the thread sanitizer.
-- Deleting: a tag and nothing else, manifests and blobs by digest; where a registry cannot do the first, nothing by mistake.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"

local tags_of = support.tags

local count = support.count

describe("luff.delete", function()
	for _, kind in ipairs { "a layout", "memory", "the embedded registry" } do
		it("takes a tag away from " .. kind .. ", and nothing else", function()
			local server <close> = luff.serve {}
			local place = kind == "a layout" and "oci:" .. support.scratch() .. "/place"
				or kind == "memory" and "memory:untag" or server:address() .. "/app"
			local image = support.make_image(place .. ":v1")
			assert.same({ mediaType = image:media_type(), digest = image:digest(), size = #image:raw_manifest() },
				luff.tag(place .. ":v1", "v2"))
			assert.is_nil(luff.delete(place .. ":v1"))
			assert.same({ "v2" }, tags_of(place))
			assert.equal(image, luff.open(place .. "@" .. image:digest()))
			assert.equal("not_found", support.fails(luff.delete, place .. ":v1").code)
			assert.equal(image:digest(), luff.delete(place .. "@" .. image:digest()))
			assert.equal("not_found", support.fails(luff.open, place .. "@" .. image:digest()).code)
		end)

		it("takes a blob away from " .. kind, function()
			local server <close> = luff.serve {}
			local place = kind == "a layout" and "oci:" .. support.scratch() .. "/place"
				or kind == "memory" and "memory:unblob" or server:address() .. "/app"
			local blob = luff.push_blob(place, "content", { media_type = "text/plain" })
			local name = place .. "@" .. blob.digest
			assert.equal(blob.digest, luff.delete(name, { blob = true }))
			assert.equal("not_found", support.fails(luff.blob, name).code)
			assert.equal("not_found", support.fails(luff.delete, name, { blob = true }).code)
			assert.equal("invalid_name", support.fails(luff.delete, place .. ":v1", { blob = true }).code)
		end)
	end

	it("takes no manifest that a layout lists for a blob", function()
		local place = "oci:" .. support.scratch() .. "/place"
		local image = support.make_image(place .. ":v1")
		local err = support.fails(luff.delete, place .. "@" .. image:digest(), { blob = true })
		assert.equal("invalid", err.code)
		assert.equal(image, luff.open(place .. ":v1"))
	end)

	it("takes the entries of a layout that have an annotation", function()
		for _, kind in ipairs { "oci:", "oci-archive:" } do
			local dir = support.scratch()
			local place = "oci:" .. dir .. "/place"
			local image = support.make_image(place .. ":v1")
			luff.tag(place .. ":v1", "v2")
			luff.tag(place .. ":v1", "v3")
			local index = luff.json.decode(support.read(dir .. "/place/index.json"))
			for i = 1, 2 do
				index.manifests[i].annotations["com.example.stage"] = "test"
			end
			index.manifests[3].annotations["io.containerd.image.name"] = "docker.io/library/app:v3"
			support.write(dir .. "/place/index.json", luff.json.encode(index))
			if kind == "oci-archive:" then
				support.must { "tar", "-C", dir .. "/place", "-cf", dir .. "/place.tar", "." }
				place = kind .. dir .. "/place.tar"
			end
			assert.equal(image, luff.open(place .. ":docker.io/library/app:v3"))
			assert.equal(0, luff.delete(place, { annotation = "com.example.stage=none" }))
			assert.equal(2, luff.delete(place, { annotation = "com.example.stage=test" }))
			assert.same({ "v3" }, tags_of(place))
			assert.equal("deleted 1 entry\n", support.must { support.program, "delete", "--annotation",
				"io.containerd.image.name=docker.io/library/app:v3", place })
			assert.same({}, tags_of(place))
			assert.equal(image, luff.open(place .. "@" .. image:digest()))
			for _, wrong in ipairs { "x", "=x" } do
				assert.equal("invalid", support.fails(luff.delete, place, { annotation = wrong }).code)
			end
			assert.equal("invalid", support.fails(luff.delete, place .. ":v1", { annotation = "a=b" }).code)
		end
	end)

	describe("at docker-registry, which deletes by digest alone,", function()
		local docker, place, image
		setup(function() docker = support.docker_registry() end)
		local n = 0
		before_each(function()
			if not docker then
				pending "docker-registry is not installed"
			end
			n = n + 1
			place = docker.address .. "/delete" .. n
			image = support.make_image(place .. ":v1")
		end)

		it("refuses a tag, and names the others that would go", function()
			luff.tag(place .. ":v1", "v2")
			luff.tag(place .. ":v1", "v3")
			support.make_image(place .. ":other", { config = { author = "somebody" } })
			local err = support.fails(luff.delete, place .. ":v1")
			assert.equal("unsupported", err.code)
			assert.truthy(err.message:find(place .. ":v1: ", 1, true), err.message)
			assert.truthy(err.message:find(image:digest(), 1, true), err.message)
			local others = err.message:match "and with it the tags (.*)$"
			assert.is_true(others == "v2, v3" or others == "v3, v2", err.message)
			assert.same({ "other", "v1", "v2", "v3" }, tags_of(place))
		end)

		it("refuses one that is alone, too: what it names may be wanted by its digest", function()
			local err = support.fails(luff.delete, place .. ":v1")
			assert.equal("unsupported", err.code)
			assert.truthy(err.message:find(image:digest() .. ", which no other tag names", 1, true), err.message)
			assert.equal(image, luff.open(place .. ":v1"))
		end)

		it("deletes the manifest with force", function()
			luff.tag(place .. ":v1", "v2")
			assert.equal(image:digest(), luff.delete(place .. ":v1", { force = true }))
			assert.equal("not_found", support.fails(luff.open, place .. ":v2").code)
			assert.equal("not_found", support.fails(luff.open, place .. "@" .. image:digest()).code)
		end)

		it("says not_found of what is not there, with force or without", function()
			for _, force in ipairs { false, true } do
				assert.equal("not_found", support.fails(luff.delete, place .. ":none", { force = force }).code)
				assert.equal("not_found", support.fails(luff.delete, place .. "@" .. luff.digest "", { force = force }).code)
			end
		end)

		it("deletes a blob", function()
			local blob = luff.push_blob(place, "content", { media_type = "text/plain" })
			luff.delete(place .. "@" .. blob.digest, { blob = true })
			assert.equal("not_found", support.fails(luff.delete, place .. "@" .. blob.digest, { blob = true }).code)
		end)
	end)

	describe("at a registry with a mind of its own", function()
		local digest, other = luff.digest "one", luff.digest "other"
		local function head(tag, named)
			return { "HEAD", "/v2/app/manifests/" .. tag, headers = { ["Docker-Content-Digest"] = named,
				["Content-Type"] = oci_manifest } }
		end
		local function refusing(...)
			local rules = { ... }
			rules[#rules + 1] = { "DELETE", "/v2/app/manifests/v1", status = 405, body = '{"errors":[{"code":"UNSUPPORTED"}]}' }
			rules[#rules + 1] = { "DELETE", "/v2/app/manifests/" .. digest, status = 202 }
			rules[#rules + 1] = { "GET", "/v2/app/tags/list.*", body = '{"tags":["v1","v2","v3"]}' }
			return support.canned(rules)
		end

		it("says so where it cannot tell what would go", function()
			local server = refusing(head("v1", digest), head("v2", digest), { "HEAD", ".*/v3", status = 500 })
			local err = support.fails(luff.delete, server.address .. "/app:v1")
			assert.truthy(err.message:find("and with it the tags v2 and perhaps others", 1, true), err.message)
			server = refusing({ "GET", "/v2/app/tags/list.*", status = 403 }, head("v1", digest))
			err = support.fails(luff.delete, server.address .. "/app:v1")
			assert.truthy(err.message:find("and with it whatever else it is tagged as", 1, true), err.message)
			assert.equal(1, count(server, "DELETE", ""))
		end)

		it("forces what the registry itself names, not what a mirror does", function()
			local server = refusing(head("v1", digest))
			local mirror = support.canned { head("v1", other) }
			luff.config { hosts = { [server.address] = { mirrors = { mirror.address } } } }
			assert.equal(digest, luff.delete(server.address .. "/app:v1", { force = true }))
			assert.equal(0, count(mirror, "DELETE", ""))
		end)

		it("computes the digest where HEAD does not tell", function()
			local body = luff.json.encode { schemaVersion = 2 }
			local server = support.canned {
				{ "DELETE", "/v2/app/manifests/v1", status = 400 },
				{ "GET", "/v2/app/manifests/v1", body = body },
				{ "DELETE", "/v2/app/manifests/" .. luff.digest(body), status = 200 },
			}
			assert.equal(luff.digest(body), luff.delete(server.address .. "/app:v1", { force = true }))
		end)

		it("does not go on by digest after any other refusal", function()
			for status, code in pairs { [403] = "denied", [404] = "not_found", [429] = "rate_limited", [500] = "http" } do
				local server = support.canned {
					{ "DELETE", ".*", status = status, headers = { ["Retry-After"] = "0" } }, head("v1", digest),
				}
				assert.equal(code, support.fails(luff.delete, server.address .. "/app:v1", { force = true }).code)
				assert.equal(0, count(server, "DELETE", "sha256"))
			end
		end)

		it("says where deleting is switched off", function()
			local server = support.canned { { "DELETE", ".*", status = 405 } }
			for _, opts in ipairs { {}, { blob = true } } do
				local err = support.fails(luff.delete, server.address .. "/app@" .. digest, opts)
				assert.equal("unsupported", err.code)
				assert.truthy(err.message:find("switched off", 1, true), err.message)
			end
		end)

		-- IBM's wants the right to delete named, and others look at the first scope alone.
		it("asks for the right to delete in one scope", function()
			local server = support.canned {
				{ "DELETE", ".*", status = 202, when = "^Authorization: Bearer t" },
				{ "GET", "/token.*", body = '{"token":"t"}' },
				{ "*", "/v2/.*", status = 401,
					headers = { ["WWW-Authenticate"] = 'Bearer realm="http://{{address}}/token",service="s"' } },
			}
			luff.delete(server.address .. "/app:v1")
			local scopes = {}
			for _, request in ipairs(server.requests()) do
				for scope in request.path:gmatch "scope=([^&]*)" do
					scopes[#scopes + 1] = scope:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
				end
			end
			assert.same({ "repository:app:delete,pull,push" }, scopes)
		end)
	end)
end)

describe("The program", function()
	it("tags and deletes, and says what it did", function()
		local place = "oci:" .. support.scratch() .. "/place"
		local image = support.make_image(place .. ":v1")
		assert.equal(image:digest() .. "\n", support.must { support.program, "tag", place .. ":v1", "v2" })
		local named = luff.json.decode(support.must { support.program, "tag", "--json", place .. ":v1", "v3" })
		assert.same({ name = place .. ":v1", tag = "v3", digest = image:digest(), mediaType = image:media_type(),
			size = #image:raw_manifest() }, named)
		assert.equal("deleted " .. place .. ":v1\n", support.must { support.program, "delete", place .. ":v1" })
		assert.same({ name = place .. ":v2", deleted = "tag" },
			luff.json.decode(support.must { support.program, "rm", "--json", place .. ":v2" }))
		local name = place .. "@" .. image:digest()
		assert.same({ name = name, deleted = "manifest", digest = image:digest() },
			luff.json.decode(support.must { support.program, "rm", "--json", name }))
		assert.equal(3, support.luff("delete", name).code)
	end)

	it("deletes with all tags where it is forced to", function()
		local docker = support.docker_registry() or pending "docker-registry is not installed"
		local name = docker.address .. "/app:v1"
		local image = support.make_image(name)
		local result = support.luff("delete", name)
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find("deletes no tag alone", 1, true), result.stderr)
		result = support.luff("delete", "--force", name)
		assert.equal("deleted " .. image:digest() .. "\n", result.stdout)
	end)
end)
