-- Regular expressions (PCRE2), with methods like Lua's own for patterns: test, find, match, captures, gmatch, gsub.
--	local version = regex.new "^v(?<major>\\d+)\\.(?<minor>\\d+)$"
--	version:captures("v1.27").minor --> "27"
local core = require "luff.core"
local fail = require "luff.fail"

local regex = {}
local Regex = core.regex_methods

--- A regular expression. flags: letters of i (case), m (^ and $ at lines), s (. takes newlines), x (blanks and comments),
-- u (\w and \d take Unicode's), a (the whole text has to match).
function regex.new(pattern, flags)
	return core.regex(pattern, flags)
end

--- The expression that matches that text alone.
function regex.escape(text)
	return (text:gsub("[^%w\128-\255]", "\\%0"))
end

--- Whether a value is a regular expression.
regex.is = core.is_regex

-- Behind the character at `at`, so that an empty match is not found again.
local function advance(text, at)
	return text:match("^[\194-\223][\128-\191]()", at) or text:match("^[\224-\239][\128-\191][\128-\191]()", at)
		or text:match("^[\240-\244][\128-\191][\128-\191][\128-\191]()", at) or at + 1
end

-- The matches one by one, as find gives them, and a table whose `from` is where the last of them was looked for.
local function each(self, text)
	local state, last = { at = 1 }, 0 -- last: where the match before ended
	local function look()
		state.from = state.at
		return self:find(text, state.at)
	end
	local function take(first, finish, ...)
		if not first then
			state.at = nil
			return nil
		end
		local empty = finish < first
		state.at = not empty and finish + 1 or first <= #text and advance(text, first) or #text + 2
		if empty and finish == last and first > 1 then -- right behind the one before
			return take(look())
		end
		last = finish
		return first, finish, ...
	end
	return function()
		if state.at and state.at <= #text + 1 then
			return take(look())
		end
	end, state
end

--- An iterator over the groups of all matches; without groups, over what matched.
function Regex:gmatch(text)
	local next_one = each(self, text)
	local function groups(first, last, ...)
		if first and select("#", ...) > 0 then
			return ...
		end
		return first and text:sub(first, last)
	end
	return function()
		return groups(next_one())
	end
end

-- A function from what find gave to the text that comes in its place; false or nil: it stays.
local function replacer(self, text, by, state)
	if type(by) == "function" then
		return function(whole, ...)
			if select("#", ...) > 0 then
				return by(...)
			end
			return by(whole)
		end
	elseif type(by) == "table" then
		return function(whole, ...)
			return by[select("#", ...) > 0 and (...) or whole]
		end
	elseif type(by) ~= "string" then
		fail("invalid", "a replacement is a text, a function or a table, not a %s", type(by))
	end
	return function(whole, ...)
		local groups, named = { [0] = whole, ... }, nil
		local count = select("#", ...)
		local function group(name)
			if name:find "^%d+$" then
				local n = math.tointeger(tonumber(name))
				return n and n <= count and (groups[n] or "") or fail("invalid", "$%s: there are %d groups", name, count)
			end
			named = named or self:captures(text, state.from)
			return named[name] or ""
		end
		return (by:gsub("%$(%$?)({?)([%w_]*)(}?)", function(dollar, open, name, close)
			if dollar ~= "" then
				return "$" .. open .. name .. close
			elseif open ~= "" and (close == "" or name == "") or open == "" and not name:find "^%d" then
				fail("invalid", 'in a replacement "$" comes before a number or {name}; "$$" is one of them')
			elseif open == "" then
				local digits = name:match "^%d"
				return group(digits) .. name:sub(2) .. close
			end
			return group(name)
		end))
	end
end

--- The text with its matches (the first `most` of them) replaced, and their number. by: a text, in which $0 is what matched,
-- $1 to $9 and ${name} are groups and $$ is a dollar; a function of the groups; or a table by the first of them.
function Regex:gsub(text, by, most)
	local parts, at, count = {}, 1, 0
	local next_one, state = each(self, text)
	local replace = replacer(self, text, by, state)
	local function one(first, last, ...)
		if not first then
			return false
		end
		local whole = text:sub(first, last)
		parts[#parts + 1] = text:sub(at, first - 1)
		parts[#parts + 1] = tostring(replace(whole, ...) or whole)
		at, count = last + 1, count + 1
		return true
	end
	while (not most or count < most) and one(next_one()) do end
	parts[#parts + 1] = text:sub(at)
	return table.concat(parts), count
end

return regex
