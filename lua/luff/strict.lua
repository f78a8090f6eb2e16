-- Misspelt globals in scripts are errors: to read one that was never set, and to set a new one inside of a function. Only what
-- the watched chunks themselves do counts; modules of others that look for globals are left alone.
local options = require "luff.options"

local strict = {}

local function names_of(...)
	local names = { "return", "local" } -- a misspelt keyword looks like a global, too
	for _, list in ipairs { ... } do
		for name in next, list do
			names[#names + 1] = type(name) == "string" and name or nil
		end
	end
	return names
end

--- Watches chunks over a table of globals: a function that takes the name of one more chunk, as load has them ("=(command
-- line)"). base: a table that has what `globals` has not; it may be absent.
function strict.guard(globals, base)
	local watched, declared, meta = {}, {}, {}

	local function is_watched(info)
		return info and watched[info.source]
	end

	function meta.__index(_, name)
		if base and base[name] ~= nil then
			return base[name]
		elseif not declared[name] and is_watched(debug.getinfo(2, "S")) then
			error(("no global \"%s\"%s"):format(tostring(name),
				options.suggestion(tostring(name), names_of(globals, declared, base or {}))), 2)
		end
	end

	function meta.__newindex(t, name, value)
		local info = debug.getinfo(2, "S")
		if not declared[name] and is_watched(info) and info.what ~= "main" then
			error(("a function sets the global \"%s\"; write local %s, or set it outside of functions first"):format(
				tostring(name), tostring(name)), 2)
		end
		declared[name] = true
		rawset(t, name, value)
	end

	if not getmetatable(globals) then
		setmetatable(globals, meta)
	end
	return function(source)
		watched[source] = true
	end
end

return strict
