-- The way to a server: names that lead to private places, other people's web servers and proxies in between.
local luff = require "luff"
local support = require "spec.support"

-- Runs a script of luff's in a network of its own, where the loopback device also has a public address, 203.0.113.5, and
-- hosts is what names are looked up in. Returns what support.run does; nil where the system permits no such thing.
local function in_own_network(hosts, script)
	local dir = support.scratch()
	support.write(dir .. "/hosts", hosts)
	support.write(dir .. "/script.lua", script)
	local enter = { "unshare", "-rmn", "sh", "-c", [[
		ip link set lo up && ip address add 203.0.113.5/32 dev lo && mount --bind "$1/hosts" /etc/hosts || exit 77
		exec "$2" "$1/script.lua"]], "sh", dir, support.program }
	local result = support.peer "ip" and support.run(enter)
	if result and result.code ~= 77 and not result.stderr:find "^unshare:" then
		return result
	end
end

describe("a name that stands for a private address", function()
	local hosts = "203.0.113.5 registry.example\n127.0.0.1 inside.example\n169.254.169.254 cloud.example\n"
	-- A registry at an address that leads elsewhere in all ways that there are; try(repository) walks into one of them.
	local function servers(address, host)
		return ("local address, host = %q, %q\n"):format(address, host) .. [[
			local luff = require "luff"
			local inside <close> = luff.serve { listen = "127.0.0.1:0", record = true }
			local port = inside:address():match ":(%d+)$"
			local faults = {}
			for _, name in ipairs { "inside", "cloud" } do
				local place = ("http://%s.example:%s"):format(name, port)
				faults[#faults + 1] = { path = "/v2/realm-" .. name .. "/*", auth = "bearer", realm = place .. "/token" }
				faults[#faults + 1] = { path = "/v2/redirect-" .. name .. "/*", redirect = place .. "/stolen" }
				faults[#faults + 1] = { path = "/v2/location-" .. name .. "/*", method = "POST", status = 202,
					headers = { Location = place .. "/upload" } }
			end
			local registry <close> = luff.serve { listen = address .. ":0", faults = faults }
			local name, options = host .. registry:address():match ":%d+$", { plain_http = true }
			local function try(repository)
				local _, err
				if repository:find "^location" then
					_, err = luff.try(luff.push_blob, name .. "/" .. repository, "bytes", options)
				else
					_, err = luff.try(luff.open, name .. "/" .. repository .. ":v1", options)
				end
				print(repository, err.code, err.message, #inside:requests())
			end
		]]
	end

	it("is nowhere that a registry of the open internet may lead", function()
		local result = in_own_network(hosts, servers("203.0.113.5", "registry.example") .. [[
			for _, way in ipairs { "redirect", "location", "realm" } do
				for _, place in ipairs { "inside", "cloud" } do
					try(way .. "-" .. place)
				end
			end]]) or pending "no network namespaces here"
		local count = 0
		for way, place, code, message, requests in result.stdout:gmatch "(%a+)%-(%a+)\t(%S+)\t([^\t]+)\t(%d+)\n" do
			count = count + 1
			assert.equal("denied", code, message)
			-- a registry's first realm is asked for all its repositories
			local address = (place == "inside" or way == "realm") and "127.0.0.1" or "169.254.169.254"
			assert.truthy(message:find("the private address " .. address, 1, true), message)
			assert.equal("0", requests)
		end
		assert.equal(6, count, result.stdout .. result.stderr)
	end)

	it("is one where the user named the host", function()
		local result = in_own_network(hosts, servers("203.0.113.5", "registry.example") .. [[
			try "redirect-inside"
			luff.config { hosts = { ["inside.example:" .. port] = {} } }
			for _, way in ipairs { "redirect", "realm", "location" } do
				try(way .. "-inside")
			end]]) or pending "no network namespaces here"
		assert.truthy(result.stdout:find "^redirect%-inside\tdenied\t[^\t]+\t0\nredirect%-inside\tnot_found\t",
			result.stdout .. result.stderr)
		assert.is_nil(result.stdout:find "\n[^\t]+\tdenied", result.stdout)
		assert.is_nil(result.stdout:find "inside\t[^\t]+\t[^\t]+\t0\n.*\t0\n", result.stdout)
	end)

	it("is one for a registry that is at a private address, too, but for what belongs to nobody", function()
		local result = in_own_network(hosts, servers("127.0.0.2", "127.0.0.2") .. [[
			try "redirect-inside"
			try "redirect-cloud"]]) or pending "no network namespaces here"
		assert.truthy(result.stdout:find
			"^redirect%-inside\tnot_found\t[^\t]+\t[1-9]\nredirect%-cloud\tdenied\t[^\t]*169%.254%.169%.254[^\t]*\t0\n$",
			result.stdout .. result.stderr)
	end)
end)
