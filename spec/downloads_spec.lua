-- Downloads that break: what came is kept at the destination, a later copy goes on from there, and nothing is believed
-- before its digest is checked.
local luff = require "luff"
local support = require "spec.support"

local sanitized = (os.getenv("SANITIZE") or "") ~= ""
local megabyte = 1 << 20

local function part_of(dir, digest)
	return dir .. "/ingest/" .. digest:gsub(":", "-") .. ".part"
end

local function size_of(path)
	local file = io.open(path, "rb")
	local size = file and file:seek "end" or 0
	if file then
		file:close()
	end
	return size
end

local function files_in(dir)
	return support.sh("find " .. dir .. " -type f 2>/dev/null; :")
end

-- Of the GETs of a blob: where each began.
local function starts(requests, digest)
	local list = {}
	for _, request in ipairs(requests) do
		if request.method == "GET" and request.path:find(digest, 1, true) then
			list[#list + 1] = tonumber((request.headers.range or "bytes=0"):match "^bytes=(%d+)")
		end
	end
	return list
end

-- A folder with an image of one large layer, "app:v1", to serve in several ways.
local function make(size)
	local root = support.scratch()
	local layer = support.make_image("oci:" .. root .. "/app:v1", { layers = { size } }):layers()[1]
	return root, layer:digest(), layer:size()
end

-- Serves it; the answers to requests for the layer are the faults, one after the other, the last of them from then on.
local function serve(root, digest, faults)
	for i, fault in ipairs(faults) do
		fault.method, fault.path, fault.after = "GET", "/v2/app/blobs/" .. digest, i - 1
		fault.count = i < #faults and 1 or nil
	end
	local server = luff.serve { root = root, faults = faults, record = true }
	support.defer(function()
		server:close()
	end)
	return server, server:address() .. "/app:v1"
end

-- A copy that ends after so many bytes, and the folder that they are left in.
local function break_off(root, digest, bytes)
	local dir = support.scratch() .. "/copy"
	local _, source = serve(root, digest, { { cut = bytes }, { status = 404 } })
	assert.equal("not_found", support.fails(luff.copy, source, "oci:" .. dir .. ":v1").code)
	assert.equal(bytes, size_of(part_of(dir, digest)))
	return dir
end

local function check_blob(dir, digest)
	assert.equal(digest, luff.digest { file = dir .. "/blobs/" .. digest:gsub(":", "/") })
	assert.equal("", files_in(dir .. "/ingest"))
end

describe("a download that breaks off", function()
	it("is kept, and the next copy fetches the rest alone", function()
		local root, digest, size = make(3 * megabyte)
		local dir = break_off(root, digest, 2000000)
		local server, source = serve(root, digest, {})
		local events = {}
		local done = luff.copy(source, "oci:" .. dir .. ":v1", { progress = function(event)
			events[event.kind] = (events[event.kind] or 0) + (event.digest == digest and event.bytes or 0)
		end })
		assert.same({ 2000000 }, starts(server:requests(), digest))
		assert.equal(2000000, done.kept)
		assert.equal(2000000, events.kept)
		assert.equal(size - 2000000, events.bytes)
		check_blob(dir, digest)
	end)

	it("is fetched anew, in the same run, where what was kept is wrong", function()
		local root, digest = make(3 * megabyte)
		local dir = break_off(root, digest, 2000000)
		local server, source = serve(root, digest, {})
		local part = part_of(dir, digest)
		local bytes = support.read(part)
		support.write(part, bytes:sub(1, 999) .. (bytes:byte(1000) == 0 and "x" or "\0") .. bytes:sub(1001))
		luff.copy(source, "oci:" .. dir .. ":v1")
		assert.same({ 2000000, 0 }, starts(server:requests(), digest))
		check_blob(dir, digest)
	end)

	it("is not kept where its bytes are wrong", function()
		local root, digest = make(3 * megabyte)
		local _, source = serve(root, digest, { { flip = 17 } })
		local dir = support.scratch() .. "/copy"
		assert.equal("digest_mismatch", support.fails(luff.copy, source, "oci:" .. dir .. ":v1").code)
		assert.equal("", files_in(dir .. "/ingest"))
	end)

	it("is not asked for again where all of it had come", function()
		local root, digest, size = make(3 * megabyte)
		local dir = break_off(root, digest, 2000000)
		local server, source = serve(root, digest, {})
		support.write(part_of(dir, digest), luff.image("oci:" .. root .. "/app:v1"):layers()[1]:compressed():read(size))
		luff.copy(source, "oci:" .. dir .. ":v1")
		assert.same({}, starts(server:requests(), digest))
		check_blob(dir, digest)
	end)

	it("goes on at a server that knows no ranges", function()
		for _, fault in ipairs { { ignore_range = true }, { status = 416 } } do
			local root, digest = make(3 * megabyte)
			local dir = break_off(root, digest, 2000000)
			local server, source = serve(root, digest, { fault, { ignore_range = true } })
			assert.equal(2000000, luff.copy(source, "oci:" .. dir .. ":v1").kept)
			assert.same(fault.status and { 2000000, 0 } or { 2000000 }, starts(server:requests(), digest))
			check_blob(dir, digest)
		end
	end)

	it("is kept after ctrl-c, and the next run says how much had come", function()
		local root, digest = make(3 * megabyte)
		local _, source = serve(root, digest, { { stall_at = 2000000, stall = 60 }, { ignore_range = false } })
		local dir = support.scratch() .. "/copy"
		local copy = support.start { support.program, "copy", source, "oci:" .. dir .. ":v1" }
		support.eventually(function()
			return size_of(part_of(dir, digest)) >= 1000000
		end)
		copy:kill "INT"
		assert.equal(130, copy:wait())
		local again = support.luff("copy", source, "oci:" .. dir .. ":v1")
		assert.equal(0, again.code, again.stderr)
		assert.truthy(again.stderr:find "copied %d blobs? %(.-%), [%d.]+ MB had come before, ", again.stderr)
	end)

	it("is written by one process at a time", function()
		local root, digest = make(3 * megabyte)
		local _, source = serve(root, digest, { { stall_at = 2000000, stall = 60 }, { ignore_range = false } })
		local dir = support.scratch() .. "/copy"
		local copy = support.start { support.program, "copy", source, "oci:" .. dir .. ":v1" }
		support.eventually(function()
			return size_of(part_of(dir, digest)) >= 1000000
		end)
		assert.equal(0, luff.copy(source, "oci:" .. dir .. ":v1").kept)
		assert.is_true(copy:running())
		copy:kill "KILL"
		copy:wait()
		-- what is left of the other one goes with the next writer
		support.make_image("oci:" .. dir .. ":v2")
		check_blob(dir, digest)
	end)
end)

describe("a download that breaks 20 times", function()
	-- By the server and by kill -9 in turn. After what it stalls at the server sends nothing, so what it sent is known.
	it("is hardly longer than one that never does, and takes no more memory", function()
		local size = (tonumber(os.getenv("LUFF_BLOB_MB")) or 64) * megabyte
		local slack = 512 * 1024 -- that luff may hold when it is killed; less than lies between two breaks
		local faults, last, step = {}, 0, size // 21
		math.randomseed(20)
		for i = 1, 20 do
			local at = i * step + math.random(-step // 3, step // 3)
			faults[i] = i % 2 == 1 and { cut = at - last } or { stall_at = at - last, stall = 100 }
			last = at
		end
		local root, digest, whole = make(size)
		faults[21] = { ignore_range = false }
		local server, source = serve(root, digest, faults)
		local dir = support.scratch() .. "/copy"
		local seen, peak, killed = {}, 0, 0
		local function look()
			for _, start in ipairs(starts(server:requests(), digest)) do
				seen[#seen + 1] = start
			end
			return seen[#seen]
		end
		while #seen < 20 do
			local before = #seen
			local copy = support.start { support.program, "copy", "-q", source, "oci:" .. dir .. ":v1" }
			support.eventually(function()
				assert(copy:running(), copy:stderr())
				local start, fault = look(), faults[#seen]
				return #seen > before and fault.stall
					and size_of(part_of(dir, digest)) >= start + fault.stall_at - slack
			end, 120, "break " .. #seen)
			local status = support.read("/proc/" .. copy.pid .. "/status")
			peak = math.max(peak, tonumber(status:match "VmHWM:%s+(%d+) kB"))
			copy:kill "KILL"
			copy:wait()
			killed = killed + 1
		end
		luff.copy(source, "oci:" .. dir .. ":v1")
		look()
		assert.equal(10, killed)
		assert.equal(21, #seen)
		local sent = 0
		for i, start in ipairs(seen) do
			local fault = faults[i]
			sent = sent + math.min(fault.cut or fault.stall_at or whole, whole - start)
		end
		assert.is_true(sent < 1.05 * whole, ("%d bytes for %d"):format(sent, whole))
		check_blob(dir, digest)
		if not sanitized then
			assert.is_true(peak < 64 * 1024, ("%d kB of memory"):format(peak))
		end
		if os.getenv("LUFF_BLOB_MB") then
			print(("\n%d bytes sent for %d, %d kB of memory at most"):format(sent, whole, peak))
		end
	end)
end)
