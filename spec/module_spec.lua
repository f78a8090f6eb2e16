-- Not under sanitizers.
-- `require "luff"` in a program that is not its own: it brings itself, and nothing else. spec/c/states.c does that
-- with several states at once.
local support = require "spec.support"

-- What runs in stock Lua, after and before which everything that is not luff's must be the same.
local watched = [[
local function snapshot()
	local seen = {}
	local function add(prefix, t)
		for name, value in pairs(t) do
			seen[prefix .. tostring(name)] = value
		end
	end
	add("", _G)
	for _, name in ipairs { "string", "table", "math", "io", "os", "coroutine", "debug", "package" } do
		add(name .. ".", _G[name])
	end
	add("metatable of strings.", getmetatable "")
	for name, value in pairs(package.loaded) do
		if not name:find "^luff" then
			seen["package.loaded." .. name] = value
		end
	end
	seen.path, seen.cpath, seen.locale = package.path, package.cpath, os.setlocale()
	for i, value in ipairs { debug.gethook() } do
		seen["hook " .. i] = value
	end
	return seen
end
os.exit = function() error "os.exit was called" end
local before = snapshot()
local luff = require "luff"
%s
assert(require "luff" == luff)
local after = snapshot()
for name in pairs(before) do
	assert(before[name] == after[name], name .. " has changed")
end
for name in pairs(after) do
	assert(before[name] ~= nil, name .. " is new")
end
]]

local everything = [[
local dir = arg[1]
local server = luff.serve { authorize = function() return true end }
local name = server:address() .. "/app:v1"
luff.copy(luff.empty():append { files = { ["/etc/motd"] = "hello\n" } }, name)
luff.image(name):configure(function(c) c.config = { User = "me" } end):annotate { a = "b" }:read "/etc/motd"
luff.map({ 1, 2, 3 }, { jobs = 2 }, function(i) luff.copy(name, "oci:" .. dir .. ":v" .. i) end)
require("luff.mirror").run { from = "oci:" .. dir, to = server:address() .. "/other", tags = { semver = "^1" } }
require("luff.diff").images(luff.image(name), luff.image("oci:" .. dir .. ":v2"))
require("luff.artifact").push("oci:" .. dir .. ":notes", { files = { arg[0] } })
luff.medium { scheme = "nowhere", resolve = function() end, fetch = function() end }
assert(not luff.try(luff.resolve, "nowhere:x:y"))
assert(not luff.try(luff.resolve, "no such name"))
luff.index_of { luff.image(name) }:filter { platform = luff.platform() }
luff.validate(name) luff.gc(dir, { dry_run = true }) luff.config { on_warning = function() end }
server:close()
]]

local function stock(code, ...)
	local script = support.write(support.scratch() .. "/script.lua", code)
	return support.run { "lua5.4", script, ... }
end

describe("require \"luff\" in stock Lua", function()
	it("changes nothing but package.loaded, prints nothing and never exits", function()
		for _, code in ipairs { "", everything } do
			local result = stock(watched:format(code), support.scratch())
			assert.same({ code = 0, stdout = "", stderr = "" }, result)
		end
	end)

	it("sees what changes", function()
		for code, name in pairs {
			["leaked = true"] = "leaked is new", ["string.trim = 1"] = "string.trim is new",
			["debug.sethook(print, 'l')"] = "hook %d is new", ["table.concat = 1"] = "table.concat has changed",
		} do
			local result = stock(watched:format(code))
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find(name), result.stderr)
		end
	end)

	it("is the same where its Lua files are found first", function()
		local result = support.run({ "lua5.4", "-e", 'print(require("luff").ref("busybox").repository)' },
			{ env = { LUA_PATH = "./lua/?.lua;./lua/?/init.lua" } })
		assert.same({ code = 0, stdout = "library/busybox\n", stderr = "" }, result)
	end)

	it("goes away with the state whatever still runs", function()
		local silent = support.canned { { "*", "/.*", hang = true, raw = "" } }
		local result = stock([[
			local luff = require "luff"
			local server = luff.serve { on_push = function() return true end }
			for i = 1, 4 do
				luff.spawn(luff.resolve, arg[1] .. "/app:v" .. i)
				luff.spawn(luff.copy, "random:size=1000,seed=" .. i, server:address() .. "/app:v" .. i)
			end
		]], silent.address)
		assert.same({ code = 0, stdout = "", stderr = "" }, result)
	end)
end)

describe("The rockspec", function()
	it("builds and installs a module that works, with luarocks from a source tree", function()
		local luarocks = support.peer "luarocks" or pending "luarocks is not installed"
		local build = os.getenv "LUFF_BUILD"
		local tree, rocks = support.scratch(), support.scratch()
		-- what this tree was built with stays, and nothing is compiled again
		support.must { "cp", "-a", "Makefile", "luff-scm-1.rockspec", "luff.pc.in", "core", "bindings", "lua", tree }
		support.must { "mkdir", tree .. "/build" }
		support.must { "cp", "-a", build .. "/obj", build .. "/stamp", build .. "/embedded.c", build .. "/libluff.a",
			build .. "/luff.so", tree .. "/build" }
		support.write(tree .. "/make", 'exec make "$@" CC="${CC-cc}" CFLAGS="-O2 -g" WERROR=-Werror\n')
		support.must({ luarocks, "--lua-version=5.4", "--tree=" .. rocks, "make", "luff-scm-1.rockspec",
			"MAKE=sh " .. tree .. "/make" }, { cwd = tree, timeout = 600 })
		local result = support.run({ "lua5.4", "-e", 'print(require("luff").ref("busybox").repository)' }, {
			env = { LUA_PATH = rocks .. "/share/lua/5.4/?.lua;" .. rocks .. "/share/lua/5.4/?/init.lua",
				LUA_CPATH = rocks .. "/lib/lua/5.4/?.so" },
			cwd = tree,
		})
		assert.same({ code = 0, stdout = "library/busybox\n", stderr = "" }, result)
		assert.is_true(support.exists(rocks .. "/share/lua/5.4/luff/meta.lua"))
	end)
end)
