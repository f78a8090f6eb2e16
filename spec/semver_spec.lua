-- Not under the thread sanitizer.
-- Versions and ranges of them.
require "luff"
local semver = require "luff.semver"
local support = require "spec.support"

describe("luff.semver", function()
	it("orders versions as the specification does", function()
		local ordered = { "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
			"1.0.0-rc.1", "1.0.0", "v1.0.1", "1.2", "1.10.0", "1.10.0.1", "2", "20240101.1" }
		for i = 1, #ordered - 1 do
			local a, b = semver.parse(ordered[i]), semver.parse(ordered[i + 1])
			assert.is_true(a < b and a <= b and b > a and a ~= b, ordered[i] .. " < " .. ordered[i + 1])
		end
		assert.is_true(semver.parse "v1.2" == semver.parse "1.2.0+build.7")
	end)

	it("knows the parts", function()
		local v = semver.parse "v1.27.3-rc.1+x86"
		assert.same({ 1, 27, 3, "rc.1", "x86", "v1.27.3-rc.1+x86" },
			{ v.major, v.minor, v.patch, v.prerelease, v.build, tostring(v) })
		assert.equal(0, semver.parse "7".minor)
	end)

	it("takes nothing else for a version", function()
		for _, text in ipairs { "", "v", "latest", "1.", ".1", "1..2", "1.x", "1-", "1.2-a..b", "1.2_3", "vv1", "1.2 ", "-1",
			("9"):rep(40), ("1."):rep(20) .. "1", "1.2-ä" } do
			assert.is_nil(semver.parse(text), text)
		end
	end)

	it("tells what is in a range", function()
		for range, expected in pairs {
			["*"] = "0.1 1.2.3 2.0.0",
			["1"] = "1.0 1.2.3 1.99",
			["1.2"] = "1.2 1.2.0 1.2.9.1",
			["1.2.x"] = "1.2.0 1.2.9",
			["=1.2.3"] = "1.2.3 v1.2.3",
			["^1.2.3"] = "1.2.3 1.99.0",
			["^0.2.3"] = "0.2.3 0.2.99",
			["^0.0.3"] = "0.0.3",
			["~1.2.3"] = "1.2.3 1.2.99",
			["~1"] = "1.0 1.99",
			[">=1.25 <2"] = "1.25 1.99.1",
			[">1.2"] = "1.3 2",
			["<=1.2"] = "1.2.7 0.1",
			["1.2 || >=3,<4"] = "1.2.1 3.1",
			[">=1.2 !=1.3.0"] = "1.2 1.3.1",
			["1.2 - 1.5"] = "1.2.0 1.5.9",
			["1.2.3 - 1.5.1"] = "1.2.3 1.5.1",
			[">=1.x"] = "1.0 2.0", [">1.2.x"] = "1.3", ["!=1.2"] = "1.1.9 1.3.0",
			[">= 1.2.0-rc.1"] = "1.2.0-rc.1 1.2.0-rc.2 1.2.0 3",
		} do
			local inside = semver.range(range)
			for text in expected:gmatch "%S+" do
				assert.is_true(inside(text), text .. " in " .. range)
			end
		end
		for range, expected in pairs {
			["1"] = "0.9 2 latest", ["1.2"] = "1.3 1.1.9", ["=1.2.3"] = "1.2.3.1 1.2.4", ["^1.2.3"] = "1.2.2 2.0.0",
			["^0.2.3"] = "0.3.0", ["^0.0.3"] = "0.0.4", ["~1.2.3"] = "1.3.0", [">1.2"] = "1.2 1.2.9", ["<=1.2"] = "1.3",
			["1.2 - 1.5"] = "1.1.9 1.6.0", ["1.2.3 - 1.5.1"] = "1.2.2 1.5.2", ["!=1.2"] = "1.2 1.2.3",
			[">1.2.x"] = "1.2.9",
			[">=1.2 !=1.3.0"] = "1.3", ["*"] = "1.0-rc1 main", [">=1.0"] = "2.0-rc1",
			[">=1.2.0-rc.2"] = "1.2.0-rc.1 1.3.0-rc.5",
		} do
			local inside = semver.range(range)
			for text in expected:gmatch "%S+" do
				assert.is_false(inside(text), text .. " not in " .. range)
			end
		end
	end)

	it("says what is wrong with a range", function()
		for text, message in pairs { [""] = '"*" means all', ["1 ||"] = '"*" means all',
			["latest"] = '"latest" is no version',
			["=>1"] = 'at "=>1"', [">*"] = "leaves nothing", ["1.*.3"] = '"1.*.3" is no version',
			["1 - 2 -"] = '"-" is no version' } do
			local err = support.fails(semver.range, text)
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
	end)

	it("sorts what spells versions, newest first", function()
		assert.same({ "v2", "1.10", "1.9.1", "1.9", "1.9.0", "1.9-rc1" },
			semver.sort { "1.9", "latest", "1.10", "1.9-rc1", "1.9.1", "v2", "1.9.0" })
		assert.same({}, semver.sort { "latest", "main" })
	end)

	it("finds the newest of each line", function()
		local tags = { "1.25.1", "1.25.3", "1.26.0", "1.27.0-rc.1", "2.0.0-rc.1", "2.0.0-rc.2", "1.26.1-rc.1", "edge" }
		assert.same({ "2.0.0-rc.2", "1.27.0-rc.1", "1.26.0", "1.25.3" }, semver.newest(tags, "minor"))
		assert.same({ "2.0.0-rc.2", "1.26.0" }, semver.newest(tags, "major"))
		assert.equal("invalid", support.fails(semver.newest, tags, "year").code)
	end)
end)
