-- Texts of a configuration (luff.regbot.value) as expressions of Lua: what asks the environment or a file does so in the
-- script, too.
local writer = require "luff.convert.writer"

local expression = {}

-- What pieces of templates are in Lua; the rest is left to luff.template. alone: it is all there is, and may be nil.
local pieces = {
	{ '^env "([^"\\]+)"$', function(name, _, alone)
		local code = "os.getenv " .. writer.text(name)
		return alone and code or "(" .. code .. ' or "")'
	end },
	{ '^file "([^"\\]+)"$', function(path, needs)
		needs.read = true
		return "read " .. writer.text(path)
	end },
	{ '^file "([^"\\]+)" *| *trimSpace$', function(path, needs)
		needs.read = true
		return ("read(%s):match \"^%%s*(.-)%%s*$\""):format(writer.text(path))
	end },
}

-- Text and what stands between {{ and }}, by turns; nil where "-" takes blanks away.
local function split(text)
	local parts, at = {}, 1
	while true do
		local open = text:find("{{", at, true)
		parts[#parts + 1] = { text = text:sub(at, open and open - 1) }
		if not open then
			return parts
		end
		local close = text:find("}}", open, true)
		local code = close and text:sub(open + 2, close - 1)
		if not code or code:find "^%-" or code:find "%-$" then
			return nil
		end
		parts[#parts + 1] = { code = code:match "^%s*(.-)%s*$" }
		at = close + 2
	end
end

-- Lua of one piece of code; nil where it is none of those that are known.
local function piece(code, known, needs, alone)
	if known[code] then
		return known[code]
	end
	for _, one in ipairs(pieces) do
		local found = code:match(one[1])
		if found then
			return one[2](found, needs, alone)
		end
	end
	return nil
end

-- What is left of a template, as Lua that fills it in. data: Lua of its table.
local function rendered(text, data, needs)
	needs.template = true
	return ("fill(%s%s)"):format(writer.text(text), data and ", " .. data or "")
end

--- Lua that gives what the text of a template gives.
-- fixed: a function that fills in a text without asking anybody (luff.regbot.value's fixed). known: Lua by code, as
-- [".Ref.Tag"]; data: Lua of the table for all else; needs: told what the script has to define (read, template); optional: nil
-- may come where a variable of the environment is all there is.
function expression.of_text(text, fixed, known, data, needs, optional)
	local parts = split(text)
	if not parts then
		return rendered(text, data, needs)
	end
	local codes, literal = {}, ""
	local function flush()
		if literal ~= "" then
			codes[#codes + 1], literal = writer.text(literal), ""
		end
	end
	for _, part in ipairs(parts) do
		local ok, own = true, part.text
		if part.code then
			ok, own = pcall(fixed, "{{" .. part.code .. "}}")
		end
		local code = not (ok and own) and piece(part.code, known, needs, optional and #parts == 3 and text:find "^{{.*}}$")
		if ok and own then
			literal = literal .. own
		elseif code then
			flush()
			codes[#codes + 1] = code
		else
			return rendered(text, data, needs)
		end
	end
	flush()
	return #codes == 0 and '""' or table.concat(codes, " .. ")
end

--- What the script has to define for its expressions, as Lua.
function expression.definitions(needs)
	local parts = {}
	if needs.read or needs.template then
		parts[#parts + 1] = [[
-- What a file holds.
local function read(path)
	local file <close> = assert(io.open(path, "rb"))
	return file:read "a"
end
]]
	end
	if needs.template then
		parts[#parts + 1] = [[
-- A text with its {{ places }} filled in.
local function fill(text, data)
	local functions = { env = function(name) return os.getenv(name) or "" end, file = read }
	return template.render(text, data or {}, { functions = functions })
end
]]
	end
	if needs.secret then
		parts[#parts + 1] = [[
-- What the configuration has as it is: a password or a token.
local function secret(name)
	return os.getenv(name) or error("set " .. name .. " in the environment", 0)
end
]]
	end
	return table.concat(parts, "\n")
end

return expression
