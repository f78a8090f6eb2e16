-- Shell patterns as functions: * and ? (not /), ** (also /), [a-z], [!a-z], {a,b}; a backslash takes what follows as it is.
local core = require "luff.core"
local fail = require "luff.fail"
local want = require "luff.want"

local glob = {}

local ALTERNATIVES_MAX = 256 -- that the braces of one pattern make

local function refuse(pattern, what)
	fail("invalid", 'the pattern "%s": %s', pattern, what)
end

-- Where the group that opens at `from` closes, and where its commas are.
local function group(pattern, from)
	local depth, commas, at = 0, {}, from
	while at <= #pattern do
		local c = pattern:sub(at, at)
		if c == "\\" then
			at = at + 1
		elseif c == "{" then
			depth = depth + 1
		elseif c == "," and depth == 1 then
			commas[#commas + 1] = at
		elseif c == "}" then
			depth = depth - 1
			if depth == 0 then
				return at, commas
			end
		end
		at = at + 1
	end
	refuse(pattern, "a { is not closed")
end

local function find_group(pattern)
	local at = 1
	while at <= #pattern do
		local c = pattern:sub(at, at)
		if c == "{" then
			return at
		end
		at = at + (c == "\\" and 2 or 1)
	end
end

-- The patterns without braces that a pattern stands for.
local function expand(pattern)
	local done, open = {}, { pattern }
	while #open > 0 do
		local text = table.remove(open)
		local from = find_group(text)
		if not from then
			done[#done + 1] = text
		else
			local to, commas = group(text, from)
			local start = from + 1
			commas[#commas + 1] = to
			for _, comma in ipairs(commas) do
				open[#open + 1] = text:sub(1, from - 1) .. text:sub(start, comma - 1) .. text:sub(to + 1)
				start = comma + 1
			end
		end
		if #done + #open > ALTERNATIVES_MAX then
			refuse(pattern, ("its braces stand for more than %d patterns"):format(ALTERNATIVES_MAX))
		end
	end
	return done
end

-- The bytes that [...] at `from` takes, as a function, and what comes behind.
local function class(pattern, from)
	local negated = pattern:find("^[!^]", from + 1) and true or false
	local first = from + (negated and 2 or 1)
	local to = pattern:find("]", first + 1, true) or refuse(pattern, "a [ is not closed")
	local ranges, at = {}, first
	while at < to do
		local low, high = pattern:byte(at), pattern:byte(at)
		if at + 2 < to and pattern:sub(at + 1, at + 1) == "-" then
			high, at = pattern:byte(at + 2), at + 2
		end
		ranges[#ranges + 1] = { low, high }
		at = at + 1
	end
	return function(byte)
		for _, range in ipairs(ranges) do
			if byte >= range[1] and byte <= range[2] then
				return not negated
			end
		end
		return negated and byte ~= 0x2f
	end, to + 1
end

local function any() return true end
local function no_slash(byte) return byte ~= 0x2f end

-- A list of steps: { takes = function(byte), many = may take any number }; "**/" is { folders = true }.
local function compile(pattern)
	local steps, at = {}, 1
	while at <= #pattern do
		local c = pattern:sub(at, at)
		local step
		if c == "*" and pattern:find("^%*%*/", at) and (at == 1 or pattern:sub(at - 1, at - 1) == "/") then
			step, at = { folders = true, many = true, takes = any }, at + 3
		elseif c == "*" then
			local stars = pattern:match("^%*+", at)
			step, at = { many = true, takes = #stars > 1 and any or no_slash }, at + #stars
		elseif c == "?" then
			step, at = { takes = no_slash }, at + 1
		elseif c == "[" then
			step = {}
			step.takes, at = class(pattern, at)
		else
			if c == "\\" then
				at = at + 1
			end
			local byte = pattern:byte(at) or refuse(pattern, "it ends with a backslash")
			step, at = { takes = function(b) return b == byte end }, at + 1
		end
		steps[#steps + 1] = step
	end
	return steps
end

-- All states at once, so that no pattern takes longer than its length times the text's.
local function matches(steps, text)
	local last = #steps + 1
	local function enter(states, i, at_start)
		while not states[i] do
			states[i] = true
			local step = steps[i]
			if not step or not step.many or step.folders and not at_start then
				return
			end
			i = i + 1
		end
	end
	local states = {}
	enter(states, 1, true)
	for at = 1, #text do
		local byte, now = text:byte(at), {}
		for i in pairs(states) do
			local step = steps[i]
			if step and step.takes(byte) then
				if step.many then
					enter(now, i, byte == 0x2f)
				else
					enter(now, i + 1, byte == 0x2f)
				end
			end
		end
		states = now
	end
	return states[last] or false
end

--- A function that says whether a text matches the pattern as a whole.
function glob.matcher(pattern)
	want.text(pattern, "a pattern")
	local alternatives = expand(pattern)
	for i, alternative in ipairs(alternatives) do
		alternatives[i] = compile(alternative)
	end
	return function(text)
		for _, steps in ipairs(alternatives) do
			if matches(steps, text) then
				return true
			end
		end
		return false
	end
end

--- The same for a pattern, a regular expression (luff.regex) or a list of them, of which one has to match; nil matches nothing.
-- name: of the option they are of.
function glob.any(name, patterns)
	patterns = (type(patterns) == "string" or core.is_regex(patterns)) and { patterns } or patterns or {}
	if type(patterns) ~= "table" then
		fail("invalid", '"%s" is a pattern or a list of patterns', name)
	end
	local list = {}
	for i, pattern in ipairs(patterns) do
		list[i] = core.is_regex(pattern) and function(text) return pattern:test(text) end
			or glob.matcher(want.text(pattern, ('a pattern of "%s"'):format(name)))
	end
	return function(text)
		for _, matches_one in ipairs(list) do
			if matches_one(text) then
				return true
			end
		end
		return false
	end
end

return glob
