-- Not under the thread sanitizer.
-- Daemons that say what no honest one says, and where one is. Real ones: daemon_peers_spec.lua.
local luff = require "luff"
local support = require "spec.support"

local default_socket = "/var/run/docker.sock"

local ping = { "GET", "/_ping", headers = { ["Api-Version"] = "1.44" }, body = "OK" }

-- A daemon of rules (canned.lua), at a socket. run(…) runs luff against it, with env beside.
local function daemon(rules)
	local list = { table.unpack(rules) }
	list[#list + 1] = ping
	local self = support.canned(list, { socket = support.scratch() .. "/d.sock" })
	self.env = { DOCKER_HOST = "unix://" .. self.address }
	function self.run(...)
		return support.luff({ ... }, { env = self.env })
	end
	return self
end

-- luff fails with that exit code, and says one line in which each of the texts is.
local function fails(result, code, ...)
	assert.equal("", result.stdout)
	assert.equal(code, result.code, result.stderr)
	assert.truthy(result.stderr:find "^luff: [^\n]+\n$", result.stderr)
	for _, text in ipairs { ... } do
		assert.truthy(result.stderr:find(text, 1, true), ("%q in %q"):format(text, result.stderr))
	end
end

local function json(value)
	return luff.json.encode(value)
end

-- An image as a daemon has it: its archive (bytes), ID, Image, and the rules that answer for it.
local function image_of(name, opts)
	local image = support.make_image("memory:made-" .. support.scratch():gsub("/", "-") .. ":v1", opts)
	local file = support.scratch() .. "/a.tar"
	luff.copy(image, "docker-archive:" .. file .. ":" .. name)
	local self = { image = image, archive = support.read(file), id = image:config_name() }
	self.told = { Id = self.id, RepoTags = luff.array { name } }
	local path = "/v1\\.44/images/docker\\.io/library/" .. name
	self.inspect = { "GET", path .. "/json", body = json(self.told) }
	self.save = { "GET", "/v1\\.44/images/" .. self.id .. "/get", body = self.archive }
	return self
end

-- A memory place is one of this process, and luff the program is another one.
local function layout_of(opts)
	local name = "oci:" .. support.scratch() .. ":v1"
	support.make_image(name, opts)
	return name
end

describe("a daemon's images", function()
	it("are read as what docker save gives out", function()
		local app = image_of("app:v1", { layers = { 3000, 5000 } })
		local d = daemon { app.inspect, app.save }
		local result = d.run("manifest", "docker-daemon:app:v1")
		assert.equal(app.image:raw_manifest(), result.stdout, result.stderr)
		assert.equal(app.image:raw_config_file(), d.run("config", "docker-daemon:app:v1").stdout)
		local copy = "oci:" .. support.scratch() .. ":copy"
		support.must({ support.program, "copy", "-q", "--compress", "none", "docker-daemon:app:v1", copy }, { env = d.env })
		assert.equal(app.image:digest(), luff.image(copy, { platform = "linux/amd64" }):digest())
		for _, layer in ipairs(luff.open(copy):layers()) do
			assert.equal(layer:size(), #layer:compressed():read "a")
		end
		for _, request in ipairs(d.requests()) do
			assert.truthy(request.head:find("\r\nHost: docker\r\n", 1, true))
			assert.equal("GET", request.method)
		end
	end)

	it("come in one pass, and only when their content is asked for", function()
		local app = image_of("app:v1", { layers = { 3000, 5000, 100 } })
		local d = daemon { app.inspect, app.save }
		local result = support.luff({ "-e", [[
			local image = luff.open "docker-daemon:app:v1"
			for _, layer in ipairs(image:layers()) do
				assert(#layer:compressed():read "a" == layer:size())
			end
			print(image:config_name(), image:digest())]] }, { env = d.env })
		assert.equal(("%s\t%s\n"):format(app.id, app.image:digest()), result.stdout, result.stderr)
		assert.equal(1, support.count(d, "GET", "/get"))
		assert.equal(1, support.count(d, "GET", "_ping"))
	end)

	it("need no archive where the daemon tells the digest", function()
		local app = image_of("app:v1")
		app.told.Descriptor = {
			mediaType = app.image:media_type(), digest = app.image:digest(), size = #app.image:raw_manifest(),
		}
		app.told.Id = app.image:digest()
		app.inspect.body = json(app.told)
		app.save[2] = "/v1\\.44/images/" .. app.image:digest() .. "/get"
		local d = daemon { app.inspect, app.save }
		assert.equal(app.image:digest() .. "\n", d.run("digest", "docker-daemon:app:v1").stdout)
		assert.equal(0, support.count(d, "GET", "/get"))
		assert.equal(app.image:raw_manifest(), d.run("manifest", "docker-daemon:app:v1").stdout)
		assert.equal(1, support.count(d, "GET", "/get"))
	end)

	it("are not believed without their bytes", function()
		local app, other = image_of("app:v1", { layers = { 10 } }), image_of("app:v1", { layers = { 20 } })
		app.told.Descriptor = {
			mediaType = app.image:media_type(), digest = app.image:digest(), size = #app.image:raw_manifest(),
		}
		app.inspect.body = json(app.told)
		app.save.body = other.archive
		local d = daemon { app.inspect, app.save }
		fails(d.run("manifest", "docker-daemon:app:v1"), 3, "docker-daemon: no blob " .. app.image:digest())
	end)

	it("whose bytes are others than their digests", function()
		local app = image_of("app:v1", { layers = { support.tar { name = ("x"):rep(5000) } } })
		app.save.body = app.archive:gsub(("x"):rep(5000), ("x"):rep(4999) .. "y")
		local d = daemon { app.inspect, app.save }
		fails(d.run("copy", "-q", "docker-daemon:app:v1", "oci:" .. support.scratch() .. ":copy"), 6, "docker-daemon")
	end)

	it("are listed by the names that users know", function()
		local d = daemon { { "GET", "/v1\\.44/images/json", body = json {
			{ Id = "sha256:1", RepoTags = luff.array { "docker.io/library/app:v1", "docker.io/org/app:v1", "localhost/x:1" } },
			{ Id = "sha256:2", RepoTags = luff.null },
			{ Id = "sha256:3", RepoTags = luff.array { "<none>:<none>" } },
			{ Id = "sha256:4", RepoTags = luff.array { "ghcr.io/org/app:latest" } },
		} } }
		assert.equal("app:v1\norg/app:v1\nlocalhost/x:1\nghcr.io/org/app:latest\n", d.run("ls", "docker-daemon:").stdout)
		fails(d.run("digest", "docker-daemon:"), 3, "choose one image by its name (have: app:v1, org/app:v1, ")
	end)

	it("have a name where there is but one", function()
		local app = image_of("app:v1")
		local d = daemon { { "GET", "/v1\\.44/images/json", body = json(luff.array { app.told }) }, app.inspect, app.save }
		assert.equal(app.image:digest() .. "\n", d.run("digest", "docker-daemon:").stdout)
	end)

	it("that are not there are answered with those that are", function()
		local d = daemon {
			{ "GET", "/v1\\.44/images/json", body = json { { Id = "sha256:1", RepoTags = luff.array { "app:v1" } } } },
			{ "*", "/v1\\.44/images/docker\\.io/library/app:v2.*", status = 404, body = json { message = "No such image" } },
		}
		fails(d.run("digest", "docker-daemon:app:v2"), 3, "docker-daemon: no image app:v2 (have: app:v1)")
		fails(d.run("delete", "docker-daemon:app:v2"), 3, "docker-daemon: no image app:v2 (have: app:v1)")
	end)

	it("are known by their IDs and digests", function()
		local app = image_of("app:v1")
		app.inspect[2] = "/v1\\.44/images/" .. app.id .. "/json"
		local d = daemon { app.inspect, app.save,
			{ "GET", "/v1\\.44/images/docker\\.io/library/app:v1/json", body = json(app.told) } }
		assert.equal(app.image:digest() .. "\n", d.run("digest", "docker-daemon:" .. app.id).stdout)
		assert.equal(app.image:digest() .. "\n", d.run("digest", "docker-daemon:app:v1@" .. app.image:digest()).stdout)
		local other = "sha256:" .. ("0"):rep(64)
		fails(d.run("digest", "docker-daemon:app:v1@" .. other), 3, "app:v1 is not, or no more, " .. other)
	end)

	it("have blobs, too", function()
		local app = image_of("app:v1", { layers = { 3000 } })
		local layer = app.image:layers()[1]
		local d = daemon { app.inspect, app.save }
		local result = d.run("blob", "docker-daemon:app:v1@" .. layer:digest())
		assert.equal(layer:digest(), luff.digest(result.stdout), result.stderr)
		fails(d.run("blob", "docker-daemon:app:v1@sha256:" .. ("0"):rep(64)), 3, "docker-daemon: no blob sha256:000")
	end)

	it("have names that are names", function()
		for _, name in ipairs { "APP", "app:v1:v2", "sha256:123", "@sha256:123", "app@", "a b", "-x", "../x", "@1" } do
			local err = support.fails(luff.resolve, "docker-daemon:" .. name)
			assert.equal("invalid_name", err.code)
			assert.equal(1, (err.message:find("docker-daemon: ", 1, true)))
		end
	end)
end)

describe("a daemon that cannot be understood", function()
	local path = "/v1\\.44/images/docker\\.io/library/app:v1/json"
	-- Each case is { rule, exit code, text… }: what the daemon answers then, once, and what luff says of it.
	local function answers(cases)
		local rules = {}
		for i, case in ipairs(cases) do
			rules[i] = case[1]
			rules[i].once = true
		end
		local d = daemon(rules)
		for _, case in ipairs(cases) do
			fails(d.run("digest", "docker-daemon:app:v1"), table.unpack(case, 2))
		end
	end

	local function pings(version)
		return { "GET", "/_ping", headers = { ["Api-Version"] = version }, body = "OK" }
	end

	it("is none", function()
		local none = "is no Docker and no Podman"
		answers {
			{ { "GET", "/_ping", body = "<html>hello</html>" }, 5, none },
			{ { "GET", "/_ping", status = 404 }, 5, none },
			{ pings "2.0", 5, none }, { pings "1.", 5, none }, { pings "1.44x", 5, none }, { pings "1.99999", 5, none },
		}
	end)

	it("is an old one", function()
		answers { { pings "1.23", 5, "speaks version 1.23" } }
	end)

	it("is spoken to in the newest version that both know", function()
		for theirs, used in pairs { ["1.24"] = "24", ["1.60"] = "51" } do
			local d = daemon { pings(theirs) }
			d.run("ls", "docker-daemon:")
			assert.equal(1, support.count(d, "GET", "^/v1%." .. used .. "/images/json$"), theirs)
		end
	end)

	it("says why it fails", function()
		answers {
			{ { "GET", path, status = 500, body = json { message = "no\nspace \27[31mleft" } }, 5, "no?space ?[31mleft (500)" },
			{ { "GET", path, status = 502, body = "<html>bad gateway</html>" }, 5, "the daemon refuses (502)" },
			{ { "GET", path, status = 403, body = json { message = "authz: no" } }, 4, "authz: no (403)" },
			{ { "GET", path, status = 302, headers = { Location = "http://127.0.0.1:1/" } }, 5, "(302)" },
		}
	end)

	it("answers no JSON", function()
		answers {
			{ { "GET", path, body = "<html></html>" }, 6, "image" },
			{ { "GET", path, body = "[]" }, 6, "an image without an ID" },
		}
		local d = daemon {
			{ "GET", "/v1\\.44/images/json", body = "<html></html>", once = true },
			{ "GET", "/v1\\.44/images/json", body = "{}" },
		}
		fails(d.run("ls", "docker-daemon:"), 6)
		fails(d.run("ls", "docker-daemon:"), 6, "no list of images")
	end)

	it("answers with tricks", function()
		local id = "sha256:" .. ("0"):rep(64)
		answers {
			{ { "GET", path, body = json { Id = "sha256:../../../containers/json?" } }, 6, "an image without an ID" },
			{ { "GET", path, body = json { Id = id, RepoTags = luff.array { "app:v1\n\27[2J" } } }, 6,
				"a name that is none: app:v1??[2J" },
		}
	end)

	it("answers without an end", function()
		answers { { { "GET", path, body = json { Id = ("x"):rep(9 << 20) } }, 6, "more than 8388608 bytes" } }
	end)

	it("breaks off", function()
		answers {
			{ { "GET", "/_ping", raw = "SSH-2.0-OpenSSH\r\n" }, 5, "the answer is no HTTP" },
			{ { "GET", path, raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{" }, 5, "the connection broke" },
		}
	end)
end)

describe("an archive from a daemon", function()
	local function saves(rule, ...)
		local app = image_of("app:v1", { layers = { 100000 } })
		app.save.body = nil
		for key, value in pairs(rule(app.archive)) do
			app.save[key] = value
		end
		local d, dir = daemon { app.inspect, app.save }, support.scratch()
		fails(d.run("copy", "-q", "docker-daemon:app:v1", "oci:" .. dir .. "/copy:v1"), ...)
		assert.equal("", support.tree(dir))
	end

	it("that breaks off", function()
		saves(function(tar)
			return { raw = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#tar, tar:sub(1, 50000)) }
		end, 5, "the connection broke")
		saves(function(tar)
			return { raw = ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s"):format(#tar, tar:sub(1, 50000)) }
		end, 5, "the connection broke")
	end)

	it("that ends where it should not", function()
		saves(function(tar) return { body = tar:sub(1, 50000) } end, 6, "docker-daemon")
		saves(function() return { body = "" } end, 6, "docker-daemon")
	end)

	it("in which the daemon writes that it failed", function()
		for _, cut in ipairs { 0, 512, 50000 } do
			saves(function(tar)
				return { body = tar:sub(1, cut) .. '{"errorDetail":{"message":"no space left on device"},'
					.. '"error":"no space left on device"}\r\n' }
			end, 5, "cannot give out sha256:", ": no space left on device")
		end
	end)

	it("that is a web page", function()
		saves(function() return { body = "<html>" .. ("x"):rep(10000) .. "</html>" } end, 6, "docker-daemon")
	end)

	it("that is gone by now", function()
		saves(function() return { status = 404, body = json { message = "No such image" } } end, 3, "No such image (404)")
	end)

	it("leaves nothing on disk, whatever happens", function()
		local app, tmp = image_of("app:v1", { layers = { 100000 } }), support.scratch()
		app.save.body = nil
		app.save.raw = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" .. app.archive
		app.save.hang = true
		local d = daemon { app.inspect, app.save }
		d.env.TMPDIR = tmp
		local running = support.start({ support.program, "digest", "docker-daemon:app:v1" }, { env = d.env })
		support.eventually(function() -- all that comes is in the file
			local sizes = support.sh(("for f in /proc/%d/fd/*; do stat -Lc '%%n %%s' $f; done 2>/dev/null"):format(running.pid))
			for size in (sizes or ""):gmatch " (%d+)" do
				if tonumber(size) >= #app.archive then
					return true
				end
			end
		end)
		running:kill "KILL"
		running:wait()
		assert.equal("", support.tree(tmp))
	end)
end)

describe("an image that goes to a daemon", function()
	local source, config, digest
	setup(function()
		source = layout_of { layers = { 300000, 2000 } }
		config = luff.open(source):config_name()
		digest = luff.open(source):digest()
	end)

	local inspect_path = "/v1\\.44/images/docker\\.io/library/app:v1/json"
	-- load: a rule for POST /images/load; told: what the daemon says of the image then.
	local function taker(load, told)
		load[1], load[2] = "POST", "/v1\\.44/images/load\\?quiet=1"
		local d = daemon {
			{ "GET", inspect_path, status = 404, once = true }, load,
			told and { "GET", inspect_path, body = json(told) } or nil,
		}
		d.copied = d.run("copy", "-q", source, "docker-daemon:app:v1")
		return d
	end
	local loaded = json { stream = "Loaded image: app:v1\n" } .. "\r\n"

	it("is loaded as docker load does it", function()
		local d = taker({ body = json { status = "Loading layer" } .. loaded }, { Id = config })
		assert.equal(digest .. "\n", d.copied.stdout, d.copied.stderr)
		local post
		for _, request in ipairs(d.requests()) do
			post = request.method == "POST" and request or post
		end
		assert.truthy(post.head:find("\r\nContent-Type: application/x-tar\r\n", 1, true))
		assert.truthy(tonumber(post.head:match "\r\nContent%-Length: (%d+)") > 300000)
	end)

	it("is there with containerd's store, too", function()
		assert.equal(0, taker({ body = loaded }, { Id = digest }).copied.code)
	end)

	it("is not moved where the daemon tells that it has it", function()
		local d = daemon { { "GET", inspect_path, body = json { Id = digest, Descriptor = {
			mediaType = "application/vnd.oci.image.manifest.v1+json", digest = digest, size = #luff.open(source):raw_manifest(),
		} } } }
		assert.equal(digest .. "\n", d.run("copy", "-q", source, "docker-daemon:app:v1").stdout)
		assert.equal(0, support.count(d, "POST", ""))
	end)

	it("has not arrived where the answer says so", function()
		local failed = json { errorDetail = { message = "no space left" }, error = "no space left" }
		fails(taker({ body = failed }).copied, 5, "no space left")
		fails(taker({ body = json { stream = "x" } .. "\r\n" .. failed .. "\r\n" }).copied, 5, "no space left")
		fails(taker({ body = json { error = "no space left" } }).copied, 5, "no space left")
		fails(taker({ status = 500, body = json { message = "no space left" } }).copied, 5, "no space left (500)")
		fails(taker({ body = json { errorDetail = luff.null, error = "" } .. loaded }).copied, 5)
	end)

	it("has not arrived where the answer says nothing of sense", function()
		fails(taker({ body = "<html>hello</html>" }).copied, 6, "is not that of a Docker daemon")
		fails(taker({ body = loaded .. '{"stream":"x' }).copied, 6, "breaks off")
		fails(taker({ body = '{"stream":"' .. ("x"):rep(300000) .. '"}' }).copied, 6)
		fails(taker({ raw = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" .. loaded }).copied, 5, "the connection broke")
	end)

	it("is looked for under its name", function()
		fails(taker({ body = loaded }).copied, 3, "no image app:v1")
		local other = "sha256:" .. ("1"):rep(64)
		fails(taker({ body = loaded }, { Id = other }).copied, 6, "app:v1 became another image, " .. other)
	end)

	it("may be refused before all of it was sent", function()
		local large = layout_of { layers = { 20 << 20 } }
		local d = daemon {
			{ "GET", inspect_path, status = 404 },
			{ "POST", "/v1\\.44/images/load\\?quiet=1", early = true,
				body = json { errorDetail = { message = "no space left" }, error = "no space left" } },
		}
		fails(d.run("copy", "-q", large, "docker-daemon:app:v1"), 5, "no space left")
		d = daemon {
			{ "GET", inspect_path, status = 404 },
			{ "POST", "/v1\\.44/images/load\\?quiet=1", early = true, body = loaded },
		}
		fails(d.run("copy", "-q", large, "docker-daemon:app:v1"), 5)
	end)

	it("comes as a whole", function()
		local d = daemon {}
		for _, code in ipairs { 'luff.push_blob("docker-daemon:", "bytes")',
			('luff.push_manifest("docker-daemon:app:v1", %q)'):format(luff.open(source):raw_manifest()) } do
			local result = support.luff({ "-e", code }, { env = d.env })
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find("docker-daemon: takes whole images: copy one there", 1, true), result.stderr)
		end
		assert.equal(0, support.count(d, "POST", ""))
	end)

	it("cannot choose its ID", function()
		local d = daemon {}
		fails(d.run("copy", "-q", source, "docker-daemon:sha256:" .. ("0"):rep(64)), 2, "an ID cannot be chosen")
		assert.equal(0, support.count(d, "POST", ""))
	end)
end)

describe("a name at a daemon", function()
	local id = "sha256:" .. ("a"):rep(64)
	local path = "/v1\\.44/images/docker\\.io/library/app:v1"
	local function has(names, ...)
		return daemon { { "GET", path .. "/json", body = json { Id = id, RepoTags = luff.array(names) } },
			{ "GET", "/v1\\.44/images/" .. id .. "/json", body = json { Id = id, RepoTags = luff.array(names) } }, ... }
	end

	it("goes alone where the image has another one", function()
		local d = has({ "app:v1", "app:v2" }, { "DELETE", path, body = json { { Untagged = "app:v1" } } })
		assert.equal("deleted docker-daemon:app:v1\n", d.run("delete", "docker-daemon:app:v1").stdout)
	end)

	it("takes the image with it where it is the last, if forced", function()
		local d = has({ "app:v1" }, { "DELETE", path, body = json { { Untagged = "app:v1" }, { Deleted = id } } })
		fails(d.run("delete", "docker-daemon:app:v1"), 1, "the image's only name", "force deletes " .. id)
		assert.equal(0, support.count(d, "DELETE", ""))
		assert.equal("deleted " .. id .. "\n", d.run("delete", "--force", "docker-daemon:app:v1").stdout)
		assert.equal(1, support.count(d, "DELETE", "^/v1%.44/images/docker%.io/library/app:v1$"))
	end)

	it("goes with all others of an ID, if forced", function()
		local d = has({ "app:v1", "app:v2" }, { "DELETE", path, body = json { { Untagged = "app:v1" } } },
			{ "DELETE", "/v1\\.44/images/" .. id, body = json { { Deleted = ("a"):rep(64) } } })
		fails(d.run("delete", "docker-daemon:" .. id), 1, "has 2 names")
		assert.equal("deleted " .. id .. "\n", d.run("delete", "-f", "docker-daemon:" .. id).stdout)
	end)

	it("stays where a container needs it", function()
		local d = has({ "app:v1" }, { "DELETE", path, status = 409, body = json { message = "conflict: in use" } })
		fails(d.run("delete", "-f", "docker-daemon:app:v1"), 4, "conflict: in use (409)")
	end)

	it("is given to what is there, without moving it", function()
		local app = image_of("app:v1")
		local d = daemon { app.inspect, app.save, { "POST", "/v1\\.44/images/" .. app.id
			.. "/tag\\?repo=docker\\.io/library/other&tag=v2", status = 201 } }
		local result = d.run("tag", "docker-daemon:app:v1", "other:v2")
		assert.equal(app.image:digest() .. "\n", result.stdout, result.stderr)
		assert.equal(1, support.count(d, "POST", "/tag"))
	end)
end)

describe("where a daemon is", function()
	-- As docker's program finds it; env goes over an environment in which nothing is said.
	local function ask(env)
		local all = { DOCKER_HOST = false, DOCKER_CONTEXT = false, DOCKER_CONFIG = support.scratch(), XDG_RUNTIME_DIR = false,
			DOCKER_TLS_VERIFY = false, DOCKER_TLS = false, DOCKER_CERT_PATH = false }
		for name, value in pairs(env) do
			all[name] = value
		end
		return support.luff({ "ls", "docker-daemon:" }, { env = all })
	end
	local function named(name)
		return daemon { { "GET", "/v1\\.44/images/json", body = json { { RepoTags = luff.array { name } } } } }
	end
	local function context(config, name, meta)
		local dir = config .. "/contexts/meta/" .. luff.digest(name):match ":(.*)"
		support.must { "mkdir", "-p", dir }
		support.write(dir .. "/meta.json", json { Name = name, Endpoints = { docker = meta } })
	end

	it("says DOCKER_HOST", function()
		assert.equal("app:host\n", ask({ DOCKER_HOST = "unix://" .. named("app:host").address,
			DOCKER_CONTEXT = "other" }).stdout)
		local list = json { { RepoTags = luff.array { "a:tcp" } } }
		local web = support.canned { ping, { "GET", "/v1\\.44/images/json", body = list } }
		assert.equal("a:tcp\n", ask({ DOCKER_HOST = "tcp://" .. web.address }).stdout)
		assert.equal("a:tcp\n", ask({ DOCKER_HOST = "http://" .. web.address .. "/" }).stdout)
	end)

	it("says a docker context", function()
		local config = support.scratch()
		context(config, "mine", { Host = "unix://" .. named("app:mine").address })
		context(config, "current", { Host = "unix://" .. named("app:current").address })
		support.write(config .. "/config.json", json { currentContext = "current" })
		assert.equal("app:mine\n", ask({ DOCKER_CONFIG = config, DOCKER_CONTEXT = "mine" }).stdout)
		assert.equal("app:current\n", ask({ DOCKER_CONFIG = config }).stdout)
		fails(ask { DOCKER_CONFIG = config, DOCKER_CONTEXT = "gone" }, 3, 'docker context "gone"', "meta.json")
		context(config, "far", { Host = "ssh://me@build.example" })
		fails(ask { DOCKER_CONFIG = config, DOCKER_CONTEXT = "far" }, 1, 'docker context "far": ssh is not spoken here')
		support.write(config .. "/config.json", "{")
		fails(ask { DOCKER_CONFIG = config }, 6, "config.json")
	end)

	it("is Podman's socket where Docker's is not there", function()
		if support.sh("test -e " .. default_socket .. " && echo yes") == "yes" then
			pending(default_socket .. " is there")
		end
		local runtime = support.scratch()
		local podman = named "app:podman"
		support.must { "mkdir", runtime .. "/podman" }
		support.must { "ln", "-s", podman.address, runtime .. "/podman/podman.sock" }
		assert.equal("app:podman\n", ask({ XDG_RUNTIME_DIR = runtime }).stdout)
		assert.equal("app:podman\n", ask({ XDG_RUNTIME_DIR = runtime, DOCKER_CONTEXT = "default" }).stdout)
		if support.sh("test -e /run/podman/podman.sock && echo yes") ~= "yes" then
			fails(ask {}, 5, "no Docker or Podman here", default_socket, "DOCKER_HOST says where one is")
		end
	end)

	it("is said in one clear word where it cannot be", function()
		local there = support.scratch()
		fails(ask { DOCKER_HOST = "ssh://me@build.example" }, 1, "DOCKER_HOST: ssh is not spoken here", "ssh -NL")
		fails(ask { DOCKER_HOST = "nonsense" }, 2, 'docker-daemon: DOCKER_HOST: "nonsense" is no unix:///PATH')
		fails(ask { DOCKER_HOST = "unix://" .. there .. "/none" }, 5, there .. "/none: cannot connect: No such file")
		fails(ask { DOCKER_HOST = "tcp://127.0.0.1:1" }, 5, "tcp://127.0.0.1:1: cannot connect")
	end)

	it("is proved by certificates", function()
		local certs, dir = support.certificates(), support.scratch()
		for from, to in pairs { ["ca.crt"] = "ca.pem", ["client.cert"] = "cert.pem", ["client.key"] = "key.pem" } do
			support.must { "cp", certs .. "/" .. from, dir .. "/" .. to }
		end
		local function file(path, headers, body)
			support.write(path, ("HTTP/1.0 200 OK\r\n%sContent-Length: %d\r\n\r\n%s"):format(headers, #body, body))
		end
		local root, port = support.scratch(), support.free_port()
		support.must { "mkdir", "-p", root .. "/v1.44/images" }
		file(root .. "/_ping", "Api-Version: 1.44\r\n", "OK")
		file(root .. "/v1.44/images/json", "", json { { RepoTags = luff.array { "app:tls" } } })
		local server = support.start({ "openssl", "s_server", "-accept", "127.0.0.1:" .. port, "-HTTP", "-Verify", "1",
			"-verify_return_error", "-CAfile", certs .. "/ca.crt", "-cert", certs .. "/server.cert",
			"-key", certs .. "/server.key" }, { cwd = root })
		support.eventually(function()
			return server:stdout():find "ACCEPT" or not server:running() and error(server:stderr())
		end)
		local env = { DOCKER_HOST = "tcp://127.0.0.1:" .. port, DOCKER_TLS_VERIFY = "1", DOCKER_CERT_PATH = dir }
		local result = ask(env)
		assert.equal("app:tls\n", result.stdout, result.stderr)
		-- a context has them in a folder of its own
		local config = support.scratch()
		context(config, "tls", { Host = "tcp://127.0.0.1:" .. port })
		local folder = config .. "/contexts/tls/" .. luff.digest("tls"):match ":(.*)" .. "/docker"
		support.must { "mkdir", "-p", folder }
		support.must { "cp", dir .. "/ca.pem", dir .. "/cert.pem", dir .. "/key.pem", folder }
		assert.equal("app:tls\n", ask({ DOCKER_CONFIG = config, DOCKER_CONTEXT = "tls" }).stdout)
		-- without the authority it is a stranger, unless nobody asks; without the key we are one
		os.remove(dir .. "/ca.pem")
		fails(ask(env), 5, "tcp://127.0.0.1:" .. port)
		env.DOCKER_TLS_VERIFY, env.DOCKER_TLS = false, "1"
		assert.equal("app:tls\n", ask(env).stdout)
		os.remove(dir .. "/key.pem")
		fails(ask(env), 3, "has no key.pem")
	end)
end)

describe("a daemon itself", function()
	local function told(...)
		local parts = {}
		for i, object in ipairs { ... } do
			parts[i] = json(object)
		end
		return table.concat(parts, "\r\n")
	end

	it("pulls, and says how far it is", function()
		local d = daemon { { "POST",
			"/v1\\.44/images/create\\?fromImage=docker\\.io/library/app&tag=v1&platform=linux(%2F|/)arm64",
			body = told({ status = "Pulling from library/app", id = "v1" },
				{ status = "Downloading", id = "abc", progressDetail = { current = 5, total = 10 } },
				{ status = "Downloading", id = "abc", progressDetail = { current = 10, total = 10 } },
				{ status = "a\nb\27[2J" }) } }
		local result = support.luff({ "-e", [[
			local seen = {}
			require("luff.daemon").pull("app:v1", { platform = "linux/arm64", progress = function(event)
				seen[#seen + 1] = ("%s|%s|%s|%s"):format(event.id, event.status, event.bytes, event.total)
			end })
			print(table.concat(seen, "\n"))]] }, { env = d.env })
		assert.equal(0, result.code, result.stderr)
		assert.equal("v1|Pulling from library/app|nil|nil", result.stdout:match "^[^\n]*")
		assert.truthy(result.stdout:find("abc|Downloading|10|10", 1, true), result.stdout)
		assert.truthy(result.stdout:find("nil|a?b?[2J|nil|nil", 1, true), result.stdout)
	end)

	it("fails with the daemon's words, whatever the status was", function()
		local pull = { "POST", "/v1\\.44/images/create.*", body = told({ status = "Pulling" }, { error = "no space left",
			errorDetail = { message = "no space left" } }) }
		local d = daemon { pull }
		fails(d.run("daemon", "pull", "--quiet", "app:v1"), 5, "docker-daemon: unix://", ": no space left")
		pull.body = told { status = "Pulling" }:sub(1, -2)
		fails(daemon { pull }.run("daemon", "pull", "-q", "app:v1"), 6, "breaks off")
		pull.body, pull.status = json { message = "manifest unknown" }, 404
		fails(daemon { pull }.run("daemon", "pull", "-q", "app:v1"), 3, "manifest unknown (404)")
		pull.body, pull.status = "[" .. ("{\"status\":\"x\"},"):rep(10), 200
		fails(daemon { pull }.run("daemon", "pull", "-q", "app:v1"), 6, "not that of a Docker daemon")
	end)

	it("gets the login of the image's registry, and of no other", function()
		local rule = { "POST", "/v1\\.44/images/.*", body = told { status = "done" } }
		local d = daemon { rule }
		local config = support.scratch()
		support.write(config .. "/config.json", json { auths = {
			["registry.example"] = { auth = "dXNlcjpzZWNyZXQ/Pw==" }, ["other.example"] = { auth = "eDp5" } } })
		d.env.DOCKER_CONFIG, d.env.REGISTRY_AUTH_FILE = config, config .. "/config.json"
		assert.equal(0, d.run("daemon", "pull", "-q", "registry.example/app:v1").code)
		assert.equal(0, d.run("daemon", "push", "-q", "registry.example/app:v1").code)
		assert.equal(0, d.run("daemon", "pull", "-q", "third.example/app@" .. luff.digest "x").code)
		local seen = {}
		for _, request in ipairs(d.requests()) do
			if request.method == "POST" then
				seen[#seen + 1] = request.head:match "[Xx]%-[Rr]egistry%-[Aa]uth: *([^\r\n]*)" or "none"
			end
		end
		assert.equal(3, #seen)
		for i = 1, 2 do
			local text = support.sh(("printf %%s '%s' | tr -- -_ +/ | base64 -d"):format(seen[i]))
			assert.same({ username = "user", password = "secret??", serveraddress = "registry.example" },
				luff.json.decode(text))
			assert.is_nil(seen[i]:find "[+/]")
		end
		assert.equal("none", seen[3])
	end)

	it("is told no login where others could listen", function()
		local config = support.scratch()
		support.write(config .. "/config.json", json { auths = { ["registry.example"] = { auth = "dXNlcjpzZWNyZXQ=" } } })
		local result = support.luff({ "daemon", "pull", "registry.example/app:v1" },
			{ env = { DOCKER_HOST = "tcp://192.0.2.1:2375", DOCKER_CONFIG = config,
				REGISTRY_AUTH_FILE = config .. "/config.json" } })
		fails(result, 4, "tcp://192.0.2.1:2375", "in the clear")
		assert.is_nil(result.stderr:find "secret")
	end)

	it("prunes", function()
		local d = daemon { { "POST", "/v1\\.44/images/prune\\?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D", body = json {
			ImagesDeleted = luff.array { { Untagged = "a" }, { Deleted = "sha256:1" }, { Deleted = "sha256:2" } },
			SpaceReclaimed = 1500 } }, { "POST", "/v1\\.44/images/prune\\?filters=.*false.*",
			body = json { ImagesDeleted = luff.null, SpaceReclaimed = 0 } } }
		assert.equal("removed 2 images with 1 names, 1.5 kB\n", d.run("daemon", "prune").stdout)
		assert.equal("removed 0 images with 0 names, 0 B\n", d.run("daemon", "prune", "--all").stdout)
		fails(d.run("daemon", "prune", "app"), 2, "prune takes no names")
		fails(d.run("daemon", "pull"), 2, "pull wants the name")
		fails(d.run("daemon", "remove", "app"), 2, "pull, push or prune")
	end)
end)
