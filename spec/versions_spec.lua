-- Not under sanitizers.
-- The module in Lua other than 5.4, as programs have it that luff is required from: `make test` builds it for each Lua that is
-- installed with its headers.
local support = require "spec.support"

local folders = { ["5.1"] = "lua5.1", ["5.3"] = "lua5.3", ["5.5"] = "lua5.5", LuaJIT = "luajit" }

-- The files that programs require. What only the luff program runs is written in 5.4 (lua/luff/compat.lua).
local modules = {
	"luff", "luff.artifact", "luff.compat", "luff.config", "luff.created", "luff.diff", "luff.facts",
	"luff.fail", "luff.glob", "luff.medium", "luff.mirror", "luff.options", "luff.prune", "luff.regex",
	"luff.json", "luff.select", "luff.semver", "luff.task", "luff.time", "luff.yaml", "luff.edit.documents",
	"luff.bundle", "luff.find", "luff.plan", "luff.promote",
	"luff.edit.files", "luff.edit.indexes", "luff.edit.layers", "luff.edit.rebase", "luff.edit.time",
}

-- Specs of luff that stand for the others here; `make test LUA=luajit` runs all that can run there.
local chosen = { "created", "edit_index", "json", "options", "ref", "select" }

for version, name in pairs(folders) do
	describe("luff in Lua " .. version, function()
		local folder = os.getenv "LUFF_BUILD" .. "/" .. name

		local function run(script, ...)
			if not support.peer(name) or not support.exists(folder .. "/luff.so") then
				pending(name .. " or its headers are not installed")
			end
			return support.run({ name, script, ... }, {
				env = { LUA_PATH = "/nowhere/?.lua", LUA_CPATH = folder .. "/?.so" },
			})
		end

		it("goes from a registry through layouts and edits, with tasks", function()
			local result = run("spec/embed/versions.lua", support.scratch())
			assert.same({ code = 0, stdout = "ok\n", stderr = "" }, result)
		end)

		it("passes specs of 5.4's", function()
			run(support.write(support.scratch() .. "/empty.lua", ""))
			if support.run({ name, "-e", 'require "busted"' }).code ~= 0 then
				pending("busted is not installed for " .. name)
			end
			local argv = { name, "spec/support/busted.lua", "--ignore-lua", "--output=plainTerminal" }
			for _, spec in ipairs(chosen) do
				argv[#argv + 1] = ("spec/%s_spec.lua"):format(spec)
			end
			local result = support.run(argv, { env = { LUA_PATH = "./?.lua;./?/init.lua;;", LUA_CPATH = folder .. "/?.so;;",
				LUFF_COUNTS = false } })
			assert.equal(0, result.code, result.stdout .. result.stderr)
			assert.truthy(result.stdout:find "%d%d successes / 0 failures / 0 errors", result.stdout)
		end)

		it("has every module that programs require", function()
			local script = support.write(support.scratch() .. "/script.lua",
				("for name in ('%s'):gmatch '%%S+' do require(name) end"):format(table.concat(modules, " ")))
			assert.same({ code = 0, stdout = "", stderr = "" }, run(script))
		end)
	end)
end

describe("luff.compat", function()
	-- what it stands in for, beside the real ones
	local function stand_in()
		local bare = {
			rawget = rawget, setmetatable = setmetatable, ipairs = ipairs, type = type, select = select, unpack = table.unpack,
		}
		local later = { math = { "type", "tointeger" }, table = { "pack", "unpack", "move" }, coroutine = {} }
		for name, missing in pairs(later) do
			bare[name] = {}
			for key, value in pairs(_G[name]) do
				bare[name][key] = value
			end
			for _, key in ipairs(missing) do
				bare[name][key] = nil
			end
		end
		bare._G = bare
		return assert(loadfile("lua/luff/compat.lua", "t", bare))()
	end

	it("is what the later functions are", function()
		local env = stand_in()
		for _, n in ipairs { 1, 0, -3, 2.5, 1e300, 0 / 0, 1 / 0, 2 ^ 53, "1", false } do
			local whole = type(n) == "number" and n % 1 == 0 and n < 1e300
			assert.equal(whole and "integer" or math.type(n), env.math.type(n))
			assert.equal(whole and n or nil, env.math.tointeger(n))
		end
		assert.equal(math.floor, env.math.floor)
		assert.same(table.pack(1, nil, 3), env.table.pack(1, nil, 3))
		for _, move in ipairs { { 1, 3, 2 }, { 2, 4, 1 }, { 1, 0, 3 }, { 1, 4, 1 }, { 1, 4, 3, {} } } do
			local from, other = { 1, 2, 3, 4 }, { 1, 2, 3, 4 }
			local want = table.move(from, move[1], move[2], move[3], move[4] and {} or nil)
			assert.same(want, env.table.move(other, move[1], move[2], move[3], move[4]))
			assert.same(from, other)
		end
		for _, text in ipairs {
			"", "abc", "\0é€😀z", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "é\xff", "\x80", "\xe0\x80\x80",
			"\u{10FFFF}\u{D7FF}\u{E000}\u{800}\u{10000}",
		} do
			assert.same({ utf8.len(text) }, { env.utf8.len(text) })
		end
	end)
end)
