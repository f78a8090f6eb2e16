-- Command lines: long and short options as people type them everywhere, typed, with a suggestion for the mistyped.
--
-- A command declares a list of options, each a table:
--	name     "plain-http": typed as --plain-http, found as opts.plain_http
--	short    "j": typed as -j (optional)
--	value    "N": what it takes, as shown in the help; without it the option is a flag
--	type     "integer" (with min and max), "age" ("90", "90s", "30m", "1h", "2d": seconds), "list" (may be given again; a
--	         list of texts); text otherwise
--	help     one line
local fail = require "luff.fail"

local options = {}

-- Edits between two words, a swap of neighbours counting as one (optimal string alignment).
local function distance(a, b)
	local before, last
	local row = {}
	for j = 0, #b do
		row[j] = j
	end
	for i = 1, #a do
		before, last, row = last, row, { [0] = i }
		for j = 1, #b do
			local same = a:byte(i) == b:byte(j)
			row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
			if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
				row[j] = math.min(row[j], before[j - 2] + 1)
			end
		end
	end
	return row[#b]
end

--- The candidate that the word was most likely meant to be, nil where none is near.
function options.nearest(word, candidates)
	word = tostring(word):lower():sub(1, 64)
	local best, least = nil, math.max(1, math.floor(#word / 3)) + 1
	for _, candidate in ipairs(candidates) do
		local n = distance(word, candidate)
		-- The beginning of a word is as good as one slip.
		if #word >= 2 and #word < #candidate and candidate:sub(1, #word) == word then
			n = math.min(n, 1)
		end
		if n < least then
			best, least = candidate, n
		end
	end
	return best
end

--- Raises what a wrong command line is: { code = "usage", message }.
function options.fail(format, ...)
	fail("usage", format, ...)
end

--- ` (did you mean "x"?)` or nothing; format: how the candidate is shown, '"%s"' without it.
function options.suggestion(word, candidates, format)
	local near = options.nearest(word, candidates)
	return near and (" (did you mean %s?)"):format((format or '"%s"'):format(near)) or ""
end

--- Raises where a table has a name that is not in the list `known`, with the nearest one; what: "option".
function options.check(given, known, what)
	for name in pairs(given) do
		local found = false
		for _, one in ipairs(known) do
			found = found or one == name
		end
		if not found then
			fail("invalid", 'unknown %s "%s"%s', what, tostring(name), options.suggestion(name, known))
		end
	end
end

local units = { [""] = 1, s = 1, m = 60, h = 3600, d = 86400 }

local function age(typed, text)
	local n, unit = text:match "^(%d+)(%l?)$"
	if not units[unit] or #n > 7 then
		options.fail('%s wants an age as 30m, 1h or 2d, not "%s"', typed, text)
	end
	return tonumber(n) * units[unit]
end

local function convert(option, typed, text)
	if option.type == "age" then
		return age(typed, text)
	end
	if option.type ~= "integer" then
		return text
	end
	local n = text:find("^%d+$") and math.tointeger(tonumber(text))
	if not n or n < option.min or n > option.max then
		options.fail('%s wants a number from %d to %d, not "%s"', typed, option.min, option.max, text)
	end
	return n
end

local function find(declared, key, word)
	for _, option in ipairs(declared) do
		if option[key] == word then
			return option
		end
	end
end

--- Sorts words[first…] into options and arguments; a later option wins over an earlier one.
-- Options may stand anywhere; "--" ends them, "-" is an argument. With stop_at_argument the first argument ends them too:
-- what follows belongs to somebody else.
-- declared.before: options that belong in front of all these words, for who writes them here.
-- Returns the options by name (with "_" for "-") and the list of arguments.
function options.parse(declared, words, first, stop_at_argument)
	local opts, args = {}, {}
	local i = first or 1

	local function set(option, typed, text)
		local key = option.name:gsub("%-", "_")
		if not option.value then
			opts[key] = true
			return
		end
		if not text then
			i = i + 1
			text = words[i] or options.fail("%s wants a value: %s %s", typed, typed, option.value)
		end
		if option.type == "list" then
			opts[key] = opts[key] or {}
			table.insert(opts[key], text)
		else
			opts[key] = convert(option, typed, text)
		end
	end

	local function misplaced(key, word, typed)
		if find(declared.before or {}, key, word) then
			options.fail("%s goes before the command: luff %s COMMAND …", typed, typed)
		end
	end

	local function long(word)
		local name, text = word:match("^%-%-([^=]+)=(.*)$")
		name = name or word:sub(3)
		local option = find(declared, "name", name)
		if not option then
			misplaced("name", name, "--" .. name)
			local names = {}
			for _, o in ipairs(declared) do
				names[#names + 1] = o.name
			end
			options.fail("unknown option --%s%s", name, options.suggestion(name, names, "--%s"))
		end
		if text and not option.value then
			options.fail("--%s takes no value", name)
		end
		set(option, "--" .. name, text)
	end

	-- -q, -j4, -j 4, and flags in one word: -qv
	local function short(word)
		local at = 2
		while at <= #word do
			local letter = word:sub(at, at)
			local option = find(declared, "short", letter) or misplaced("short", letter, "-" .. letter)
				or options.fail("unknown option -%s", letter)
			local rest = word:sub(at + 1)
			if option.value then
				set(option, "-" .. letter, rest ~= "" and rest or nil)
				return
			end
			set(option, "-" .. letter)
			at = at + 1
		end
	end

	while words[i] do
		local word = words[i]
		if word == "--" then
			table.move(words, i + 1, #words, #args + 1, args)
			break
		elseif word:sub(1, 2) == "--" then
			long(word)
		elseif word:sub(1, 1) == "-" and #word > 1 then
			short(word)
		elseif stop_at_argument then
			table.move(words, i, #words, #args + 1, args)
			break
		else
			args[#args + 1] = word
		end
		i = i + 1
	end
	return opts, args
end

--- The options as a help text lists them, a line each.
function options.describe(declared)
	local left, width = {}, 0
	for i, option in ipairs(declared) do
		left[i] = ("%s--%s%s"):format(option.short and "-" .. option.short .. ", " or "    ", option.name,
			option.value and " " .. option.value or "")
		width = math.max(width, #left[i])
	end
	local lines = {}
	for i, option in ipairs(declared) do
		lines[i] = ("  %s%s  %s\n"):format(left[i], (" "):rep(width - #left[i]), option.help)
	end
	return table.concat(lines)
end

--- What a file of Lua returns, which may use luff. kind: "table" or "function"; wanted: in words, "no table: return { … }".
function options.file(path, kind, wanted)
	local env = { luff = require "luff" }
	local chunk, message = loadfile(path, "t", env)
	require("luff.strict").guard(env, _G)("@" .. path)
	local value = chunk and chunk()
	if type(value) ~= kind then
		fail("invalid", "%s", message or path .. ": it returns " .. wanted)
	end
	return value
end

return options
