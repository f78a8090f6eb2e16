-- An admission endpoint in nginx, with its Lua module (Debian: libnginx-mod-http-lua): GET /admit?image=NAME is 200 or 403.
-- In nginx.conf, with luff.so of LUA_VERSION=luajit:
--
--	env ADMIT=ghcr.io;                 # at the top
--	http {
--		lua_package_path  "/path/to/scripts/embed/?.lua;;";
--		lua_package_cpath "/path/to/build/luajit/?.so;;";
--		server {
--			listen 8080;
--			location = /admit { content_by_lua_file /path/to/scripts/embed/nginx.lua; }
--		}
--	}
local admission = require "admission"

local name = ngx.var.arg_image
if not name then
	ngx.status = 400
	ngx.say "image= is missing"
	return
end
local allowed, why = admission(ngx.unescape_uri(name), ngx.sleep)
ngx.status = allowed and 200 or 403
ngx.say(why)
