-- Tasks: functions that run at the same time as coroutines. A call that blocks goes to a worker (bindings/job.c) and its
-- coroutine sleeps until core.wait says that the call is done.
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"

local task = {}
local tasks = core.tasks -- tasks.current: the one that runs
local Task = {}
Task.__index = Task
Task.__name = "luff.Task"

local calls, owners = {}, {} -- calls that workers run, and the task that each belongs to
local sleepers = {} -- tasks that wait for a condition

local waits = {} -- the mark of a yield that comes from await

local step

local function finish(self, ok, ...)
	self.finished, self.ok, self.results = true, ok, table.pack(...)
end

-- Ends a task that yields to nobody knows whom.
local function refuse_yield(self)
	core.mark(self.thread, false) -- what closes its variables blocks
	coroutine.close(self.thread)
	finish(self, pcall(fail, "invalid", "a task must not yield: luff's own calls do that for it"))
end

function step(self, ...)
	local outer = tasks.current
	tasks.current = self
	if self.deadline and core.clock() > self.deadline then
		core.hurry(self.thread)
		self.cancelled = true
	end
	local results = table.pack(coroutine.resume(self.thread, ...))
	tasks.current = outer
	local alive, what = table.unpack(results, 1, 2)
	if not alive then
		return finish(self, false, what)
	elseif coroutine.status(self.thread) == "dead" then
		return finish(self, table.unpack(results, 2, results.n))
	elseif what == waits then
		self.condition, self.patient = results[3], results[4]
		sleepers[#sleepers + 1] = self
	elseif getmetatable(what) == "luff.Call" then
		calls[#calls + 1], owners[what] = what, self
		self.call = what
		if self.cancelled then
			core.cancel(what)
		end
	else
		refuse_yield(self)
	end
end

-- Wakes who can go on; true if somebody could.
local function wake()
	for i = 1, #sleepers do
		local self = sleepers[i]
		if self.cancelled and not self.patient or self.condition() then
			table.remove(sleepers, i)
			step(self)
			return true
		end
	end
end

-- The task whose call this is, which goes on now. nil: it went on in the meantime.
local function take(call)
	for i = 1, #calls do
		if rawequal(calls[i], call) then
			table.remove(calls, i)
			break
		end
	end
	local self = owners[call]
	if self then
		owners[call], self.call = nil, nil
	end
	return self
end

local answers -- further down

-- Goes on until the condition holds. patient: even where whoever waits is cancelled.
local function await(condition, patient)
	if core.in_task() then
		while not condition() do
			coroutine.yield(waits, condition, patient)
			if tasks.current and tasks.current.cancelled and not patient then
				fail("cancelled", "cancelled")
			end
		end
		return
	end
	while not condition() do
		answers()
		if not wake() then
			if #calls == 0 then
				error("tasks wait for each other", 0)
			end
			local call = core.wait(calls, 0.1, patient)
			local self = call and take(call)
			if self then
				step(self)
			end
		end
	end
end

--- Waits for the task's end; its results, or its error raised.
function Task:wait()
	await(function()
		return self.finished
	end)
	if not self.ok then
		error(self.results[1], 0)
	end
	return table.unpack(self.results, 1, self.results.n)
end

function Task:done()
	return self.finished == true
end

function Task:cancel()
	self.cancelled = true
	if self.call then
		core.cancel(self.call)
	end
end

-- about: what it is asked about, where it answers a question; what it starts has the same.
local function start(about, f, ...)
	-- Inside of pcall, what fails closes its variables while it is a task still, and may wait there.
	local thread = coroutine.create(function(...)
		return pcall(f, ...)
	end)
	local self = setmetatable({ thread = thread, about = about, deadline = tasks.current and tasks.current.deadline },
		Task)
	core.mark(thread, true)
	step(self, ...)
	return self
end

-- f(...), without a hook of the host's that yields in the middle, as HAProxy's does: tables are half changed there.
local function whole(f, ...)
	if core.in_task() or not (coroutine.isyieldable and coroutine.isyieldable()) then
		return f(...)
	end
	local thread = coroutine.create(f)
	core.mark(thread, false)
	local ok, result = coroutine.resume(thread, ...)
	if not ok then
		error(result, 0)
	end
	return result
end

function task.spawn(f, ...)
	if type(f) ~= "function" then
		fail("invalid", "a task is a function, not a %s", type(f))
	end
	return whole(start, tasks.current and tasks.current.about, f, ...)
end

-- What the function gives; nothing was put where nobody waits for it any more.
local function call_asked(question, asked, f, ...)
	if asked ~= nil then
		core.take(question, asked, f(...))
	end
end

local function answer(question)
	core.answered(question, pcall(function()
		call_asked(question, core.put(question))
	end))
end

--- Calls f as a task that has so many seconds, and its results; "timeout" where they do not suffice, whatever f does.
function task.within(seconds, f, ...)
	local over = false
	local outer = tasks.current
	tasks.current = { about = outer and outer.about, deadline = core.clock() + seconds }
	local ok, one = pcall(task.spawn, f, ...)
	tasks.current = outer
	if not ok then
		error(one, 0)
	end
	local watch = task.spawn(function()
		core.sleep(seconds)
		over = true
		one:cancel()
		-- What it has started cannot be told to end by it any more.
		for _, other in pairs(owners) do
			if other.deadline and other.deadline <= core.clock() then
				other:cancel()
			end
		end
	end)
	local results = table.pack(pcall(one.wait, one))
	watch:cancel()
	local err = results[2]
	if not results[1] and (over or type(err) == "table" and err.code == "timeout" and core.clock() >= one.deadline) then
		fail("timeout", "it took longer than %s s", tostring(seconds))
	elseif not results[1] then
		one:cancel()
		error(err, 0)
	end
	return table.unpack(results, 2, results.n)
end

local answering = {} -- questions, and the tasks that answer them

-- Takes up what workers ask (bindings/question.c), and lets go of what they have left.
function answers()
	for question, one in pairs(answering) do
		if one.finished then
			answering[question] = nil
			core.drop(question)
		elseif core.left(question) then
			one:cancel()
		end
	end
	for question, about in core.question do
		answering[question] = start(about, answer, question)
	end
end

-- Waits for a call that was made outside of a task.
core.driver(function(call)
	calls[#calls + 1] = call
	local ok, err = pcall(await, function()
		return core.done(call)
	end, true)
	take(call)
	if not ok then
		error(err, 0)
	end
end)

local function step_all()
	local moved
	repeat
		answers()
		local call = core.poll(calls)
		local self = call and take(call)
		if self then
			step(self)
		end
		moved = self or wake()
	until not moved
	return #calls > 0 or #sleepers > 0
end

--- For a host with a loop of its own: all that can go on does, up to its next call, and nothing waits. True while tasks are under
-- way.
function task.step()
	return whole(step_all)
end

local function items_of(list)
	if type(list) ~= "table" then
		return list
	end
	local i = 0
	return function()
		i = i + 1
		return list[i]
	end
end

local function check_map(opts)
	if type(opts) ~= "table" then
		fail("invalid", "options are a table, not a %s", type(opts))
	end
	options.check(opts, { "jobs" }, "option")
	local jobs = opts.jobs == nil and 8 or opts.jobs
	if math.type(jobs) ~= "integer" or jobs < 1 then
		fail("invalid", 'option "jobs" must be a whole number from 1 on')
	end
	return jobs
end

function task.map(list, opts, f)
	if type(opts) == "function" then
		opts, f = nil, opts
	end
	local jobs = check_map(opts == nil and {} or opts)
	local next_item, results, running, failure, count = items_of(list), {}, {}, nil, 0
	local function settle()
		for i = #running, 1, -1 do
			local one = running[i]
			if one.finished then
				table.remove(running, i)
				if one.ok then
					results[one.index] = one.results[1]
				elseif not failure then
					failure = one
				end
			end
		end
	end
	local function room()
		settle()
		return failure or #running < jobs
	end
	local function over()
		settle()
		return failure or #running == 0
	end
	local ok, err = pcall(function()
		while not failure do
			local item = next_item()
			if item == nil then
				break
			end
			count = count + 1
			local one = task.spawn(f, item, count)
			one.index = count
			running[#running + 1] = one
			await(room)
		end
		await(over)
	end)
	-- Nothing of it goes on behind the caller's back, whether a call, the iterator or whoever cancelled ended it.
	for _, one in ipairs(running) do
		one:cancel()
	end
	pcall(await, function()
		settle()
		return #running == 0
	end, true)
	if not ok then
		error(err, 0)
	elseif failure then
		error(failure.results[1], 0)
	end
	return results
end

return task
