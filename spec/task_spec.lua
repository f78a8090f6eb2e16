-- Tasks: straight-line code that runs at the same time.
local luff = require "luff"
local support = require "spec.support"

describe("luff.map", function()
	it("gives results in the order of the list", function()
		local server <close> = luff.serve {}
		local list = {}
		for i = 1, 20 do
			list[i] = "v" .. i
			support.make_image(server:address() .. "/app:v" .. i, { config = { author = "v" .. i } })
		end
		local authors = luff.map(list, { jobs = 8 }, function(tag, i)
			assert.equal(list[i], tag)
			return luff.image(server:address() .. "/app:" .. tag):config_file().author
		end)
		assert.same(list, authors)
	end)

	it("takes an iterator, and no more at a time than it was told", function()
		local server <close> = luff.serve {}
		for i = 1, 9 do
			support.make_image(server:address() .. "/app:v" .. i)
		end
		local running, most = 0, 0
		local found = luff.map(luff.tags(server:address() .. "/app"), { jobs = 3 }, function(tag)
			running = running + 1
			most = math.max(most, running)
			luff.open(server:address() .. "/app:" .. tag)
			running = running - 1
			return tag
		end)
		assert.equal(9, #found)
		assert.equal(3, most)
	end)

	it("raises the first failure, as it was raised", function()
		local err = support.fails(luff.map, { 1, 2, 3 }, { jobs = 2 }, function(i)
			return luff.open("memory:none" .. i .. ":v1")
		end)
		assert.equal("not_found", err.code)
	end)

	it("ends its tasks where the iterator raises", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local codes, i = {}, 0
		local err = support.fails(luff.map, function()
			i = i + 1
			return i < 3 and i or luff.open "memory:none:v1"
		end, function()
			local _, why = luff.try(luff.open, silent.address .. "/app:v1")
			codes[#codes + 1] = why.code
		end)
		assert.equal("not_found", err.code)
		assert.same({ "cancelled", "cancelled" }, codes)
	end)

	it("ends its tasks where its own task is cancelled, and waits for them", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local codes = {}
		local task = luff.spawn(luff.map, { 1, 2, 3 }, { jobs = 2 }, function()
			local _, why = luff.try(luff.open, silent.address .. "/app:v1")
			codes[#codes + 1] = why.code
		end)
		task:cancel()
		assert.equal("cancelled", support.fails(task.wait, task).code)
		assert.same({ "cancelled", "cancelled" }, codes)
	end)

	it("refuses a number of jobs that is none", function()
		for _, jobs in ipairs { 0, -3, "3", 1.5, false } do
			assert.equal("invalid", support.fails(luff.map, { 1 }, { jobs = jobs }, print).code)
		end
		assert.equal("invalid", support.fails(luff.map, { 1 }, 3, print).code)
		assert.same({ 2 }, luff.map({ 1 }, nil, function(i) return i + 1 end))
	end)

	it("nests", function()
		support.make_image "memory:nest:v1"
		local sums = luff.map({ 1, 2, 3 }, { jobs = 2 }, function(i)
			local inner = luff.map({ 1, 2 }, { jobs = 2 }, function(k)
				return luff.image("memory:nest:v1"):size() * 0 + i * k
			end)
			return inner[1] + inner[2]
		end)
		assert.same({ 3, 6, 9 }, sums)
	end)

	it("is a loop for an empty list", function()
		assert.same({}, luff.map({}, { jobs = 4 }, error))
	end)
end)

describe("a Task", function()
	it("gives all results to whoever waits, more than once", function()
		local task = luff.spawn(function(...)
			return ..., "end"
		end, 1)
		assert.same({ 1, "end" }, { task:wait() })
		assert.same({ 1, "end" }, { task:wait() })
		assert.is_true(task:done())
	end)

	it("raises what was raised", function()
		local task = luff.spawn(error, { code = "mine" })
		assert.equal("mine", select(2, pcall(task.wait, task)).code)
	end)

	it("waits for another one", function()
		support.make_image "memory:wait:v1"
		local first = luff.spawn(function()
			return luff.image("memory:wait:v1"):digest()
		end)
		local second = luff.spawn(function()
			return first:wait()
		end)
		assert.equal(luff.image("memory:wait:v1"):digest(), second:wait())
	end)

	it("ends with what it waits for when it is cancelled", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local task = luff.spawn(function()
			luff.open(silent.address .. "/app:v1")
		end)
		assert.is_false(task:done())
		task:cancel()
		assert.equal("cancelled", select(2, pcall(task.wait, task)).code)
	end)

	it("closes its variables when it fails, and may wait there", function()
		support.make_image "memory:closes:v1"
		local order = {}
		local function closing(name)
			return setmetatable({}, { __close = function()
				order[#order + 1] = name .. " " .. #luff.open("memory:closes:v1"):raw_manifest()
			end })
		end
		local task = luff.spawn(function()
			local outer <close> = closing "outer" -- luacheck: ignore 211
			local inner <close> = closing "inner" -- luacheck: ignore 211
			luff.open "memory:closes:none"
		end)
		assert.equal("not_found", support.fails(task.wait, task).code)
		local size = #luff.open("memory:closes:v1"):raw_manifest()
		assert.same({ "inner " .. size, "outer " .. size }, order)
	end)

	it("must not yield something of its own, and closes its variables then", function()
		for i, what in ipairs { io.stdout, 5, false, function() return true end, setmetatable({}, {}), luff.ref "a" } do
			local closed
			local task = luff.spawn(function()
				local file <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
					closed = luff.try(luff.open, "memory:nothing:v1") == nil
				end })
				coroutine.yield(what or nil)
			end)
			assert.is_true(task:done(), i)
			assert.equal("invalid", support.fails(task.wait, task).code)
			assert.is_true(closed)
		end
	end)

	it("is a function", function()
		assert.equal("invalid", support.fails(luff.spawn, "x").code)
		assert.equal("invalid", support.fails(luff.map, { 1 }, { jobs = 1 }).code)
	end)

	it("ends at one signal where it computes, and so does a coroutine of its own", function()
		for _, code in ipairs { "work()", "coroutine.wrap(work)()" } do
			-- the call: under the thread sanitizer signals arrive at calls alone
			local program = support.start { support.program, "-e", ([[
				local function work()
					print "works"
					io.stdout:flush()
					while true do tostring {} end
				end
				luff.spawn(function() %s end):wait()]]):format(code) }
			support.eventually(function()
				return program:stdout() == "works\n"
			end)
			program:kill "INT"
			assert.equal(130, program:wait())
		end
	end)

	it("lets the others go on while it waits for a server's end", function()
		local server <close> = luff.serve {}
		local waiting = luff.spawn(server.wait, server)
		assert.equal("not_found", support.fails(luff.open, server:address() .. "/app:v1").code)
		assert.is_false(waiting:done())
		waiting:cancel()
		assert.equal("cancelled", support.fails(waiting.wait, waiting).code)
	end)

	it("may be dropped while its call runs", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local lua = ([[local luff = require "luff"
			luff.spawn(function() luff.open "%s/app:v1" end)]]):format(silent.address)
		local result = support.luff({ "-e", lua }, { timeout = 20 })
		assert.equal(0, result.code, result.stderr)
	end)

	it("copies with progress", function()
		support.make_image("memory:from:v1", { layers = { 300000 } })
		local kinds = {}
		luff.spawn(function()
			luff.copy("memory:from:v1", "memory:to:v1", { progress = function(event)
				kinds[event.kind] = (kinds[event.kind] or 0) + 1
			end })
		end):wait()
		assert.equal(2, kinds.start)
		assert.equal(2, kinds.done)
	end)
end)

describe("a time limit", function()
	local task = require "luff.task"
	local time = require "luff.time"

	it("ends what takes longer, whatever that catches", function()
		for _, f in ipairs {
			function() while true do pcall(function() while true do end end) end end,
			function() coroutine.wrap(function() while true do end end)() end,
			function() time.sleep(1000) end,
			function() while true do pcall(time.sleep, 1000) end end,
			function() luff.map({ 1, 2 }, function() while true do pcall(time.sleep, 1000) end end) end,
		} do
			local err = support.fails(task.within, 0.2, f)
			assert.equal("timeout", err.code)
			assert.equal("it took longer than 0.2 s", err.message)
		end
	end)

	it("leaves the rest alone", function()
		assert.same({ 1, nil, 3 }, { task.within(1000, function(a) return a, nil, 3 end, 1) })
		assert.equal("not_found", select(2, pcall(task.within, 1000, error, { code = "not_found" })).code)
	end)
end)

describe("a Cursor", function()
	it("is read by one task at a time, and closed by none meanwhile", function()
		local answer = '{"name":"app","tags":["v1","v2"]}'
		local server = support.canned { { "GET", "/v2/", body = "{}" }, { "GET", "/v2/app/tags/list.*", body = answer } }
		local cursor
		local function read()
			return cursor()
		end
		luff.spawn(function()
			cursor = luff.tags(server.address .. "/app")
		end):wait()
		local first, second = luff.spawn(read), luff.spawn(read)
		assert.has_error(function() cursor:close() end, "another task is reading")
		assert.equal("v1", first:wait())
		assert.has_error(function() second:wait() end, "another task is reading")
		assert.equal("v2", luff.spawn(read):wait())
		cursor:close()
		assert.is_nil(cursor())
	end)
end)

describe("a progress function", function()
	it("may wait for a task of its own", function()
		support.make_image("memory:from:v3", { layers = { 300000, 200000 } })
		local opened = 0
		local result = luff.spawn(function()
			return luff.copy("memory:from:v3", "memory:to:v3", { progress = function()
				local task = luff.spawn(luff.open, "memory:from:v3")
				assert.equal(luff.open("memory:from:v3"), task:wait())
				opened = opened + 1
			end })
		end):wait()
		assert.equal(luff.open("memory:to:v3"):digest(), result.digest)
		assert.is_true(opened >= 6, opened) -- each blob starts, arrives and is done
	end)

	it("may wait while other copies end", function()
		support.make_image("memory:from:v4", { layers = { 100000, 100000 } })
		local digests = luff.map({ 1, 2, 3, 4, 5, 6 }, function(i)
			return luff.copy("memory:from:v4", ("memory:to%d:v4"):format(i), { progress = function()
				luff.map({ 1, 2 }, function() luff.open "memory:from:v4" end)
			end }).digest
		end)
		for i = 1, 6 do
			assert.equal(luff.open("memory:from:v4"):digest(), digests[i])
		end
	end)

	it("may not wait for the task that it tells of", function()
		support.make_image("memory:from:v5", { layers = { 100000 } })
		local task
		task = luff.spawn(function()
			luff.copy("memory:from:v5", "memory:to:v5", { progress = function()
				task:wait()
			end })
		end)
		assert.has_error(function()
			task:wait()
		end, "tasks wait for each other")
	end)
end)

describe("a task that somebody else resumes", function()
	it("gets what its call brought", function()
		local server <close> = luff.serve {}
		local image = support.make_image(server:address() .. "/app:v1", { layers = { 300000 } })
		local thread
		local task = luff.spawn(function()
			thread = coroutine.running()
			local first = luff.open(server:address() .. "/app:v1")
			return first, luff.copy(first, "memory:resumed:v1").digest
		end)
		assert.is_false(task:done())
		assert.is_true(coroutine.resume(thread))
		assert.is_true(coroutine.resume(thread))
		pcall(task.wait, task)
		assert.equal(image, luff.open "memory:resumed:v1")
	end)
end)

describe("progress that raises", function()
	it("ends the copy with its own error", function()
		support.make_image("memory:from:v2", { layers = { 300000 } })
		local ok, err = pcall(luff.copy, "memory:from:v2", "memory:to:v2", { progress = function()
			error({ code = "enough" })
		end })
		assert.is_false(ok)
		assert.equal("enough", err.code)
	end)
end)

describe("a coroutine of the user's", function()
	it("blocks, and yields what it yields", function()
		support.make_image "memory:co:v1"
		local co = coroutine.wrap(function()
			coroutine.yield(luff.image("memory:co:v1"):digest())
			return "end"
		end)
		assert.equal(luff.image("memory:co:v1"):digest(), co())
		assert.equal("end", co())
	end)
end)

describe("luff.try", function()
	it("gives results, or nil and the error", function()
		assert.same({ 1, 2 }, { luff.try(function()
			return 1, 2
		end) })
		local value, err = luff.try(luff.open, "memory:nowhere:v1")
		assert.is_nil(value)
		assert.equal("not_found", err.code)
		assert.equal(err.message, tostring(err))
	end)
end)

describe("an option that there is not", function()
	it("is refused by its name, with the nearest one", function()
		local err = support.fails(luff.image, "memory:x:v1", { platfrom = "linux/amd64" })
		assert.equal("invalid", err.code)
		assert.equal('unknown option "platfrom" (did you mean "platform"?)', err.message)
		assert.equal("invalid", support.fails(luff.map, {}, { job = 1 }, print).code)
		assert.has_error(function()
			luff.copy("memory:a:v1", "memory:b:v1", { jobs = 0 })
		end)
	end)
end)
