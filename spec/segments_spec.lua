-- Large blobs over several connections (core/mediums/registry/segments.c): where a server gives each so much and no more.
local luff = require "luff"
local support = require "spec.support"

local size = 50 << 20 -- what is smaller comes over one

describe("a large blob from a server that makes each connection slow", function()
	local root, layer, bytes

	setup(function()
		root = support.scratch()
		local image = support.make_image("oci:" .. root .. "/app:v1", { layers = { size } })
		layer, bytes = image:layers()[1]:digest(), image:layers()[1]:size()
	end)

	-- The embedded registry with these faults, and nginx before it, which lets 6 MB/s through each connection.
	local function serve(faults, settings)
		for i, fault in ipairs(faults) do
			faults[i] = { method = "GET", path = "/v2/app/blobs/" .. layer }
			for key, value in pairs(fault) do
				faults[i][key] = value
			end
		end
		local server = luff.serve { root = root, faults = faults, record = true }
		support.defer(function()
			server:close()
		end)
		local port = support.free_port()
		local nginx = support.nginx(([[
			server { listen 127.0.0.1:%d; location / {
				proxy_pass http://%s; proxy_http_version 1.1; proxy_max_temp_file_size 0; limit_rate 6m; } }
		]]):format(port, server:address()))
		if not nginx then
			return pending "nginx is not installed"
		end
		local address = "127.0.0.1:" .. port
		luff.config { hosts = { [address] = settings or {} } }
		support.defer(function()
			luff.config { hosts = { [address] = {} } }
		end)
		return server, address .. "/app:v1"
	end

	-- Copies it, which checks every byte, and returns the ranges that were asked for.
	local function copy(server, source)
		luff.copy(source, "oci:" .. support.scratch() .. "/copy:v1")
		local ranges = {}
		for _, request in ipairs(server:requests()) do
			if request.method == "GET" and request.path:find(layer, 1, true) then
				local first, last = (request.headers.range or ""):match "^bytes=(%d+)%-(%d+)$"
				ranges[#ranges + 1] = { first = tonumber(first), last = tonumber(last) }
			end
		end
		return ranges
	end

	-- How many wanted all that is left.
	local function whole(ranges)
		local n = 0
		for _, range in ipairs(ranges) do
			n = n + (range.last == bytes - 1 and range.last - range.first >= 2 << 20 and 1 or 0)
		end
		return n
	end

	-- All at the same time: most of it they wait.
	local function copies(ways)
		for _, way in ipairs(ways) do
			way.server, way.source = serve(way.faults or {}, way.settings)
			if not way.server then
				return
			end
		end
		return luff.map(ways, { jobs = #ways }, function(way)
			return copy(way.server, way.source)
		end)
	end

	it("comes in parts, or over one connection: where ranges are ignored, or the user wants one", function()
		local ways = copies { {}, { faults = { { ignore_range = true } } }, { settings = { requests = 1 } } }
		if not ways then return end
		local parts = ways[1]
		table.sort(parts, function(a, b) return (a.first or 0) < (b.first or 0) end)
		assert.is_nil(parts[1].first)
		assert.is_true(#parts > 10, #parts)
		for i = 2, #parts do
			assert.equal(i < #parts and parts[i + 1].first or bytes, parts[i].last + 1)
			assert.is_true(parts[i].last - parts[i].first < 4 << 20)
		end
		assert.is_true(#ways[2] > 1 and #ways[2] <= 5, #ways[2])
		assert.equal(0, whole(ways[2]))
		assert.equal(1, #ways[3])
	end)

	it("comes to who reads it call by call, and may be left in the middle", function()
		local _, source = serve {}
		if not source then return end
		for _, wanted in ipairs { bytes, 30 << 20 } do
			luff.spawn(function()
				local left, reader <close> = wanted, luff.open(source):layers()[1]:compressed()
				while left > 0 do
					left = left - #assert(reader:read(math.min(left, 1 << 20)))
				end
			end):wait()
		end
	end)

	it("comes over one again where a part breaks off or is refused", function()
		local ways = copies { { faults = { { after = 9, count = 1, cut = 100000 } } },
			{ faults = { { after = 9, count = 1, status = 403 } } } }
		for _, ranges in ipairs(ways or {}) do
			assert.equal(1, whole(ranges))
		end
	end)
end)
