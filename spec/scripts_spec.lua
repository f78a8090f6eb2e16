-- Not under the thread sanitizer.
-- The scripts that users copy and edit do what their first lines say.
local luff = require "luff"
local support = require "spec.support"

describe("scripts/mirror-tags.lua", function()
	local from, to

	before_each(function()
		from, to = "oci:" .. support.scratch(), "oci:" .. support.scratch() .. "/mirror"
		for _, tag in ipairs { "3.1", "3.2", "3.2.1", "edge" } do
			support.make_image(from .. ":" .. tag, { layers = { support.tar { tag = tag } } })
		end
	end)

	local tags_of = support.tags

	it("copies the tags that match, once", function()
		local result = support.luff("scripts/mirror-tags.lua", from, to, "^3%.%d+$")
		assert.equal(0, result.code, result.stderr)
		assert.same({ "3.1", "3.2" }, tags_of(to))
		assert.equal(luff.open(from .. ":3.1"), luff.open(to .. ":3.1"))
		assert.truthy(result.stdout:find("3.1\t" .. luff.open(from .. ":3.1"):digest() .. "\tcopied\n", 1, true),
			result.stdout)
		result = support.luff("scripts/mirror-tags.lua", from, to, "^3%.%d+$")
		assert.truthy(result.stdout:find "was there", result.stdout)
		assert.is_nil(result.stdout:find "copied")
	end)

	it("copies every tag without a pattern", function()
		support.must { support.program, "scripts/mirror-tags.lua", from, to }
		assert.same({ "3.1", "3.2", "3.2.1", "edge" }, tags_of(to))
	end)

	it("goes on past a tag that fails, and says so in the end", function()
		local layer = luff.image(from .. ":3.2"):layers()[1]:digest()
		os.remove(from:sub(5) .. "/blobs/sha256/" .. layer:sub(8))
		local result = support.luff("scripts/mirror-tags.lua", from, to)
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find "^3%.2: ", result.stderr)
		assert.same({ "3.1", "3.2.1", "edge" }, tags_of(to))
	end)

	it("shows how it is used", function()
		local result = support.luff("scripts/mirror-tags.lua", from)
		assert.equal(2, result.code)
		assert.truthy(result.stderr:find "^usage: ")
	end)
end)

describe("scripts/same-digest.lua", function()
	it("prints the other names of the same image", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/app"
		support.make_image(name .. ":1.0", { layers = { support.tar { version = "1.0" } } })
		support.make_image(name .. ":1.1", { layers = { support.tar { version = "1.1" } } })
		luff.tag(name .. ":1.1", "1")
		luff.tag(name .. ":1.1", "latest")
		local found = {}
		for tag in support.must({ support.program, "scripts/same-digest.lua", name .. ":latest" }):gmatch "[^\n]+" do
			found[#found + 1] = tag
		end
		table.sort(found)
		assert.same({ "1", "1.1" }, found)
	end)
end)

describe("scripts/patch-base.lua", function()
	it("puts images on what their base is now", function()
		local server <close> = luff.serve {}
		local base, app = server:address() .. "/base:v1", server:address() .. "/app"
		support.make_image(base, { layers = { support.tar { version = "1" } } })
		local old = luff.image(base)
		luff.copy(old:append { files = { app = "a" } }:annotate {
			["org.opencontainers.image.base.name"] = base, ["org.opencontainers.image.base.digest"] = old:digest(),
		}, app .. ":v1")
		support.make_image(app .. ":v2")
		support.make_image(base, { layers = { support.tar { version = "2" } } })
		local first = support.must { support.program, "scripts/patch-base.lua", app }
		local new = luff.image(app .. ":v1")
		assert.equal("2", new:read "/version")
		assert.equal("a", new:read "/app")
		assert.equal(("v1\t%s\nv2\tis up to date\n"):format(new:digest()), first)
		assert.equal("v1\tis up to date\nv2\tis up to date\n", support.must { support.program, "scripts/patch-base.lua",
			app })
		assert.equal(2, support.luff("scripts/patch-base.lua").code)
	end)
end)

describe("The README's first script", function()
	it("mirrors what it says", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/library/alpine"
		for _, tag in ipairs { "3.1", "3.2", "3.2.1", "edge" } do
			support.make_index(name .. ":" .. tag, { "linux/amd64", "linux/arm64" })
		end
		local dir = support.scratch()
		local text = support.read("README.md"):match("```lua\n(.-)```"):gsub("docker%.io", server:address())
		local result = support.luff({ support.write(dir .. "/mirror.lua", text) }, { cwd = dir })
		assert.equal(0, result.code, result.stderr)
		local found = {}
		for tag in luff.tags("oci:" .. dir .. "/alpine") do
			found[#found + 1] = tag
			assert.equal("linux/arm64", luff.open("oci:" .. dir .. "/alpine:" .. tag):platform())
		end
		table.sort(found)
		assert.same({ "3.1", "3.2" }, found)
		assert.truthy(result.stdout:find("3.2\tsha256:%x+\t%d+ blobs copied, %d+ were there\n"), result.stdout)
	end)
end)
