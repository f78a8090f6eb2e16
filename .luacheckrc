-- What luacheck knows about the Lua files: 5.4, no globals of our own, busted's in the specs.
std = "lua54"
max_line_length = 120
max_comment_line_length = 130
codes = true
-- `self` is a method's first argument whether it needs it or not.
self = false
files["spec"] = { std = "+busted" }
-- They know what other Luas have.
files["spec/support/older.lua"] = { std = "max", globals = { "loadfile" } }
files["spec/support/process.lua"] = { globals = { "newproxy" } }
-- It takes Lua's own functions away.
files["lua/luff/sandbox.lua"] = { ignore = { "12." } }
-- What programs give to the Lua in them.
files["scripts/embed/nvim.lua"] = { globals = { "vim" } }
files["scripts/embed/nginx.lua"] = { globals = { "ngx" } }
files["scripts/embed/lighttpd.lua"] = { globals = { "lighty" } }
files["scripts/embed/haproxy.lua"] = { globals = { "core" } }
files["scripts/embed/mod_tags.lua"] = { globals = { "module" } }
-- It declares what C registers: every definition is there to be read.
files["lua/luff/meta.lua"] = { ignore = { "1..", "2..", "3..", "6.." } }
