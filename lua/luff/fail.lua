-- Raises an error as the core's are: a table with code and message.
local Error = {}

function Error:__tostring()
	return self.message
end

--- code: as luff.Error in meta.lua has them; the message is formatted with what follows.
return function(code, format, ...)
	error(setmetatable({ code = code, message = select("#", ...) > 0 and format:format(...) or format }, Error), 0)
end
