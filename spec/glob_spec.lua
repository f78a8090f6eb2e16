-- Not under the thread sanitizer.
-- Shell patterns.
require "luff"
local glob = require "luff.glob"
local support = require "spec.support"

describe("luff.glob", function()
	it("matches as the shell does", function()
		for pattern, texts in pairs {
			["*"] = { "a", "", "1.2-alpine", no = { "a/b" } },
			["1.*"] = { "1.", "1.27", no = { "11", "v1.2", "1" } },
			["?.?"] = { "1.2", no = { "1.", "11.2", "/.a" } },
			["[0-9]*"] = { "1", "9-x", no = { "v1", "" } },
			["[!a-c]x"] = { "dx", no = { "ax", "/x" } },
			["[]a]"] = { "]", "a", no = { "b" } },
			["{1.27,stable}{,-alpine}"] = { "1.27", "stable-alpine", no = { "-alpine", "1.27-" } },
			["{a,b{c,d}}"] = { "a", "bc", "bd", no = { "b" } },
			["/usr/**/*.so"] = { "/usr/a.so", "/usr/lib/x/a.so", no = { "/usra.so", "/usr/lib/a.so.1" } },
			["/etc/**"] = { "/etc/", "/etc/a/b", no = { "/etc" } },
			["**/b"] = { "b", "a/b", "a/a/b", no = { "ab" } },
			["a\\*"] = { "a*", no = { "ab" } },
			["a.b-c+"] = { "a.b-c+", no = { "aXb-c+" } },
		} do
			local matcher = glob.matcher(pattern)
			for _, text in ipairs(texts) do
				assert.is_true(matcher(text), text .. " matches " .. pattern)
			end
			for _, text in ipairs(texts.no) do
				assert.is_false(matcher(text), text .. " does not match " .. pattern)
			end
		end
	end)

	it("ends with any pattern", function()
		assert.is_false(glob.matcher(("*a"):rep(40))(("a"):rep(500) .. "b"))
		assert.is_false(glob.matcher(("**"):rep(40) .. "c")(("a"):rep(5000)))
	end)

	it("says what is wrong with a pattern", function()
		for pattern, message in pairs { ["[a"] = "[ is not closed", ["{a,b"] = "{ is not closed", ["a\\"] = "backslash",
			[("{a,b}"):rep(9)] = "more than 256" } do
			local err = support.fails(glob.matcher, pattern)
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
	end)
end)
