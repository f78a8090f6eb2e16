-- Tracebacks for who wrote a script: the frames of luff's own files say nothing to them, unless the fault is luff's.
local embedded = require("luff.core").embedded -- also when the sandbox has taken it away

local traces = {}

-- Whether a file, as tracebacks name it, is one of luff's: "luff.cli.lua" where it is embedded, ".../luff/cli.lua" in a tree.
local function is_luffs(file)
	local name = file:match "^(luff%..+)%.lua$" or file:match "/?(luff/.+)%.lua$"
	name = name and name:gsub("/", "."):gsub("%.init$", "")
	return name ~= nil and embedded(name) ~= nil
end

--- Which is shown of a traceback (the text of debug.traceback): the frames of scripts, nil where there are none. All of it where
-- the message says that it happened in one of luff's own files.
function traces.of(err, trace)
	local place = type(err) == "string" and err:match "^([^\n:]+):%d+:"
	if not trace or place and is_luffs(place) then
		return trace
	end
	local kept, waiting, own = {}, {}, true
	for line in trace:gmatch "\n(\t[^\n]*)" do
		local file = line:match "^\t(.-):%d+:" or line:match "^\t(.-):"
		if line:find("^\t%[C%]:") or not file then
			-- of C's frames those that a script called, or was called by
			waiting[#waiting + 1] = own and line or nil
		else
			own = not is_luffs(file)
			if own then
				table.move(waiting, 1, #waiting, #kept + 1, kept)
				kept[#kept + 1] = line
			end
			waiting = {}
		end
	end
	return kept[1] and "stack traceback:\n" .. table.concat(kept, "\n") or nil
end

return traces
