-- When something is due: five fields as cron has them ("30 2 * * mon-fri"), @hourly and its kind, and @every 90m.
local fail = require "luff.fail"
local time = require "luff.time"

local schedule = {}

local months = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" }
local days = { [0] = "sun", "mon", "tue", "wed", "thu", "fri", "sat" }
local fields = {
	{ name = "minute", low = 0, high = 59 }, { name = "hour", low = 0, high = 23 }, { name = "day", low = 1, high = 31 },
	{ name = "month", low = 1, high = 12, words = months }, { name = "weekday", low = 0, high = 6, words = days },
}
local shorthands = {
	["@yearly"] = "0 0 1 1 *", ["@annually"] = "0 0 1 1 *", ["@monthly"] = "0 0 1 * *", ["@weekly"] = "0 0 * * 0",
	["@daily"] = "0 0 * * *", ["@midnight"] = "0 0 * * *", ["@hourly"] = "0 * * * *",
}
local YEARS = 8 -- from one 29 February to the next at most

local function number(field, text)
	local n = text:find "^%d%d?$" and math.tointeger(tonumber(text))
	for i, word in pairs(field.words or {}) do
		n = text:lower() == word and i or n
	end
	return n and n >= field.low and n <= field.high and n or nil
end

-- The values that a field names, as a set; whether it is "*".
local function parse_field(field, text, whole)
	local set = {}
	local function refuse()
		fail("invalid", 'the schedule "%s": "%s" is no %s', whole, text, field.name)
	end
	for part in (text .. ","):gmatch "([^,]*)," do
		local range, step = part:match "^([^/]+)/?(%d*)$"
		local first, last = (range or ""):match "^(%w+)%-(%w+)$"
		local low, high = field.low, field.high
		if not range or part:find "/$" or step == "0" or step ~= "" and not tonumber(step) then
			refuse()
		elseif first then
			low, high = number(field, first), number(field, last)
		elseif range ~= "*" and range ~= "?" then
			low = number(field, range)
			high = step == "" and low or field.high
		end
		if not low or not high or low > high then
			refuse()
		end
		for n = low, high, step ~= "" and math.tointeger(tonumber(step)) or 1 do
			set[n] = true
		end
	end
	return set, text == "*" or text == "?"
end

--- A function from an instant (seconds) to the next one that is due after it, in local time; nil where there is none.
function schedule.parse(text)
	local every = text:match "^@every%s+(%S+)$"
	if every then
		local seconds = time.age(every)
		if seconds < 1 then
			fail("invalid", 'the schedule "%s" is due more than once a second', text)
		end
		return function(from) return from + seconds end
	end
	local words = {}
	for word in (shorthands[text] or text):gmatch "%S+" do
		words[#words + 1] = word
	end
	if #words ~= 5 then
		fail("invalid", 'the schedule "%s" has not five fields: minute, hour, day, month, weekday', text)
	end
	local sets, any = {}, {}
	for i, field in ipairs(fields) do
		sets[i], any[i] = parse_field(field, words[i], text)
	end
	local function is_day(t)
		local day, weekday = sets[3][t.day], sets[5][t.wday - 1]
		if any[3] or any[5] then
			return day and weekday
		end
		return day or weekday -- cron's rule where both are said
	end
	return function(from)
		local t = os.date("*t", from // 60 * 60 + 60)
		t.sec = 0
		local last = t.year + YEARS
		while t.year <= last do
			local at
			if not sets[4][t.month] then
				at = os.time { year = t.year, month = t.month + 1, day = 1, hour = 0 }
			elseif not is_day(t) then
				at = os.time { year = t.year, month = t.month, day = t.day + 1, hour = 0 }
			elseif not sets[2][t.hour] then
				at = os.time(t) + (60 - t.min) * 60
			elseif not sets[1][t.min] then
				at = os.time(t) + 60
			else
				return os.time(t)
			end
			t = os.date("*t", at)
		end
	end
end

return schedule
