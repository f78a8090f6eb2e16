-- Not under the thread sanitizer.
-- Lines of a log.
local luff = require "luff"
local log = require "luff.log"
local support = require "spec.support"

describe("luff.log", function()
	local lines

	before_each(function()
		lines = {}
		log.set { level = "info", format = "text", write = function(line) lines[#lines + 1] = line end }
	end)

	it("writes text", function()
		log.info("copied", { tag = "v1", bytes = 12, note = 'a "b"', none = "" })
		assert.truthy(lines[1]:find '^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ INFO copied bytes=12 none="" note="a \\"b\\"" tag=v1$')
		log.error "a\nb\27[1m"
		assert.truthy(lines[2]:find "ERROR a")
		assert.is_nil(lines[2]:find "[\n\27]")
	end)

	it("writes JSON", function()
		log.set { format = "json" }
		log.warn("slow", { seconds = 1.5, list = { 1, 2 }, f = print, bad = "\255" })
		local line = luff.json.decode(lines[1])
		assert.same({ "warn", "slow", 1.5, { 1, 2 } }, { line.level, line.msg, line.seconds, { table.unpack(line.list) } })
		assert.truthy(line.f:find "^function" and line.bad == "?" and line.time:find "Z$")
	end)

	it("leaves out what is below its level", function()
		log.debug "a"
		log.set { level = "error" }
		log.warn "b"
		log.error "c"
		assert.equal(1, #lines)
		log.set { level = "debug" }
		log.debug "d"
		assert.truthy(lines[2]:find "DEBUG d$")
	end)

	it("refuses what it does not know", function()
		for message, opts in pairs { ['did you mean "debug"'] = { level = "debg" }, ['"json"'] = { format = "xml" },
			["a function"] = { write = 1 }, ['did you mean "level"'] = { levl = 1 } } do
			assert.truthy(support.fails(log.set, opts).message:find(message, 1, true))
		end
	end)

	it("writes to stderr where nothing else is said", function()
		local result = support.luff("-e", "require('luff.log').info 'x'")
		assert.equal("", result.stdout)
		assert.truthy(result.stderr:find " INFO x\n$")
	end)
end)
