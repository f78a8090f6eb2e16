-- Daemons that hold images: what `docker` talks to, without it.
local archive = require "spec.support.archive"
local process = require "spec.support.process"

local daemons = {}

--- What the daemon at a socket answers: status, body (bytes). opts: method, body (path of a file).
function daemons.ask(socket, path, opts)
	opts = opts or {}
	local argv = { "curl", "-sS", "--unix-socket", socket, "-X", opts.method or "GET", "-w", "\n%{http_code}",
		"http://docker" .. path }
	if opts.body then
		table.move({ "-H", "Content-Type: application/x-tar", "-T", opts.body }, 1, 4, #argv + 1, argv)
	end
	local body, status = process.must(argv):match "^(.*)\n(%d+)$"
	return tonumber(status), body
end

local function is_root()
	return process.sh "id -u" == "0"
end

--- Where a program like that lives, and the words in front of its own: on this machine, else in the root folder that lies beside
-- the other peers, of which it sees nothing else. Nothing where there is none.
function daemons.home(program)
	local inside = process.peer "in-sid"
	if inside then
		local dir = assert(process.sh("mktemp -d " .. process.quote(inside:gsub("bin/in%-sid$", "run") .. "/spec-XXXXXX")))
		process.defer(function()
			os.execute("rm -rf " .. process.quote(dir))
		end)
		return dir, { inside, program }
	end
	if process.peer(program) then
		return process.scratch(), { process.peer(program) }
	end
end

local function dockerd(dir, words, ...)
	local argv = { table.unpack(words) }
	for _, word in ipairs { "--iptables=false", "--ip6tables=false", "--bridge=none", "--data-root", dir .. "/data",
		"--exec-root", dir .. "/exec", "--pidfile", dir .. "/pid", "-H", "unix://" .. dir .. "/d.sock", ... } do
		argv[#argv + 1] = word
	end
	return argv
end

-- Podman speaks TLS even to a registry of this machine, unless its settings name that.
local function podman(dir, words, registry)
	local argv = { table.unpack(words, 1, #words - 1) }
	process.write(dir .. "/registries.conf", ('[[registry]]\nlocation = "%s"\ninsecure = true\n'):format(registry))
	for _, word in ipairs { "env", "CONTAINERS_REGISTRIES_CONF=" .. dir .. "/registries.conf", words[#words],
		"--root", dir .. "/root", "--runroot", dir .. "/run", "--storage-driver", "vfs",
		"--cgroup-manager", "cgroupfs", "--events-backend", "none", "system", "service", "--time=0",
		"unix://" .. dir .. "/d.sock" } do
		argv[#argv + 1] = word
	end
	return argv
end

--- Each is { name =, kind = "docker", "containerd" or "podman", start() }: start gives a daemon, or nil and why not. A daemon
-- has a socket (path), host (for DOCKER_HOST) and the address
-- of a registry that it would speak to without TLS; it ends with the test, the file or stop().
daemons.list = {
	{ name = "Docker", kind = "docker", program = "dockerd", words = function(dir, words)
		return dockerd(dir, words, "--storage-driver=vfs")
	end },
	{ name = "Docker with containerd's image store", kind = "containerd", program = "dockerd", words = function(dir, words)
		return dockerd(dir, words, "--storage-driver=native", "--feature", "containerd-snapshotter=true")
	end },
	{ name = "Podman", kind = "podman", program = "podman", words = podman },
}

local function start(entry)
	if not is_root() then
		return nil, "only root can start " .. entry.program
	end
	local dir, words = daemons.home(entry.program)
	if not dir then
		return nil, entry.program .. " is not installed"
	end
	local registry = "127.0.0.1:" .. process.free_port()
	local daemon = process.start(entry.words(dir, words, registry))
	daemon.socket, daemon.registry = dir .. "/d.sock", registry
	daemon.host = "unix://" .. daemon.socket
	return daemon
end

-- Starting is not all: where little is allowed, it takes no image. Returns why not.
local function probe(daemon)
	local luff = require "luff"
	local layer = archive.tar { { path = "probe", content = "" } }
	local config = luff.json.encode { architecture = "amd64", os = "linux",
		rootfs = { type = "layers", diff_ids = luff.array { luff.digest(layer) } } }
	local records = luff.json.encode(luff.array { { Config = "config.json", RepoTags = luff.array { "probe:v1" },
		Layers = luff.array { "layer.tar" } } })
	local file = process.write(process.scratch() .. "/probe.tar", archive.tar {
		{ path = "config.json", content = config }, { path = "layer.tar", content = layer },
		{ path = "manifest.json", content = records },
	})
	local status, body = daemons.ask(daemon.socket, "/images/load?quiet=1", { method = "POST", body = file })
	return (status ~= 200 or body:find '"error') and "takes no image here: " .. body:sub(1, 200) or nil
end

--- Starts all of them at the same time, or the one of that name: { [name] = daemon or reason }.
function daemons.start(only)
	local running = {}
	for _, entry in ipairs(daemons.list) do
		if not only or entry.name == only then
			local daemon, why = start(entry)
			running[entry.name] = daemon or why
		end
	end
	for name, daemon in pairs(running) do
		local ready = type(daemon) == "table" and process.eventually(function()
			local ping = process.run { "curl", "-s", "--unix-socket", daemon.socket, "http://docker/_ping" }
			return ping.code == 0 and ping.stdout == "OK" or not daemon:running() and "ended"
		end, 120, name)
		if ready == "ended" then
			running[name] = "does not start here: " .. (daemon:stderr():match "([^\n]*)\n*$" or "")
		elseif ready then
			running[name] = probe(daemon) or daemon
		end
	end
	return running
end

return daemons
