-- Where scripts run that somebody else wrote (luff run --sandbox). What they must not have is taken out of this whole Lua, luff's
-- own functions included, before the first line of theirs runs: what is not there cannot be talked out of anybody. Which places
-- they reach, the core decides (core/base/fence.h); memory, instructions and time are bindings/limits.c's.
local core = require "luff.core"
local fail = require "luff.fail"

local sandbox = {}

-- The modules that a script may require: none of them opens files or starts programs.
local modules = {}
for _, name in ipairs { "diff", "glob", "json", "log", "mirror", "prune", "regex", "select", "semver", "template",
	"time", "yaml" } do
	modules["luff." .. name] = true
end
modules.luff = true

-- What of luff itself stays, beside its constants.
local functions = {}
for _, name in ipairs {
	"array", "blob", "catalog", "copy", "delete", "digest", "image", "index", "index_of", "map", "open", "ping",
	"platform",
	"push_blob", "push_manifest", "rate_limit", "ref", "referrers", "resolve", "spawn", "tag", "tags", "try", "validate",
	"version",
} do
	functions[name] = true
end

-- What luff's own Lua files need of the core for that.
local needed = {}
for _, name in ipairs {
	"answer", "cancel", "clock", "decode", "done", "drop", "driver", "hurry", "edit_image", "edit_index", "encode",
	"in_task",
	"is_regex",
	"left", "limited", "luff_version", "mark", "methods", "null", "path_match", "platform_match", "priced", "question",
	"regex",
	"regex_methods", "set_metatable", "sleep", "tasks", "terminal", "wait", "yaml",
} do
	needed[name] = true
end

-- Methods that write to this machine's disk or take files from it.
local methods = {
	Image = { "append", "canonical", "export", "extract", "flatten", "keep", "map_layers", "rebase", "recompress",
		"remove_layer",
		"save", "squash", "strip", "with_time" },
	Layer = { "map", "recompress" },
	Index = {},
}

local function keep_only(t, ...)
	local lists = { ... }
	for name in pairs(t) do
		local kept = false
		for _, list in ipairs(lists) do
			kept = kept or list[name]
		end
		if not kept then
			t[name] = nil
		end
	end
end

local function copy_of(t)
	local copy = {}
	for name, value in pairs(t) do
		copy[name] = value
	end
	return copy
end

local function set(list)
	local names = {}
	for _, name in ipairs(list) do
		names[name] = true
	end
	return names
end

-- Lua's own libraries, for everybody in this state.
local function strip_lua()
	local streams = { stdout = io.stdout, stderr = io.stderr }
	keep_only(io, {})
	io.stdout, io.stderr = streams.stdout, streams.stderr
	keep_only(os, set { "time", "date", "clock", "difftime" })
	os.getenv = function() end
	keep_only(debug, set { "traceback", "getinfo" })
	string.dump = nil
	dofile, loadfile = nil, nil
	package.loadlib, package.searchpath = nil, nil
	for i = #package.searchers, 3, -1 do -- preloaded and embedded modules stay
		package.searchers[i] = nil
	end
	package.path, package.cpath = "", ""
	core.seal_strings()
end

local function strip_luff(luff)
	for class, names in pairs(methods) do
		for _, name in ipairs(names) do
			core.methods[class][name] = nil
		end
	end
	keep_only(core, functions, needed)
	keep_only(luff, functions, set { "_VERSION", "null", "json" })
	setmetatable(luff, { __metatable = false, __index = function(_, name)
		fail("denied", "the sandbox has no luff.%s", tostring(name))
	end })
end

-- The script's own globals. Libraries are copies: what it changes in them is its own affair.
local function fill(env, luff)
	local load_text, require_module = load, require
	for name, value in pairs {
		assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
			pcall = pcall,
		rawequal = rawequal, rawget = rawget, rawlen = rawlen, rawset = rawset, select = select, tonumber = tonumber,
		tostring = tostring, type = type, _VERSION = _VERSION, collectgarbage = collectgarbage,
			setmetatable = core.set_metatable,
		string = copy_of(string), table = copy_of(table), math = copy_of(math), utf8 = copy_of(utf8),
		coroutine = copy_of(coroutine), os = { time = os.time, date = os.date, clock = os.clock, difftime = os.difftime },
		luff = luff, print = require("luff.cli").print,
	} do
		env[name] = value
	end
	env._G = env
	env.coroutine.create, env.coroutine.wrap = core.priced(coroutine.create), core.priced(coroutine.wrap)

	function env.load(chunk, name, _, ...)
		return load_text(chunk, name, "t", select("#", ...) > 0 and (...) or env)
	end

	function env.require(name)
		if not modules[name] then
			fail("denied", 'the sandbox has no module "%s"', tostring(name))
		end
		return require_module(name)
	end

	-- Lua's own calls the handler where no limit is looked at.
	local function handled(handler, ok, ...)
		if ok then
			return true, ...
		end
		return false, handler(...)
	end
	function env.xpcall(f, handler, ...)
		return handled(handler, pcall(f, ...))
	end
end

--- Closes this Lua, and puts what the script may have into its table of globals. read, write: lists of registries and
-- repositories, or { "*" }.
function sandbox.close(env, read, write)
	local luff = require "luff"
	require "luff.task" -- before the functions go that it takes when it is read
	core.fence(read, write)
	strip_lua()
	fill(env, luff)
	strip_luff(luff)
end

return sandbox
