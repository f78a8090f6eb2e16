-- The globals that luff's own files see on a Lua before 5.4 (bindings/luff.c): the standard functions that came later. Lua that
-- programs require keeps to the syntax that all have: no <close>, no operators on bits, no "//". The files of the luff program
-- (commands, prompt, progress) need not.
local env = setmetatable({}, { __index = _G })

-- A standard library with more in it, and the library behind it.
local function extend(name, more)
	local library = _G[name] or {}
	env[name] = setmetatable(more, { __index = library })
	return library
end

-- As far as a double counts.
local function is_whole(n)
	return type(n) == "number" and n % 1 == 0 and n >= -2 ^ 53 and n <= 2 ^ 53
end

if not math.type then
	extend("math", {
		type = function(n)
			return is_whole(n) and "integer" or type(n) == "number" and "float" or nil
		end,
		tointeger = function(n)
			return is_whole(n) and n or nil
		end,
	})
end

if not (table.pack and table.move) then
	extend("table", {
		pack = function(...)
			return { n = select("#", ...), ... }
		end,
		unpack = rawget(_G, "unpack") or table.unpack,
		move = function(from, first, last, at, to)
			to = to or from
			if at > first and to == from then
				for i = last - first, 0, -1 do
					to[at + i] = from[first + i]
				end
			else
				for i = 0, last - first do
					to[at + i] = from[first + i]
				end
			end
			return to
		end,
	})
end

if not utf8 then
	local follow = "[\128-\191]"
	local forms = {
		"^[^\128-\255]+", "^[\194-\223]" .. follow, "^\224[\160-\191]" .. follow, "^[\225-\236\238\239]" .. follow .. follow,
		"^\237[\128-\159]" .. follow, "^\240[\144-\191]" .. follow .. follow, "^[\241-\243]" .. follow .. follow .. follow,
		"^\244[\128-\143]" .. follow .. follow,
	}
	extend("utf8", {
		--- How many characters; nil where it is not UTF-8.
		len = function(text)
			local at, n = 1, 0
			while at <= #text do
				local last
				for i, form in ipairs(forms) do
					local _, found = text:find(form, at)
					if found then
						n, last = n + (i == 1 and found - at + 1 or 1), found
						break
					end
				end
				if not last then
					return nil, at
				end
				at = last + 1
			end
			return n
		end,
	})
end

-- nginx's module puts coroutines of its own, which its event loop resumes, before the real ones.
local coroutines = { close = function() return true end }
for _, name in ipairs { "create", "resume", "yield", "status" } do
	coroutines[name] = coroutine["_" .. name]
end
extend("coroutine", coroutines)

return env
