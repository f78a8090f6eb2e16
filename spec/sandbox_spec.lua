-- Not under sanitizers.
-- Scripts within limits, and scripts that try to get out of the sandbox.
local luff = require "luff"
local support = require "spec.support"

local dir

-- Runs a script's text. opts: list of options before the file; args: behind it.
local function run(text, opts, args)
	support.write(dir .. "/script.lua", text)
	local argv = { "run", table.unpack(opts or {}) }
	argv[#argv + 1] = dir .. "/script.lua"
	return support.luff { table.unpack(table.move(args or {}, 1, #(args or {}), #argv + 1, argv)) }
end

local function sandbox(text, opts, args)
	return run(text, { "--sandbox", table.unpack(opts or {}) }, args)
end

-- The script must end with its own "ok".
local function passes(text, opts)
	local result = sandbox(text .. "\nprint 'ok'", opts)
	assert.equal("ok\n", result.stdout, result.stderr)
	assert.equal(0, result.code)
end

before_each(function()
	dir = support.scratch()
end)

describe("luff run", function()
	it("runs a script with its arguments", function()
		local result = run("print(#arg, luff._VERSION, io ~= nil, ...)", { "--timeout", "60s" }, { "--read", "x" })
		assert.equal(("2\t%s\ttrue\t--read\tx\n"):format(luff._VERSION), result.stdout, result.stderr)
		assert.equal("3\n", sandbox("print(3)").stdout)
	end)

	it("ends with the error's exit code", function()
		assert.equal(3, run "error { code = 'not_found', message = 'gone' }".code)
		local result = sandbox "error { code = 'not_found', message = 'gone' }"
		assert.equal(3, result.code)
		assert.truthy(result.stderr:find "^luff: gone\n")
		assert.truthy(sandbox "local x = nothing".stderr:find 'no global "nothing"')
		assert.equal(1, sandbox "error(setmetatable({}, { __index = function() while true do end end }))".code)
	end)

	it("refuses wrong options", function()
		for _, opts in ipairs { { "--read", "x" }, { "--memory", "1X" }, { "--memory", "0" }, { "--instructions", "x" },
			{ "--sandbox", "--read", "a//b" }, { "--sandbox", "--write", "a*" } } do
			assert.equal(2, run("print 'no'", opts).code)
		end
	end)
end)

describe("Limits", function()
	local endless = {
		["in a loop"] = "while true do end",
		["in what pcall catches"] = "while true do pcall(function() while true do end end) end",
		["in a handler"] = "xpcall(error, function() while true do end end)",
		["in coroutines"] = [[while true do
			coroutine.wrap(function() while true do pcall(function() while true do end end) end end)() end]],
		["in many short coroutines"] = [[local function tree(depth)
				if depth > 0 then for _ = 1, 60 do pcall(coroutine.wrap(tree), depth - 1) end end
			end
			tree(100)]],
		["in many short tasks"] = [[local function tree(depth)
				if depth > 0 then for _ = 1, 60 do pcall(luff.spawn, tree, depth - 1) end end
			end
			tree(100)]],
		["in tasks"] = [[while true do pcall(luff.map, { 1, 2 }, function()
			while true do pcall(function() while true do end end) end end) end]],
		["in what closes"] = [[while true do pcall(function()
			local x <close> = setmetatable({}, { __close = function() while true do end end }) error "x" end) end]],
		["in a metamethod"] = "print(setmetatable({}, { __tostring = function() while true do end end }))",
		["in a reader of load"] = "while true do pcall(load, function() while true do end end) end",
		["in a comparison"] = "while true do pcall(table.sort, { 1, 2, 3 }, function() while true do end end) end",
	}

	for where, text in pairs(endless) do
		it("of instructions end what is endless " .. where, function()
			local result = sandbox(text, { "--instructions", "2000000" })
			assert.equal("luff: the script took more than 2000000 instructions\n", result.stderr)
			assert.equal(6, result.code)
		end)
	end

	it("of time end pure Lua, what waits, and C that does not come back", function()
		local server <close> = luff.serve { faults = { { path = "/v2/app/*", stall = 100 } } }
		local message = "luff: the script ran for longer than 1 s\n"
		for _, text in ipairs { "while true do pcall(function() while true do end end) end",
			("while true do pcall(luff.resolve, '%s/app:v1') end"):format(server:address()),
			"while true do pcall(luff.map, { 1, 2 }, function() luff.resolve '" .. server:address() .. "/app:v1' end) end",
			"(('a'):rep(5000)):find(('.-'):rep(20) .. 'b')" } do
			local result = sandbox(text, { "--timeout", "1s", "--read", server:address() })
			assert.equal(message, result.stderr)
			assert.equal(5, result.code)
		end
	end)

	it("of memory hold", function()
		for _, text in ipairs { "local t = {} while true do t[#t + 1] = {} end", "local s = 'x' while true do s = s .. s end",
			"('x'):rep(1 << 40)", "string.format('%s', ('x'):rep(1 << 28))", "local t = {} t[1] = ('x'):rep(1 << 27) .. 'y'",
			"table.concat({ ('x'):rep(1 << 25) }, '', 1, 1) local t = {} for i = 1, 1e9 do t[i] = i end" } do
			local result = sandbox(text, { "--memory", "32M" })
			assert.equal(1, result.code, text)
			assert.truthy(result.stderr:find "not enough memory" or result.stderr:find "too large", result.stderr)
		end
		passes("assert(not pcall(string.rep, 'x', 1 << 28)) local s = ('x'):rep(1 << 20)", { "--memory", "32M" })
	end)
end)

describe("The sandbox", function()
	it("counts what luff holds behind Lua's objects", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/app:v1"
		support.make_image(name)
		local result = sandbox(([[
			local image, t, big = luff.image(%q), {}, ("x"):rep(3000000)
			for i = 1, 400 do
				t[i] = image:annotate { a = big .. i }
			end
		]]):format(name), { "--memory", "64M", "--read", server:address() })
		assert.equal(6, result.code, result.stderr)
		assert.truthy(result.stderr:find "not enough memory", result.stderr)
	end)

	it("can run dry", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/app"
		support.make_image(name .. ":v1")
		local script = support.write(support.scratch() .. "/a.lua", ("luff.tag(%q, 'v2')"):format(name .. ":v1"))
		local result = support.luff("--dry-run", "run", "--sandbox", "--write", server:address(), script)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stderr:find(name .. ":v2", 1, true), result.stderr)
		assert.same({ "v1" }, support.tags(name))
	end)

	it("has no files, programs, bytecode or foreign modules", function()
		passes [[
			for _, name in ipairs { "io", "debug", "package", "dofile", "loadfile" } do
				assert(rawget(_G, name) == nil, name)
			end
			for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale" } do
				assert(os[name] == nil, name)
			end
			assert(not string.dump and not ("").dump)
			assert(not load("\27Lua", "x", "b"))
			for _, name in ipairs { "luff.core", "luff.cli", "luff.sandbox", "luff.options", "luff.config", "luff.artifact",
				"luff.edit.layers", "luff.repl", "luff.commands.run", "io", "os", "debug", "string", "lfs", "" } do
				local ok, err = pcall(require, name)
				assert(not ok and err.code == "denied", name)
			end
			for _, name in ipairs { "diff", "glob", "log", "mirror", "prune", "regex", "select", "semver", "template", "time",
				"yaml" } do
				assert(type(require("luff." .. name)) ~= "nil")
			end
		]]
	end)

	it("gives no way to Lua's real globals", function()
		passes [[
			assert(load "return _G"() == _G and load("return io", "x", "t", {})() == nil)
			assert(load "return _ENV"() == _G)
			assert(getmetatable "" == false and not pcall(setmetatable, "", {}))
			string.format = function() error "mine" end
			assert(("%d"):format(1) == "1")
			assert(getmetatable(luff) == false and not pcall(setmetatable, luff, {}))
			assert(not pcall(setmetatable, {}, { __gc = print }))
			for _, value in ipairs { print, require, load, pcall, luff.copy, luff.map } do
				assert(type(value) == "function")
			end
		]]
	end)

	it("has of luff what reads and writes registries", function()
		passes [[
			for _, name in ipairs { "login", "logout", "auth", "serve", "gc", "config", "medium", "layer", "empty" } do
				local ok, err = pcall(function() return luff[name] end)
				assert(not ok and err.code == "denied" and err.message == "the sandbox has no luff." .. name, name)
			end
			assert(luff.digest "" and not pcall(luff.digest, { file = "/etc/passwd" }))
		]]
	end)

	it("opens nothing on this machine", function()
		local layout = "oci:" .. dir .. "/layout:v1"
		support.make_image(layout)
		passes(([[
			for _, place in ipairs { %q, "oci-archive:x", "docker-archive:/etc/passwd", "dir:/etc", "rootfs:/etc",
				"random:layers=1",
				"memory:x", "docker-daemon:x", "containerd:x", "containers-storage:x" } do
				for _, f in ipairs { luff.open, luff.image, luff.resolve, luff.tags, luff.blob, luff.delete, luff.validate,
					luff.tag } do
					local ok, err = pcall(f, place, f == luff.tag and "x" or nil)
					assert(not ok and err.code == "denied", place .. ": " .. tostring(err))
				end
				local ok, err = pcall(luff.copy, place, place)
				assert(not ok and err.code == "denied", place)
			end
		]]):format(layout), { "--read", "*", "--write", "*" })
		assert.equal("", support.tree(dir .. "/layout"):match "x$" or "")
	end)

	it("reads and writes those repositories alone that are named", function()
		local server <close> = luff.serve()
		local host = server:address()
		support.make_image("memory:sandbox:v1")
		for _, name in ipairs { "/pub/app:v1", "/pub2:v1", "/secret:v1", "/out/app:v0" } do
			luff.copy("memory:sandbox:v1", host .. name)
		end
		local before = support.tags(host .. "/pub/app")
		local result = sandbox([[
			local host = ...
			local function denied(f, ...)
				local ok, err = pcall(f, ...)
				assert(not ok and err.code == "denied" and err.message:find "^the sandbox does not let", tostring(err))
			end
			local image = luff.image(host .. "/pub/app:v1")
			assert(image:read "/etc/made-by")
			denied(luff.resolve, host .. "/secret:v1")
			denied(luff.resolve, host .. "/pub2:v1")
			denied(luff.resolve, luff.ref(host .. "/secret:v1"))
			denied(luff.catalog, host)
			denied(luff.copy, host .. "/secret:v1", host .. "/out/app:v1")
			denied(luff.copy, host .. "/pub/app:v1", host .. "/pub/app:v2")
			denied(luff.tag, host .. "/pub/app:v1", "v2")
			denied(luff.delete, host .. "/pub/app:v1")
			denied(luff.delete, host .. "/pub/app@" .. image:digest(), { force = true })
			denied(luff.push_blob, host .. "/pub/app", "x")
			denied(luff.push_blob, host .. "/out/app", { file = "/etc/passwd" })
			denied(luff.push_blob, host .. "/out/app", { folder = "/etc", title = "x" })
			denied(luff.push_manifest, host .. "/pub/app:v2", luff.json.encode(image:manifest()))
			denied(luff.copy, image, "oci:./x:v1")
			for _, method in ipairs { "extract", "export", "save", "append", "recompress" } do
				assert(not pcall(function() return image[method](image, "/tmp/x") end))
			end
			luff.copy(host .. "/pub/app:v1", host .. "/out/app:v1")
			luff.map({ 1, 2, 3 }, function(i) luff.tag(host .. "/out/app:v1", "n" .. i) end)
			luff.copy(image:annotate { by = "script" }, host .. "/out/app:v2")
			print "ok"
		]], { "--read", host .. "/pub", "--write", host .. "/out" }, { host })
		assert.equal("ok\n", result.stdout, result.stderr)
		assert.same(before, support.tags(host .. "/pub/app"))
		assert.same({ "n1", "n2", "n3", "v0", "v1", "v2" }, support.tags(host .. "/out/app"))
	end)

	it("reads all of a registry that is named, its list too", function()
		local server <close> = luff.serve()
		local host = server:address()
		support.make_image("memory:sandbox:v1")
		luff.copy("memory:sandbox:v1", host .. "/app:v1")
		local result = sandbox("for name in luff.catalog(...) do print(name, luff.ping(...) ~= nil) end", { "--read", host },
			{ host })
		assert.equal("app\ttrue\n", result.stdout, result.stderr)
		result = sandbox("luff.ping(...)", { "--read", "other.example" }, { host })
		assert.equal(4, result.code, result.stderr)
	end)

	it("fetches nothing from URLs in manifests", function()
		local server <close> = luff.serve { record = true }
		local host = server:address()
		local layer = { mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", size = 5,
			digest = luff.digest "12345",
			urls = { "http://" .. host .. "/v2/elsewhere" } }
		local config = { mediaType = "application/vnd.oci.image.config.v1+json", size = 2, digest = luff.digest "{}" }
		luff.push_blob(host .. "/app", "{}")
		luff.push_manifest(host .. "/app:v1", { schemaVersion = 2, config = config, layers = { layer },
			mediaType = "application/vnd.oci.image.manifest.v1+json" })
		local result = sandbox("luff.copy(... .. '/app:v1', ... .. '/out:v1', { foreign = true })", { "--write", host },
			{ host })
		assert.not_equal(0, result.code)
		assert.equal(0, support.count(server, nil, "elsewhere"))
	end)
end)
