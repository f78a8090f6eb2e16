-- The reference as one text in Markdown: the pages of `luff help` for commands and topics, and the manual of the Lua surface.
local cli = require "luff.cli"
local manual = require "luff.manual"
local topics = require "luff.topics"

local reference = {}

local function block(text)
	return "```text\n" .. text:gsub("\n*$", "\n") .. "```\n"
end

--- All of it.
function reference.markdown()
	local parts = {
		"# luff: the reference\n\n", require("luff")._VERSION, ", made by `make doc`. `luff help NAME` shows each part.\n",
		"\n## Commands\n\n", block(cli.help()),
	}
	local function add(title, text)
		parts[#parts + 1] = "\n### " .. title .. "\n\n" .. text
	end
	for _, name in ipairs(cli.commands) do
		add("luff " .. name, block(cli.help_of(name)))
	end
	parts[#parts + 1] = "\n## Topics\n"
	for _, topic in ipairs(topics.list) do
		add(topic.name .. ": " .. topic.summary, topic.markdown or block(topic.text))
	end
	parts[#parts + 1] = "\n## Lua\n"
	parts[#parts + 1] = manual.markdown()
	return table.concat(parts)
end

return reference
