-- Runs scripts or steps when they are due.
local log = require "luff.log"
local luff = require "luff"
local schedule = require "luff.schedule"
local time = require "luff.time"

--- Calls run(one) for each of a list, { name, due }, when it is due and fewer than `parallel` of them run, until it is
-- interrupted. What still runs is not started again. kind: what they are, for the log.
return function(list, parallel, kind, run)
	local due, running = {}, 0
	for _, one in ipairs(list) do
		if one.due then
			due[#due + 1] = one
		else
			log.warn(("a %s has neither schedule nor interval, and is left out"):format(kind), { [kind] = one.name })
		end
	end
	luff.map(due, { jobs = math.max(#due, 1) }, function(one)
		local following = schedule.parse(one.due)
		while true do
			local at = following(time.now())
			if not at then
				return log.warn(("a %s is never due"):format(kind), { [kind] = one.name })
			end
			time.sleep(math.max(at - time.now(), 0))
			while running >= parallel do
				time.sleep "100ms"
			end
			running = running + 1
			local ok, err = pcall(run, one)
			running = running - 1
			if not ok then
				error(err, 0)
			end
		end
	end)
end
