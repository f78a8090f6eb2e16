-- Not under sanitizers.
-- What `make install` leaves for programs in C: headers, libraries, pkg-config; and the examples of scripts/embed/c.
local luff = require "luff"
local support = require "spec.support"

describe("make install", function()
	local prefix, env

	setup(function()
		prefix = support.scratch()
		support.must({ "make", "-s", "install", "PREFIX=" .. prefix }, { timeout = 600 })
		env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig", LD_LIBRARY_PATH = prefix .. "/lib" }
	end)

	local function sh(command, ...)
		return support.must({ "sh", "-ec", command, "sh", ... }, { env = env })
	end

	-- Builds an example; returns its path.
	local function build(name, package)
		local program = prefix .. "/" .. name
		sh([[${CC:-cc} -std=c11 -Wall -Wextra -Werror "$1" $(pkg-config --cflags --libs "$3") -o "$2"]],
			"scripts/embed/c/" .. name .. ".c", program, package)
		return program
	end

	it("exports what is luff's alone", function()
		local function exported(file, pattern)
			local names = sh("nm -D --defined-only " .. prefix .. "/lib/" .. file)
			local count = 0
			for name in names:gmatch "%x+ %u ([^\n]+)" do
				assert.truthy(name:find(pattern), name)
				count = count + 1
			end
			return count
		end
		assert.is_true(exported("libluff.so", "^luff_") > 100)
		assert.equal(2, exported("lua/5.4/luff.so", "^luaopen_luff"))
		-- in a static library no name may meet one of the program's, either
		for name in sh("nm -g --defined-only " .. prefix .. "/lib/libluff.a"):gmatch "%x+ [TDBR] ([^\n]+)" do
			assert.truthy(name:find "^luff_", name)
		end
	end)

	it("has a program that copies with progress", function()
		local program, to = build("copy", "luff"), "oci:" .. support.scratch() .. "/new:v1"
		local result = support.run({ program, "random:size=300000", to }, { env = env })
		assert.equal(luff.resolve(to).digest .. ": 2 blobs copied, 0 were there\n", result.stdout)
		assert.truthy(result.stderr:find "0%.3 of 0%.3 MB\n$", result.stderr)
		result = support.run({ program, "oci:/nowhere:v1", to }, { env = env })
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find "^not_found: /nowhere: ", result.stderr)
	end)

	it("has a program with a medium of its own", function()
		local program, dir = build("medium", "luff"), support.scratch()
		support.must({ program, "put", dir .. "/shelf", "random:layers=2", "v1" }, { env = env })
		support.must({ program, "get", dir .. "/shelf", "v1", "oci:" .. dir .. "/out:v1" }, { env = env })
		assert.equal(luff.resolve("random:layers=2").digest, luff.resolve("oci:" .. dir .. "/out:v1").digest)
		assert.same({}, luff.validate("oci:" .. dir .. "/out:v1"))
		-- what is damaged there comes from nowhere
		local blob = support.files(dir .. "/shelf")[1]
		for _, path in ipairs(support.files(dir .. "/shelf")) do
			blob = path:find "sha256" and path or blob
		end
		support.write(blob, ("x"):rep(#support.read(blob)))
		local result = support.run({ program, "get", dir .. "/shelf", "v1", "oci:" .. dir .. "/bad:v1" }, { env = env })
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find "^digest_mismatch: ", result.stderr)
	end)

	it("has a program with Lua and a loop of its own", function()
		local program, dir = build("host", "luff-lua5.4"), support.scratch()
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/app:v1")
		local script = support.write(dir .. "/script.lua", ([[
			local luff = require "luff"
			for _, tag in ipairs { "v1", "v2" } do
				luff.spawn(function()
					local ok, found = pcall(luff.resolve, "%s/app:" .. tag)
					io.write(tag, " ", ok and found.digest or found.code, "\n")
				end)
			end
			io.write "spawned\n"
		]]):format(server:address()))
		local lines = {}
		for line in support.must({ program, script }, { env = env }):gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		assert.equal("spawned", lines[1])
		table.sort(lines)
		assert.same({ "spawned", "v1 " .. luff.resolve(server:address() .. "/app:v1").digest, "v2 not_found" }, lines)
		support.write(script, "error 'no'")
		assert.equal(1, support.run({ program, script }, { env = env }).code)
	end)

	it("is undone by make uninstall", function()
		local dir = support.scratch()
		support.must({ "make", "-s", "install", "PREFIX=/usr", "DESTDIR=" .. dir }, { timeout = 600 })
		assert.is_true(support.exists(dir .. "/usr/include/luff/lua.h"))
		assert.truthy(support.read(dir .. "/usr/lib/pkgconfig/luff.pc"):find("prefix=/usr\n", 1, true))
		support.must { "make", "-s", "uninstall", "PREFIX=/usr", "DESTDIR=" .. dir }
		assert.same({}, support.files(dir))
	end)
end)
