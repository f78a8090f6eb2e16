-- Mediums that a script writes: luff.medium, and the one in scripts/pieces.lua.
local luff = require "luff"
local support = require "spec.support"

local made = 0

-- A medium in tables of Lua under a scheme of its own; the functions in `other` replace those that it has, false takes one away.
-- Returns the place and what is in it: { blobs = { [digest] = bytes }, names = { [tag] = descriptor } }.
local function medium(other)
	made = made + 1
	local held = { blobs = {}, names = {} }
	local functions = {
		scheme = "spec" .. made,
		resolve = function(_, name)
			if name.digest then
				local bytes = held.blobs[name.digest]
				return bytes and { digest = name.digest, size = #bytes }
			end
			return held.names[name.tag]
		end,
		fetch = function(_, d, offset)
			return held.blobs[d.digest] and held.blobs[d.digest]:sub(offset + 1)
		end,
		exists = function(_, d)
			return held.blobs[d.digest]
		end,
		push = function(_, d, reader)
			held.blobs[d.digest] = reader:read "a"
		end,
		tag = function(_, d, tag)
			held.names[tag] = d
		end,
	}
	for name, f in pairs(other or {}) do
		functions[name] = f or nil
	end
	luff.medium(functions)
	return functions.scheme .. ":some/place", held
end

describe("A medium in Lua", function()
	it("holds images and indexes like all others", function()
		local place = medium()
		local image = support.make_image("memory:scripted:one", { layers = { 1000, 300000 } })
		local index = support.make_index("memory:scripted:many", { "linux/amd64", "linux/arm64" })
		local done = luff.copy(image, place .. ":one")
		assert.equal(3, done.copied)
		luff.copy(index, place .. ":many")
		assert.equal(image, luff.open(place .. ":one"))
		assert.equal(image, luff.open(place .. "@" .. image:digest()))
		assert.equal("application/vnd.oci.image.manifest.v1+json", luff.resolve(place .. "@" .. image:digest()).mediaType)
		assert.equal("linux/arm64", luff.image(place .. ":many", { platform = "linux/arm64" }):platform())
		local dir = support.scratch()
		luff.copy(place .. ":many", "oci:" .. dir .. ":many")
		assert.equal(index, luff.open("oci:" .. dir .. ":many"))
		assert.equal("specs\n", support.make_image(place .. ":two"):read "/etc/made-by")
		assert.equal(0, luff.copy(place .. ":one", place .. ":one").copied)
		assert.equal("not_found", support.fails(luff.open, place .. ":none").code)
		assert.equal("not_found", support.fails(luff.open, place .. "@" .. luff.digest "x").code)
		luff.tag(place .. ":one", "three")
		assert.equal(image, luff.open(place .. ":three"))
	end)

	it("says what it is asked for", function()
		local asked = {}
		local function note(name, result)
			return function(...)
				asked[name] = { ... }
				return result
			end
		end
		local digest = luff.digest "x"
		local place = medium {
			exists = note "exists", fetch = function() return "1234567" end, stat = note("stat", 7),
			remove = note("remove", digest), tags = note("tags", { "a", "b" }),
			referrers = note("referrers", { { mediaType = "t", digest = digest, size = 1, annotations = { a = "b" } } }),
			remove_blob = note("remove_blob", true),
		}
		assert.same({ "a", "b" }, support.tags(place))
		assert.same({ "some/place" }, asked.tags)
		luff.copy(support.make_image "memory:scripted:asked", place .. ":v1")
		assert.equal("some/place", asked.exists[1])
		assert.equal(7, select(2, luff.blob(place .. "@" .. digest)))
		assert.same({ "some/place", digest }, asked.stat)
		for referrer in luff.referrers(place .. "@" .. digest, { artifact_type = "t" }) do
			assert.equal("b", referrer.annotations.a)
		end
		assert.same({ "some/place", digest, "t" }, asked.referrers)
		assert.equal(digest, luff.delete(place .. ":v1", { force = true }))
		assert.same({ "some/place", { tag = "v1" }, true }, asked.remove)
		luff.delete(place .. "@" .. digest, { blob = true })
		assert.same({ "some/place", digest }, asked.remove_blob)
	end)

	it("is asked for content where nothing says what exists", function()
		local place, held = medium { exists = false }
		local image = support.make_image("memory:scripted:there", { layers = { 1000 } })
		assert.equal(2, luff.copy(image, place .. ":v1").copied)
		held.names = {}
		assert.equal(0, luff.copy(image, place .. ":v1").copied)
	end)

	it("names its places as it likes, with the tag behind the last slash", function()
		local places = {}
		local place = medium { resolve = function(p, name)
			places[#places + 1] = p .. " " .. (name.tag or "-") .. " " .. (name.digest or "-")
		end }
		local scheme = place:match "^%w+"
		for _, text in ipairs { "https://host:8080/dir:v1", "dir", "a:b", "host:80/dir@" .. luff.digest "" } do
			luff.try(luff.resolve, scheme .. ":" .. text)
		end
		assert.same({ "https://host:8080/dir v1 -", "dir - -", "a b -", "host:80/dir - " .. luff.digest "" }, places)
		for _, text in ipairs { "", ":v1", "a:", "a:" .. ("x"):rep(512) } do
			assert.equal("invalid_name", support.fails(luff.resolve, scheme .. ":" .. text).code, text)
		end
	end)

	it("gives content as a string, by a function, a file or a Reader", function()
		local image = support.make_image("memory:scripted:kinds", { layers = { 400000 } })
		local layer = image:layers()[1]
		local dir, closed = support.scratch(), 0
		local ways = {
			function(bytes) return bytes end,
			function(bytes)
				local at = 1
				return function()
					local piece = bytes:sub(at, at + 999)
					at = at + 1000
					return piece ~= "" and piece or nil
				end
			end,
			function(bytes) return io.open(support.write(dir .. "/blob", bytes), "rb") end,
			function(bytes)
				local reader = luff.blob("memory:scripted@" .. luff.digest(bytes))
				return { read = function(_, n) return reader:read(n) end, close = function() closed = closed + 1 end }
			end,
			function(bytes) return luff.blob("memory:scripted@" .. luff.digest(bytes)) end,
		}
		for i, way in ipairs(ways) do
			local held
			local place
			place, held = medium { fetch = function(_, d) return way(held.blobs[d.digest]) end }
			luff.copy(image, place .. ":v1")
			assert.equal(layer:compressed():read "a", luff.open(place .. ":v1"):layers()[1]:compressed():read "a", "way " .. i)
		end
		luff.resolve "memory:scripted:kinds"
		assert.is_true(closed > 0)
	end)

	it("is believed nothing", function()
		local image = support.make_image("memory:scripted:lies", { layers = { 3000 } })
		for code, lie in pairs {
			digest_mismatch = function(bytes) return bytes:sub(1, -2) .. "?" end,
			bad_format = function(bytes) return bytes:sub(1, -2) end,
			size_mismatch = function(bytes) return bytes .. "?" end,
		} do
			local held, place
			place, held = medium { fetch = function(_, d)
				return d.manifest and held.blobs[d.digest] or lie(held.blobs[d.digest])
			end }
			luff.copy(image, place .. ":v1")
			assert.equal(code, support.fails(luff.copy, place .. ":v1", "memory:scripted-lies:" .. code).code)
		end
		local d = luff.resolve "memory:scripted:lies"
		for code, answer in pairs {
			invalid = 7, invalid_name = { mediaType = "t", digest = "sha256:x", size = 1 },
			digest_mismatch = { mediaType = d.mediaType, digest = luff.digest "", size = 0 },
		} do
			local place = medium { resolve = function() return answer end }
			assert.equal(code, support.fails(luff.resolve, place .. "@" .. d.digest).code)
		end
		for _, size in ipairs { -1, "x", false, 1.5 } do
			local answer = { digest = d.digest, size = size }
			local place = medium { resolve = function() return answer end }
			assert.equal("invalid", support.fails(luff.resolve, place .. ":v1").code)
		end
	end)

	it("fails with what its functions raise", function()
		for message, f in pairs {
			["the disk is on fire"] = function() error "the disk is on fire" end,
			["sold out"] = function() error { code = "rate_limited", message = "sold out" } end,
			["no such file"] = function() luff.open "oci:/nowhere at all" end,
		} do
			local place = medium { resolve = f }
			local err = support.fails(luff.open, place .. ":v1")
			assert.truthy(err.message:lower():find(message, 1, true), err.message)
			assert.equal(place, err.message:sub(1, #place))
			assert.equal(({ ["sold out"] = "rate_limited", ["no such file"] = "not_found" })[message] or "io", err.code)
			assert.equal(err.code, support.fails(function()
				luff.spawn(luff.open, place .. ":v1"):wait()
			end).code)
		end
		local place = medium { fetch = function() return function() error "in the middle" end end,
			resolve = function() return { mediaType = "t", digest = luff.digest "x", size = 1 } end,
			tags = function() return { "a", 7 } end }
		assert.truthy(support.fails(luff.open, place .. ":v1").message:find("in the middle", 1, true))
		assert.truthy(support.fails(support.tags, place).message:find("tags gives a number", 1, true))
		place = medium { fetch = function() return setmetatable({}, { __index = function() error "no" end }) end }
		luff.copy(support.make_image "memory:scripted:raise", place .. ":v1")
		assert.truthy(support.fails(luff.open, place .. ":v1").message:find("fetch gives a table", 1, true))
		place = medium { resolve = function() error(setmetatable({}, { __tostring = function() error "no" end })) end }
		assert.truthy(support.fails(luff.open, place .. ":v1").message:find("an error without a text", 1, true))
	end)

	it("gets nothing whole before it was checked", function()
		local layout = support.scratch()
		local blob, name = support.layout(layout)
		support.image_by_hand(blob, name, "bad", { blob("not these bytes", "application/vnd.oci.image.layer.v1.tar",
			{ digest = luff.digest "these other ones", size = 15 }) })
		local got = ""
		local place = medium { push = function(_, d, reader)
			local piece = reader:read(d.size == 15 and 1 or 1000)
			while piece do
				got = d.size == 15 and got .. piece or got
				piece = reader:read(1)
			end
		end }
		assert.equal("digest_mismatch", support.fails(luff.copy, "oci:" .. layout .. ":bad", place .. ":v1").code)
		assert.is_true(#got < 15)
		place = medium { push = function(_, _, reader) pcall(reader.read, reader, "a") end }
		assert.equal("digest_mismatch", support.fails(luff.copy, "oci:" .. layout .. ":bad", place .. ":v1").code)
	end)

	it("has to take all, and only while it is given", function()
		local image = support.make_image("memory:scripted:take", { layers = { 3000 } })
		local place = medium { push = function(_, _, reader) reader:read(10) end }
		assert.truthy(support.fails(luff.copy, image, place .. ":v1").message:find("not read to the end", 1, true))
		local kept
		place = medium { push = function(_, _, reader)
			reader:read "a"
			kept = reader
		end }
		luff.copy(image, place .. ":v1")
		assert.equal("", kept:read "a")
		place = medium { push = function(_, _, reader) kept = reader end }
		luff.try(luff.copy, image, place .. ":v1")
		assert.equal("invalid", support.fails(kept.read, kept, 1).code)
	end)

	it("may call luff in its functions, however many at the same time", function()
		local server <close> = luff.serve()
		local n = support.scaled(100)
		for i = 1, 10 do
			support.make_image(server:address() .. "/app:v" .. i, { layers = { support.tar { a = tostring(i) } } })
		end
		local place = medium {
			push = false, tag = false,
			resolve = function(_, name)
				return luff.resolve(server:address() .. "/app" .. (name.tag and ":" .. name.tag or "@" .. name.digest))
			end,
			fetch = function(_, d)
				return d.manifest and luff.open(server:address() .. "/app@" .. d.digest):raw_manifest()
					or luff.blob(server:address() .. "/app@" .. d.digest)
			end,
		}
		-- and one behind the other
		local second = medium { push = false, tag = false,
			resolve = function(_, name) return luff.resolve(place .. ":" .. name.tag) end,
			fetch = function(_, d)
				if d.manifest then
					return luff.open(place .. "@" .. d.digest):raw_manifest()
				end
				for _, layer in ipairs(luff.open(place .. ":v1"):layers()) do
					if layer:digest() == d.digest then return layer:compressed() end
				end
				return luff.open(place .. ":v1"):raw_config_file()
			end,
		}
		local list = {}
		for i = 1, n do
			list[i] = i
		end
		luff.map(list, { jobs = n }, function(i)
			luff.copy(place .. ":v" .. (i % 10 + 1), "memory:scripted-many" .. i .. ":v1")
		end)
		luff.map(list, { jobs = n }, function(i)
			luff.copy(second .. ":v1", "memory:scripted-second" .. i .. ":v1")
		end)
		luff.copy(second .. ":v1", "memory:scripted-third:v1")
		assert.equal(luff.open(server:address() .. "/app:v1"), luff.open "memory:scripted-third:v1")
		assert.equal("unsupported", support.fails(luff.copy, place .. ":v1", second .. ":v2").code)
	end)

	it("may call luff where nothing can yield, and in tasks of its own", function()
		local image = support.make_image("memory:scripted:deep", { layers = { 2000, 3000 } })
		local place, held
		place, held = medium { fetch = function(_, d)
			local result
			table.sort({ 1, 2 }, function(a, b)
				result = luff.map({ 1, 2, 3 }, function() return luff.resolve "memory:scripted:deep".digest end)
				return a < b
			end)
			local both = luff.map({ 1, 2 }, function() return luff.resolve "memory:scripted:deep".digest end)
			assert(both[1] == result[3])
			return coroutine.wrap(function()
				luff.resolve "memory:scripted:deep"
				return held.blobs[d.digest]
			end)()
		end }
		luff.copy(image, place .. ":v1")
		luff.map({ 1, 2, 3, 4 }, function(i) luff.copy(place .. ":v1", "memory:scripted-deep" .. i .. ":v1") end)
		assert.equal(image, luff.open "memory:scripted-deep4:v1")
	end)

	it("is defined as a whole", function()
		local function f() end
		for message, definition in pairs {
			["needs the functions resolve and fetch"] = { scheme = "specx", resolve = f },
			["both push and tag"] = { scheme = "specx", resolve = f, fetch = f, push = f },
			["scheme of its own"] = { scheme = "oci", resolve = f, fetch = f },
			["small letters"] = { resolve = f, fetch = f },
			["did you mean"] = { scheme = "specx", resolve = f, fetch = f, exist = f },
			["tags of a medium must be a function"] = { scheme = "specx", resolve = f, fetch = f, tags = {} },
			["a medium is a table"] = 7,
		} do
			local err = support.fails(luff.medium, definition)
			assert.equal("invalid", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		local place = medium { push = false, tag = false }
		assert.equal("unsupported", support.fails(luff.copy, support.make_image "memory:scripted:ro", place .. ":v1").code)
		assert.equal("unsupported", support.fails(support.tags, place).code)
	end)

	it("ends with what waits for it", function()
		local stuck, ended = false, false
		local place = medium { resolve = function()
			local server <close> = luff.serve()
			stuck = true
			ended = not pcall(server.wait, server)
		end }
		local task = luff.spawn(luff.open, place .. ":v1")
		luff.map({ 1 }, function()
			while not stuck do
				luff.resolve(support.make_image "memory:scripted:tick" and "memory:scripted:tick")
			end
		end)
		task:cancel()
		assert.equal("cancelled", support.fails(task.wait, task).code)
		support.eventually(function()
			luff.resolve "memory:scripted:tick"
			return ended
		end)
	end)

	it("goes with the program", function()
		local script = [[
			local luff = require "luff"
			luff.medium { scheme = "x", resolve = function() print "asked" io.stdout:flush() %s end, fetch = function() end }
			local task = luff.spawn(luff.open, "x:a:v1")
			luff.open "x:a:v2"
		]]
		assert.equal(7, support.luff("-e", script:format "os.exit(7, true)").code)
		for _, busy in ipairs { "while true do end", "luff.serve():wait()" } do
			local program = support.start { support.program, "-e", script:format(busy) }
			support.eventually(function() return program:stdout():find "asked" end)
			program:kill "INT"
			assert.equal(130, program:wait())
		end
		-- other programs close their state with what is open
		local lua = support.write(support.scratch() .. "/x.lua", [[
			local luff = require "luff"
			luff.medium { scheme = "x", resolve = function() return { mediaType = "t", digest = luff.digest "x", size = 1 } end,
				fetch = function() return function() return "x" end end, stat = function() return 1 end }
			reader = luff.blob("x:a@" .. luff.digest "x")
			task = luff.spawn(function() luff.blob("x:a@" .. luff.digest "x"):read "a" end)
		]])
		support.must { "lua5.4", lua }
	end)
end)

describe("scripts/pieces.lua", function()
	local folder, place
	setup(function()
		dofile "scripts/pieces.lua"
	end)
	before_each(function()
		folder = support.scratch()
		place = "pieces:" .. folder
	end)

	it("copies both ways, eight at a time", function()
		local index = support.make_index("memory:pieces:many", { "linux/amd64", "linux/arm64" })
		luff.copy("memory:pieces:many", place .. ":many")
		local list = {}
		for i = 1, 16 do
			list[i] = i
		end
		local digests = luff.map(list, { jobs = 8 }, function(i)
			local name = "random:layers=3,size=" .. i * 10000 .. ",seed=" .. i
			luff.copy(name, place .. ":v" .. i)
			luff.copy(place .. ":v" .. i, "memory:pieces-back:v" .. i)
			return luff.resolve(name).digest
		end)
		for i, digest in ipairs(digests) do
			assert.equal(digest, luff.resolve("memory:pieces-back:v" .. i).digest)
		end
		luff.copy(place .. ":many", "oci:" .. support.scratch() .. ":many")
		assert.equal(index, luff.open(place .. ":many"))
		assert.equal(17, #support.tags(place))
		luff.delete(place .. ":v1")
		assert.equal("not_found", support.fails(luff.open, place .. ":v1").code)
		assert.equal(16, #support.tags(place))
	end)

	it("cuts blobs into pieces", function()
		local script = support.program .. " scripts/pieces.lua"
		local image = support.make_image("oci:" .. folder .. "/from:v1", { layers = { 100000 } })
		local function copy(from, to)
			return support.must({ "sh", "-c", script .. ' "$1" "$2"', "sh", from, to }, { env = { PIECES_SIZE = "10000" } })
		end
		assert.equal(image:digest() .. "\n", copy("oci:" .. folder .. "/from:v1", place .. ":v1"))
		local size = image:layers()[1]:size()
		local name = folder .. "/" .. image:layers()[1]:digest():gsub(":", "-")
		assert.equal(size - 10 * 10000, #support.read(name .. ".11"))
		copy(place .. ":v1", "oci:" .. folder .. "/to:v1")
		assert.equal(image, luff.open("oci:" .. folder .. "/to:v1"))
		local reader <close> = luff.blob(place .. "@" .. image:layers()[1]:digest())
		assert.equal(image:layers()[1]:digest(), luff.digest(reader:read "a"))
		support.write(name .. ".5", ("x"):rep(10000))
		assert.equal("digest_mismatch", support.fails(luff.copy, place .. ":v1", "memory:pieces-damaged:v1").code)
	end)

	it("serves every command from the settings", function()
		support.must { "mkdir", folder .. "/luff" }
		support.write(folder .. "/luff/config.lua", ('dofile "%s/scripts/pieces.lua" return {}'):format(support.sh "pwd"))
		local env = { XDG_CONFIG_HOME = folder }
		local image = support.make_image("oci:" .. folder .. "/from:v1")
		support.must({ support.program, "copy", "-q", "oci:" .. folder .. "/from:v1", place .. ":v1" }, { env = env })
		assert.equal(image:digest() .. "\n", support.must({ support.program, "digest", place .. ":v1" }, { env = env }))
		assert.equal("v1\n", support.must({ support.program, "ls", place }, { env = env }))
	end)
end)
