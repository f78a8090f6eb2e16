-- busted's usual output; the counts, and what failed and how, also go to the file that LUFF_COUNTS names, for the closing lines
-- of spec/support/run.
local busted = require "busted"

-- The name of what failed, the place, and the first lines of the complaint.
local function summary(failure)
	local text = tostring(failure.message)
	if type(failure.message) == "table" and not getmetatable(failure.message) then
		text = require "pl.pretty".write(failure.message)
	end
	local lines = { failure.name or "?" }
	for line in text:gmatch "[^\n]+" do
		lines[#lines + 1] = "    " .. line:sub(1, 200)
		if #lines > 6 then
			break
		end
	end
	return table.concat(lines, "\n") .. "\n"
end

return function(options)
	local handler = require("busted.outputHandlers." .. options.defaultOutput)(options)
	busted.subscribe({ "suite", "end" }, function()
		local path = os.getenv("LUFF_COUNTS")
		if path then
			local file = assert(io.open(path, "w"))
			file:write(("%d %d %d\n"):format(handler.successesCount, handler.failuresCount + handler.errorsCount,
				handler.pendingsCount))
			for _, list in ipairs { handler.failures, handler.errors } do
				for _, failure in ipairs(list) do
					file:write(summary(failure))
				end
			end
			assert(file:close())
		end
		return nil, true
	end)
	return handler
end
