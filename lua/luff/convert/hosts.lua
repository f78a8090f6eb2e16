-- The hosts of a configuration as Lua: luff.config { hosts = … }, without the secrets that stand in it.
local expression = require "luff.convert.expression"
local value_of = require "luff.regbot.value"
local writer = require "luff.convert.writer"

-- Whether nothing of a template is a secret itself: it only asks the environment or files.
local function asks_only(value)
	if value.literal or value:fixed() then
		return false
	end
	local rest = value.text:gsub("{{.-}}", function(code)
		return (code:gsub('[ef][ni][vl]e? "[^"]*"', ""))
	end)
	return not rest:gsub("{{.-}}", ""):find "%S" and not rest:find '["`]'
end

local function text_of(value, needs, optional)
	return value and expression.of_text(value.text, function(text)
		return value.literal and text or value_of.new(text, value.place):fixed()
	end, {}, nil, needs, optional)
end

-- "REGISTRY_EXAMPLE_5000_PASSWORD"
local function variable(host, what)
	local name = host:upper():gsub("%W+", "_"):gsub("^_*(.-)_*$", "%1")
	return (name:find "^%d" and "_" or "") .. name .. "_" .. what
end

-- A password or token. say: hears of what has to be set for the script.
local function secret(value, host, what, needs, say)
	if not value then
		return nil
	elseif asks_only(value) then
		return text_of(value, needs, true)
	end
	local name = variable(host, what)
	say(("%s: a %s stands there as it is, and not in the script, which takes it from $%s"):format(value.place,
		what:lower(), name))
	needs.secret = true
	return "secret " .. writer.text(name)
end

local function plain(text)
	return text and writer.text(text)
end

local function number(n)
	return n and (math.tointeger(n) and ("%d"):format(n) or ("%.14g"):format(n))
end

local function settings(host, name, needs, say)
	local token = secret(host.token, name, "TOKEN", needs, say)
	return writer.table({
		{ "scheme", host.scheme and writer.text(host.scheme) }, { "insecure", host.insecure and "true" },
		{ "address", plain(host.address) }, { "ca", text_of(host.ca, needs, true) },
		{ "cert", text_of(host.cert, needs, true) }, { "key", secret(host.key, name, "KEY", needs, say) },
		{ "certs", plain(host.certs) }, { "helper", plain(host.helper) }, { "helper_server", plain(host.helper_server) },
		{ "user", text_of(host.user, needs, true) },
		{ "password", host.user and secret(host.password, name, "PASSWORD", needs, say) },
		{ "credentials", token and ("function() return { identity_token = %s } end"):format(token) },
		{ "mirrors", writer.list(host.mirrors, 1) }, { "chunk_size", number(host.chunk_size) }, { "rate", number(host.rate) },
		{ "requests", number(host.requests) },
	}, 1, #name + 8)
end

--- Lua that says what a description says of hosts and logins; "" where that is nothing.
-- needs: as luff.convert.expression tells it; say: hears of secrets that the script needs from elsewhere.
return function(description, needs, say)
	local members = {}
	for _, host in ipairs(description.hosts) do
		local name = host.name:fixed()
		local set = settings(host, name or host.name.text, needs, say)
		if set ~= "{}" then
			members[#members + 1] = ("[%s] = %s"):format(name and writer.text(name) or text_of(host.name, needs), set)
		end
	end
	local all = #members > 0 and "hosts = " .. writer.block(members, 0)
	if description.logins == false then
		all = (all and all .. ", " or "") .. "logins = false"
	end
	return all and "luff.config { " .. all .. " }\n" or ""
end
