-- Not under sanitizers.
-- Each recipe of the cookbook is run as it stands, but for the names of its registries.
local luff = require "luff"
local cookbook = require "luff.cookbook"
local support = require "spec.support"

describe("The recipe", function()
	local server, address, dir

	before_each(function()
		server, dir = luff.serve {}, support.scratch()
		address = server:address()
		for _, version in ipairs { "3.18", "3.19", "3.20" } do
			support.make_index(address .. "/library/alpine:" .. version, { "linux/amd64", "linux/arm64" }, {
				layers = function(platform)
					return { support.tar { ["etc/alpine-release"] = version .. ".1\n", ["etc/motd"] = "Welcome to Alpine.\n",
						["lib/apk"] = platform } }
				end,
			})
		end
		luff.tag(address .. "/library/alpine:3.20", "latest")
		-- the recipes' "luff"
		support.must { "mkdir", dir .. "/bin", dir .. "/here" }
		support.must { "ln", "-s", support.program, dir .. "/bin/luff" }
	end)
	after_each(function()
		server:close()
	end)

	-- What holds after it, by its title: f(result of the program); code: the exit code, 0 where nothing is said.
	local function digest(name)
		return luff.resolve(name:find "^oci:" and name or address .. name).digest
	end
	local checks = {
		["Copy an image of one platform"] = function()
			assert.equal("linux/arm64", luff.image(address .. "/base/alpine:3.20"):platform())
		end,
		["Keep the newest of the last two minor lines in a registry of your own"] = function()
			assert.same({ "3.19", "3.20" }, support.tags(address .. "/mirror/alpine"))
		end,
		["Carry images to a place without a network"] = function()
			for _, version in ipairs { "3.19", "3.20" } do
				assert.equal("Welcome to Alpine.\n", luff.image(address .. "/base/alpine:" .. version):read "/etc/motd")
			end
		end,
		["See what is new between two versions"] = function(result)
			assert.truthy(result.stdout:find("3.20.1", 1, true), result.stdout)
		end,
		["Put files on an image without Docker"] = function(result)
			assert.truthy(result.stdout:find "\nWelcome%.\n$", result.stdout)
		end,
		["Make an image from nothing"] = function(result)
			assert.equal(digest "/team/hello:v1" .. "\n", result.stdout)
			assert.equal(493, luff.image(address .. "/team/hello:v1", { platform = "linux/amd64" }):stat("/app/run").mode)
		end,
		["Set the user of an image for all its platforms"] = function()
			for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
				local image = luff.image(address .. "/team/alpine:nobody", { platform = platform })
				assert.equal("nobody", image:config_file().config.User)
			end
		end,
		["Put an image on the newest state of its base"] = function()
			local image = luff.image(address .. "/team/app:v1-patched")
			assert.equal("3.20.1\n", image:read "/etc/alpine-release")
			assert.equal("1\n", image:read "/app/version")
		end,
		["Read a file in every tag, four at a time"] = function(result)
			for _, line in ipairs { "3.18\t3.18.1", "3.19\t3.19.1", "3.20\t3.20.1", "latest\t3.20.1" } do
				assert.truthy(result.stdout:find(line .. "\n", 1, true), result.stdout)
			end
		end,
		["Find out which version latest is"] = function(result)
			assert.equal("3.20\n", result.stdout)
		end,
		["Attach a bill of materials, and find it again"] = function(result)
			assert.truthy(result.stdout:find "application/spdx%+json\n$", result.stdout)
		end,
		["Check all of an image, layers included"] = function() end,
		["See what makes an image large"] = function(result)
			assert.truthy(result.stdout:find("etc/", 1, true), result.stdout)
			assert.truthy(support.read(dir .. "/here/alpine.html"):find("alpine-release", 1, true))
		end,
		["Delete what a tag stands for, with all its tags"] = function()
			assert.same({}, support.tags(address .. "/base/alpine"))
		end,
		["Try a script against a registry that fails now and then"] = function(result)
			assert.truthy(result.stdout:find "^0 findings, %d+ requests\n$", result.stdout)
		end,
		["Keep going where some of many fail, and say which"] = { code = 1, f = function(result)
			assert.truthy(result.stderr:find "^3%.20%.99: [^\n]+ %(not_found%)\n$", result.stderr)
			assert.equal(digest "/library/alpine:3.19", digest("oci:" .. dir .. "/here/mirror:3.19"))
		end },
	}

	for _, recipe in ipairs(cookbook.recipes) do
		local title, code = recipe[1], recipe[2]
		it("“" .. title .. "” does what it says", function()
			local check = assert(checks[title], "nothing says what holds after it")
			check = type(check) == "table" and check or { code = 0, f = check }
			code = code:gsub("docker%.io", address):gsub("registry%.example%.com", address)
			local script = support.write(dir .. "/recipe", code)
			local argv = code:find "^local" and { "luff", script } or { "sh", "-e", script }
			local result = support.run(argv, { cwd = dir .. "/here", env = { PATH = dir .. "/bin:" .. os.getenv "PATH" } })
			assert.equal(check.code, result.code, result.stdout .. result.stderr)
			check.f(result)
		end)
	end

	it("stands in luff help cookbook and in the reference", function()
		local text = support.luff("help", "cookbook").stdout
		local whole = require("luff.reference").markdown()
		for _, recipe in ipairs(cookbook.recipes) do
			assert.truthy(text:find("\n" .. recipe[1] .. "\n  ", 1, true), recipe[1])
			assert.truthy(whole:find(recipe[2], 1, true), recipe[1])
		end
	end)
end)
