-- The same endpoint in HAProxy, whose Lua is 5.3 in Debian: GET /admit?image=NAME is 200 or 403. In haproxy.cfg, with luff.so of
-- LUA_VERSION=5.3:
--
--	global
--		lua-prepend-path /path/to/scripts/embed/?.lua
--		lua-prepend-path /path/to/build/lua5.3/?.so cpath
--		lua-load /path/to/scripts/embed/haproxy.lua
--	frontend admission
--		mode http
--		bind :8080
--		http-request use-service lua.admit if { path /admit }
local admission = require "admission"

local function unescape(text)
	return (text:gsub("%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

core.register_service("admit", "http", function(applet)
	local name = ("&" .. applet.qs):match "&image=([^&]*)"
	local allowed, why
	if name then
		allowed, why = admission(unescape(name), function(seconds)
			core.msleep(math.ceil(seconds * 1000))
		end)
	else
		why = "image= is missing"
	end
	why = why .. "\n"
	applet:set_status(not name and 400 or allowed and 200 or 403)
	applet:add_header("content-type", "text/plain")
	applet:add_header("content-length", tostring(#why))
	applet:start_response()
	applet:send(why)
end)
