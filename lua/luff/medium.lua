-- Mediums that are written in Lua: luff.medium. Workers ask them by way of bindings/scripted.c, one request (a table) at a time,
-- and each is answered in a task of its own: { op =, place =, … } to what the script's function of that name gives.
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"

local CHUNK = 256 * 1024

-- Names that have a meaning of their own.
local taken = {}
for _, scheme in ipairs {
	"oci", "oci-archive", "docker-archive", "docker-daemon", "dir", "rootfs", "random", "memory", "docker", "cache",
	"containers-storage", "containerd", "http", "https",
} do
	taken[scheme] = true
end

local operations = { "exists", "push", "tag", "tags", "referrers", "remove", "stat", "remove_blob" }

-- What comes piece by piece: { next = f, close = f }. Core asks for it by number.
local streams, last = {}, 0

local function stream(next_piece, close)
	last = last + 1
	streams[last] = { next = next_piece, close = close or function() end }
	return last
end

-- Of a list or an iterator.
local function list(what, given, convert)
	local i, next_item = 0, given
	if type(given) == "table" then
		function next_item()
			i = i + 1
			return given[i]
		end
	elseif type(given) ~= "function" then
		fail("invalid", "%s gives a %s, not a list or an iterator", what, type(given))
	end
	return stream(function()
		local item = next_item()
		return item ~= nil and convert(item) or nil
	end)
end

local function text(item)
	return type(item) == "string" and item or fail("invalid", "tags gives a %s, not strings", type(item))
end

local function has_method(value, name)
	local ok, method = pcall(function() return value[name] end)
	return ok and method ~= nil
end

-- Strings and descriptors as they are, readers as streams.
local function content(given)
	if given == nil or type(given) == "string" then
		return given
	elseif type(given) == "function" then
		return stream(given)
	elseif type(given) ~= "number" and has_method(given, "read") then
		return stream(function() return given:read(CHUNK) end, has_method(given, "close") and function() given:close() end)
	end
	fail("invalid", "fetch gives a %s, not a string, a function or a reader", type(given))
end

local answers = {}

function answers.resolve(f, r)
	local d = f(r.place, { tag = r.tag, digest = r.digest })
	if d ~= nil and type(d) ~= "table" then
		fail("invalid", "resolve gives a %s, not a descriptor", type(d))
	end
	return d
end

function answers.fetch(f, r)
	return content(f(r.place, r.descriptor, r.offset))
end

function answers.exists(f, r)
	return f(r.place, r.descriptor) and true or false
end

function answers.push(f, r)
	f(r.place, r.descriptor, r.reader)
end

function answers.tag(f, r)
	f(r.place, r.descriptor, r.tag)
end

function answers.tags(f, r)
	return list("tags", f(r.place), text)
end

function answers.referrers(f, r)
	return list("referrers", f(r.place, r.digest, r.artifact_type), core.encode)
end

function answers.remove(f, r)
	return f(r.place, { tag = r.tag, digest = r.digest }, r.force)
end

function answers.stat(f, r)
	return f(r.place, r.digest)
end

function answers.remove_blob(f, r)
	return f(r.place, r.digest) and true or false
end

--- luff.medium in meta.lua says what there is.
return function(definition)
	if type(definition) ~= "table" then
		fail("invalid", "a medium is a table of functions, not a %s", type(definition))
	end
	options.check(definition, { "scheme", "resolve", "fetch", table.unpack(operations) }, "function of a medium")
	local scheme = definition.scheme
	if type(scheme) ~= "string" or not scheme:find "^%l[%l%d+-]*$" or #scheme > 31 or taken[scheme] then
		fail("invalid", "a medium needs a scheme of its own: small letters, digits and dashes, at most 31")
	end
	local functions, can = {}, {}
	for name, f in pairs(definition) do
		if name ~= "scheme" then
			if type(f) ~= "function" then
				fail("invalid", "%s of a medium must be a function", name)
			end
			functions[name], can[name] = f, true
		end
	end
	if not functions.resolve or not functions.fetch then
		fail("invalid", "a medium needs the functions resolve and fetch")
	elseif (functions.push == nil) ~= (functions.tag == nil) then
		fail("invalid", "a medium that is written to needs both push and tag")
	end
	core.medium(scheme, can, function(request)
		if request.op == "next" then
			local one = streams[request.stream]
			if not one then
				fail("invalid", "it is closed")
			end
			return one.next()
		elseif request.op == "close" then
			local one = streams[request.stream]
			streams[request.stream] = nil
			if one then
				one.close()
			end
		else
			return answers[request.op](functions[request.op], request)
		end
	end)
end
