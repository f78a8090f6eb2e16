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

describe("Scripts for workflows:", function()
	local server, address

	before_each(function()
		server = luff.serve {}
		address = server:address()
	end)

	after_each(function() server:close() end)

	-- What a script prints, its lines sorted.
	local function run(...)
		local lines = {}
		for line in support.must({ support.program, ... }):gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		table.sort(lines)
		return lines
	end

	it("carry-bundle.lua writes what is new", function()
		local dir, app = support.scratch(), address .. "/app"
		support.make_image(app .. ":v1", { layers = { support.tar { name = "1" } } })
		run("scripts/carry-bundle.lua", dir, app .. ":v1")
		local next_image = luff.image(app .. ":v1"):append { files = { more = "x" } }
		luff.copy(next_image, app .. ":v2")
		run("scripts/carry-bundle.lua", dir, app .. ":v1", app .. ":v2")
		local bundle = require "luff.bundle"
		assert.is_true(bundle.list(dir .. "/2.tar").delta)
		local other <close> = luff.serve {}
		bundle.load(dir .. "/1.tar", other:address())
		bundle.load(dir .. "/2.tar", other:address())
		assert.same({ "v1", "v2" }, support.tags(other:address() .. "/app"))
		assert.equal(2, support.luff("scripts/carry-bundle.lua", dir).code)
	end)

	it("promote-signed.lua makes releases of what is signed", function()
		local app = address .. "/app"
		for _, tag in ipairs { "v1.0.0-rc.1", "v1.0.0-rc.2", "v1.1.0-rc.1", "v2.0.0" } do
			support.make_image(app .. ":" .. tag, { layers = { support.tar { name = tag } },
				config = { created = "2024-01-01T00:00:00Z" } })
		end
		for _, tag in ipairs { "v1.0.0-rc.1", "v1.0.0-rc.2" } do
			require("luff.artifact").attach(app .. ":" .. tag, { type = "application/vnd.dev.sigstore.bundle.v0.3+json" })
		end
		local lines = run("scripts/promote-signed.lua", app)
		assert.equal("v1.0.0-rc.2\tv1.0.0", lines[1])
		assert.matches("^v1%.1%.0%-rc%.1\t.*signature", lines[2])
		assert.equal(luff.resolve(app .. ":v1.0.0-rc.2").digest, luff.resolve(app .. ":v1.0.0").digest)
		assert.equal("not_found", support.fails(luff.resolve, app .. ":v1.1.0").code)
	end)

	it("find-package.lua finds packages", function()
		for name, version in pairs { one = "1.0-1", two = "1.2-1" } do
			local status = ("Package: openssl\nStatus: install ok installed\nVersion: %s\n\n"):format(version)
			local image = luff.empty():append { files = { ["/var/lib/dpkg/status"] = status } }
			luff.copy(image, address .. "/team/" .. name .. ":v1")
		end
		support.make_image(address .. "/other:v1")
		assert.same({ "1.0-1\t" .. address .. "/team/one:v1", "1.2-1\t" .. address .. "/team/two:v1" },
			run("scripts/find-package.lua", address, "openssl"))
	end)

	it("report-registry.lua writes pages", function()
		local dir = support.scratch()
		support.make_image(address .. "/team/app:v1")
		run("scripts/report-registry.lua", address, dir)
		assert.matches('href="team_app.html">team/app<', support.read(dir .. "/index.html"), 1, true)
		assert.matches("v1", support.read(dir .. "/team_app.html"), 1, true)
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
