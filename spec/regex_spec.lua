-- Not under the thread sanitizer.
-- Regular expressions.
local luff = require "luff"
local regex = require "luff.regex"
local support = require "spec.support"

describe("luff.regex", function()
	local version = regex.new "^v(?<major>\\d+)\\.(?<minor>\\d+)(-\\w+)?$"

	it("finds, and gives groups", function()
		assert.is_true(version:test "v1.27")
		assert.is_false(version:test "1.27")
		assert.same({ "1", "27", nil }, { version:match "v1.27" })
		assert.same({ 2, 3, "b" }, { regex.new "(b)c" :find "abc" })
		assert.equal("bc", regex.new "b." :match "abc")
		assert.same({ [0] = "v1.27-rc", "1", "27", "-rc", major = "1", minor = "27" }, version:captures "v1.27-rc")
		assert.is_nil(version:captures "x")
		assert.is_nil(version:match "x")
		assert.same({ 4, 4 }, { regex.new "a" :find("abca", 2) })
		assert.same({ 4, 4 }, { regex.new "a" :find("abca", -1) })
		assert.is_nil(regex.new "a" :find("a", 3))
	end)

	it("knows flags", function()
		assert.is_true(regex.new("Ä", "i"):test "ä")
		assert.is_true(regex.new("^b$", "m"):test "a\nb")
		assert.is_true(regex.new("a.b", "s"):test "a\nb")
		assert.is_true(regex.new("a b # c", "x"):test "ab")
		assert.is_true(regex.new("^\\w$", "u"):test "ä")
		assert.is_false(regex.new "^\\w$" :test "ä")
		assert.is_false(regex.new("b|ab", "a"):test "abc")
		assert.is_true(regex.new("b|ab", "a"):test "ab")
	end)

	it("goes through all matches", function()
		local found = {}
		for name, value in regex.new "(\\w+)=(\\w+)" :gmatch "a=1, bc=23" do
			found[name] = value
		end
		assert.same({ a = "1", bc = "23" }, found)
		local whole = {}
		for word in regex.new "\\pL*" :gmatch "äb c" do
			whole[#whole + 1] = word
		end
		assert.same({ "äb", "c" }, whole)
	end)

	it("replaces", function()
		assert.same({ "<2-1> <4-3>", 2 }, { regex.new "(?<a>\\d)(?<b>\\d)" :gsub("12 34", "<${b}-$1>") })
		assert.same({ "-a-b-", 3 }, { regex.new "x*" :gsub("ab", "-") })
		assert.same({ "-ä-ö-", 3 }, { regex.new "" :gsub("äö", "-") })
		assert.same({ "$ax b", 1 }, { regex.new "[ab]" :gsub("a b", "$$$0x", 1) })
		assert.same({ "A b", 2 }, { regex.new "[ab]" :gsub("a b", { a = "A" }) })
		assert.same({ "aa bb", 2 }, { regex.new "[ab]" :gsub("a b", function(c) return c .. c end) })
		assert.same({ "aX", 1 }, { regex.new "(?<=a)(?<n>b)" :gsub("ab", function() return "X" end) })
		assert.same({ "a[b]a[b]", 2 }, { regex.new "(?<=a)(?<n>b)" :gsub("abab", "[${n}]") })
		for _, by in ipairs { "$x", "$", "${x", "$2", 1 } do
			assert.equal("invalid", support.fails(regex.new "(a)".gsub, regex.new "(a)", "a", by).code)
		end
	end)

	it("takes any bytes for a text", function()
		assert.same({ 3, 4 }, { regex.new "ö" :find "\255\0ö" })
		assert.is_false(regex.new "." :test "\255")
		assert.is_true(regex.new "\\x00" :test "\0")
		assert.is_true(regex.new(regex.escape "a.b*\0[ö]", "a"):test "a.b*\0[ö]")
	end)

	it("ends what would not end", function()
		for pattern, text in pairs { ["(a+)+$"] = ("a"):rep(40) .. "b", ["^(?:(?=a)a|b)*$"] = ("a"):rep(1 << 18),
			["(?:a|a?)+$"] = ("a"):rep(100) .. "b", ["^(\\w+\\s?)*$"] = ("word "):rep(30) .. "!" } do
			local err = support.fails(regex.new(pattern).test, regex.new(pattern), text)
			assert.equal("too_large", err.code)
			assert.truthy(err.message:find("takes too many steps", 1, true), err.message)
		end
		assert.equal("too_large", support.fails(version.test, version, ("a"):rep((16 << 20) + 1)).code)
	end)

	it("refuses what is none", function()
		for pattern, message in pairs { ["(a"] = "missing closing parenthesis (at character 3)", ["\\C"] = "disabled",
			[("("):rep(1000)] = "too deeply nested", [("a"):rep(70000)] = "longer than the limit" } do
			local err = support.fails(regex.new, pattern)
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.truthy(support.fails(regex.new, "a", "ig").message:find 'flag of a regular expression: "g"')
	end)

	it("is told from other values, and shows itself", function()
		assert.is_true(regex.is(version))
		assert.is_false(regex.is "a")
		assert.equal("regex a+", tostring(regex.new "a+"))
		assert.has_error(function() version.test("a", "b") end)
	end)

	it("selects tags", function()
		local tags = { "v1.27", "v1.28-rc", "latest" }
		assert.same({ "v1.27", "v1.28-rc" }, require "luff.select" { allow = version } (tags))
		assert.same({ "v1.27" }, require "luff.select" { allow = { version, "late" }, deny = regex.new "-rc$" } (tags))
		assert.is_table(luff)
	end)
end)
