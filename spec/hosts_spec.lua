-- Not under sanitizers.
-- Programs that luff is at home in: the examples of scripts/embed, each in the real program.
local luff = require "luff"
local support = require "spec.support"

local build = os.getenv "LUFF_BUILD"
local embed = support.sh "pwd" .. "/scripts/embed"

-- Folder with luff.so for that Lua; pending where it could not be built.
local function module_for(name)
	local folder = name == "lua5.4" and build or build .. "/" .. name
	return support.exists(folder .. "/luff.so") and folder or pending("no headers of " .. name .. " are installed")
end

local function need(name)
	return support.peer(name) or support.exists("/usr/sbin/" .. name) and "/usr/sbin/" .. name
		or pending(name .. " is not installed")
end

-- A registry with app:v1, which runs as root, and app:v2, which does not.
local function serve()
	local server = luff.serve {}
	for i, user in ipairs { "root", "me" } do
		local image = luff.empty({ platform = "linux/amd64" }):append { files = { ["/etc/motd"] = "hello\n" } }
		luff.copy(image:configure(function(c)
			c.config = { User = user }
		end), server:address() .. "/app:v" .. i)
	end
	return server
end

local function get(url)
	local result = support.run { "curl", "-s", "-m", "60", "-w", "\n%{http_code}", "-H", "Host: localhost", url }
	local body, status = result.stdout:match "^(.-)\n*(%d%d%d)$"
	return tonumber(status), body
end

-- Once the program listens.
local function eventually_get(program, url)
	return support.eventually(function()
		local status = get(url)
		return status ~= 0 or not program:running() and error(program:stderr() .. program:stdout())
	end)
end

for _, name in ipairs { "lua5.1", "lua5.3", "lua5.4", "luajit" } do
	describe(name, function()
		it("runs scripts/embed/stock.lua", function()
			local program, folder = need(name), module_for(name)
			local server <close> = serve()
			local result = support.run({ program, "scripts/embed/stock.lua", server:address() .. "/app" },
				{ env = { LUA_CPATH = folder .. "/?.so", LUA_PATH = "/nowhere/?.lua" } })
			assert.same({ code = 0, stdout = "v1\t0.0 MB\nv2\t0.0 MB\n", stderr = "" }, result)
		end)

		-- the tasks of 5.1 do not sleep
		local loops = name ~= "lua5.1" and it or function() end
		loops("runs scripts/embed/luv.lua, whose loop goes on", function()
			local program, folder = need(name), module_for(name)
			local cpath = folder .. "/?.so;;"
			if support.run({ program, "-e", "require 'luv'" }, { env = { LUA_CPATH = ";;" } }).code ~= 0 then
				pending "lua-luv is not installed"
			end
			local server <close> = serve()
			local to = "oci:" .. support.scratch() .. ":v2"
			local result = support.run({ program, "scripts/embed/luv.lua", server:address() .. "/app:v2", to },
				{ env = { LUA_CPATH = cpath, LUA_PATH = "/nowhere/?.lua" } })
			assert.equal("", result.stderr)
			assert.equal(luff.resolve(to).digest .. "\t2 blobs copied\tthe timer went on\n", result.stdout)
			result = support.run({ program, "scripts/embed/luv.lua", server:address() .. "/app:v3", to },
				{ env = { LUA_CPATH = cpath, LUA_PATH = "/nowhere/?.lua" } })
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find("not found", 1, true), result.stderr)
		end)
	end)
end

-- What both servers answer at /admit.
local function check_admission(address, server)
	local function admit(name)
		return get("http://" .. address .. "/admit?image=" .. name)
	end
	assert.same({ 403, "it runs as root" }, { admit(server:address() .. "/app:v1") })
	assert.same({ 200, "allowed" }, { admit(server:address() .. "%2Fapp:v2") })
	assert.same({ 403, "docker.io is not a registry of ours" }, { admit "alpine" })
	local status, why = admit(server:address() .. "/none")
	assert.equal(403, status)
	assert.truthy(why:find("not found", 1, true), why)
	assert.equal(400, (get("http://" .. address .. "/admit")))
	-- many at the same time
	local url = ("http://%s/admit?image=%s/app:v2"):format(address, server:address())
	local all = support.must { "sh", "-c", ([[seq 60 | xargs -P 20 -I{} curl -s -m 60 '%s']]):format(url) }
	assert.equal(("allowed\n"):rep(60), all)
end

describe("nginx", function()
	it("decides about images with scripts/embed/nginx.lua", function()
		local program, folder = need "nginx", module_for "luajit"
		local modules = "/usr/lib/nginx/modules"
		if not support.exists(modules .. "/ngx_http_lua_module.so") then
			pending "nginx's Lua module is not installed"
		end
		local server <close> = serve()
		local dir, address = support.scratch(), "127.0.0.1:" .. support.free_port()
		support.write(dir .. "/nginx.conf", ([[
			load_module %s/ndk_http_module.so; load_module %s/ngx_http_lua_module.so;
			daemon off; pid nginx.pid; events {} env ADMIT=%s;
			http {
				access_log off;
				client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
				lua_package_path "%s/?.lua;;"; lua_package_cpath "%s/?.so;;";
				server { listen %s; location = /admit { content_by_lua_file %s/nginx.lua; } }
			}
		]]):format(modules, modules, server:address(), embed, folder, address, embed))
		local nginx = support.start { program, "-p", dir, "-c", "nginx.conf", "-e", "error.log" }
		eventually_get(nginx, "http://" .. address)
		check_admission(address, server)
		assert.is_nil(support.read(dir .. "/error.log"):find "lua")
	end)
end)

