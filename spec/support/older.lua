-- Specs on a Lua before 5.4. What of their syntax is later is written in older words when they are loaded, and the standard
-- libraries that they see have what came later; luff's own files see neither (lua/luff/compat.lua is theirs).
local older = {}

-- Specs of modules that are of a later Lua, of what an earlier one cannot do (luff help embed), or whose own texts it takes for
-- others.
local unfit = { "manual", "meta", "prompt", "repl", "scripted", "segments", "table" }
if _VERSION == "Lua 5.1" then
	for _, name in ipairs { "entries", "log", "notice", "progress", "schedule", "task", "template", "toc", "tree" } do
		unfit[#unfit + 1] = name
	end
	for _, name in ipairs(rawget(_G, "jit") and {} or { "diff", "gc", "image", "loop" }) do
		unfit[#unfit + 1] = name
	end
end
for _, name in ipairs(unfit) do
	unfit[name] = true
end

local real = { popen = io.popen, execute = os.execute, load = load, loadfile = loadfile }

-- ---- What the libraries lack ---------------------------------------------------------------------------------

-- What system() gave, as 5.2 has it.
local function outcome(status)
	if type(status) ~= "number" then
		return status
	elseif status >= 0 and status < 256 and status % 128 ~= 0 then
		return nil, "signal", status % 128
	end
	local code = math.floor(status / 256)
	return code == 0 or nil, "exit", code
end

local function execute(command)
	local ok, how, code = real.execute(command)
	if how then
		return ok, how, code
	end
	return outcome(ok)
end

-- A pipe whose close() tells how the program ended.
local function popen(command)
	local path = os.tmpname()
	local file = real.popen(("{ %s\n}; echo $? >%s"):format(command, path), "r")
	local pipe = {}
	for _, name in ipairs { "read", "lines" } do
		pipe[name] = function(_, ...) return file[name](file, ...) end
	end
	function pipe.close()
		file:close()
		local status = io.open(path)
		local code = status:read "*n"
		status:close()
		os.remove(path)
		return code == 0 or nil, "exit", code
	end
	return pipe
end

local function load_text(text, name, _, env)
	if type(text) ~= "string" then
		return real.load(text, name)
	end
	local chunk, why = loadstring(text, name)
	return chunk and env and setfenv(chunk, env) or chunk, why
end

local function with(library, more)
	return setmetatable(more, { __index = library })
end

local function random(...)
	local limits = { ... }
	for i, limit in ipairs(limits) do
		limits[i] = math.min(limit, 2 ^ 31 - 1)
	end
	return math.random(unpack(limits))
end

--- table, math, utf8, os, io and load for a spec.
function older.libraries()
	require "luff" -- which tells where its files are
	local compat = require "luff.compat"
	if _VERSION ~= "Lua 5.1" then
		return compat.table, compat.math, compat.utf8, os, io, load
	end
	return compat.table, with(compat.math, { random = random }), compat.utf8, with(os, { execute = execute }),
		with(io, { popen = popen }), load_text
end

-- ---- What the syntax lacks -----------------------------------------------------------------------------------

--- A file's text in older words, its lines as they were. What is to be closed closes when nobody has it any more.
function older.text(text)
	text = text:gsub("^#[^\n]*", ""):gsub(" <close>", ""):gsub(" <const>", "")
	text = text:gsub("(%d+) << (%d+)", function(n, by) return ("%d"):format(tonumber(n) * 2 ^ tonumber(by)) end)
	for _, left in ipairs { "([#%w_%.]+)", "(%b())" } do
		text = text:gsub(left .. " // (#?[%w_]+)", "math.floor(%1 / %2)")
	end
	if "\x41" ~= "A" then
		text = text:gsub("(\\+)x(%x%x)", function(before, digits)
			return #before % 2 == 1 and before .. ("%03d"):format(tonumber(digits, 16)) or nil
		end)
	end
	return "local table, math, utf8, os, io, load = require('spec.support.older').libraries() " .. text
end

local function load_file(path)
	local file, why = io.open(path, "rb")
	if not file then
		return nil, why
	end
	local text = older.text(file:read "*a")
	file:close()
	return (loadstring or load)(text, "@" .. path)
end

local function search(name)
	local path = name:find "^spec%." and name:gsub("%.", "/") .. ".lua"
	if not path or path:find "older" then
		return nil
	end
	local file = io.open(path, "rb") or io.open(path:gsub("%.lua$", "/init.lua"), "rb")
	if not file then
		return nil
	end
	file:close()
	return load_file(io.open(path, "rb") and path or (path:gsub("%.lua$", "/init.lua")))
end

--- From now on specs, and what they require of spec/, are loaded so.
function older.install()
	table.insert(package.searchers or package.loaders, 2, search)
	function loadfile(path, ...)
		return path:find "_spec%.lua$" and load_file(path) or real.loadfile(path, ...)
	end
end

-- Those of the named files that can run, where this file is the program.
if arg and (arg[0] or ""):find "older%.lua$" then
	for _, path in ipairs(arg) do
		local name = path:match "([^/]+)_spec%.lua$"
		if not unfit[name] and load_file(path) then
			print(path)
		end
	end
end

return older
