-- Programs beside luff: run one to its end, start one and stop it, find the tools that specs and measurements meet.
-- Stock Lua and a POSIX shell do, so that it serves busted and the luff host alike; what busted brings along spares processes.
local process = {}

local has_system, system = pcall(require, "system")
local has_lfs, lfs = pcall(require, "lfs")

-- What is still to be undone, last first; who loads this module decides when (undo_to).
local undo = {}

function process.defer(f)
	undo[#undo + 1] = f
end

function process.undo_mark()
	return #undo
end

function process.undo_to(mark)
	while #undo > mark do
		table.remove(undo)()
	end
end

function process.quote(text)
	return "'" .. tostring(text):gsub("'", [['\'']]) .. "'"
end

local function quote_all(argv)
	local words = {}
	for i, word in ipairs(argv) do
		words[i] = process.quote(word)
	end
	return table.concat(words, " ")
end

function process.read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read("*a")
	file:close()
	return text
end

function process.write(path, text)
	local file = assert(io.open(path, "wb"))
	assert(file:write(text))
	assert(file:close())
	return path
end

function process.exists(path)
	local file = io.open(path, "rb")
	return file ~= nil and file:close()
end

-- First line of a shell command's output; for mktemp, find and the like.
function process.sh(command)
	local pipe = assert(io.popen(command, "r"))
	local text = pipe:read("*a")
	local ok = pipe:close()
	return ok and (text:gsub("\n$", "")) or nil
end

function process.sleep(seconds)
	if has_system then
		system.sleep(seconds)
	else
		os.execute(("sleep %.3f"):format(seconds))
	end
end

-- What calls f when nobody has it any more, also at the end.
local function at_end(f)
	local proxy = newproxy and newproxy(true)
	if proxy then
		getmetatable(proxy).__gc = f
		return proxy
	end
	return setmetatable({}, { __gc = f })
end

-- One folder for all that this process makes, gone when it ends.
local base, folders = nil, 0

local function make_folder()
	if not base then
		local dir = assert(process.sh("mktemp -d " .. process.quote((os.getenv("TMPDIR") or "/tmp") .. "/luff-spec.XXXXXX")))
		base = { dir = dir, guard = at_end(function() os.execute("rm -rf " .. process.quote(dir)) end) }
	end
	folders = folders + 1
	local dir = base.dir .. "/" .. folders
	assert(has_lfs and lfs.mkdir(dir) or os.execute("mkdir " .. process.quote(dir)))
	return dir
end

-- What is below a folder, and the folder; whatever is in the way of that stays.
local function remove(path)
	if lfs.symlinkattributes(path, "mode") ~= "directory" then
		return os.remove(path)
	end
	local names, state = lfs.dir(path)
	for name in names, state do
		if name ~= "." and name ~= ".." then
			remove(path .. "/" .. name)
		end
	end
	return lfs.rmdir(path)
end

-- An empty folder that goes away with everything in it.
function process.scratch()
	local dir = make_folder()
	process.defer(function()
		local gone, done = pcall(has_lfs and remove or error, dir)
		if not (gone and done) then
			os.execute("chmod -R u+rwX " .. process.quote(dir) .. " 2>/dev/null; rm -rf " .. process.quote(dir))
		end
	end)
	return dir
end

-- A sanitizer that is preloaded into the Lua that runs the specs is not for other people's programs.
local function command_line(argv, opts)
	local words = { "exec env -u LD_PRELOAD" }
	for name, value in pairs(opts.env or {}) do
		-- what is unset comes before what is set
		table.insert(words, value and #words + 1 or 2, value and process.quote(name .. "=" .. value) or "-u " .. name)
	end
	words[#words + 1] = quote_all(argv)
	return (opts.cwd and "cd " .. process.quote(opts.cwd) .. " && " or "") .. table.concat(words, " ")
end

--- Runs a program to its end.
-- opts: stdin (text), env (false unsets), cwd, timeout (seconds, 120).
-- Returns { code, stdout, stderr }; the code of a program that was killed is 128 + signal, 124 that of a time-out.
function process.run(argv, opts)
	opts = opts or {}
	local dir = make_folder()
	process.write(dir .. "/in", opts.stdin or "")
	local script = process.write(dir .. "/run", command_line(argv, opts) .. "\n")
	local _, how, code = os.execute(("timeout -k 5 %d sh %s <%s/in >%s/out 2>%s/err"):format(
		opts.timeout or 120, script, dir, dir, dir))
	local result = {
		code = how == "signal" and 128 + code or code,
		stdout = process.read(dir .. "/out"),
		stderr = process.read(dir .. "/err"),
	}
	os.execute("rm -rf " .. dir)
	return result
end

--- Runs a program that must succeed; returns what it printed.
function process.must(argv, opts)
	local result = process.run(argv, opts)
	if result.code ~= 0 then
		error(("%s: exit code %d\n%s%s"):format(table.concat(argv, " "), result.code, result.stdout, result.stderr), 2)
	end
	return result.stdout
end

local Background = {}
Background.__index = Background

--- Starts a program in the background; it is stopped when the test ends, if not before.
-- opts: env, cwd. Returns a Background: pid, stdout(), stderr(), running(), wait(), kill(signal), stop().
function process.start(argv, opts)
	opts = opts or {}
	local self = setmetatable({ dir = make_folder() }, Background)
	process.write(self.dir .. "/run", command_line(argv, opts) .. "\n")
	process.write(self.dir .. "/out", "")
	process.write(self.dir .. "/err", "")
	-- The shell in between waits for the program, so that its exit code is known and no zombie is left.
	os.execute(([[D=%s; { { sh $D/run >$D/out 2>$D/err </dev/null & echo $! >$D/pid; wait $!; echo $? >$D/code.new
		mv $D/code.new $D/code; } >/dev/null 2>&1 & }]]):format(self.dir))
	self.pid = process.eventually(function()
		return process.exists(self.dir .. "/pid") and tonumber(process.read(self.dir .. "/pid"))
	end)
	process.defer(function()
		self:stop()
		os.execute("rm -rf " .. self.dir)
	end)
	return self
end

function Background:stdout()
	return process.read(self.dir .. "/out")
end

function Background:stderr()
	return process.read(self.dir .. "/err")
end

function Background:running()
	return not process.exists(self.dir .. "/code")
end

function Background:kill(signal)
	if self:running() then
		os.execute(("kill -%s %d 2>/dev/null"):format(signal, self.pid))
	end
end

--- Waits for its end; returns the exit code.
function Background:wait(seconds)
	process.eventually(function()
		return not self:running()
	end, seconds or 60, "the end of process " .. self.pid)
	return tonumber(process.read(self.dir .. "/code"))
end

function Background:stop()
	if not self:running() then
		return
	end
	self:kill("TERM")
	if not pcall(self.wait, self, 10) then
		self:kill("KILL")
		self:wait(10)
	end
end

--- Starts a program that reads from a pipe and answers in another, whose names are its last arguments; it opens them in this
-- order, and ends when the first does, with this process at the latest. Returns { to =, from = }, files.
function process.talk(argv)
	local dir = make_folder()
	local inward, outward = dir .. "/in", dir .. "/out"
	process.sh(("mkfifo %s %s; %s %s %s </dev/null >/dev/null 2>%s/err & :"):format(inward, outward, quote_all(argv),
		inward, outward, dir))
	return { to = assert(io.open(inward, "wb")), from = assert(io.open(outward, "rb")) }
end

--- Calls f until it gives something, and returns that; raises when it takes too long.
function process.eventually(f, seconds, what)
	local deadline = os.time() + (seconds or 60) + 1
	local pause = 0.005
	while true do
		local value = f()
		if value then
			return value
		end
		if os.time() > deadline then
			error("waited in vain for " .. (what or "something"), 2)
		end
		process.sleep(pause)
		pause = math.min(pause * 1.5, 0.1)
	end
end

function process.free_port()
	return tonumber(process.must {
		"perl", "-MIO::Socket::INET", "-e",
		'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1:0")->sockport',
	})
end

local function on_path(name)
	return process.sh("command -v " .. process.quote(name) .. " 2>/dev/null")
end

local function peers_folder()
	return os.getenv("LUFF_PEERS") or (os.getenv("HOME") or "/root") .. "/.cache/luff-peers"
end

--- Path of another tool, from PATH or from ${LUFF_PEERS:-~/.cache/luff-peers}/bin; nil where there is none.
function process.peer(name)
	local beside = peers_folder() .. "/bin/" .. name
	return on_path(name) or (process.exists(beside) and beside or nil)
end

--- Every such path, the newest last: the distribution's own and the one beside it may both be there.
function process.peers(name)
	local beside, found = peers_folder() .. "/bin/" .. name, {}
	found[1] = on_path(name)
	if process.exists(beside) and found[1] ~= beside then
		found[#found + 1] = beside
	end
	return found
end

--- A private authority (ca.crt), a server's certificate for loopback (server.cert, .key) and a client's, in a folder.
function process.certificates()
	local dir = process.scratch()
	process.write(dir .. "/make", ([[
set -e
cd %s
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
openssl req -x509 $new -days 2 -subj /CN=authority -keyout ca.key -out ca.crt
printf 'subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost' >server.ext
for name in server client; do
	openssl req $new -subj /CN=$name -keyout $name.key -out $name.csr
	openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $name.cert \
		$(test $name = client || echo -extfile server.ext)
done
]]):format(dir))
	process.must { "sh", dir .. "/make" }
	return dir
end

--- nginx with what stands inside of its http { … }; nil where it is not installed. Returns a Background with .folder, in which
-- the configuration's relative paths are.
function process.nginx(http)
	local program = process.peer "nginx" or process.exists "/usr/sbin/nginx" and "/usr/sbin/nginx"
	if not program then
		return nil
	end
	local dir = process.scratch()
	local lines = { "daemon off; master_process off; pid nginx.pid; events {}", "http {", "access_log off;" }
	for _, name in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
		lines[#lines + 1] = name .. "_temp_path " .. name .. ";"
	end
	lines[#lines + 1] = http .. "}"
	process.write(dir .. "/nginx.conf", table.concat(lines, "\n"))
	local nginx = process.start { program, "-p", dir, "-c", "nginx.conf", "-e", "error.log" }
	nginx.folder = dir
	process.eventually(function() -- written once it listens
		return process.exists(dir .. "/nginx.pid") and process.read(dir .. "/nginx.pid") ~= ""
			or not nginx:running() and error("nginx: " .. nginx:stderr())
	end, 20, "nginx")
	return nginx
end

-- The bcrypt of the system's crypt(), which is what docker-registry reads.
local function htpasswd(users)
	local lines = {}
	for user, password in pairs(users) do
		lines[#lines + 1] = user .. ":" .. process.must {
			"perl", "-e", 'print crypt($ARGV[0], q($2y$05$) . "abcdefghijklmnopqrstuu")', password,
		}
	end
	return table.concat(lines, "\n") .. "\n"
end

--- A real registry (the distribution project's) on loopback, nil where it is not installed.
-- opts: htpasswd = { user = password }, token (what stands under the setting auth.token), root (folder), tls (what stands under
-- its setting of that name), socket (path, in place of a port), cached (true: it remembers sizes of blobs, as Debian's own
-- settings have it). Returns a Background with .address (of a socket: its path) and .root.
function process.docker_registry(opts)
	opts = opts or {}
	local program = process.peer("docker-registry")
	if not program then
		return nil
	end
	local dir = process.scratch()
	local root = opts.root or dir .. "/root"
	local auth = ""
	if opts.htpasswd then
		process.write(dir .. "/htpasswd", htpasswd(opts.htpasswd))
		auth = ("auth: {htpasswd: {realm: specs, path: %s/htpasswd}}\n"):format(dir)
	elseif opts.token then
		auth = ("auth: {token: {%s}}\n"):format(opts.token)
	end
	process.write(dir .. "/config.yml", ([[
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}%s, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
http: {net: %s, addr: "%s", secret: specs%s}
%s]]):format(root, opts.cached and ", cache: {blobdescriptor: inmemory}" or "", opts.socket and "unix" or "tcp",
		opts.socket or "127.0.0.1:0",
		opts.tls and ", tls: {" .. opts.tls .. "}" or "", auth))
	local registry = process.start({ program, "serve", dir .. "/config.yml" }, { env = { OTEL_TRACES_EXPORTER = "none" } })
	registry.root = root
	local address = opts.socket and "listening on ([^, ]+)" or "listening on ([%d.]+:%d+)"
	registry.address = process.eventually(function()
		return (registry:stderr() .. registry:stdout()):match(address)
			or not registry:running() and error("docker-registry: " .. registry:stderr())
	end, 20, "docker-registry")
	return registry
end

return process
