-- What lua/luff/meta.lua says of luff's functions, methods, classes and modules, for all who ask: help() at the prompt,
-- `luff help`, the reference, and the spec that holds it against what there is.
local core = require "luff.core"
local options = require "luff.options"

local manual = {}

-- ---- Reading -----------------------------------------------------------------------------------------------

local openers = { ["("] = true, ["{"] = true, ["<"] = true, ["["] = true }
local closers = { [")"] = true, ["}"] = true, [">"] = true, ["]"] = true }

-- A type as LuaLS writes it, and the words behind it.
local function split_type(text)
	local depth, at, last = 0, 1, ""
	while at <= #text do
		local c = text:sub(at, at)
		if c == '"' then
			at = text:find('"', at + 1, true) or #text
		elseif openers[c] then
			depth = depth + 1
		elseif closers[c] then
			depth = depth - 1
		elseif c == " " and depth == 0 and last ~= ":" and last ~= "," then
			break
		end
		last = c
		at = at + 1
	end
	return text:sub(1, at - 1), (text:sub(at):gsub("^%s+", ""):gsub("^#%s*", ""))
end

-- { name, type } of each member of "{ name: type, … }"; none of any other type.
local function members_of(kind)
	local list = {}
	local inside = kind:match "^{%s*(%a.*)}%??$"
	while inside and inside ~= "" do
		local name, rest = inside:match "^%s*([%a_][%w_]*)%s*:%s*(.*)$"
		if not name then
			return {}
		end
		local one, more = split_type(rest:gsub("%s*$", "") .. " ")
		-- a comma ends the member, though it does not end a type
		local depth = 0
		for at = 1, #one do
			local c = one:sub(at, at)
			depth = depth + (openers[c] and 1 or closers[c] and -1 or 0)
			if c == "," and depth == 0 then
				one, more = one:sub(1, at - 1), rest:sub(at + 1)
				break
			end
		end
		list[#list + 1] = { name = name, type = one, text = "", members = {} }
		inside = more
	end
	return list
end

-- "jobs: at a time, 4 where absent; referrers: also …" goes to the members; what is about none of them comes back.
local function share_out(text, members)
	local rest, current = {}, nil
	for part in (text .. "; "):gmatch "(.-); " do
		local name, words = part:match "^([%a_][%w_]*): (.*)$"
		local known
		for _, member in ipairs(members) do
			known = known or member.name == name and member
		end
		if known then
			known.text, current = words, known
		elseif current then
			current.text = current.text .. "; " .. part
		else
			rest[#rest + 1] = part
		end
	end
	return table.concat(rest, "; ")
end

local function value_of(name, rest)
	local kind, text = split_type(rest)
	return { name = name, type = kind, members = members_of(kind), text = text }
end

local tags = {}

function tags.param(block, rest)
	local name, more = rest:match "^(%S+)%s*(.*)$"
	block.params[#block.params + 1] = value_of(name, more)
	return block.params[#block.params]
end

function tags.field(block, rest)
	local name, more = rest:match "^(%S+)%s*(.*)$"
	block.fields[#block.fields + 1] = value_of(name, more)
	return block.fields[#block.fields]
end

tags["return"] = function(block, rest)
	block.returns[#block.returns + 1] = value_of(nil, rest)
	return block.returns[#block.returns]
end

function tags.class(block, rest)
	local name, text = rest:match "^(%S+)%s*(.*)$"
	block.kind, block.name = "class", name
	return block, text
end

function tags.alias(block, rest)
	local name, more = rest:match "^(%S+)%s*(.*)$"
	block.kind, block.name = "alias", name
	block.type = split_type(more)
	return block, select(2, split_type(more))
end

local function new_block()
	return { text = "", params = {}, fields = {}, returns = {} }
end

local function add_text(to, text)
	to.text = to.text == "" and text or text == "" and to.text .. "\n" or to.text .. " " .. text
end

--- The entries of a text such as meta.lua's, in its order: { kind = "function" | "class" | "alias", name, text, … }.
-- Functions have `scope` (the table that they are in), `short`, `args`, `params` and `returns`; classes `fields`.
function manual.parse(text)
	local entries, block, goes_on = {}, nil, nil
	local function finish()
		if block and block.kind then
			entries[#entries + 1] = block
			for _, list in ipairs { block.params, block.fields, block.returns } do
				for _, value in ipairs(list) do
					value.text = share_out(value.text, value.members)
				end
			end
		end
		block, goes_on = nil, nil
	end
	for line in text:gmatch "([^\n]*)\n" do
		local tag, rest = line:match "^%-%-%-@(%l+)%s*(.*)$"
		local words = not tag and line:match "^%-%-%-%s?(.*)$"
		local name, args = line:match "^function ([%w_.:]+)%((.-)%)"
		if tag and tags[tag] then
			block = block or new_block()
			local more
			goes_on, more = tags[tag](block, rest)
			if more and more ~= "" then
				add_text(goes_on, more)
			end
		elseif words then
			block = block or new_block()
			add_text(goes_on or block, words)
		elseif name then
			block = block or new_block()
			block.kind, block.name, block.args = "function", name, args
			block.scope, block.short = name:match "^(.-)[.:]([%w_]+)$"
			finish()
		else
			finish()
		end
	end
	finish()
	return entries
end

local all

--- The entries of meta.lua.
function manual.entries()
	all = all or manual.parse(core.embedded "luff.meta")
	return all
end

-- ---- Finding -----------------------------------------------------------------------------------------------

-- Names that everybody has for a value of a class.
local habits = { img = "image" }

-- "luff.Image:layers", "Image.layers" and "img:layers" are all one.
local function plain(name)
	name = name:gsub("^%s+", ""):gsub("%s*%(?%)?%s*$", ""):lower():gsub(":", ".")
	name = name:gsub("^luff%.(.)", "%1")
	return (name:gsub("^%l+", habits))
end

-- Those of a list for which f says yes.
local function only(list, f)
	local found = {}
	for _, one in ipairs(list) do
		if f(one) then
			found[#found + 1] = one
		end
	end
	return found
end

--- Entries of that name: one, or, of a name that several classes have for a method, all of those. Empty where there are none.
function manual.find(name)
	local entries = manual.entries()
	local exact = only(entries, function(e) return e.name == name or e.name == "luff." .. name end)
	if #exact > 0 then
		return exact
	end
	local wanted = plain(name)
	local found = only(entries, function(e) return plain(e.name) == wanted end)
	if #found > 0 then
		return found
	end
	return only(entries, function(e) return e.short and e.short:lower() == wanted end)
end

--- The functions of a class or module: scope is "luff", "Image", "json", …
function manual.functions_of(class)
	local scope = class.name:match "([%w_]+)$"
	return only(manual.entries(), function(e)
		return e.kind == "function" and (e.scope == scope or e.scope == class.name)
	end)
end

--- Names that are near to one for which there is nothing.
function manual.names()
	local names = {}
	for _, e in ipairs(manual.entries()) do
		names[#names + 1] = e.name
	end
	return names
end

-- luff's functions, methods and modules by value; made anew each time, since a script may change what it likes.
local function known_values()
	local luff = require "luff"
	local names = { [luff] = "luff", [luff.json] = "luff.json" }
	local function add(prefix, list)
		for key, value in pairs(list) do
			if type(key) == "string" and type(value) == "function" then
				names[value] = names[value] or prefix .. key
			end
		end
	end
	add("luff.", luff)
	add("luff.json.", luff.json)
	for name, module in pairs(package.loaded) do
		local short = type(name) == "string" and name:match "^luff%.([%w_]+)$"
		if short and #manual.find(name) > 0 then
			names[module] = names[module] or name
			add(short .. ".", type(module) == "table" and module or {})
		end
	end
	return names
end

local function standard_name(value)
	for name, module in pairs(package.loaded) do
		if type(module) == "table" and type(name) == "string" and not name:find "^luff" then
			if module == value then
				return name ~= "_G" and name or nil
			end
			for key, member in pairs(module) do
				if member == value and type(value) == "function" and type(key) == "string" then
					return name == "_G" and key or name .. "." .. key
				end
			end
		end
	end
end

local standard = {}
for name in ("_G string table math io os coroutine utf8 debug package"):gmatch "%S+" do
	standard[name] = true
end

local function class_name(value)
	local meta = debug.getmetatable(value)
	local name = type(meta) == "table" and rawget(meta, "__name")
	return type(name) == "string" and name:match "^luff%.%u%a+$" or nil
end

-- A method by its value, whatever object it came from.
local function method_name(value)
	for _, e in ipairs(manual.entries()) do
		if e.kind == "function" and e.name:find(":", 1, true) then
			local methods = core.methods[e.scope]
			if methods and methods[e.short] == value then
				return e.name
			end
		end
	end
end

--- The name under which a value stands in the manual, or in Lua's own (second: its page there). Nil where it has none.
function manual.name_of(value)
	if type(value) == "function" or type(value) == "table" then
		local name = known_values()[value] or type(value) == "function" and method_name(value)
		if name then
			return name
		end
		local lua = standard_name(value)
		if lua and standard[lua:match "^%w+"] or lua and not lua:find(".", 1, true) then
			local anchor = type(value) == "function" and "#pdf-" .. lua or "#6"
			return lua, "https://www.lua.org/manual/5.4/manual.html" .. anchor
		end
	end
	return class_name(value)
end

-- ---- Writing -----------------------------------------------------------------------------------------------

local function wrap(text, width, indent)
	local lines = {}
	for paragraph in (text .. "\n"):gmatch "(.-)\n" do
		local line, length = nil, 0
		for word in paragraph:gmatch "%S+" do
			local n = utf8.len(word) or #word
			if line and length + 1 + n > width - #indent then
				lines[#lines + 1] = indent .. line
				line = nil
			end
			line, length = line and line .. " " .. word or word, line and length + 1 + n or n
		end
		lines[#lines + 1] = line and indent .. line or ""
	end
	return (table.concat(lines, "\n"):gsub("\n+$", ""))
end

local function signature(e)
	return ("%s(%s)"):format(e.name, e.args)
end

-- The first sentence.
local function summary(e)
	local text = e.text ~= "" and e.text or e.returns[1] and (e.returns[1].text ~= "" and e.returns[1].text
		or e.returns[1].type) or ""
	text = text:gsub("\n.*", ""):match "^(.-)%.%s" or text:gsub("%.$", "")
	return (text:gsub("[:;]%s.*$", ""))
end

local function short_type(value)
	return #value.members > 0 and (value.type:find "%?$" and "table?" or "table") or value.type
end

local function add_values(lines, list, width, indent)
	for _, value in ipairs(list) do
		local left = indent .. (value.name and value.name .. "  " or "") .. short_type(value)
		if value.text == "" then
			lines[#lines + 1] = left
		elseif #left + 2 + #value.text <= width then
			lines[#lines + 1] = left .. "  " .. value.text
		else
			lines[#lines + 1] = left
			lines[#lines + 1] = wrap(value.text, width, indent .. "    ")
		end
		add_values(lines, value.members, width, indent .. "  ")
	end
end

-- The classes that arguments and results of a function are of, where they are no objects that everybody knows.
local function classes_in(e)
	local found, seen = {}, { ["luff.name"] = true, ["luff.Image"] = true, ["luff.Index"] = true, ["luff.Layer"] = true }
	for _, list in ipairs(e.kind == "function" and { e.params, e.returns } or {}) do
		for _, value in ipairs(list) do
			for name in value.type:gmatch "luff%.[%w_]+" do
				if not seen[name] then
					seen[name] = true
					found[#found + 1] = name
				end
			end
		end
	end
	return found
end

local function describe(e, width)
	local lines = {}
	local function part(title, list)
		if list and #list > 0 then
			lines[#lines + 1] = "\n" .. title
			add_values(lines, list, width, "  ")
		end
	end
	if e.kind == "function" then
		lines[1] = signature(e)
	else
		lines[1] = e.name
	end
	if e.text ~= "" then
		lines[#lines + 1] = wrap(e.text, width, "  ")
	end
	if e.kind == "alias" then
		lines[#lines + 1] = wrap(e.type:gsub("|", " | "), width, "  ")
	end
	part("arguments", e.params)
	part("members", e.fields)
	part(#e.returns > 1 and "returns, one after the other" or "returns", e.returns)
	local classes = classes_in(e)
	if #classes > 0 then
		lines[#lines + 1] = "\nsee " .. table.concat(classes, ", ")
	end
	if e.kind == "class" then
		local functions, left = manual.functions_of(e), 0
		for _, f in ipairs(functions) do
			left = math.max(left, #signature(f))
		end
		left = math.min(left, math.floor(width / 2))
		lines[#lines + 1] = #functions > 0 and "\nfunctions" or nil
		for _, f in ipairs(functions) do
			local text = summary(f)
			local room = math.max(width - left - 4, 20)
			if (utf8.len(text) or #text) > room then
				text = text:sub(1, (utf8.offset(text, room) or #text + 1) - 1):gsub("%s+%S*$", "") .. " …"
			end
			lines[#lines + 1] = ("  %-" .. left .. "s  %s"):format(signature(f), text)
		end
	end
	return table.concat(lines, "\n") .. "\n"
end

--- The text of entries, at most so many columns wide (80).
function manual.format(entries, width)
	width = math.max(width or 80, 40)
	if #entries > 8 then
		local lines = {}
		for i, e in ipairs(entries) do
			lines[i] = "  " .. (e.kind == "function" and signature(e) or e.name)
		end
		return table.concat(lines, "\n") .. "\n"
	end
	local parts = {}
	for i, e in ipairs(entries) do
		parts[i] = describe(e, width)
	end
	return table.concat(parts, "\n")
end

--- The text of a name: a function, method, class or module; nil and a hint where there is none.
function manual.page(name, width)
	local found = manual.find(name)
	if #found == 0 then
		return nil, options.suggestion(name, manual.names())
	end
	return manual.format(found, width)
end

-- ---- Markdown ----------------------------------------------------------------------------------------------

local function code(text)
	return "`" .. text .. "`"
end

-- Text of Markdown in which nothing but backticks has a meaning.
local function plain_text(text)
	local out, inside = {}, false
	for piece, tick in text:gmatch "([^`]*)(`?)" do
		out[#out + 1] = inside and piece or (piece:gsub("[\\*_<>%[%]|#]", "\\%0"))
		out[#out + 1] = tick
		inside = tick == "`" and not inside or tick ~= "`" and inside
	end
	return table.concat(out)
end

local function markdown_values(out, title, list, indent)
	if title and #list > 0 then
		out[#out + 1] = "\n" .. title .. "\n\n"
	end
	for _, value in ipairs(list) do
		out[#out + 1] = ("%s- %s%s%s\n"):format(indent, value.name and code(value.name) .. " " or "",
			code(short_type(value)), value.text ~= "" and ": " .. plain_text((value.text:gsub("\n", " "))) or "")
		markdown_values(out, nil, value.members, indent .. "  ")
	end
end

local function markdown_entry(out, e, level)
	out[#out + 1] = ("\n%s %s\n"):format(("#"):rep(level), code(e.kind == "function" and signature(e) or e.name))
	if e.text ~= "" then
		out[#out + 1] = "\n" .. plain_text(e.text) .. "\n"
	end
	if e.kind == "alias" then
		out[#out + 1] = "\n" .. code(e.type) .. "\n"
	end
	markdown_values(out, "Arguments:", e.params, "")
	markdown_values(out, "Members:", e.fields, "")
	markdown_values(out, "Returns:", e.returns, "")
end

--- All of it as Markdown.
function manual.markdown()
	local out = {}
	for _, e in ipairs(manual.entries()) do
		if e.kind ~= "function" then
			markdown_entry(out, e, 3)
			for _, f in ipairs(e.kind == "class" and manual.functions_of(e) or {}) do
				markdown_entry(out, f, 4)
			end
		end
	end
	return table.concat(out)
end

return manual
