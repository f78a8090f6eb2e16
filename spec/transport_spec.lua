-- Not under the thread sanitizer.
-- The way to a server: names that lead to private places, other people's web servers and proxies in between.
local luff = require "luff"
local support = require "spec.support"

-- Runs a script of luff's in a network of its own, where the loopback device also has a public address, 203.0.113.5, and
-- hosts is what names are looked up in. Returns what support.run does; nil where the system permits no such thing.
local function in_own_network(hosts, script, env)
	local dir = support.scratch()
	support.write(dir .. "/hosts", hosts)
	support.write(dir .. "/script.lua", script)
	local enter = { "unshare", "-rmn", "sh", "-c", [[
		ip link set lo up && ip address add 203.0.113.5/32 dev lo && mount --bind "$1/hosts" /etc/hosts || exit 77
		exec "$2" "$1/script.lua"]], "sh", dir, support.program }
	local result = support.peer "ip" and support.run(enter, { env = env })
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

	it("is nowhere that the URLs of foreign layers may lead, not even for a private registry, unless named", function()
		local result = in_own_network(hosts, servers("127.0.0.2", "127.0.0.2") .. [[
			luff.push_blob(inside:address() .. "/store", "layer", { media_type = "text/plain" })
			inside:requests()
			local digest = luff.digest "layer"
			luff.push_blob(name .. "/app", "{}", options)
			local function copy(host)
				luff.push_manifest(name .. "/app:v1", { schemaVersion = 2,
					mediaType = "application/vnd.oci.image.manifest.v1+json",
					config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest "{}", size = 2 },
					layers = luff.array { { mediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar",
						digest = digest, size = 5, urls = { "http://" .. host .. ":" .. port .. "/v2/store/blobs/" .. digest } } } },
					options)
				local done, err = luff.try(luff.copy, name .. "/app:v1", "memory:copy:v1", { plain_http = true, foreign = true })
				print(done and "copied" or err.code, done and done.copied or err.message, #inside:requests())
			end
			copy "inside.example"
			copy "cloud.example"
			luff.config { hosts = { ["inside.example:" .. port] = {} } }
			copy "inside.example"]]) or pending "no network namespaces here"
		assert.truthy(result.stdout:find("^denied\t[^\t]*127%.0%.0%.1[^\t]*\t0\ndenied\t[^\t]*169%.254%.169%.254[^\t]*\t0\n"
			.. "copied\t%d\t1\n$"), result.stdout .. result.stderr)
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

describe("a registry behind nginx", function()
	local certificates, docker
	setup(function()
		certificates = support.certificates()
		docker = support.docker_registry { htpasswd = { me = "pa:ss" } }
	end)
	before_each(function()
		if not docker then
			pending "docker-registry is not installed"
		end
	end)

	-- What every server of nginx is told: port %d, backend %s.
	local common = [[
		ssl_certificate DIR/server.cert; ssl_certificate_key DIR/server.key;
		proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;
		proxy_buffering off; proxy_request_buffering off; client_max_body_size 0;
		log_format seen "$request_method $uri|$server_protocol|$http_authorization|$ssl_client_verify|$http_x_meta";
	]]
	local function nginx(text, values)
		text = (common .. text):gsub("%u%u%u+%d?", function(word)
			return word == "DIR" and certificates or values[word]
		end)
		return support.nginx(text) or pending "nginx is not installed"
	end

	local function trusted(extra)
		local settings = { scheme = "https", ca = certificates .. "/ca.crt" }
		for key, value in pairs(extra or {}) do
			settings[key] = value
		end
		return settings
	end

	it("shows no second host who asks for a blob", function()
		local first, second = support.free_port(), support.free_port()
		local server = nginx([[
			server {
				listen 127.0.0.1:FIRST ssl http2; access_log first.log seen;
				ssl_verify_client on; ssl_client_certificate DIR/ca.crt;
				location ~ ^/v2/app/blobs/sha256: {
					if ($request_method = GET) { return 307 https://127.0.0.1:SECOND$uri?sig=s3cret; }
					proxy_pass http://BACKEND;
				}
				location / { proxy_pass http://BACKEND; }
			}
			server {
				listen 127.0.0.1:SECOND ssl http2; access_log second.log seen;
				ssl_verify_client optional_no_ca;
				location / { proxy_set_header Authorization "Basic bWU6cGE6c3M="; proxy_pass http://BACKEND; }
			}
		]], { FIRST = first, SECOND = second, BACKEND = docker.address })
		local home, source = support.scratch(), "oci:" .. support.scratch() .. ":v1"
		local name = ("127.0.0.1:%d"):format(first)
		support.must { "mkdir", home .. "/luff" }
		support.write(home .. "/luff/config.lua", ([[
			local ca, cert, key = "DIR/ca.crt", "DIR/client.cert", "DIR/client.key"
			return { hosts = {
				["%s"] = { scheme = "https", ca = ca, cert = cert, key = key, user = "me", password = "pa:ss" },
				["127.0.0.1:%d"] = { scheme = "https", ca = ca },
			} }]]):gsub("DIR", certificates):format(name, second))
		local image = support.make_image(source, { layers = { 400000, 1000 } })
		for _, argv in ipairs { { "copy", source, name .. "/app:v1" }, { "copy", name .. "/app:v1", "memory:app:v1" } } do
			local result = support.luff({ "-v", table.unpack(argv) }, { env = { XDG_CONFIG_HOME = home } })
			assert.equal(0, result.code, result.stderr)
			assert.truthy(result.stdout:find(tostring(image:digest()), 1, true), result.stdout)
			assert.is_nil(result.stderr:find("s3cret", 1, true), result.stderr)
			assert.is_nil(result.stderr:find("bWU6", 1, true), result.stderr)
		end
		local log = support.read(server.folder .. "/first.log")
		assert.truthy(log:find("GET /v2/app/blobs/sha256:%x+|HTTP/2.0|Basic bWU6cGE6c3M=|SUCCESS|"), log)
		assert.truthy(log:find("PUT /v2/app/blobs/uploads/[^|]+|HTTP/1.1|Basic"), log) -- the large layer
		local count = 0
		for line in support.read(server.folder .. "/second.log"):gmatch "[^\n]+" do
			count = count + 1
			assert.truthy(line:find "^GET /v2/app/blobs/sha256:%x+|HTTP/2.0|%-|NONE|%-$", line)
		end
		assert.equal(3, count)
	end)

	it("says that a body is too large for it", function()
		local port = support.free_port()
		nginx([[server { listen 127.0.0.1:PORT; location / { proxy_pass http://BACKEND; client_max_body_size 1; } }]],
			{ PORT = port, BACKEND = docker.address })
		luff.config { hosts = { ["127.0.0.1:" .. port] = { user = "me", password = "pa:ss" } } }
		local err = support.fails(luff.push_blob, ("127.0.0.1:%d/app"):format(port), "bytes")
		assert.equal(413, err.status, err.message)
		assert.truthy(err.message:find("too large for this registry", 1, true), err.message)
	end)

	it("may end a connection after any number of requests", function()
		local port = support.free_port()
		nginx([[
			keepalive_requests 3;
			server { listen 127.0.0.1:PORT ssl http2; location / { proxy_pass http://BACKEND; } }
		]], { PORT = port, BACKEND = docker.address })
		local name = ("127.0.0.1:%d"):format(port)
		luff.config { hosts = { [name] = trusted { user = "me", password = "pa:ss" } } }
		local sizes = {}
		for i = 1, 20 do
			sizes[i] = 100 + i
		end
		local image = support.make_image(name .. "/many:v1", { layers = sizes })
		local result = luff.copy(name .. "/many:v1", "memory:many:v1")
		assert.equal(image:digest(), result.digest)
	end)

	it("resets a stream where what is behind it breaks off, and is asked for the rest", function()
		local port = support.free_port()
		local behind <close> = luff.serve { faults = {
			{ method = "GET", path = "/v2/*/blobs/*", count = 3, cut = 20000 },
			{ method = "PUT", path = "/v2/*/blobs/*", count = 1, hang_up = true },
		} }
		nginx([[server { listen 127.0.0.1:PORT ssl http2; location / { proxy_pass http://BACKEND; } }]],
			{ PORT = port, BACKEND = behind:address() })
		local name = ("127.0.0.1:%d"):format(port)
		luff.config { hosts = { [name] = trusted() } }
		local image = support.make_image("memory:whole:v1", { layers = { 90000 } })
		luff.copy("memory:whole:v1", name .. "/app:v1", { jobs = 1 })
		local result = luff.copy(name .. "/app:v1", "memory:again:v1", { jobs = 1 })
		assert.equal(image:digest(), result.digest)
		local parts = 0
		for _, request in ipairs(behind:requests()) do
			parts = parts + (request.headers.range and 1 or 0)
		end
		assert.is_true(parts > 0)
	end)
end)

describe("a proxy", function()
	it("is asked to connect to a registry that wants TLS", function()
		local program = support.peer "tinyproxy" or pending "tinyproxy is not installed"
		local certificates, dir, port = support.certificates(), support.scratch(), support.free_port()
		local docker = support.docker_registry {
			tls = ("certificate: %s/server.cert, key: %s/server.key"):format(certificates, certificates),
		} or pending "docker-registry is not installed"
		support.write(dir .. "/conf", ("Port %d\nListen 127.0.0.1\nLogFile %q\nLogLevel Connect\nTimeout 60\n"):format(port,
			dir .. "/log"))
		local proxy = support.start { program, "-d", "-c", dir .. "/conf" }
		support.eventually(function()
			return proxy:running() and support.run({ "curl", "-s", "http://127.0.0.1:" .. port }).code == 0
		end, 20, "tinyproxy")
		luff.config { hosts = { [docker.address] = {
			scheme = "https", ca = certificates .. "/ca.crt", proxy = "http://127.0.0.1:" .. port,
		} } }
		local image = support.make_image(docker.address .. "/app:v1")
		assert.equal(image, luff.open(docker.address .. "/app:v1"))
		assert.truthy(support.read(dir .. "/log"):find("CONNECT " .. docker.address, 1, true))
	end)

	it("of the environment is asked, but not for those that are exempt", function()
		local proxy = support.canned { { "CONNECT", "registry\\.example:443", status = 403 } }
		local result = support.luff({ "digest", "registry.example/app:v1" },
			{ env = { https_proxy = "http://" .. proxy.address, NO_PROXY = false, no_proxy = false } })
		assert.equal(5, result.code, result.stderr)
		assert.truthy(result.stderr:find("the proxy refuses to connect (403)", 1, true), result.stderr)
		assert.equal(1, #proxy.requests())
		local script = [[
			local luff = require "luff"
			local server <close> = luff.serve { listen = "203.0.113.5:0" }
			local _, err = luff.try(luff.open, server:address() .. "/app:v1", { plain_http = true })
			print(err.code)]]
		for expected, env in pairs { not_found = { http_proxy = "http://127.0.0.1:1", NO_PROXY = "203.0.113.0/24" },
			network = { http_proxy = "http://127.0.0.1:1", NO_PROXY = false } } do
			result = in_own_network("", script, env) or pending "no network namespaces here"
			assert.equal(expected .. "\n", result.stdout, result.stderr)
		end
	end)
end)

describe("a registry at an IPv6 address", function()
	it("is read and written", function()
		local ok, server = pcall(luff.serve, { listen = "[::1]:0", record = true })
		if not ok then
			pending "no IPv6 here"
		end
		local name = server:address()
		assert.truthy(name:find "^%[::1%]:%d+$")
		local image = support.make_image(name .. "/app:v1")
		assert.equal(image, luff.open(name .. "/app:v1"))
		assert.equal(name, server:requests()[1].headers.host)
		server:close()
	end)
end)
