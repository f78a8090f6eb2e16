-- Times of what luff makes: the same at each run. $SOURCE_DATE_EPOCH says which (reproducible-builds.org), else it is 1970.
local fail = require "luff.fail"

local time = {}

--- Seconds since the epoch that new things have.
function time.now()
	local text = os.getenv "SOURCE_DATE_EPOCH"
	if not text or text == "" then
		return 0
	end
	local n = text:find "^%d+$" and #text < 12 and math.tointeger(tonumber(text))
	return n or fail("invalid", 'SOURCE_DATE_EPOCH is no number of seconds: "%s"', text)
end

--- As configs have it: "1970-01-01T00:00:00Z".
function time.text(seconds)
	return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds)
end

return time
