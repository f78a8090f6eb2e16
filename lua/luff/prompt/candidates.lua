-- What the end of a line at the prompt may become: members of values, methods by what lua/luff/meta.lua says a call gives,
-- names of images, tags and modules inside of strings. Nothing that is looked at is called.
local core = require "luff.core"
local facts = require "luff.facts"
local luff = require "luff"
local manual = require "luff.manual"
local terminal = require "luff.terminal"

local candidates = {}

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true until
	while]]):gmatch "%a+" do
	keywords[#keywords + 1] = word
end

local most = 5000 -- names that a place may give

-- ---- Strings -----------------------------------------------------------------------------------------------

-- Where the string begins that is still open at the end of the line; nil where none is, false in a comment.
local function open_string(line)
	local at = 1
	while at <= #line do
		local c = line:sub(at, at)
		if c == '"' or c == "'" then
			local from = at + 1
			repeat
				at = at + 1
				c = line:sub(at, at)
				at = c == "\\" and at + 1 or at
			until c == line:sub(from - 1, from - 1) or c == ""
			if c == "" then
				return from
			end
		elseif line:find("^%[=*%[", at) then
			local equals = line:match("^%[(=*)%[", at)
			local _, last = line:find("]" .. equals .. "]", at, true)
			if not last then
				return at + #equals + 2
			end
			at = last
		elseif line:find("^%-%-", at) then
			return false
		end
		at = at + 1
	end
end

-- "oci:DIR:" and "HOST/REPOSITORY:" ask for tags, "HOST/" for repositories, as in the shells (luff.completion).
local function place_of(word)
	if word:find "^oci:.*:[^:]*$" then
		local place = word:match "^(.*):"
		return place, place .. ":", luff.tags
	end
	local host, path = word:match "^([%w][%w.-]*:?%d*)/(.*)$"
	if not host or not (host:find "[.:]" or host == "localhost") then
		return nil
	elseif path:find(":", 1, true) then
		local place = word:match "^(.*):"
		return place, place .. ":", luff.tags
	end
	return host, host .. "/", luff.catalog
end

local with_paths = { ["oci:"] = true, ["docker-archive:"] = true, ["oci-archive:"] = true, ["dir:"] = true,
	["rootfs:"] = true }

local schemes = {
	"docker://", "oci:", "docker-archive:", "oci-archive:", "docker-daemon:", "dir:", "containers-storage:", "containerd:",
	"rootfs:", "random:", "memory:",
}

-- Files and folders behind a scheme that takes them, and behind nothing that begins like a path.
local function add_paths(list, word)
	local scheme, path = word:match "^(%l[%l-]*:)(.*)$"
	if scheme and not with_paths[scheme] or not scheme and not word:find "^[./]" then
		return
	end
	path = scheme and path or word
	local before, name = path:match "^(.*/)([^/]*)$"
	before, name = before or "", name or path
	for _, found in ipairs(core.folder(before == "" and "." or before)) do
		if terminal.printable(found) == found and (found:sub(1, 1) ~= "." or name:sub(1, 1) == ".") then
			list[#list + 1] = (scheme or "") .. before .. found
		end
	end
end

-- What comes from there passes a pattern: it is shown as it is.
local function image_names(word, known)
	local list = { table.unpack(schemes) }
	table.move(known, 1, #known, #list + 1, list)
	add_paths(list, word)
	local place, before, ask = place_of(word)
	if place then
		pcall(function()
			for name in ask(place) do
				if name:find "^[%w_][%w._/-]*$" then
					list[#list + 1] = before .. name
				end
				if #list > most then
					break
				end
			end
		end)
	end
	return list
end

local function module_names()
	local list = {}
	for _, e in ipairs(manual.entries()) do
		if e.kind == "class" and e.name:find "^luff%.%l+$" then
			list[#list + 1] = e.name
		end
	end
	list[#list + 1] = "luff"
	return list
end

-- ---- Expressions -------------------------------------------------------------------------------------------
-- What is known of an expression: { value = … }, { types = { "Image", … } }, or { entry = … }, a function of the manual.

-- Looks a name up as Lua does, but through tables alone.
local function member_of(value, name)
	for _ = 1, 8 do
		if type(value) ~= "table" then
			return nil
		end
		local found = rawget(value, name)
		if found ~= nil then
			return found
		end
		local meta = debug.getmetatable(value)
		value = type(meta) == "table" and rawget(meta, "__index") or nil
	end
end

local function types_in(text)
	local types = {}
	for name in text:gmatch "luff%.(%u%w*)" do
		types[#types + 1] = name
	end
	return types
end

local function known_of(value)
	local kind = facts.kind(value)
	return kind and { types = { kind }, value = value } or { value = value }
end

local function method_entry(types, name)
	for _, kind in ipairs(types) do
		local found = manual.find(kind .. ":" .. name)
		if #found > 0 then
			return found[1]
		end
	end
end

local resolve

-- The text without the arguments in brackets or the string at its end; nil where there are none.
local function without_arguments(text)
	local last = text:sub(-1)
	local closing = { [")"] = "%b()$", ["}"] = "%b{}$", ["]"] = "%b[]$" }
	if closing[last] then
		-- %b finds the first that fits: the one that ends the text is what counts
		for at = #text, 1, -1 do
			if text:find("^" .. closing[last], at) then
				return text:sub(1, at - 1), last
			end
		end
	elseif last == '"' or last == "'" then
		for at = #text - 1, 1, -1 do
			if text:sub(at, at) == last and text:sub(at - 1, at - 1) ~= "\\" then
				return text:sub(1, at - 1), last
			end
		end
	end
end

local function result_of(known)
	local entry = known and known.entry
	if not entry and known and type(known.value) == "function" then
		entry = manual.find(manual.name_of(known.value) or "")[1]
	end
	return entry and entry.returns and entry.returns[1] and { types = types_in(entry.returns[1].type) }
end

function resolve(text, env)
	text = text:gsub("%s+$", "")
	local name = text:match "[%a_][%w_]*$"
	if name then
		local before = text:sub(1, -#name - 1):gsub("%s+$", "")
		local separator = before:match "[.:]$"
		if not separator or before:find "%.%.$" then
			return known_of(member_of(env, name))
		end
		local owner = resolve(before:sub(1, -2), env)
		local entry = owner and owner.types and method_entry(owner.types, name)
		if entry then
			return { entry = entry }
		end
		return owner and known_of(member_of(owner.value, name))
	end
	local callee, bracket = without_arguments(text)
	if not callee then
		return nil
	end
	callee = callee:gsub("%s+$", "")
	if callee:find "[%w_)%]}]$" then
		local known = resolve(callee, env)
		-- an element of a list is of the type that the list is of
		return bracket == "]" and known and known.types and known or bracket ~= "]" and result_of(known) or nil
	end
	return bracket == ")" and resolve(text:sub(#callee + 2, -2), env)
		or (bracket == '"' or bracket == "'") and { value = "" } or nil
end

local function add_keys(list, value)
	for _ = 1, 8 do
		if type(value) ~= "table" then
			return
		end
		for key in next, value do
			if type(key) == "string" and key:find "^[%a_][%w_]*$" then
				list[#list + 1] = key
			end
		end
		local meta = debug.getmetatable(value)
		value = type(meta) == "table" and rawget(meta, "__index") or nil
	end
end

local function members(known, separator)
	local list = {}
	for _, kind in ipairs(known.types or {}) do
		for _, e in ipairs(manual.find("luff." .. kind)) do
			for _, f in ipairs(separator == ":" and manual.functions_of(e) or {}) do
				list[#list + 1] = f.short
			end
			for _, field in ipairs(separator == "." and e.fields or {}) do
				list[#list + 1] = field.name
			end
		end
	end
	add_keys(list, type(known.value) == "string" and string or known.value)
	return list
end

-- ---- All of it ---------------------------------------------------------------------------------------------

local function expression(line, env)
	local word = line:match "[%a_]?[%w_]*$"
	local before = line:sub(1, -#word - 1)
	local separator = before:match "[.:]$"
	if before:find "%d$" or before:find "%.%.$" then
		return word, {}
	elseif separator then
		local known = resolve(before:sub(1, -2), env)
		return word, known and members(known, separator) or {}
	end
	local list = { table.unpack(keywords) }
	add_keys(list, env)
	return word, list
end

--- The text at the end of the line that is not finished, and what it may become, sorted: nothing else begins as it does.
-- opts: env (the globals), names (of images that are known), words (that the prompt knows behind a colon).
function candidates.of(line, opts)
	local word, list = line:match "^%s*:(%l*)$", opts.words
	local from
	if not word then
		from = open_string(line)
	end
	if from == false then
		return "", {}
	elseif from then
		word = line:sub(from)
		local before = line:sub(1, from - 2):gsub("[%s(%[=]+$", "")
		list = before:find "%f[%w_]require$" and module_names() or before:find "%f[%w_]help$" and manual.names()
			or image_names(word, opts.names or {})
	elseif not word then
		word, list = expression(line, opts.env)
	end
	local found, seen = {}, {}
	for _, name in ipairs(list or {}) do
		if name:sub(1, #word) == word and not seen[name] and (name:sub(1, 1) ~= "_" or word:sub(1, 1) == "_") then
			seen[name] = true
			found[#found + 1] = name
		end
	end
	table.sort(found)
	return word, found
end

return candidates
