-- Not under the thread sanitizer.
-- Which tags of many are meant.
require "luff"
local select_tags = require "luff.select"
local support = require "spec.support"

local tags = { "latest", "1.25.1", "1.25.3", "1.26.0", "1.26.0-alpine", "1.25.3-alpine", "1.27.0-rc.1", "2.0.0", "edge",
	"sha256-abc.sig" }

describe("luff.select", function()
	it("selects by patterns", function()
		assert.same(tags, select_tags {} (tags))
		assert.same({ "latest", "edge" }, select_tags { allow = { "latest", "e*" } } (tags))
		assert.same({ "2.0.0" }, select_tags { allow = "[0-9]*", deny = { "1.*" } } (tags))
	end)

	it("selects by versions, newest first", function()
		assert.same({ "2.0.0", "1.26.0", "1.25.3", "1.25.1" }, select_tags { semver = ">=1" } (tags))
		assert.same({ "1.26.0", "1.25.3" }, select_tags { semver = "1", newest = 2 } (tags))
		assert.same({ "2.0.0", "1.26.0", "1.25.3" }, select_tags { deny = "*-*", per = "minor" } (tags))
	end)

	it("reads versions without what ends them all", function()
		assert.same({ "1.26.0-alpine", "1.25.3-alpine" }, select_tags { suffix = "-alpine", semver = ">=1.20" } (tags))
		assert.same({ "1.26.0-alpine" }, select_tags { suffix = "-alpine", newest = 1 } (tags))
		assert.same({ "1.26.0-alpine", "1.25.3-alpine" }, select_tags { suffix = "-alpine" } (tags))
	end)

	it("refuses rules that it does not know", function()
		for message, rules in pairs { ['did you mean "semver"'] = { semvar = "1" }, ["from 1 on"] = { newest = 0 },
			['"major"'] = { per = "year" }, ["is a pattern"] = { allow = 1 }, ["is no version"] = { semver = "new" } } do
			local err = support.fails(select_tags, rules)
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
	end)
end)
