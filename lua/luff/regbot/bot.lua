-- Runs the scripts of a configuration of regbot: once, or whenever they are due.
local api = require "luff.regbot.api"
local log = require "luff.log"
local luff = require "luff"
local serve = require "luff.regbot.serve"
local task = require "luff.task"

local bot = {}

local function message_of(err)
	return type(err) == "table" and err.message or tostring(err)
end

--- Runs one script; true, or false and the error, which is in the log, too.
function bot.run(one, dry_run)
	log.debug("start of a script", { script = one.name })
	local ok, err = pcall(function()
		local env = api.globals { name = one.name, dry_run = dry_run }
		local chunk, why = load(one.script, "=" .. one.name, "t", env)
		if not chunk then
			error(why, 0)
		elseif one.timeout then
			task.within(one.timeout, chunk)
		else
			luff.spawn(chunk):wait()
		end
	end)
	if not ok and type(err) == "table" and err.code == "cancelled" then
		error(err, 0)
	elseif not ok then
		log.error("a script failed", { script = one.name, error = message_of(err) })
	end
	return ok, err
end

--- Each script once, so many at a time as the configuration says; the number of those that failed.
function bot.once(config, dry_run)
	local failed = 0
	luff.map(config.scripts, { jobs = config.parallel }, function(one)
		if not bot.run(one, dry_run) then
			failed = failed + 1
		end
		return true
	end)
	return failed
end

--- Each script when it is due, until it is interrupted.
function bot.serve(config, dry_run)
	serve(config.scripts, config.parallel, "script", function(one) bot.run(one, dry_run) end)
end

return bot
