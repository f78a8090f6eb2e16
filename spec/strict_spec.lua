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

	it("is shown the way through its own files, and through luff's where the fault is luff's", function()
		local dir = support.scratch()
		local typo = support.write(dir .. "/typo.lua", "retrun {}\n")
		local gate = support.write(dir .. "/gate.lua", "return function() local x x() end\n")
		local deep = support.write(dir .. "/deep.lua",
			"local function f() error 'deep' end\nluff.map({ 1 }, function() f() return 1 end)\n")
		support.make_image("oci:" .. dir .. "/layout:v1")
		for text, words in pairs {
			['no global "retrun" (did you mean "return"?)'] = { "mirror", "-c", typo },
			["attempt to call a nil value (local 'x')"] = { "promote", "--check", gate, "oci:" .. dir .. "/layout:v1", ":v2" },
			["deep.lua:1: deep"] = { "run", deep },
		} do
			local result = support.luff(table.unpack(words))
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find(text, 1, true), result.stderr)
			assert.is_nil(result.stderr:find("luff[/.]%l+[%l/]*%.lua"), result.stderr)
		end
		local traces = require "luff.traces"
		local trace = "stack traceback:\n\t[C]: in function 'error'\n\tluff.semver.lua:1: in f\n\ta.lua:1: in main chunk"
			.. "\n\t[C]: in ?"
		assert.equal("stack traceback:\n\ta.lua:1: in main chunk", traces.of("a.lua:1: x", trace))
		assert.equal(trace, traces.of("luff.semver.lua:1: x", trace))
		assert.is_nil(traces.of({}, "stack traceback:\n\t[C]: in f\n\tluff.cli.lua:1: in g"))
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
