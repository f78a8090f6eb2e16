-- Lua as people write it: texts in quotation marks, tables on one line where they fit.
local writer = {}

local WIDTH = 100

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
	while]]):gmatch "%a+" do
	keywords[word] = true
end

--- A text as Lua has it.
function writer.text(text)
	return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\\9", "\\t"))
end

--- A comment, on one line whatever the text holds.
function writer.comment(text)
	return "-- " .. text:gsub("%c+", " ") .. "\n"
end

--- A name on the left of "=" in a table.
function writer.key(name)
	if name:find "^[%a_][%w_]*$" and not keywords[name] then
		return name
	end
	return "[" .. writer.text(name) .. "]"
end

--- Lua of a plain value: a text, a number or a boolean.
function writer.plain(value)
	return type(value) == "string" and writer.text(value) or tostring(value)
end

local function items_of(members)
	local items = {}
	for _, member in ipairs(members) do
		local code = member
		if type(member) == "table" then
			code = member[2] and writer.key(member[1]) .. " = " .. member[2]
		end
		items[#items + 1] = code or nil
	end
	return items
end

--- A table over several lines, of members, each Lua or { name, Lua }, where nil Lua leaves the member out.
-- indent: tabs in front of the line that it begins in.
function writer.block(members, indent)
	local tabs = ("\t"):rep(indent)
	return "{\n" .. tabs .. "\t" .. table.concat(items_of(members), ",\n" .. tabs .. "\t") .. ",\n" .. tabs .. "}"
end

--- The same on one line where it is short. taken: so many characters stand in front of it.
function writer.table(members, indent, taken)
	local items = items_of(members)
	local line = #items == 0 and "{}" or "{ " .. table.concat(items, ", ") .. " }"
	if #line + 4 * indent + (taken or 0) <= WIDTH and not line:find "\n" then
		return line
	end
	return writer.block(members, indent)
end

--- A list of texts; nil stays nil. indent, taken: as table has them.
function writer.list(texts, indent, taken)
	local items = {}
	for i, text in ipairs(texts or {}) do
		items[i] = writer.text(text)
	end
	return texts and writer.table(items, indent, taken)
end

--- Lines, each with so many tabs in front; empty ones stay empty.
function writer.indent(text, tabs)
	return (text:gsub("[^\n]+", ("\t"):rep(tabs) .. "%0"))
end

return writer
