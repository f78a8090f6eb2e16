-- luff in libuv's loop, where nothing may wait: lua5.4 scripts/embed/luv.lua FROM TO
-- Copies an image while a timer of the same loop goes on. Needs luv (Debian: lua-luv); any Lua will do.
local luff = require "luff"
local uv = require "luv"

local from, to = arg[1], arg[2]
local ticks = 0

local timer = uv.new_timer()
timer:start(0, 10, function()
	ticks = ticks + 1
end)

-- The whole of it: luff says by a descriptor that a task can go on.
local poll = uv.new_poll(luff.fd())
poll:start("r", function()
	luff.step()
end)

-- What would be a callback elsewhere is a task here, in straight lines.
local task = luff.spawn(function()
	local done = luff.copy(from, to)
	print(done.digest, done.copied .. " blobs copied", ticks > 0 and "the timer went on" or "the timer stood still")
end)

local watch = uv.new_prepare()
watch:start(function()
	if task:done() then
		timer:close()
		poll:close()
		watch:close()
	end
end)
uv.run()
task:wait() -- raises what the copy may have raised
