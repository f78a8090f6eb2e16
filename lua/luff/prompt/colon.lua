-- What the prompt understands beside Lua: lines that begin with a colon.
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"

local colon = {}

local list = {
	{ name = "edit", usage = ":edit", help = "edits what was typed last in $EDITOR, then runs it" },
	{ name = "help", usage = ":help", help = "shows this" },
	{ name = "save", usage = ":save FILE", help = "writes what ran well in this sitting to a new file, as a script" },
	{ name = "time", usage = ":time CODE", help = "runs it and says how long that took" },
}

colon.names = {}
for i, word in ipairs(list) do
	colon.names[i] = word.name
end

local general = [[
an expression      shows its value, which is _ from then on
help(x)            tells about a function, an object, a module, or a name: help(luff.copy), help "img:append"
TAB                completes members, methods, image names and their tags
Ctrl-C             drops the line, or interrupts what runs; Ctrl-D ends

]]

local run = {}

function run.help(repl)
	repl.write(general)
	for _, word in ipairs(list) do
		repl.write(("%-18s %s\n"):format(word.usage, word.help))
	end
end

local function quote(text)
	return "'" .. text:gsub("'", [['\'']]) .. "'"
end

local function variable(name)
	local value = os.getenv(name)
	return value ~= "" and value or nil
end

local function read(path)
	local file = assert(io.open(path, "r"))
	local text = file:read "a"
	file:close()
	return text
end

local function write(path, text)
	local file, message = io.open(path, "w")
	local ok = file
	if file then
		ok, message = file:write(text)
		local closed, why = file:close()
		ok, message = ok and closed, message or why
	end
	return ok or fail("io", "cannot write %s", message)
end

function run.edit(repl)
	local path = os.tmpname()
	local file <close> = setmetatable({}, { __close = function() os.remove(path) end }) -- luacheck: ignore
	write(path, (repl.last or "") .. "\n")
	if not os.execute((variable "VISUAL" or variable "EDITOR" or "vi") .. " " .. quote(path)) then
		fail("io", "the editor failed: $EDITOR says which it is")
	end
	local text = read(path):gsub("%s+$", "")
	if text ~= "" then
		repl.write(text, "\n")
		repl:evaluate(text)
	end
end

function run.save(repl, path)
	if path == "" then
		options.fail "say where: :save FILE"
	end
	local file = io.open(path, "r")
	if file then
		file:close()
		fail("exists", "%s is there: choose another name", path)
	end
	-- as at the prompt, where no global has to be known
	local head = '#!/usr/bin/env luff\nlocal luff = require "luff"\nlocal _\nsetmetatable(_G, nil)\n\n'
	write(path, head .. table.concat(repl.log, "\n") .. "\n")
	repl.write(("%d %s in %s\n"):format(#repl.log, #repl.log == 1 and "piece" or "pieces", path))
end

function run.time(repl, text)
	local before = core.clock()
	repl:evaluate(text)
	repl.write(("%.3f s\n"):format(core.clock() - before))
end

--- Whether a line is one of these; then it has been done. What is wrong with it raises.
function colon.run(repl, line)
	local name, rest = line:match "^%s*:(%a+)%s*(.-)%s*$"
	if not name then
		return false
	end
	local f = run[name] or options.fail("no :%s%s; see :help", name, options.suggestion(name, colon.names, ":%s"))
	f(repl, rest)
	return true
end

return colon
