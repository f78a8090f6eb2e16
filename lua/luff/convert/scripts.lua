-- Scripts of regbot as a script: each is a function as it stands, over what they know as globals (luff.regbot.api).
local fail = require "luff.fail"
local writer = require "luff.convert.writer"

-- A name that no script has, which would take it for its own.
local function unused(name, scripts)
	for _, one in ipairs(scripts) do
		if (" " .. one.script .. " "):find("[^%w_]" .. name .. "[^%w_]") then
			return unused(name .. "_", scripts)
		end
	end
	return name
end

-- As it stands; indented, unless there may be texts of several lines in it.
local function body_of(one)
	local chunk, why = load(one.script, "=" .. one.name, "t")
	if not chunk then
		fail("invalid", "%s: %s", one.place, why)
	end
	local text = one.script:gsub("%s*$", "\n")
	return text:find "%[=*%[" and text or writer.indent(text, 1)
end

--- The parts of a script, in their order. hosts: Lua that says what the configuration says of hosts.
return function(description, hosts)
	local bot, list = unused("bot", description.scripts), unused("scripts", description.scripts)
	local parts = {}
	if hosts ~= "" then
		parts[1] = ("do\n%send\n"):format(writer.indent('local luff = require "luff"\n\n' .. hosts, 1))
	end
	parts[#parts + 1] = ("-- In _ENV is what regbot's scripts have as globals: log, tag, image and so on.\n"
		.. "local %s = require \"luff.regbot.bot\"\nlocal %s = {}\n"):format(bot, list)
	for _, one in ipairs(description.scripts) do
		local about = { "name = " .. writer.text(one.name) }
		about[#about + 1] = one.timeout and ("timeout = %.14g"):format(one.timeout) or nil
		about[#about + 1] = one.due and "due = " .. writer.text(one.due) or nil
		parts[#parts + 1] = ("%s[#%s + 1] = { %s, script = function(_ENV, ...)\n%send }\n"):format(list, list,
			table.concat(about, ", "), body_of(one))
	end
	parts[#parts + 1] = ('if arg[1] == "server" then\n\t%s.serve { scripts = %s, parallel = %d }\nend\n'
		.. "os.exit(%s.once { scripts = %s, parallel = %d } == 0 and 0 or 1)\n"):format(bot, list, description.parallel, bot,
			list, description.parallel)
	return parts
end
