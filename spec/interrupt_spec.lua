-- Not under sanitizers.
-- Ctrl-C and SIGTERM in the program, wherever in Lua it is.
local support = require "spec.support"

-- The program with this code, which says "ready" before it hangs, and then gets the signal.
local function interrupted(code, signal)
	local program = support.start { support.program, "-e", code }
	support.eventually(function()
		return program:stdout():find("ready", 1, true)
	end, 60, "the beginning of " .. code)
	program:kill(signal)
	return program:wait(), program
end

local hang = "while true do end"

describe("A signal", function()
	it("ends loops in coroutines, tasks and pcall", function()
		for _, code in ipairs {
			"coroutine.wrap(function() print 'ready' %s end)()",
			"local co = coroutine.create(function() print 'ready' %s end) while true do coroutine.resume(co) end",
			"print 'ready' while true do pcall(function() %s end) end",
			"print 'ready' while true do xpcall(function() %s end, debug.traceback) end",
			"print 'ready' while true do luff.try(function() %s end) end",
			"luff.map({ 1, 2 }, function() print 'ready' while true do pcall(function() %s end) end end)",
			"print 'ready' while true do coroutine.wrap(function() coroutine.yield() end)() end",
		} do
			assert.equal(130, (interrupted(code:format(hang), "INT")), code)
		end
		assert.equal(143, (interrupted("coroutine.wrap(function() print 'ready' while true do end end)()", "TERM")))
	end)

	it("is not forgotten behind pcall", function()
		local code, program = interrupted("pcall(function() print 'ready' while true do end end) print 'went on'", "INT")
		assert.equal(130, code)
		assert.equal("ready\n", program:stdout())
	end)

	it("closes variables on the way", function()
		local code, program = interrupted([[
			local closed <close> = setmetatable({}, { __close = function() for i = 1, 1e5 do end print "closed" end })
			coroutine.wrap(function() print "ready" while true do end end)()]], "INT")
		assert.equal(130, code)
		assert.equal("ready\nclosed\n", program:stdout())
	end)
end)

describe("In the program", function()
	local function output(code)
		local result = support.luff("-e", code)
		assert.equal("", result.stderr)
		return result.stdout
	end

	it("pcall and xpcall are as Lua's own", function()
		assert.equal("true\t1\tnil\t3\nfalse\tx\ntrue\nfalse\thandled x\ttrue\t2\n", output [[
			print(pcall(function(...) return ... end, 1, nil, 3))
			print(pcall(error, "x"))
			print(pcall(function() end))
			local a, b = xpcall(error, function(e) return "handled " .. e end, "x", 0)
			print(a, b, xpcall(function(...) return ... end, print, 2))]])
		assert.equal("1\ttrue\t2\t3\nfalse\tyielded\n", output [[
			local next = coroutine.wrap(function() return pcall(function() return coroutine.yield(1), 3 end) end)
			local one = next() print(one, next(2))
			next = coroutine.wrap(function() return pcall(function() coroutine.yield() error("yielded", 0) end) end)
			next() print(next())]])
		assert.is_false(pcall(load, nil))
	end)

	it("coroutines are as Lua's own", function()
		assert.equal("true\t1\t2\ntrue\t3\ndead\nfalse\tcannot resume dead coroutine\nfalse\tx\n", output [[
			local co = coroutine.create(function(a) return coroutine.yield(a, 2) end)
			print(coroutine.resume(co, 1)) print(coroutine.resume(co, 3)) print(coroutine.status(co))
			print(coroutine.resume(co))
			print(coroutine.resume(coroutine.create(function() error("x", 0) end)))]])
		local text = output [[
			local closed
			local f = coroutine.wrap(function()
				local v <close> = setmetatable({}, { __close = function() closed = true end })
				error "x"
			end)
			print(pcall(f)) print(closed, pcall(f))]]
		assert.truthy(text:find("^false\t.*%(command line%):4: x\ntrue\tfalse\tcannot resume dead coroutine\n$"), text)
	end)
end)
