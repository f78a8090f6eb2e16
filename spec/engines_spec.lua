-- Not under sanitizers.
-- The engines of Docker and Podman, which pull from the embedded registry and push to it: each through its API.
local luff = require "luff"
local support = require "spec.support"

describe("the embedded registry serves", function()
	local server
	before_each(function()
		server = luff.serve { root = support.scratch() }
	end)
	after_each(function()
		server:close()
	end)

	-- A function that asks the engine that a program starts with a socket: ask(method, path, curl's arguments …) -> body.
	local function start(name)
		local program = support.peer(name)
		if not program then
			return pending(name .. " is not here")
		end
		local socket = ("%s/../run/spec-%x.sock"):format(program:match "^(.*)/", math.random(1 << 40))
		support.must { "mkdir", "-p", (socket:match "^(.*)/") }
		local engine = support.start { program, socket }
		local function ask(method, path, ...)
			return support.run { "curl", "-sS", "--unix-socket", socket, "-X", method, "--max-time", "120",
				"http://engine" .. path, ... }.stdout
		end
		support.defer(function()
			engine:stop()
			os.remove(socket)
		end)
		local ready = pcall(support.eventually, function()
			return ask("GET", "/_ping") == "OK" or not engine:running() and error "it has ended"
		end, 30)
		if not ready then
			return pending(name .. " does not start here")
		end
		return ask
	end

	-- What was pushed has the layers of what was pulled.
	local function check(image, pushed)
		local opened = luff.open(pushed)
		assert.equal(image:config_name(), opened:config_name())
		assert.equal(image:layers()[1]:diff_id(), opened:layers()[1]:diff_id())
		luff.copy(pushed, "memory:engine:v1")
	end

	it("podman, which pulls and pushes", function()
		local ask = start "start-podman"
		if not ask then return end
		local name = server:address() .. "/team/app"
		local image = support.make_image(name .. ":v1", { layers = { support.packed(support.tar { a = "b" }, "gzip") } })
		local answer = ask("POST", "/v5.0.0/libpod/images/pull?quiet=true&tlsVerify=false&reference=" .. name .. ":v1")
		assert.truthy(answer:find('"id":"' .. image:config_name():match ":(.*)", 1, true), answer)
		local local_name = (name .. ":v1"):gsub("/", "%%2F")
		local push = "/v5.0.0/libpod/images/%s/push?quiet=true&tlsVerify=false&destination=%s:pushed"
		ask("POST", push:format(local_name, name))
		check(image, name .. ":pushed")
		ask("DELETE", "/v5.0.0/libpod/images/" .. local_name)
	end)

	it("dockerd, which pulls and pushes", function()
		local ask = start "start-dockerd"
		if not ask then return end
		local name = server:address() .. "/team/app"
		local image = support.make_image(name .. ":v1", { layers = { support.packed(support.tar { a = "c" }, "gzip") } })
		local answer = ask("POST", ("/images/create?fromImage=%s&tag=v1"):format(name))
		assert.truthy(answer:find("Digest: " .. image:digest(), 1, true), answer)
		ask("POST", ("/images/%s:v1/tag?repo=%s&tag=pushed"):format(name, name))
		ask("POST", ("/images/%s/push?tag=pushed"):format(name), "-H", "X-Registry-Auth: e30=")
		check(image, name .. ":pushed")
		for _, tag in ipairs { "v1", "pushed" } do
			ask("DELETE", ("/images/%s:%s"):format(name, tag))
		end
	end)
end)
