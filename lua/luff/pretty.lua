-- Values as the REPL prints them: tables indented and sorted, long ones cut with a hint, strings quoted, and luff's
-- objects with what there is to know about them.
local core = require "luff.core"
local facts = require "luff.facts"
local terminal = require "luff.terminal"

local pretty = {}

local longest = 2000 -- bytes of a string that are shown
local inner = 200 -- the same inside a table
local most = 100 -- members of a table that are shown
local deepest = 6

local function quoted(text, limit)
	local cut = #text > limit and text:sub(1, limit) or text
	-- A character that the cut went through is no broken one.
	if #cut < #text then
		cut = cut:gsub("[\192-\247][\128-\191]*$", "")
	end
	local shown = '"' .. terminal.printable(cut:gsub('[\\"]', "\\%0")) .. '"'
	return #cut < #text and ("%s… (%d bytes)"):format(shown, #text) or shown
end

local function is_list(value)
	local n = rawlen(value)
	for key in next, value do
		if math.type(key) ~= "integer" or key < 1 or key > n then
			return false
		end
	end
	return n > 0
end

local ranks = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
	local ta, tb = type(a), type(b)
	if ta ~= tb then
		return (ranks[ta] or 4) < (ranks[tb] or 4)
	elseif ta == "number" or ta == "string" then
		return a < b
	end
	return tostring(a) < tostring(b)
end

local function own_text(value)
	local meta = debug.getmetatable(value)
	return meta and rawget(meta, "__tostring") and terminal.printable(tostring(value))
end

local format

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
	while]]):gmatch "%a+" do
	keywords[word] = true
end

local function key_text(key, state)
	if type(key) == "string" and key:find "^[%a_][%w_]*$" and not keywords[key] then
		return key
	end
	return "[" .. format(key, state, deepest) .. "]"
end

local short = 24 -- bytes of an item of a list that shares its line with others

-- The items of a list, as many in a line as there is room for.
local function fill(items, room)
	local lines, line = {}, nil
	for _, item in ipairs(items) do
		if line and #line + 2 + #item > room then
			lines[#lines + 1] = line
			line = nil
		end
		line = line and line .. ", " .. item or item
	end
	lines[#lines + 1] = line
	return lines
end

-- Members in one line where they fit, else a line each; short items of a list fill lines.
local function format_table(value, state, depth)
	if state.open[value] then
		return "<the table around it>"
	elseif next(value) == nil then
		return "{}"
	elseif depth >= deepest then
		return "{…}"
	end
	state.open[value] = true
	local list = is_list(value)
	local keys = {}
	if list then
		for i = 1, math.min(rawlen(value), most + 1) do
			keys[i] = i
		end
	else
		for key in next, value do
			keys[#keys + 1] = key
		end
		table.sort(keys, before)
	end
	local items, length, lines, longest_item, more = {}, 0, false, 0, nil
	for i, key in ipairs(keys) do
		if i > most then
			local rest = (list and rawlen(value) or #keys) - most
			more = list and ("… %d more, from [%d] on"):format(rest, i) or ("… %d more, of which pairs() tells"):format(rest)
			break
		end
		local item = format(rawget(value, key), state, depth + 1)
		items[i] = list and item or key_text(key, state) .. " = " .. item
		length = length + #items[i] + 2
		longest_item = math.max(longest_item, #items[i])
		lines = lines or items[i]:find("\n", 1, true) ~= nil
	end
	state.open[value] = nil
	if not lines and not more and length + 2 + 2 * depth <= state.width then
		return "{ " .. table.concat(items, ", ") .. " }"
	end
	if list and not lines and longest_item <= short then
		items = fill(items, math.max(state.width - 2 * depth - 3, short))
	end
	items[#items + 1] = more
	local indent = ("  "):rep(depth + 1)
	return "{\n" .. indent .. table.concat(items, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

function format(value, state, depth)
	if type(value) == "string" then
		return quoted(value, depth == 0 and longest or inner)
	elseif type(value) == "table" then
		return own_text(value) or format_table(value, state, depth)
	elseif value == core.null then
		return "null"
	end
	return terminal.printable(tostring(value))
end

-- "luff.copy(src, dst, opts): a function, of which help() tells"; nil of a function that nothing is said about.
local function signature(value)
	local manual = require "luff.manual"
	local name, page = manual.name_of(value)
	local entry = name and not page and manual.find(name)[1]
	return entry and entry.args and ("%s(%s): a function, of which help() tells"):format(entry.name, entry.args)
end

--- Text of any value, without a newline at its end. opts: width (columns, 80), name (that an Image or Index was opened by).
-- An Image, Index or Layer is read from the place that holds it; one that cannot be read shows as tostring does.
function pretty.format(value, opts)
	local state = { open = {}, width = opts and opts.width or 80 }
	local line = type(value) == "function" and signature(value) or format(value, state, 0)
	local ok, about = pcall(facts.of, value)
	if ok and about then
		about.name = opts and opts.name
		line = line .. "\n" .. facts.format(about, "  ", state.width):gsub("\n$", "")
	end
	return line
end

return pretty
