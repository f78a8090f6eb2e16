-- What people and programs read of a mirror's entries.
local luff = require "luff"
local terminal = require "luff.terminal"

local lines = {}

--- A line for each tag, as it is done; what failed goes to stderr.
function lines.show(entry, many)
	local name = terminal.printable(entry.tag or entry.target or entry.from or entry.to)
	if entry.tag and entry.target ~= entry.tag then
		name = name .. " -> " .. terminal.printable(entry.target)
	end
	name = many and terminal.printable(entry.to) .. "\t" .. name or name
	if entry.error then
		io.stderr:write("luff: ", (name:gsub("\t", ": ")), ": ", terminal.printable(tostring(entry.error)), "\n")
	else
		terminal.write(entry.status, "\t", name, entry.digest and "\t" .. entry.digest or "",
			entry.why and "\t" .. terminal.printable(entry.why) or "", "\n")
	end
end

--- The summary of mirror.run as JSON.
function lines.json(summary)
	luff.array(summary.entries)
	for i, entry in ipairs(summary.entries) do
		summary.entries[i] = { from = entry.from, to = entry.to, tag = entry.tag, target = entry.target,
			status = entry.status, digest = entry.digest, why = entry.why,
			followers = entry.followers and luff.array(entry.followers),
			error = entry.error and tostring(entry.error) }
	end
	return luff.json.encode(summary, { indent = true })
end

return lines
