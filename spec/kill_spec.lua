-- Not under sanitizers.
-- A copy that is killed: the destination stays readable at every moment, and running it again finishes the job.
local luff = require "luff"
local support = require "spec.support"

-- Seconds that a program takes by the clock of the system.
local function seconds_of(f)
	local from = tonumber(support.sh "date +%s.%N")
	f()
	return tonumber(support.sh "date +%s.%N") - from
end

local function files_in(dir)
	return support.sh(("find %s -type f 2>/dev/null | sort; :"):format(dir))
end

-- Each blob that is visible has the digest that its name says, and no tag names half an image.
local function check_layout(dir, digest)
	if not support.exists(dir .. "/index.json") then
		return 0
	end
	for path in files_in(dir .. "/blobs"):gmatch("[^\n]+") do
		assert.equal("sha256:" .. path:match("[^/]+$"), luff.digest { file = path })
	end
	local tagged = luff.try(luff.open, "oci:" .. dir .. ":v2")
	if tagged then
		assert.equal(digest, tagged:digest())
		for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
			for _, layer in ipairs(tagged:image { platform = platform }:layers()) do
				assert.equal(layer:size(), #layer:compressed():read(layer:size()))
			end
		end
	end
	assert.equal("linux/amd64", luff.open("oci:" .. dir .. ":v1"):platform())
end

local function names_below(dir)
	local names = {}
	for path in files_in(dir):gmatch("[^\n]+") do
		names[#names + 1] = path:sub(#dir + 1)
	end
	return names
end

describe("a copy that is killed", function()
	local runs = tonumber(os.getenv("LUFF_KILLS")) or 12

	it("leaves a layout readable, and the next run moves only what is missing", function()
		local base = support.scratch()
		local source = "oci:" .. base .. "/source:v2"
		local index = support.make_index(source, { "linux/amd64", "linux/arm64" }, { layers = function()
			return { 6000000, 3000000, 100000, 2000 }
		end })
		support.make_image("memory:old:v1")
		local blobs = 10

		local function prepare(dir)
			os.execute("rm -rf " .. dir)
			luff.copy("memory:old:v1", "oci:" .. dir .. ":v1")
		end
		local whole = base .. "/whole"
		prepare(whole)
		local took = seconds_of(function()
			support.must { support.program, "copy", source, "oci:" .. whole .. ":v2" }
		end)

		local interrupted = 0
		math.randomseed(7)
		local i = 0
		while i < runs or interrupted == 0 do
			i = i + 1
			assert.is_true(i < 100, "no copy was killed before its end")
			local dir = base .. "/target" .. i
			prepare(dir)
			local before = files_in(dir .. "/blobs")
			local copy = support.start { support.program, "copy", source, "oci:" .. dir .. ":v2" }
			support.sleep(took * math.random())
			copy:kill "KILL"
			interrupted = interrupted + (copy:wait() == 137 and 1 or 0)
			check_layout(dir, index:digest())

			local there = 0
			for path in files_in(dir .. "/blobs"):gmatch("[^\n]+") do
				local new = not before:find(path, 1, true)
				there = there + (new and not support.read(path):find("^{.*schemaVersion") and 1 or 0)
			end
			local result = luff.copy(source, "oci:" .. dir .. ":v2")
			assert.equal(index:digest(), result.digest)
			assert.equal(blobs - there, result.copied)
			assert.equal(there, result.skipped)
			check_layout(dir, index:digest())
			assert.equal("", files_in(dir .. "/ingest"))
			assert.same(names_below(whole), names_below(dir))
			os.execute("rm -rf " .. dir)
		end
	end)

	it("leaves a registry readable", function()
		local root = support.scratch()
		local server <close> = luff.serve { root = root }
		local place = server:address() .. "/app/kill"
		local source = "oci:" .. support.scratch() .. ":v2"
		local index = support.make_index(source, { "linux/amd64", "linux/arm64" }, { layers = function()
			return { 4000000, 2000000, 1000 }
		end })
		support.make_image(place .. ":v1")
		local took = seconds_of(function()
			support.must { support.program, "copy", source, place .. "-whole:v2" }
		end)
		for _ = 1, math.max(runs // 2, 1) do
			local copy = support.start { support.program, "copy", source, place .. ":v2" }
			support.sleep(took * math.random())
			copy:kill "KILL"
			copy:wait()
			assert.equal("linux/amd64", luff.open(place .. ":v1"):platform())
			local tagged = luff.try(luff.open, place .. ":v2")
			if tagged then
				assert.equal(index, tagged)
			end
		end
		luff.copy(source, place .. ":v2")
		assert.equal(index, luff.open(place .. ":v2"))
		local result = luff.copy(source, place .. ":v2")
		assert.equal(0, result.copied)
		-- Uploads that nobody ended wait for who goes on with them; without a grace nobody does.
		server:close()
		luff.gc(root, { grace = 0 })
		assert.equal("", support.sh(("find %s -path '*ingest/*' -type f; :"):format(root)))
	end)

	it("is finished by another registry server over the same folder, killed in between", function()
		local root = support.scratch()
		local source = "oci:" .. support.scratch() .. ":v1"
		local image = support.make_image(source, { layers = { 4000000, 2000000, 1000 } })
		local name
		local function serve()
			local server = support.start { support.program, "serve", root, "--listen", "127.0.0.1:0" }
			local address = support.eventually(function()
				return (server:stdout() .. server:stderr()):match("127%.0%.0%.1:%d+")
			end)
			name = address .. "/app/kill:v1"
			return server
		end
		for i = 1, 3 do
			local server = serve()
			local copy = support.start { support.program, "copy", source, name }
			support.sleep(0.01 * i)
			server:kill "KILL"
			server:wait()
			copy:kill "KILL"
			copy:wait()
		end
		local server = serve()
		luff.copy(source, name)
		local layers = luff.open(name):layers()
		assert.equal(image, luff.open(name))
		assert.equal(layers[1]:size(), #layers[1]:compressed():read(layers[1]:size()))
		server:stop()
	end)

	it("by ctrl-c ends soon, with code 130 and nothing in ingest", function()
		local blob = support.canned {
			{ "*", "/v2/.*", hang = true, raw = "" },
		}
		local dir = support.scratch() .. "/target"
		local copy = support.start { support.program, "copy", blob.address .. "/app/slow:v1", "oci:" .. dir .. ":v1" }
		support.eventually(function()
			return #blob.requests() > 0
		end)
		copy:kill "INT"
		assert.equal(130, copy:wait())
		assert.equal("", files_in(dir .. "/ingest"))
		assert.truthy(copy:stderr():find("cancel") or copy:stderr():find("interrupt"), copy:stderr())
		assert.is_nil(copy:stderr():find("traceback", 1, true))
	end)
end)
