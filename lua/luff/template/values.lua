-- The values of templates (luff.template): what counts as empty, how they are written, and the functions that come with them.
local core = require "luff.core"
local fail = require "luff.fail"
local time = require "luff.time"

local values = {}

local function is_empty(value)
	return value == nil or value == core.null or value == false or value == "" or value == 0
		or type(value) == "table" and next(value) == nil
end

local function text_of(value)
	if type(value) == "table" and not (getmetatable(value) or {}).__tostring then
		return core.encode(value)
	end
	return value == core.null and "" or tostring(value)
end

local months = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
	"November",
	"December" }
local days = { "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday" }

-- Go's layouts spell one moment: Mon Jan 2 15:04:05 MST 2006.
local layout = {
	{ "January", function(t) return months[t.month] end }, { "Jan", function(t) return months[t.month]:sub(1, 3) end },
	{ "Monday", function(t) return t.day_name end }, { "Mon", function(t) return t.day_name:sub(1, 3) end },
	{ "2006", function(t) return ("%04d"):format(t.year) end }, { "Z07:00", function() return "Z" end },
	{ "-07:00", function() return "+00:00" end }, { "-0700", function() return "+0000" end },
	{ "MST", function() return "UTC" end }, { "01", function(t) return ("%02d"):format(t.month) end },
	{ "02", function(t) return ("%02d"):format(t.day) end }, { "03",
		function(t) return ("%02d"):format((t.hour + 11) % 12 + 1) end },
	{ "04", function(t) return ("%02d"):format(t.min) end }, { "05", function(t) return ("%02d"):format(t.sec) end },
	{ "06", function(t) return ("%02d"):format(t.year % 100) end }, { "15",
		function(t) return ("%02d"):format(t.hour) end },
	{ "PM", function(t) return t.hour < 12 and "AM" or "PM" end }, { "1", function(t) return t.month end },
	{ "2", function(t) return t.day end }, { "3", function(t) return (t.hour + 11) % 12 + 1 end },
}

local Time = {}
Time.__index = Time

local function new_time(seconds)
	return setmetatable({ seconds = seconds }, Time)
end

function Time:__tostring()
	return time.format(self.seconds)
end

function Time:Format(pattern)
	local year, month, day, hour, min, sec = time.format(self.seconds):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)"
	local t = { year = tonumber(year), month = tonumber(month), day = tonumber(day), hour = tonumber(hour),
		min = tonumber(min), sec = tonumber(sec), day_name = days[math.tointeger(self.seconds // 86400) % 7 + 1] }
	local parts, at = {}, 1
	while at <= #pattern do
		local found
		for _, one in ipairs(layout) do
			if pattern:sub(at, at + #one[1] - 1) == one[1] then
				found = one
				break
			end
		end
		parts[#parts + 1] = found and found[2](t) or pattern:sub(at, at)
		at = at + (found and #found[1] or 1)
	end
	return table.concat(parts)
end

-- {{ $t.Year }}, {{ $t.Month }} (a number), …
for name, pattern in pairs { Year = "^(%d+)", Month = "^%d+-(%d+)", Day = "^%d+-%d+-(%d+)", Hour = "T(%d+)",
	Minute = ":(%d+)", Second = ":%d+:(%d+)" } do
	Time[name] = function(self)
		return math.tointeger(tonumber(time.format(self.seconds):match(pattern)))
	end
end

function Time:Unix() return math.tointeger(self.seconds // 1) end
function Time:UTC() return self end
function Time:Add(age) return new_time(self.seconds + time.age(age)) end

local function parse_time(pattern, text)
	if pattern == "2006-01-02" and text:find "^%d%d%d%d%-%d%d%-%d%d$" then
		return new_time(time.parse(text .. "T00:00:00Z"))
	elseif pattern:sub(1, 19) == "2006-01-02T15:04:05" then
		return new_time(time.parse(text))
	end
	fail("unsupported", 'time.Parse knows the layouts "2006-01-02" and "2006-01-02T15:04:05Z07:00", not "%s"', pattern)
end

local function compare(a, b)
	if type(a) ~= type(b) or type(a) ~= "number" and type(a) ~= "string" then
		fail("invalid", "cannot compare a %s with a %s", type(a), type(b))
	end
	return a < b and -1 or a > b and 1 or 0
end

local functions = {
	default = function(absent, value) return is_empty(value) and absent or value end,
	join = function(list, separator)
		local texts = {}
		for i, item in ipairs(list) do
			texts[i] = text_of(item)
		end
		return table.concat(texts, separator)
	end,
	split = function(text, separator)
		local list, at = {}, 1
		while separator ~= "" do
			local from, to = text:find(separator, at, true)
			list[#list + 1] = text:sub(at, from and from - 1)
			if not from then
				return list
			end
			at = to + 1
		end
		for _, code in utf8.codes(text) do
			list[#list + 1] = utf8.char(code)
		end
		return list
	end,
	json = function(value) return core.encode(value) end,
	jsonPretty = function(value) return core.encode(value, { indent = true }) end,
	printPretty = function(value) return type(value) == "table" and core.encode(value,
		{ indent = true }) or text_of(value) end,
	lower = string.lower, upper = string.upper,
	trimSpace = function(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end,
	time = function()
		return { Now = function() return new_time(time.now()) end, Parse = function(_, ...) return parse_time(...) end }
	end,
	print = function(...)
		local texts = {}
		for i = 1, select("#", ...) do
			texts[i] = text_of((select(i, ...)))
		end
		return table.concat(texts)
	end,
	println = function(...)
		local texts = {}
		for i = 1, select("#", ...) do
			texts[i] = text_of((select(i, ...)))
		end
		return table.concat(texts, " ") .. "\n"
	end,
	printf = function(format, ...)
		return (format:gsub("%%v", "%%s")):format(...)
	end,
	len = function(value)
		local n = #value
		if n == 0 and type(value) == "table" then
			for _ in pairs(value) do
				n = n + 1
			end
		end
		return n
	end,
	index = function(value, ...)
		for _, key in ipairs { ... } do
			value = value[math.type(key) == "integer" and key + 1 or key]
		end
		return value
	end,
	["not"] = function(value) return is_empty(value) end,
	["and"] = function(...)
		local last
		for i = 1, select("#", ...) do
			last = select(i, ...)
			if is_empty(last) then
				break
			end
		end
		return last
	end,
	["or"] = function(...)
		local last
		for i = 1, select("#", ...) do
			last = select(i, ...)
			if not is_empty(last) then
				break
			end
		end
		return last
	end,
	eq = function(a, ...)
		for _, b in ipairs { ... } do
			if a == b then
				return true
			end
		end
		return false
	end,
	ne = function(a, b) return a ~= b end,
	lt = function(a, b) return compare(a, b) < 0 end,
	le = function(a, b) return compare(a, b) <= 0 end,
	gt = function(a, b) return compare(a, b) > 0 end,
	ge = function(a, b) return compare(a, b) >= 0 end,
}

--- What if, with, default, and, or and not take for nothing: as Go, zero and what has no elements, too.
values.is_empty = is_empty
--- What {{ value }} writes: a table as JSON.
values.text = text_of
--- By their names, as {{ name argument }} calls them.
values.functions = functions

return values
