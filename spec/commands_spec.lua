-- Not under the thread sanitizer.
-- The commands that list and move: catalog, referrers, pull and push, as people type them.
local luff = require "luff"
local support = require "spec.support"

local function run(...)
	return support.luff(...)
end

-- What the command printed, after it ended well.
local function output(...)
	local result = run(...)
	assert.equal(0, result.code, result.stderr)
	return result.stdout
end

describe("catalog", function()
	it("lists the repositories of a registry", function()
		local server <close> = luff.serve {}
		local address = server:address()
		assert.equal("", output("catalog", address))
		assert.same({ registry = address, repositories = {} }, luff.json.decode(output("catalog", "--json", address)))
		support.make_image(address .. "/team/app:v1")
		support.make_image(address .. "/base:v1")
		assert.equal("base\nteam/app\n", output("catalog", address))
		assert.same({ registry = address, repositories = { "base", "team/app" } },
			luff.json.decode(output("catalog", "--json", address)))
	end)

	it("says where a registry does not tell", function()
		local server <close> = luff.serve { faults = { { path = "/v2/_catalog", status = 404 } } }
		local result = run("catalog", server:address())
		assert.equal("", result.stdout)
		assert.equal(3, result.code, result.stderr)
		assert.truthy(result.stderr:find("^luff: .*" .. server:address():gsub("%p", "%%%0") .. "[^\n]*\n$"), result.stderr)
	end)
end)

describe("referrers", function()
	local server, name, signature, bom

	before_each(function()
		server = luff.serve {}
		name = server:address() .. "/app:v1"
		support.make_image(name)
		local artifact = require "luff.artifact"
		local function attach(kind)
			return artifact.attach(name, { type = kind, annotations = { note = kind } })
		end
		signature, bom = attach "application/x.signature", attach "application/x.bom"
	end)

	after_each(function()
		server:close()
	end)

	it("lists what refers to an image", function()
		local lines = {}
		for line in output("referrers", name):gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		local want = {}
		for kind, image in pairs { ["x.signature"] = signature, ["x.bom"] = bom } do
			want[#want + 1] = ("%s  %d B  application/%s"):format(image:digest(), #image:raw_manifest(), kind)
		end
		table.sort(lines)
		table.sort(want)
		assert.same(want, lines)
		assert.equal("", output("referrers", (name:gsub(":v1$", "@" .. bom:digest()))))
	end)

	it("lists one type, and prints JSON", function()
		local found = luff.json.decode(output("referrers", "--json", "--type", "application/x.bom", name))
		assert.equal(name, found.name)
		assert.equal(1, #found.referrers)
		assert.equal(bom:digest(), found.referrers[1].digest)
		assert.equal("application/x.bom", found.referrers[1].annotations.note)
		local none = output("referrers", "--json", "--type", "application/x.none", name)
		assert.truthy(none:find('"referrers": %[%s*%]'), none)
	end)

	it("says that a name stands for nothing", function()
		local result = run("referrers", (name:gsub("v1$", "v2")))
		assert.equal(3, result.code)
		assert.equal("", result.stdout)
	end)
end)
