-- An admission endpoint in lighttpd, whose mod_magnet has Lua 5.4 (Debian: lighttpd-modules-lua): GET /admit?image=NAME is 200 or
-- 403. One request at a time: mod_magnet waits for its scripts. In lighttpd.conf:
--
--	server.modules += ("mod_magnet")
--	$HTTP["url"] =~ "^/admit" { magnet.attract-raw-url-to = ("/path/to/scripts/embed/lighttpd.lua") }
--
-- and in lighttpd's environment ADMIT=ghcr.io, LUA_PATH="/path/to/scripts/embed/?.lua;;", LUA_CPATH="/path/to/luff's/?.so;;".
local admission = require "admission"
local time = require "luff.time"

local name = (lighty.env["uri.query"] or ""):match "image=([^&]*)"
if not name then
	lighty.content = { "image= is missing\n" }
	return 400
end
name = name:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
local allowed, why = admission(name, time.sleep)
lighty.content = { why, "\n" }
return allowed and 200 or 403
