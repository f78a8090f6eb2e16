-- Not under sanitizers.
-- What the prompt does beside Lua: what TAB offers, and, in a terminal (tmux), completion and the bars of a copy.
local luff = require "luff"
local candidates = require "luff.prompt.candidates"
local support = require "spec.support"

describe("At the prompt", function()
	local server, address, layout, env

	setup(function()
		server = luff.serve { record = true }
		address, layout = server:address(), "oci:" .. support.scratch() .. "/layout"
		for _, tag in ipairs { "v1", "v1-alpine", "latest" } do
			support.make_image(layout .. ":" .. tag)
		end
		support.make_image(address .. "/team/app:v2")
		support.make_image(address .. "/team/base:v3")
		env = setmetatable({
			luff = luff, img = luff.image(layout .. ":v1"), t = { alpha = { beta = 1 }, ["no name"] = 2, _hidden = 3, [1] = 4 },
			bad = setmetatable({}, { __index = error, __pairs = error, __len = error }),
		}, { __index = _G })
	end)
	teardown(function()
		server:close()
	end)

	-- What the line may become, in one text.
	local function ways(line, names)
		local word, list = candidates.of(line, { env = env, names = names, words = { "edit", "time" } })
		assert.equal(line:sub(#line - #word + 1), word)
		return table.concat(list, " ")
	end

	it("names of variables, members and words of Lua are completed", function()
		for line, found in pairs {
			["luff.im"] = "image", ["t."] = "alpha", ["t.al"] = "alpha", ["t._"] = "_hidden", ["t.alpha."] = "beta",
			["string.fo"] = "format", ["whi"] = "while", ["for k, v in pai"] = "pairs", ["x = { luff.js"] = "json",
			["bad."] = "", ["nothing.at.all"] = "", ["1 .. im"] = "img", ["12"] = "", [":ti"] = "time", ["-- luff.i"] = "",
		} do
			assert.equal(found, ways(line), line)
		end
	end)

	it("methods are completed, also of what a call gives", function()
		for line, found in pairs {
			["img:lay"] = "layer_by_diff_id layer_by_digest layers", ["('x'):re"] = "rep reverse",
			["img:layers()[1]:di"] = "diff_id digest", ["luff.image('ab', {}):ma"] = "manifest map_layers",
			["luff.image 'x':layers()[1]:comp"] = "compressed", ["(luff.index(\"x\")):im"] = "image image_index",
			["luff.ref('x')."] = "digest registry repository tag", ["img:tree():fi"] = "files",
			["luff.copy(a, b).manif"] = "manifests", ["luff.serve{}:a"] = "address", ["print(img:re"] =
			"read rebase recompress remove_layer",
		} do
			assert.equal(found, ways(line), line)
		end
	end)

	it("names of modules, functions and images are completed inside of strings", function()
		assert.equal("luff.select luff.semver", ways "require 'luff.se")
		assert.equal("luff.semver", ways "local s = require(\"luff.sem")
		assert.equal("luff.catalog", ways "help 'luff.cat")
		assert.equal("oci-archive: oci: oci:./known", ways("luff.open [[oc", { "oci:./known" }))
		assert.equal(layout .. ":v1 " .. layout .. ":v1-alpine", ways("luff.open '" .. layout .. ":v"))
		assert.equal(("%s/team/app %s/team/base"):format(address, address),
			ways("x = 'it\\'s' luff.open \"" .. address .. "/te"))
		assert.equal(address .. "/team/app:v2", ways("luff.copy('" .. address .. "/team/app:"))
	end)

	it("files and folders are completed where a name takes them", function()
		local dir = support.scratch()
		support.must { "mkdir", dir .. "/layout", dir .. "/later", dir .. "/.hidden", dir .. "/odd\27[2J" }
		support.write(dir .. "/image.tar", "")
		support.must { "ln", "-s", "layout", dir .. "/link" }
		assert.equal(("oci:%s/later/ oci:%s/layout/"):format(dir, dir), ways("luff.open 'oci:" .. dir .. "/la"))
		assert.equal("oci:" .. dir .. "/link/", ways("luff.open 'oci:" .. dir .. "/li"))
		assert.equal("docker-archive:" .. dir .. "/image.tar", ways("luff.open('docker-archive:" .. dir .. "/im"))
		assert.equal(dir .. "/image.tar", ways("luff.layer('" .. dir .. "/im"))
		assert.equal("oci:" .. dir .. "/.hidden/", ways("luff.open 'oci:" .. dir .. "/."))
		assert.equal("", ways("luff.open 'oci:" .. dir .. "/od"))
		assert.equal("", ways("luff.open 'docker://" .. dir .. "/la"))
		assert.equal("", ways "luff.open 'oci:/nowhere/at/all")
		assert.truthy(ways "luff.open 'oci:core":find "oci:core/")
	end)

	it("nobody is asked whose name is not there, and what fails offers nothing", function()
		server:requests()
		ways "luff.open 'alp"
		ways("luff.open '" .. address)
		assert.same({}, server:requests())
		assert.equal("", ways("luff.open '" .. address .. "/none:"))
		assert.equal("", ways "luff.open 'oci:/nowhere:")
	end)

	it("nothing that came from outside is offered that a terminal should not get", function()
		local hostile <close> = luff.serve { faults = {
			{ path = "/v2/app/tags/list", status = 200, headers = { ["Content-Type"] = "application/json" },
				body = [[{"name":"app","tags":["v1","v2\u001b[2J","-v3","v 4"]}]] },
		} }
		assert.equal(hostile:address() .. "/app:v1", ways("luff.open '" .. hostile:address() .. "/app:"))
	end)

	describe("in a terminal", function()
		-- luff without arguments behind tmux, as somebody sits before it.
		local function sit_down(settings)
			local tmux = support.peer "tmux"
			if not tmux then
				pending "tmux is not installed"
			end
			local dir = support.scratch()
			local base = { tmux, "-S", dir .. "/socket", "-f", "/dev/null", "-u" }
			local opts = { env = { TERM = "xterm", HOME = dir, XDG_CONFIG_HOME = dir, XDG_STATE_HOME = dir, TMUX = false,
				TMPDIR = dir, SHELL = "/bin/sh", LANG = "C.UTF-8" } }
			local function command(...)
				local argv = table.move(base, 1, #base, 1, {})
				return support.must(table.move({ ... }, 1, select("#", ...), #argv + 1, argv), opts)
			end
			support.must { "mkdir", dir .. "/luff" }
			support.write(dir .. "/luff/config.lua", "return " .. (settings or "{}"))
			command("new-session", "-d", "-x", "100", "-y", "30", "exec " .. support.quote(support.program))
			support.defer(function() pcall(command, "kill-server") end)
			local tty = {}
			function tty.screen()
				return command("capture-pane", "-p")
			end
			function tty.type(text)
				command("send-keys", "-l", "--", text)
			end
			function tty.key(name)
				command("send-keys", name)
			end
			function tty.expect(pattern)
				local seen
				local ok = pcall(support.eventually, function()
					seen = tty.screen()
					return seen:find(pattern)
				end, 60)
				assert(ok, ("no %s in\n%s"):format(pattern, seen))
			end
			tty.expect "Ctrl%-D ends\n>"
			return tty
		end

		it("TAB completes what is there once, and shows what is there several times", function()
			local tty = sit_down()
			tty.type "luff.dig"
			tty.key "Tab"
			tty.expect "\n> luff%.digest\n"
			tty.type "('x') == luff.version().non"
			tty.key "Enter"
			tty.expect "\nfalse\n"
			tty.type("luff.open '" .. address .. "/team/ap")
			tty.key "Tab"
			tty.expect("team/app\n")
			tty.type ":"
			tty.key "Tab"
			tty.expect("team/app:v2\n")
			tty.type "':laye"
			tty.key "Tab"
			tty.expect ":layer"
			tty.key "Tab"
			tty.expect "layer_by_diff_id +layer_by_digest +layers"
			tty.type "s()"
			tty.key "Enter"
			tty.expect "{ luff%.Layer<sha256:"
		end)

		it("a copy shows its bars, can be interrupted, and the sitting goes on", function()
			local source = address .. "/large:v1"
			support.make_image(source, { layers = { 3000000 } })
			local tty = sit_down(("{ hosts = { [%q] = { bandwidth = 100000 } } }"):format(address))
			tty.type(("luff.copy('%s', 'memory:copy:v1')"):format(source))
			tty.key "Enter"
			tty.expect "sha256:%x+ layer +.* of 3%.0 MB +[%d.]+ kB/s"
			tty.expect "\nall, .* left +.* of 3%.0 MB"
			tty.key "C-c"
			tty.expect "interrupted\n>"
			assert.is_nil(tty.screen():find "\nall, ")
			tty.type "6 * 7"
			tty.key "Enter"
			tty.expect "\n42\n>"
		end)
	end)
end)
