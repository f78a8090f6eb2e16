-- What a function was given in place of what it wants.
local fail = require "luff.fail"

local want = {}

--- Raises unless it is a text. what: in front of the message, "a version".
function want.text(value, what)
	if type(value) ~= "string" then
		fail("invalid", "%s: a text is wanted, not %s", what, value == nil and "nothing" or "a " .. type(value))
	end
	return value
end

--- The same for a table; where it may be absent that is up to who asks.
function want.table(value, what)
	if type(value) ~= "table" then
		fail("invalid", "%s: a table is wanted, not %s", what, value == nil and "nothing" or "a " .. type(value))
	end
	return value
end

return want
