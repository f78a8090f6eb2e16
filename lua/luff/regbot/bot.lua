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

-- A script is text, or a function of its globals.
local function load_script(one, env)
	if type(one.script) == "function" then
		return function() return one.script(env) end
	end
	local chunk, why = load(one.script, "=" .. one.name, "t", env)
	return chunk or error(why, 0)
end

--- Runs one script, { name, script, timeout }; true, or false and the error, which is in the log, too.
function bot.run(one, dry_run)
	log.debug("start of a script", { script = one.name })
	local ok, err = pcall(function()
		local chunk = load_script(one, api.globals { name = one.name, dry_run = dry_run })
		if one.timeout then
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

--- Each script of { scripts =, parallel = } once, so many at a time; the number of those that failed.
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
