-- Not under the thread sanitizer.
-- Names in registries as values.
local luff = require "luff"
local support = require "spec.support"

describe("a Ref", function()
	it("fills in Docker's defaults", function()
		local ref = luff.ref "nginx"
		assert.same({ "docker.io", "library/nginx", "latest" }, { ref.registry, ref.repository, ref.tag })
		assert.is_nil(ref.digest)
		assert.equal("docker.io/library/nginx:latest", tostring(ref))
	end)

	it("keeps tag and digest", function()
		local digest = luff.digest "x"
		local ref = luff.ref("localhost:5000/a/b:v1@" .. digest)
		assert.same({ "localhost:5000", "a/b", "v1", digest }, { ref.registry, ref.repository, ref.tag, ref.digest })
	end)

	it("gives new values and stays as it is", function()
		local ref = luff.ref("ghcr.io/org/app:v1@" .. luff.digest "x")
		assert.equal("ghcr.io/org/app:v2", tostring(ref:with_tag "v2"))
		assert.equal("ghcr.io/org/app@" .. luff.digest "y", tostring(ref:with_digest(luff.digest "y")))
		assert.equal("v1", ref.tag)
		assert.equal(luff.ref "a:1", luff.ref "docker.io/library/a:1")
		assert.not_equal(luff.ref "a:1", luff.ref "a:2")
	end)

	it("is a name for everything that takes one", function()
		local server <close> = luff.serve {}
		local image = support.make_image(server:address() .. "/app:v1")
		assert.equal(image, luff.open(luff.ref(server:address() .. "/app:v1")))
	end)

	it("refuses what the grammar refuses, and says where", function()
		for text, at in pairs { ["a//b"] = 3, ["-a"] = 1, ["a/../b"] = 3, ["a/B"] = 3, ["a:"] = 3, [""] = false,
			["a:1\0b"] = false } do
			local err = support.fails(luff.ref, text)
			assert.equal("invalid_name", err.code)
			assert.truthy(not at or err.message:find("character " .. at, 1, true), err.message)
		end
		assert.equal("invalid_name", support.fails(luff.ref("a:1").with_tag, luff.ref "a:1", "a b").code)
	end)

	it("is equal by what it says", function()
		-- the longer spelling leaves its end behind the shorter
		assert.equal(luff.ref "docker.io/library/a:1", luff.ref "index.docker.io/library/a:1")
		assert.not_equal(luff.ref "a:1", luff.ref("a:1@" .. luff.digest "x"))
		assert.not_equal(luff.ref "a:1", luff.ref "localhost:5000/library/a:1")
	end)

	it("takes a tag alone, and a digest alone", function()
		local ref = luff.ref "a:1"
		for _, tag in ipairs { "x@" .. luff.digest "x", "@" .. luff.digest "x", "", "a/b", "x\0y" } do
			assert.equal("invalid_name", support.fails(ref.with_tag, ref, tag).code)
		end
		for _, digest in ipairs { "v1", "v1@" .. luff.digest "x", "", luff.digest "x" .. "\0" } do
			assert.equal("invalid_name", support.fails(ref.with_digest, ref, digest).code)
		end
	end)

	it("takes nothing but strings", function()
		assert.has_error(function()
			luff.ref {}
		end)
	end)
end)
