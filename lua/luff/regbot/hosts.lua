-- What a configuration says of hosts as luff.config wants it.
local fail = require "luff.fail"

--- "docker.io" for the other names that people give it.
local function name_of(text)
	return (text == "registry-1.docker.io" or text == "index.docker.io") and "docker.io" or text
end

local function filled(value)
	local text = value and value:fill()
	return text ~= "" and text or nil
end

local function settings(host)
	local user, token = filled(host.user), filled(host.token)
	return {
		scheme = host.scheme, insecure = host.insecure, user = user, password = user and (filled(host.password) or ""),
		credentials = token and function() return { identity_token = token } end or nil,
		address = host.address, ca = filled(host.ca), cert = filled(host.cert), key = filled(host.key), certs = host.certs,
		helper = host.helper, helper_server = host.helper_server, mirrors = host.mirrors,
		chunk_size = host.chunk_size, rate = host.rate, requests = host.requests,
	}
end

--- { hosts = { [name] = settings }, logins = } of a description (luff.regbot.config, luff.sync.config).
return function(description)
	local hosts = {}
	for _, host in ipairs(description.hosts) do
		local name = name_of(host.name:fill())
		if name == "" then
			fail("invalid", "%s: \"registry\" is empty", host.name.place)
		end
		hosts[name] = settings(host)
	end
	return { hosts = hosts, logins = description.logins }
end
