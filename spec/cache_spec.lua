-- A cache in front of registries: luff.config { cache = … } and --cache.
local luff = require "luff"
local support = require "spec.support"

local server, app, image, dir

-- Requests for content since the last call, HEAD requests aside.
local function gets()
	return support.count(server, "GET", "/v2/.*/[bm]%l+s/")
end

local function path(digest)
	return dir .. "/blobs/" .. digest:gsub(":", "/")
end

local made = 0
local function copy(name)
	made = made + 1
	return luff.copy(name or app .. ":v1", "memory:cache-" .. made .. ":v1")
end

local function set(max)
	luff.config { cache = { dir = dir, max = max } }
end

before_each(function()
	server = luff.serve { record = true }
	support.defer(function() server:close() end)
	app = server:address() .. "/app"
	image = support.make_image(app .. ":v1", { layers = { 300000, 2000 } })
	dir = support.scratch() .. "/cache"
	set()
	server:requests()
end)

after_each(function()
	luff.config { cache = false }
end)

describe("A cache", function()
	it("keeps what is read, and gives it the next time", function()
		copy()
		assert.equal(4, gets())
		copy()
		assert.equal(image:layers()[1]:digest(), luff.digest(luff.open(app .. ":v1"):layers()[1]:compressed():read "a"))
		assert.equal(0, gets())
		luff.open(app .. "@" .. image:digest()):raw_config_file()
		luff.blob(app .. "@" .. image:layers()[2]:digest()):read "a"
		assert.equal(0, #server:requests())
		luff.config { cache = false }
		copy()
		assert.equal(4, gets())
	end)

	it("asks what names stand for", function()
		copy()
		local new = support.make_image(app .. ":v1", { layers = { 1000 } })
		assert.equal(new, luff.open(app .. ":v1"))
		luff.delete(app .. "@" .. new:digest())
		assert.equal("not_found", support.fails(luff.open, app .. ":v1").code)
		assert.equal("not_found", support.fails(luff.open, app .. "@" .. new:digest()).code)
		assert.equal("not_found", support.fails(luff.blob, app .. "@" .. luff.digest "none").code)
	end)

	it("finds damage, and fetches what was damaged anew", function()
		copy()
		for _, digest in ipairs { image:layers()[1]:digest(), image:config_name(), image:digest() } do
			local good = support.read(path(digest))
			for _, bad in ipairs { good:sub(1, -2) .. "?", good:sub(1, -2), good .. "?", "" } do
				support.must { "chmod", "u+w", path(digest) }
				support.write(path(digest), bad)
				server:requests()
				copy()
				assert.equal(1, gets())
				assert.equal(good, support.read(path(digest)))
			end
		end
		luff.open(app .. "@" .. image:digest())
	end)

	it("keeps nothing that was not read to its end, or is wrong", function()
		local reader = luff.blob(app .. "@" .. image:layers()[1]:digest())
		reader:read(1000)
		reader:close()
		assert.is_false(support.exists(path(image:layers()[1]:digest())))
		local broken <close> = luff.serve { faults = { { path = "/v2/*/blobs/*", method = "GET", flip = 5, count = 20 } } }
		local bad = support.make_image(broken:address() .. "/app:v1", { layers = { 5000 } })
		assert.equal("digest_mismatch", support.fails(copy, broken:address() .. "/app:v1").code)
		assert.is_false(support.exists(path(bad:config_name())))
		assert.is_nil(support.tree(dir):find "ingest/%w")
	end)

	it("lets go of what was not used for longest", function()
		set(250000)
		for i = 1, 6 do
			support.make_image(app .. ":" .. i, { layers = { 60000 } })
		end
		copy(app .. ":1")
		for i = 2, 6 do
			copy(app .. ":" .. i)
			copy(app .. ":1")
		end
		local kept = tonumber((support.must { "sh", "-c", 'cat "$1"/blobs/sha256/* | wc -c', "sh", dir }))
		assert.is_true(kept <= 250000 and kept > 120000, kept)
		server:requests()
		copy(app .. ":1")
		copy(app .. ":6")
		assert.equal(0, gets())
		copy(app .. ":2")
		assert.is_true(gets() > 0)
		-- what does not fit at all is only passed on
		copy()
		assert.is_false(support.exists(path(image:layers()[1]:digest())))
	end)

	it("is no hindrance where it fails", function()
		support.must { "sh", "-c", 'rm -r "$1/blobs" "$1/ingest"; : > "$1/blobs"; : > "$1/ingest"', "sh", dir }
		copy()
		copy()
		assert.equal(8, gets())
		local err = support.fails(luff.config, { cache = { dir = dir .. "/index.json" } })
		assert.truthy(err.message:find("the cache", 1, true), err.message)
		assert.equal("invalid", support.fails(luff.config, { cache = {} }).code)
		assert.equal("invalid", support.fails(luff.config, { cache = "x" }).code)
		assert.is_false((pcall(luff.config, { cache = { dir = dir, max = -1 } })))
	end)

	it("stands before places that are written to, too", function()
		assert.equal(3, luff.copy(app .. ":v1", server:address() .. "/other:v1").mounted)
		luff.copy(support.make_image "memory:cache:new", app .. ":v2")
		assert.same({ "v1", "v2" }, support.tags(app))
		luff.tag(app .. ":v2", "v3")
		assert.same({ "v1", "v2", "v3" }, support.tags(app))
	end)

	it("stands before mediums in Lua", function()
		local asked = 0
		luff.medium { scheme = "cached", resolve = function() return luff.resolve(app .. ":v1") end,
			fetch = function(_, d)
				asked = asked + 1
				return d.manifest and luff.open(app .. ":v1"):raw_manifest() or luff.blob(app .. "@" .. d.digest)
			end }
		copy "cached:x:v1"
		assert.equal(4, asked)
		copy "cached:x:v1"
		assert.equal(4, asked)
	end)

	it("is shared by programs, also where they are killed", function()
		local slow <close> = luff.serve { faults = { { path = "/v2/*/blobs/" .. image:layers()[1]:digest(), method = "GET",
			stall = 30, stall_at = 100000, count = 1 } } }
		luff.config { cache = false }
		luff.copy(app .. ":v1", slow:address() .. "/app:v1")
		local function start(name, to)
			return support.start { support.program, "copy", "-q", "--cache", dir, name, "oci:" .. dir .. to }
		end
		local killed = start(slow:address() .. "/app:v1", "-killed:v1")
		support.eventually(function() return support.tree(dir):find "ingest/%w+ %d%d%d" end)
		killed:kill "KILL"
		killed:wait()
		assert.is_false(support.exists(path(image:layers()[1]:digest())))
		local programs = {}
		for i = 1, 6 do
			programs[i] = start(slow:address() .. "/app:v1", "-" .. i .. ":v1")
		end
		for i, program in ipairs(programs) do
			assert.equal(0, program:wait(), program:stderr())
			assert.equal(image, luff.open("oci:" .. dir .. "-" .. i .. ":v1"))
		end
		for _, digest in ipairs { image:layers()[1]:digest(), image:config_name(), image:digest() } do
			assert.equal(digest, luff.digest(support.read(path(digest))))
		end
		local name = slow:address() .. "/app@" .. image:digest()
		slow:close()
		luff.config { cache = { dir = dir } }
		assert.equal(image, luff.open(name))
	end)
end)
