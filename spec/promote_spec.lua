-- Not under sanitizers.
-- More names for an image, after it was looked at.
local luff = require "luff"
local artifact = require "luff.artifact"
local promote = require "luff.promote"
local support = require "spec.support"

describe("luff.promote", function()
	local server, app, prod

	before_each(function()
		server = luff.serve {}
		support.defer(function() server:close() end)
		app, prod = server:address() .. "/app", server:address() .. "/prod/app"
		support.make_image(app .. ":rc", { annotations = { stage = "tested" }, config = {
			created = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 3 * 86400), config = { Labels = { rev = "abc" } } } })
	end)

	it("names what was checked, here and elsewhere", function()
		local signed = artifact.attach(app .. ":rc", { type = "application/vnd.dev.sigstore.bundle.v0.3+json" }):digest()
		local done = promote.run { from = app .. ":rc", to = { ":v1", ":stable", prod .. ":v1" }, validate = true,
			signed = true, annotations = { stage = "tested" }, labels = { rev = true }, older_than = "2d", newer_than = "1w",
			check = function(image) return image:platform() == "linux/amd64" end }
		assert.same({ app .. ":v1", app .. ":stable", prod .. ":v1" }, done.names)
		for _, name in ipairs(done.names) do
			assert.equal(done.digest, luff.resolve(name).digest)
		end
		assert.equal(signed, luff.referrers(prod .. ":v1")().digest)
		assert.same({ "rc", "stable", "v1" }, support.tags(app))
	end)

	it("says all that is wrong, and names nothing then", function()
		local err = support.fails(promote.run, { from = app .. ":rc", to = ":v1", signed = true,
			annotations = { stage = "new", owner = true }, labels = { rev = "abd" }, older_than = "1w" })
		assert.equal("denied", err.code)
		assert.equal(5, #err.detail, table.concat(err.detail, "\n"))
		assert.truthy(err.message:find(", and 4 more", 1, true), err.message)
		for options, message in pairs {
			[{ newer_than = "1d" }] = "too old", [{ check = function() return false, "no Fridays" end }] = "no Fridays",
			[{ signed = "application/x.other" }] = "no signature", [{ check = function() end }] = "the check says no",
		} do
			options.from, options.to = app .. ":rc", ":v1"
			err = support.fails(promote.run, options)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.same({ "rc" }, support.tags(app))
	end)

	it("names nothing where one of the names cannot be, and says what it named where it fails late", function()
		for name, code in pairs { ["/bad::x"] = "invalid_name", ["127.0.0.1:1/x:y"] = "network" } do
			assert.equal(code, support.fails(promote.run, { from = app .. ":rc", to = { ":first", name } }).code)
		end
		assert.same({ "rc" }, support.tags(app))
		local other <close> = luff.serve { faults = { { method = "PUT", path = "/v2/x/manifests/y", status = 403 } } }
		local err = support.fails(promote.run, { from = app .. ":rc", to = { ":first", other:address() .. "/x:y" } })
		assert.truthy(err.message:find("; named before that: " .. app .. ":first", 1, true), err.message)
	end)

	it("knows cosign's tags, and looks at each image of an index", function()
		local index = support.make_index(app .. ":multi", { "linux/amd64", "linux/arm64" }, { config = { config = {
			Labels = { rev = "1" } } } })
		support.make_image(app .. ":" .. index:digest():gsub(":", "-") .. ".sig")
		promote.run { from = app .. ":multi", to = ":v2", signed = true, labels = { rev = "1" } }
		local err = support.fails(promote.run, { from = app .. ":multi", to = ":v3", labels = { rev = "2" } })
		assert.equal("denied", err.code)
	end)

	it("names what it saw, though the tag moves meanwhile", function()
		local before = luff.resolve(app .. ":rc").digest
		promote.run { from = app .. ":rc", to = ":v1", check = function()
			support.make_image(app .. ":rc", { layers = { 10 } })
			return true
		end }
		assert.equal(before, luff.resolve(app .. ":v1").digest)
	end)

	it("is a command", function()
		local check = support.write(support.scratch() .. "/gate.lua",
			"return function(i) return i:size() < 1, 'too large' end")
		local result = support.luff("promote", "--check", check, "--annotation", "stage=tested", app .. ":rc", ":v1")
		assert.same({ 4, "" }, { result.code, result.stdout })
		assert.equal("luff: " .. app .. ":rc: too large\n", result.stderr)
		result = support.luff("promote", "--label", "rev", app .. ":rc", ":v1", prod .. ":v1")
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("sha256:%x+\t" .. app:gsub("%p", "%%%0") .. ":v1\n"), result.stdout)
		result = support.luff("promote", "--progress", "json", app .. ":rc", prod .. "/more:v1")
		assert.truthy(result.stderr:find('"event":"mounted"', 1, true), result.stderr)
		assert.equal(4, support.luff("promote", "--signed", "--label", "x", app .. ":rc", ":v2").code)
	end)
end)