describe("lighttpd", function()
	it("decides about images with scripts/embed/lighttpd.lua", function()
		local program = need "lighttpd"
		if not support.exists "/usr/lib/lighttpd/mod_magnet.so" then
			pending "lighttpd's Lua module is not installed"
		end
		local server <close> = serve()
		local dir, port = support.scratch(), support.free_port()
		local address = "127.0.0.1:" .. port
		support.write(dir .. "/lighttpd.conf", ([[
			server.modules = ("mod_magnet")
			server.document-root = "%s"
			server.bind = "127.0.0.1"
			server.port = %d
			server.errorlog = "%s/error.log"
			$HTTP["url"] =~ "^/admit" { magnet.attract-raw-url-to = ("%s/lighttpd.lua") }
		]]):format(dir, port, dir, embed))
		local lighttpd = support.start({ program, "-D", "-f", dir .. "/lighttpd.conf" }, { env = {
			ADMIT = server:address(), LUA_PATH = embed .. "/?.lua;;", LUA_CPATH = os.getenv "LUFF_BUILD" .. "/?.so;;",
		} })
		eventually_get(lighttpd, "http://" .. address)
		check_admission(address, server)
	end)
end)

describe("HAProxy", function()
	it("decides about images with scripts/embed/haproxy.lua", function()
		local program, folder = need "haproxy", module_for "lua5.3"
		local server <close> = serve()
		local dir, address = support.scratch(), "127.0.0.1:" .. support.free_port()
		support.write(dir .. "/haproxy.cfg", ([[
global
	setenv ADMIT %s
	lua-prepend-path %s/?.lua
	lua-prepend-path %s/?.so cpath
	lua-load %s/haproxy.lua
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 60s
frontend admission
	bind %s
	http-request use-service lua.admit if { path /admit }
]]):format(server:address(), embed, folder, embed, address))
		local haproxy = support.start { program, "-db", "-f", dir .. "/haproxy.cfg" }
		eventually_get(haproxy, "http://" .. address)
		check_admission(address, server)
	end)
end)

describe("Prosody", function()
	it("lists tags with scripts/embed/mod_tags.lua", function()
		local program, folder = need "prosody", module_for "lua5.4"
		local server <close> = serve()
		local dir, port = support.scratch(), support.free_port()
		support.write(dir .. "/prosody.cfg.lua", ([[
plugin_paths = { "%s" }
modules_enabled = { "http", "tags" }
modules_disabled = { "s2s", "c2s" }
data_path, pidfile = "%s", "%s/pid"
run_as_root = true
interfaces, http_interfaces, http_ports = { "127.0.0.1" }, { "127.0.0.1" }, { %d }
https_ports, c2s_ports, s2s_ports = {}, {}, {}
log = { info = "*console" }
VirtualHost "localhost"
]]):format(embed, dir, dir, port))
		local prosody = support.start({ program, "-F", "--config", dir .. "/prosody.cfg.lua" },
			{ env = { LUA_CPATH = folder .. "/?.so;;" } })
		local url = ("http://127.0.0.1:%d/tags/%s/"):format(port, server:address())
		eventually_get(prosody, url)
		assert.same({ 200, '["v1","v2"]' }, { get(url .. "app") })
		assert.equal(404, (get(url .. "none")))
	end)
end)

describe("Neovim", function()
	it("picks a tag with scripts/embed/nvim.lua", function()
		local program, folder = need "nvim", module_for "luajit"
		local server <close> = serve()
		local dir = support.scratch()
		local script = support.write(dir .. "/drive.lua", ([[
			package.cpath = "%s/?.so;" .. package.cpath
			dofile "%s/nvim.lua"
			local asked
			vim.ui.select = function(items, opts, choose)
				asked = table.concat(items, " ") .. " of " .. opts.prompt
				choose(items[2])
			end
			local told
			vim.notify = function(text) told = text end
			vim.cmd "Tags %s/app"
			assert(vim.wait(60000, function() return vim.bo.filetype == "json" end, 10))
			vim.cmd "Tags %s/none"
			assert(vim.wait(60000, function() return told end, 10))
			local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n")
			vim.fn.writefile({ asked, vim.fn.json_decode(text).config.User, told }, "%s/out")
			vim.cmd "qa!"
		]]):format(folder, embed, server:address(), server:address(), dir))
		local result = support.run({ program, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", "luafile " .. script },
			{ env = { HOME = dir } })
		assert.same({ code = 0, stdout = "", stderr = "" }, result)
		local asked, user, told = support.read(dir .. "/out"):match "^(.-)\n(.-)\n(.-)\n$"
		assert.equal("v1 v2 of " .. server:address() .. "/app", asked)
		assert.equal("me", user)
		assert.truthy(told:find("not found", 1, true), told)
	end)
end)
