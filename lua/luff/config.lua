-- Settings: luff.config{}, and the file of the user's own that the program reads.
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"

local config = {}

--- Applies { hosts = { [name] = settings }, limits =, cache =, logins =, on_warning =, on_progress = }; luff.config in meta.lua
-- says what there is.
function config.apply(settings)
	if type(settings) ~= "table" then
		fail("invalid", "settings are a table: { hosts = { … } }")
	end
	options.check(settings, { "hosts", "limits", "cache", "logins", "on_warning", "on_progress" }, "setting")
	if settings.limits then
		core.set_limits(settings.limits)
	end
	if settings.cache and type(settings.cache) ~= "table" then
		fail("invalid", "cache is a table, or false: { dir = …, max = … }")
	end
	if settings.cache ~= nil then
		core.set_cache(settings.cache or nil)
	end
	if settings.logins ~= nil then
		core.look_for_logins(settings.logins)
	end
	local warning, progress = settings.on_warning, settings.on_progress
	if warning and type(warning) ~= "function" then
		fail("invalid", "on_warning is a function of a registry and a text, or false")
	elseif progress and type(progress) ~= "function" then
		fail("invalid", "on_progress is a function of an event, or false")
	end
	local names = {}
	for name, host in pairs(settings.hosts or {}) do
		if type(name) ~= "string" or type(host) ~= "table" then
			fail("invalid", 'hosts are tables by name: { ["registry.example:5000"] = { … } }')
		end
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		core.set_host(name, settings.hosts[name])
	end
	if warning ~= nil then
		core.on_warning(warning or nil)
	end
	if progress ~= nil then
		core.on_progress(progress or nil)
	end
end

--- The path of the user's file; nil where nothing says where that would be.
function config.path()
	local base, home = os.getenv "XDG_CONFIG_HOME", os.getenv "HOME"
	if base and base ~= "" then
		return base .. "/luff/config.lua"
	end
	return home and home ~= "" and home .. "/.config/luff/config.lua" or nil
end

--- Reads the user's file where there is one: Lua that returns what luff.config takes.
function config.load()
	local path = config.path()
	local file = path and io.open(path, "r")
	if not file then
		return
	end
	file:close()
	local chunk, message = loadfile(path, "t")
	if not chunk then
		fail("invalid", "%s", message)
	end
	local ok, err = pcall(function() config.apply(chunk()) end)
	if not ok then
		fail("invalid", "%s: %s", path, tostring(err))
	end
end

return config
