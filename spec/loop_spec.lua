-- luff.fd and luff.step: tasks in a program that has a loop of its own.
local luff = require "luff"
local support = require "spec.support"

-- Steps until the task has ended.
local function run(task)
	support.eventually(function()
		luff.step()
		return task:done()
	end)
	return task:wait()
end

describe("luff.step", function()
	it("lets tasks go on and waits for nothing", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/app:v1")
		local stuck = luff.spawn(luff.resolve, silent.address .. "/app:v1")
		local found = run(luff.spawn(function()
			return luff.resolve(server:address() .. "/app:v1")
		end))
		assert.equal(luff.resolve(server:address() .. "/app:v1").digest, found.digest)
		for _ = 1, 100 do
			assert.is_true(luff.step())
		end
		assert.is_false(stuck:done())
		stuck:cancel()
		assert.equal("cancelled", support.fails(run, stuck).code)
		assert.is_false(luff.step())
	end)

	it("wakes who waits for another task", function()
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/app:v1")
		local first = luff.spawn(luff.image, server:address() .. "/app:v1")
		local second = luff.spawn(function()
			return first:wait():digest(), #luff.map({ 1, 2, 3 }, function() return luff.ping(server:address()) end)
		end)
		local digest, count = run(second)
		assert.equal(first:wait():digest(), digest)
		assert.equal(3, count)
	end)

	it("answers what workers ask", function()
		local asked = 0
		local server <close> = luff.serve { on_push = function(r)
			asked = asked + 1
			return r.tag == "v1"
		end }
		local task = luff.spawn(luff.copy, "random:size=10", server:address() .. "/app:v1")
		assert.is_string(run(task).digest)
		assert.equal(1, asked)
	end)

	it("tells of progress", function()
		local server <close> = luff.serve {}
		local events = 0
		run(luff.spawn(luff.copy, "random:size=10", server:address() .. "/app:v1", {
			progress = function() events = events + 1 end,
		}))
		assert.is_true(events > 0)
	end)

	it("is the same inside of a coroutine of the program", function()
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/app:v1")
		local code = coroutine.wrap(function()
			local task = luff.spawn(luff.resolve, server:address() .. "/app:v2")
			while not task:done() do
				luff.step()
				coroutine.yield()
			end
			return select(2, luff.try(task.wait, task)).code
		end)
		assert.equal("not_found", support.eventually(code))
	end)
end)

describe("luff.fd", function()
	local has_luv, uv = pcall(require, "luv")

	-- Runs the loop until something happened at the descriptor, and says whether it did within that time.
	local function readable(seconds)
		local seen = false
		local poll, timer = uv.new_poll(luff.fd()), uv.new_timer()
		poll:start("r", function()
			seen = true
			uv.stop()
		end)
		timer:start(math.floor(seconds * 1000), 0, function() uv.stop() end)
		uv.run()
		poll:close()
		timer:close()
		uv.run "nowait"
		return seen
	end

	it("is one descriptor", function()
		assert.equal("integer", math.type(luff.fd()))
		assert.equal(luff.fd(), luff.fd())
	end)

	it("is readable when a task can go on, and silent after luff.step", function()
		if not has_luv then
			pending "lua-luv is not installed"
		end
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/app:v1")
		luff.step()
		assert.is_false(readable(0.05))
		local task = luff.spawn(luff.resolve, server:address() .. "/app:v1")
		while not task:done() do
			assert.is_true(readable(60))
			luff.step()
		end
		luff.step() -- it may have been rung while the last step looked
		assert.is_false(readable(0.05))
	end)
end)
