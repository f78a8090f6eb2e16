-- Not under the thread sanitizer.
-- What users say of hosts: TLS of their own, mirrors, sockets, limits; by luff.config and by files.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local config = '{"architecture":"amd64","os":"linux"}'

-- The rules of a registry that holds an image of that config under app:v1, below a path of its own.
local function rules(path)
	local manifest = luff.json.encode {
		schemaVersion = 2, mediaType = oci_manifest, layers = luff.array {},
		config = { mediaType = "application/vnd.oci.image.config.v1+json", digest = luff.digest(config), size = #config },
	}
	return { { "GET", "/v2/" .. path .. "/manifests/(v1|" .. luff.digest(manifest) .. ")", body = manifest,
		headers = { ["Content-Type"] = oci_manifest } },
		{ "GET", "/v2/" .. path .. "/blobs/" .. luff.digest(config), body = config } }
end

local function set(address, settings)
	luff.config { hosts = { [address] = settings } }
end

describe("luff.config", function()
	it("names what it does not understand", function()
		for message, settings in pairs {
			['"hosts"'] = { host = {} },
			['"mirrors"'] = { hosts = { ["a.example"] = { mirror = {} } } },
			["registry.example:5000"] = { hosts = { registry = {} } },
			["whole host"] = { hosts = { ["a.example/app"] = {} } },
			["scheme"] = { hosts = { ["a.example"] = { scheme = "ftp" } } },
			["/no/such"] = { hosts = { ["a.example"] = { ca = "/no/such" } } },
			["without its cert"] = { hosts = { ["a.example"] = { key = "/etc/hostname" } } },
			["no address"] = { hosts = { ["a.example"] = { address = "b" } } },
			["a host alone"] = { hosts = { ["a.example"] = { address = "b.example/c" } } },
			["certs /no/such"] = { hosts = { ["a.example"] = { certs = "/no/such" } } },
			["belong together"] = { hosts = { ["a.example"] = { user = "me" } } },
			["NUL"] = { hosts = { ["a.example\0x"] = {} } },
			["no mirror"] = { hosts = { ["a.example"] = { mirrors = { "b.example", "c" } } } },
			["at most"] = { hosts = { ["a.example"] = { rate = -1 } } },
		} do
			local err = support.fails(luff.config, settings)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.is_false((pcall(luff.config, { hosts = { ["a.example"] = { requests = 1.5 } } })))
		assert.is_false((pcall(luff.config, { hosts = { ["a.example"] = { chunk_size = -1 } } })))
		assert.is_false((pcall(luff.config, { hosts = { ["a.example"] = { ca = {} } } })))
	end)

	describe("for TLS", function()
		local certificates, docker
		setup(function()
			certificates = support.certificates()
			docker = support.docker_registry {
				tls = ('certificate: %s/server.cert, key: %s/server.key, clientcas: ["%s/ca.crt"]')
					:format(certificates, certificates, certificates),
			}
		end)
		local function whole()
			return { scheme = "https", ca = certificates .. "/ca.crt", cert = certificates .. "/client.cert",
				key = certificates .. "/client.key" }
		end
		before_each(function()
			if not docker then
				pending "docker-registry is not installed"
			end
		end)

		it("knows a private authority and shows a client's certificate", function()
			set(docker.address, whole())
			local image = support.make_image(docker.address .. "/app:v1")
			assert.equal(image, luff.open(docker.address .. "/app:v1"))
		end)

		it("takes what is in the files, and folders of them, too", function()
			local settings = whole()
			for _, name in ipairs { "ca", "cert", "key" } do
				settings[name] = support.read(settings[name])
			end
			set(docker.address, settings)
			local image = support.make_image(docker.address .. "/text:v1")
			assert.equal(image, luff.open(docker.address .. "/text:v1"))
			settings.ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
			set(docker.address, settings)
			assert.equal("network", support.fails(luff.open, docker.address .. "/text:v1").code)

			local folder = support.scratch()
			for from, to in pairs { ["ca.crt"] = "ca.crt", ["client.cert"] = "me.cert", ["client.key"] = "me.key" } do
				support.must { "cp", certificates .. "/" .. from, folder .. "/" .. to }
			end
			set(docker.address, { scheme = "https", certs = folder })
			assert.equal(image, luff.open(docker.address .. "/text:v1"))
		end)

		it("finds a host at another address, and proves that one", function()
			local settings = whole()
			settings.address = docker.address:gsub("^.*:", "localhost:")
			set("registry.example:7000", settings)
			local image = support.make_image("registry.example:7000/far:v1")
			assert.equal(image, luff.open("registry.example:7000/far:v1"))
			set(docker.address, whole())
			assert.equal(image:digest(), luff.resolve(docker.address .. "/far:v1").digest)
		end)

		it("trusts nobody that it is not told of", function()
			local settings = whole()
			settings.ca = nil
			set(docker.address, settings)
			local err = support.fails(luff.open, docker.address .. "/app:v1")
			assert.equal("network", err.code)
			assert.truthy(err.message:find("certificate", 1, true), err.message)
		end)

		it("shows its certificate where it is told to alone", function()
			set(docker.address, { scheme = "https", ca = certificates .. "/ca.crt" })
			assert.equal("network", support.fails(luff.open, docker.address .. "/app:v1").code)
		end)

		it("takes any certificate where that is said", function()
			local settings = whole()
			settings.ca, settings.insecure = nil, true
			set(docker.address, settings)
			assert.equal("not_found", support.fails(luff.open, docker.address .. "/none:v1").code)
		end)

		it("finds certificates in certs.d, and settings in the user's file", function()
			local home = support.scratch()
			local folder = ("%s/containers/certs.d/%s"):format(home, docker.address)
			support.must { "mkdir", "-p", folder, home .. "/luff" }
			for from, to in pairs { ["ca.crt"] = "ca.crt", ["client.cert"] = "me.cert", ["client.key"] = "me.key" } do
				support.must { "cp", certificates .. "/" .. from, folder .. "/" .. to }
			end
			local argv, opts = { "digest", docker.address .. "/none:v1" }, { env = { XDG_CONFIG_HOME = home } }
			assert.equal(5, support.luff(argv, opts).code)
			support.write(home .. "/luff/config.lua", ([[
				return { hosts = { ["%s"] = { scheme = "https" } } }]]):format(docker.address))
			local result = support.luff(argv, opts)
			assert.equal(3, result.code, result.stderr)
		end)
	end)

	it("complains of the user's file with its path", function()
		local home = support.scratch()
		support.must { "mkdir", home .. "/luff" }
		for text, message in pairs {
			["return {"] = "config.lua:1", ["return { hots = {} }"] = '"hosts"', ["error 'x'"] = "x",
		} do
			support.write(home .. "/luff/config.lua", text)
			local result = support.luff({ "digest", "a.example/app" }, { env = { XDG_CONFIG_HOME = home } })
			assert.equal(2, result.code)
			assert.truthy(result.stderr:find(message, 1, true), result.stderr)
			assert.truthy(result.stderr:find(home .. "/luff/config.lua", 1, true), result.stderr)
		end
	end)

	it("finds hosts at other addresses, each with its own login", function()
		local users = {}
		local server <close> = luff.serve { authorize = function(request)
			users[request.user or ""] = true
			return request.user ~= nil
		end }
		for _, name in ipairs { "one", "two" } do
			set(name .. ".example", { address = server:address(), user = name, password = "x" })
			luff.push_blob(name .. ".example/app", name)
		end
		assert.same({ one = true, two = true, [""] = users[""] }, users)
		local err = support.fails(luff.open, "one.example/app:none")
		assert.truthy(err.message:find("one.example/app:none", 1, true), err.message)
	end)

	it("asks a helper for the login, or nobody", function()
		local dir = support.scratch()
		support.write(dir .. "/docker-credential-specs", ([[
#!/bin/sh
cat >>%s/asked
echo >>%s/asked
printf '{"Username":"me","Secret":"x"}'
]]):format(dir, dir))
		support.must { "chmod", "+x", dir .. "/docker-credential-specs" }
		support.write(dir .. "/config.json", '{"credsStore":"specs"}')
		support.write(dir .. "/script.lua", [[
local seen = {}
local server <close> = luff.serve { authorize = function(request)
	seen[#seen + 1] = request.user
	return request.user ~= nil
end }
luff.config { logins = false, hosts = { [server:address()] = { helper = arg[1], helper_server = arg[2] } } }
print(pcall(luff.push_blob, server:address() .. "/app", "x"), seen[1], server:address())
]])
		local env = { HOME = dir, DOCKER_CONFIG = dir, DOCKER_AUTH_CONFIG = false, REGISTRY_AUTH_FILE = false,
			XDG_RUNTIME_DIR = dir, XDG_CONFIG_HOME = dir, PATH = dir .. ":" .. os.getenv "PATH" }
		local result = support.luff({ dir .. "/script.lua" }, { env = env })
		assert.truthy(result.stdout:find "^false\tnil\t", result.stdout .. result.stderr)
		assert.is_false(support.exists(dir .. "/asked"))
		result = support.luff({ dir .. "/script.lua", "specs" }, { env = env })
		local address = result.stdout:match "^true\tme\t(.*)\n"
		assert.equal(address .. "\n", support.read(dir .. "/asked"), result.stdout .. result.stderr)
		os.remove(dir .. "/asked")
		result = support.luff({ dir .. "/script.lua", "specs", "https://elsewhere.example/" }, { env = env })
		assert.equal("https://elsewhere.example/\n", support.read(dir .. "/asked"), result.stderr)
	end)

	it("logs in", function()
		local docker = support.docker_registry { htpasswd = { me = "pass:word" } }
		if not docker then
			pending "docker-registry is not installed"
		end
		set(docker.address, { user = "me", password = "pass:word" })
		local image = support.make_image(docker.address .. "/app:v1")
		assert.equal(image, luff.open(docker.address .. "/app:v1"))
		set(docker.address, { user = "me", password = "wrong" })
		assert.equal("unauthorized", support.fails(luff.open, docker.address .. "/app:v1").code)
	end)

	it("speaks to a Unix socket", function()
		local socket = support.scratch() .. "/s"
		if not support.docker_registry { socket = socket } then
			pending "docker-registry is not installed"
		end
		set("socket.example:5000", { scheme = "http", socket = socket })
		local image = support.make_image "socket.example:5000/app:v1"
		assert.equal(image, luff.open "socket.example:5000/app:v1")
	end)

	describe("for mirrors", function()
		it("asks them first, in their order, and never pushes to them", function()
			local first = support.canned { { "GET", ".*", status = 404 } }
			local second = support.canned(rules "hub/app")
			local origin = support.canned {
				{ "HEAD", ".*", status = 404 },
				{ "POST", "/v2/app/blobs/uploads/", status = 202, headers = { Location = "/upload/1" } },
				{ "PUT", ".*", status = 201 },
			}
			set(origin.address, { mirrors = { first.address, second.address .. "/hub" } })
			local image = luff.image(origin.address .. "/app:v1")
			assert.equal(config, image:raw_config_file())
			assert.same({}, origin.requests())
			assert.is_true(#first.requests() >= 2)
			luff.push_blob(origin.address .. "/app", "content", { media_type = "text/plain" })
			assert.equal(2, #origin.requests())
			for _, mirror in ipairs { first, second } do
				for _, request in ipairs(mirror.requests()) do
					assert.is_true(request.method == "GET" or request.method == "HEAD")
				end
			end
		end)

		it("asks the host itself for what they do not have, and leaves one that is down alone", function()
			local down = support.canned {}
			local gone = down.address
			support.undo_to(0)
			local origin = support.canned(rules "app")
			set(origin.address, { mirrors = { gone } })
			local result = support.luff({ "-v", "-e", ([[
				luff.config { hosts = { ["%s"] = { mirrors = { "%s" } } } }
				print(luff.image("%s/app:v1"):raw_config_file())]]):format(origin.address, gone, origin.address) })
			assert.equal(config .. "\n", result.stdout, result.stderr)
			local _, asked = result.stderr:gsub("is left out for", "")
			assert.equal(1, asked, result.stderr)
		end)

		it("sends them the login of their own host alone", function()
			local mirror = support.canned(rules "app")
			local origin = support.canned {}
			luff.config { hosts = {
				[origin.address] = { mirrors = { mirror.address }, user = "me", password = "secret" },
			} }
			luff.open(origin.address .. "/app:v1")
			for _, request in ipairs(mirror.requests()) do
				assert.is_nil(request.head:find("Authorization", 1, true))
			end
		end)
	end)

	it("limits how long a server may be silent, and how long it may take", function()
		local server = support.canned { { "*", ".*", hang = true, raw = "" } }
		for message, settings in pairs { ["byte"] = { idle_timeout = 1 }, ["within"] = { total_timeout = 1 } } do
			set(server.address, settings)
			local err = support.fails(luff.open, server.address .. "/app:v1")
			assert.equal("timeout", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
	end)

	it("limits the rate of requests", function()
		local server = support.canned { { "*", ".*", status = 404 } }
		set(server.address, { rate = 10 })
		local from = tonumber(support.sh "date +%s%N")
		for _ = 1, 6 do
			luff.try(luff.resolve, server.address .. "/app@" .. luff.digest "")
		end
		assert.is_true(tonumber(support.sh "date +%s%N") - from >= (#server.requests() - 1) * 0.1e9)
	end)
end)

describe("the limits of luff.config", function()
	after_each(function()
		luff.config { limits = {} }
	end)

	it("stop what unpacks to more, and can be raised again", function()
		local tar = support.tar { zeros = ("\0"):rep(100000) }
		local layer = support.make_image("memory:limits:v1", { layers = { support.packed(tar, "gzip") } }):layers()[1]
		luff.config { limits = { unpacked = 50000 } }
		local reader <close> = layer:uncompressed()
		local err = support.fails(reader.read, reader, "a")
		assert.equal("too_large", err.code)
		assert.truthy(err.message:find("unpacked", 1, true))
		luff.config { limits = { unpacked = 200000 } }
		local again <close> = layer:uncompressed()
		assert.equal(tar, again:read "a")
	end)

	it("are whole numbers", function()
		assert.has_error(function() luff.config { limits = { ratio = -1 } } end)
		assert.has_error(function() luff.config { limits = { unpacked = "much" } } end)
		assert.equal("invalid", support.fails(luff.config, { limits = { ration = 1 } }).code)
	end)
end)
