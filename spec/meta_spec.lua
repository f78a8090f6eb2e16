-- Not under the thread sanitizer.
-- Whatever a script can reach stands in lua/luff/meta.lua, and nothing else does.
local luff = require "luff"
local manual = require "luff.manual"
local support = require "spec.support"

local entries = manual.parse(support.read "lua/luff/meta.lua")
local described = {}
for _, entry in ipairs(entries) do
	described[entry.name] = entry.kind == "function" or nil
end

local function methods_of(object)
	local meta = debug.getmetatable(object)
	return meta.__index
end

describe("meta.lua", function()
	it("describes each function of luff, and no other", function()
		local have = {}
		for name, value in pairs(luff) do
			if type(value) == "function" then
				have["luff." .. name] = true
			end
		end
		for name in pairs(luff.json) do
			have["luff.json." .. name] = true
		end
		for name in pairs(have) do
			assert.is_true(described[name], name .. " is missing")
		end
		for name in pairs(described) do
			assert.is_true(have[name] or not name:find "^luff%.", name .. " is described, but there is none")
		end
	end)

	it("describes each method, and no other", function()
		local image = support.make_image "memory:meta:v1"
		local index = support.make_index("memory:metaindex:v1", { "linux/amd64" })
		local server <close> = luff.serve {}
		local reader <close> = image:layers()[1]:compressed()
		local task = luff.spawn(function() end)
		local entry = image:stat "/etc/made-by"
		local objects = {
			Entry = { read = entry.read, lines = entry.lines }, Tree = methods_of(image:tree()),
			Image = methods_of(image), Index = methods_of(index), Layer = methods_of(image:layers()[1]),
			Reader = methods_of(reader), Server = methods_of(server), Task = getmetatable(task).__index,
			Cursor = methods_of(luff.tags "memory:meta"), Regex = methods_of(require("luff.regex").new "a"),
		}
		for type_name, methods in pairs(objects) do
			for name in pairs(methods) do
				local full = type_name .. ":" .. name
				assert.is_true(described[full] or name:find "^__" ~= nil, full .. " is missing")
			end
		end
		for full in pairs(described) do
			local type_name, name = full:match "^(%u%w+):([%w_]+)$"
			if type_name and type_name ~= "Ref" then
				assert.is_function(objects[type_name][name], full .. " is described, but there is none")
			end
		end
	end)

	it("describes each function of the modules that scripts require, and no other", function()
		local modules = 0
		for _, entry in ipairs(entries) do
			local name = entry.kind == "class" and entry.name:match "^luff%.(%l+)$"
			local module = name and name ~= "json" and require("luff." .. name)
			for key, value in pairs(type(module) == "table" and module or {}) do
				assert.is_true(type(value) ~= "function" or described[name .. "." .. key], name .. "." .. key .. " is missing")
			end
			for _, f in ipairs(module and manual.functions_of(entry) or {}) do
				assert.is_function(module[f.short], f.name .. " is described, but there is none")
			end
			modules = modules + (module and 1 or 0)
		end
		assert.is_true(modules >= 6, modules)
	end)

	it("says what each argument is", function()
		for _, entry in ipairs(entries) do
			local said = {}
			for i, param in ipairs(entry.params) do
				said[i] = param.name
			end
			if entry.kind == "function" then
				assert.equal(entry.args, table.concat(said, ", "), entry.name)
			end
		end
	end)

	it("is Lua", function()
		assert(loadfile "lua/luff/meta.lua")
	end)
end)
