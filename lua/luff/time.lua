-- Instants, as seconds since the epoch, and ages: plain numbers, so that < compares them. Text is RFC 3339, as configs and
-- annotations of images have it ("2024-05-01T12:00:00Z"), and "30d", "12h", "1h30m".
local core = require "luff.core"
local fail = require "luff.fail"

local time = {}

local clock = os.time
local units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400, w = 7 * 86400 }
local LAST = 253402300800 -- of the year 10000, which RFC 3339 cannot spell

local function div(a, b)
	return math.floor(a / b)
end

-- Days since the epoch in the Gregorian calendar, whose years begin with March here: leap days come last.
local function days_of(year, month, day)
	local y = month > 2 and year or year - 1
	local era, of_year = div(y, 400), div(153 * ((month + 9) % 12) + 2, 5) + day - 1
	local y_of_era = y - era * 400
	return era * 146097 + y_of_era * 365 + div(y_of_era, 4) - div(y_of_era, 100) + of_year - 719468
end

local function date_of(days)
	local z = days + 719468
	local era = div(z, 146097)
	local of_era = z - era * 146097
	local y = div(of_era - div(of_era, 1460) + div(of_era, 36524) - div(of_era, 146096), 365)
	local of_year = of_era - (365 * y + div(y, 4) - div(y, 100))
	local m = div(5 * of_year + 2, 153)
	local month = m < 10 and m + 3 or m - 9
	return y + era * 400 + (month <= 2 and 1 or 0), month, of_year - div(153 * m + 2, 5) + 1
end

local function refuse(text)
	fail("bad_format", 'not a time as RFC 3339 has it, "2024-05-01T12:00:00Z": "%s"', tostring(text))
end

-- Seconds that a zone is ahead of UTC; nil where it is none.
local function offset_of(zone)
	if zone == "Z" or zone == "z" then
		return 0
	end
	local sign, hours, minutes = zone:match "^([+-])(%d%d):(%d%d)$"
	if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
		return nil
	end
	return (sign == "-" and -1 or 1) * (tonumber(hours) * 3600 + tonumber(minutes) * 60)
end

--- The instant that an RFC 3339 text names; a whole number where it has no fraction.
function time.parse(text)
	local year, month, day, hour, minute, second, fraction, zone = tostring(text)
		:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(%.?%d*)([Zz+-].*)$"
	if not year or fraction == "." or fraction ~= "" and fraction:sub(1, 1) ~= "." or #fraction > 32 then
		refuse(text)
	end
	local y, mo, d = tonumber(year), tonumber(month), tonumber(day)
	local h, mi, s = tonumber(hour), tonumber(minute), tonumber(second)
	local offset, days = offset_of(zone), days_of(y, mo, d)
	local real_y, real_mo, real_d = date_of(days)
	if not offset or real_y ~= y or real_mo ~= mo or real_d ~= d or h > 23 or mi > 59 or s > 60 then
		refuse(text)
	end
	local rest = tonumber("0" .. fraction)
	local whole = days * 86400 + h * 3600 + mi * 60 + s - offset
	return rest > 0 and whole + rest or whole
end

--- The text of an instant, in UTC; microseconds where it has a fraction.
function time.format(instant)
	if type(instant) ~= "number" or not (instant >= -62167219200 and instant < LAST) then
		fail("invalid", "a time is a number of seconds since 1970 within the years 0 to 9999, not %s", tostring(instant))
	end
	local carry, fraction = ("%.6f"):format(instant % 1):match "^(%d)(%.?%d-)0*$"
	local whole = math.floor(instant) + tonumber(carry)
	local days, rest = div(whole, 86400), whole % 86400
	local year, month, day = date_of(days)
	return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, div(rest, 3600), div(rest, 60) % 60, rest % 60,
		fraction == "." and "" or fraction)
end

--- Now, in whole seconds.
function time.now()
	return clock()
end

--- Seconds of an age: "90s", "30m", "12h", "30d", "2w", "1h30m", "1.5h", "250ms"; a number is one already.
function time.age(age)
	if type(age) == "number" and age >= 0 then
		return age
	end
	local text, total = tostring(age), 0
	local at = 1
	while type(age) == "string" and at <= #text do
		local number, unit, after = text:match("^(%d+%.?%d*)(%l+)()", at)
		if not number or #number > 12 or not units[unit] then
			break
		end
		total, at = total + tonumber(number) * units[unit], after
	end
	if type(age) ~= "string" or at <= #text or text == "" then
		fail("invalid", 'an age is "90s", "30m", "12h", "30d", "2w" or several of them, not "%s"', text)
	end
	return math.tointeger(total) or total
end

local function instant_of(value)
	return type(value) == "number" and value or time.parse(value)
end

--- The instant that an age ago was. now: 0 is the epoch; the clock's where absent.
function time.ago(age, now)
	return (now and instant_of(now) or clock()) - time.age(age)
end

--- Whether an instant, a number or RFC 3339, lies longer ago than an age.
function time.older(instant, age, now)
	return instant_of(instant) < time.ago(age, now)
end

--- Waits for an age; inside of a task the others go on meanwhile.
function time.sleep(age)
	core.sleep(time.age(age))
end

return time
