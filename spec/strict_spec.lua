-- Not under sanitizers.
-- Globals in scripts.
local support = require "spec.support"

local function code(text, ...)
	return support.luff("-e", text, ...)
end

describe("A script", function()
	it("must not read a global that nobody set", function()
		local result = code "pirnt('x')"
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find('(command line):1: no global "pirnt" (did you mean "print"?)', 1, true),
			result.stderr)
		local dir = support.scratch()
		support.write(dir .. "/a.lua", "local function f()\n return repositry\nend\nrepository = 1\nf()\n")
		result = support.luff(dir .. "/a.lua")
		assert.truthy(result.stderr:find('a.lua:2: no global "repositry" (did you mean "repository"?)', 1, true),
			result.stderr)
		result = support.luff({ "-" }, { stdin = "x = y" })
		assert.truthy(result.stderr:find('stdin:1: no global "y"', 1, true), result.stderr)
	end)

	it("must not set a new one inside of a function", function()
		local result = code "local function f() count = 1 end f()"
		assert.truthy(result.stderr:find('a function sets the global "count"', 1, true), result.stderr)
	end)

	it("sets and reads its own, nil too", function()
		local result = code([[x = 1 local function f() x = x + 1 return y end y = nil f() print(x, y, rawget(_G, "z"))]])
		assert.equal("2\tnil\tnil\n", result.stdout, result.stderr)
	end)

	it("may require modules that look for globals, and call load", function()
		local dir = support.scratch()
		support.write(dir .. "/old.lua",
			"made = true\nreturn { unpack = unpack or 'none', set = function() other = 1 end }\n")
		local result = support.luff({ "-e", [[local old = require "old" old.set()
			print(old.unpack, made, other, load("return nothing")())]] }, { env = { LUA_PATH = dir .. "/?.lua" } })
		assert.equal("none\ttrue\t1\tnil\n", result.stdout, result.stderr)
	end)

	it("leaves the prompt and other programs alone", function()
		assert.equal("nil\n", support.luff({ "-i", "-e", "local a" }, { stdin = "return nothing" }).stdout)
		local result = support.run { "lua5.4", "-e", "require 'luff' print(nothing)" }
		assert.equal("nil\n", result.stdout, result.stderr)
	end)
end)
