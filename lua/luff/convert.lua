-- The script that a configuration of regbot, regsync or skopeo sync amounts to, made of the same description that luff regbot and
-- luff sync do.
local expression = require "luff.convert.expression"
local fail = require "luff.fail"
local hosts = require "luff.convert.hosts"
local writer = require "luff.convert.writer"
local yaml = require "luff.yaml"

local convert = {}

-- "regbot" or "regsync", by what the text has at its top.
local function kind_of(text, name)
	local all = yaml.decode(text, { name = name })
	local is_bot, is_sync = type(all) == "table" and all.scripts, type(all) == "table" and all.sync
	if is_bot and is_sync or not (is_bot or is_sync) then
		fail("invalid", '%s: a configuration of regbot has "scripts", one of regsync "sync"; skopeo\'s wants --from-skopeo',
			name)
	end
	return is_bot and "regbot" or "regsync"
end

local function required(needs)
	local lines = { 'local luff = require "luff"\n' }
	for _, name in ipairs { "mirror", "regex", "template", "time" } do
		lines[#lines + 1] = needs[name] and ('local %s = require "luff.%s"\n'):format(name, name) or nil
	end
	return table.concat(lines)
end

local function join(head, parts)
	for i = #parts, 1, -1 do
		if parts[i] == "" then
			table.remove(parts, i)
		end
	end
	return head .. table.concat(parts, "\n")
end

--- The script as text. name: of the file; warn: hears of what is ignored, and of secrets that do not stand in the script.
-- destination: what goes in front of names of skopeo's; nil for the others.
function convert.script(text, name, warn, destination)
	local kind = destination and "skopeo" or kind_of(text, name)
	local head = "#!/usr/bin/env luff\n" .. writer.comment(("What %s says, by luff convert."):format(name))
	local needs = {}
	if kind == "regbot" then
		local description = require("luff.regbot.config").parse(text, name, warn)
		local said = hosts(description, needs, warn)
		local definitions = expression.definitions(needs)
		if needs.template then
			definitions = 'local template = require "luff.template"\n\n' .. definitions
		end
		return join(head, require "luff.convert.scripts"(description,
			definitions ~= "" and definitions .. "\n" .. said or said))
	end
	local reader = require(kind == "skopeo" and "luff.sync.skopeo" or "luff.sync.config")
	local description = reader.parse(text, name, warn, destination)
	local said = hosts(description, needs, warn)
	local parts = require "luff.convert.steps"(description, needs)
	table.insert(parts, 1, said)
	table.insert(parts, 1, expression.definitions(needs))
	table.insert(parts, 1, required(needs))
	return join(head, parts)
end

return convert
