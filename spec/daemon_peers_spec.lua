-- Not under sanitizers.
-- Real daemons, Docker with either of its image stores and Podman: what luff writes they have, and what they have luff reads.
local daemons = require "spec.support.daemons"
local luff = require "luff"
local support = require "spec.support"

-- An image with a config that says something, of two layers, one of them compressed; and the same for two platforms.
local function make(dir)
	local config = {
		created = "2026-01-02T03:04:05Z", author = "specs",
		config = { Env = luff.array { "A=b", "PATH=/bin" }, Cmd = luff.array { "/bin/app", "--flag" }, WorkingDir = "/srv",
			Labels = { ["org.example.key"] = "value", Zebra = "é" }, User = "nobody" },
		history = luff.array { { created = "2026-01-02T03:04:05Z", created_by = "one" }, { created_by = "two" } },
	}
	local function layers(platform)
		return { support.tar { ["etc/name"] = "value\n" },
			support.packed(support.tar { data = support.random(200000), platform = platform }, "gzip") }
	end
	support.make_image("oci:" .. dir .. ":one", { config = config, layers = layers "one" })
	support.make_index("oci:" .. dir .. ":many", { "linux/amd64", "linux/arm64" }, { config = config, layers = layers })
end

local function lines(text)
	local list = {}
	for line in text:gmatch "[^\n]+" do
		list[#list + 1] = line
	end
	table.sort(list)
	return list
end

describe("real daemons", function()
	local dir, one, running
	setup(function()
		dir = support.scratch()
		make(dir)
		one = luff.open("oci:" .. dir .. ":one")
		running = daemons.start()
	end)

	for _, entry in ipairs(daemons.list) do
		describe(entry.name, function()
			local daemon
			local function run(...)
				return support.must({ support.program, ... }, { env = { DOCKER_HOST = daemon.host } })
			end
			local function copy(from, to, ...)
				return run("copy", "-q", from, to, ...)
			end
			-- What the daemon says of an image, or nil.
			local function inspect(name)
				local status, body = daemons.ask(daemon.socket, "/images/" .. name .. "/json")
				return status == 200 and luff.json.decode(body) or nil
			end
			local function names()
				return table.concat(lines(run("ls", "docker-daemon:")), " ")
			end
			local function forget()
				for _, name in ipairs(lines(run("ls", "docker-daemon:"))) do
					run("delete", "--force", "docker-daemon:" .. name)
				end
			end
			-- A test that begins with nothing there.
			local function check(title, f)
				it(title, function()
					daemon = running[entry.name]
					if type(daemon) ~= "table" then
						pending(daemon)
					end
					forget()
					f()
				end)
			end

			check("has what luff copies there", function()
				assert.equal(one:digest() .. "\n", copy("oci:" .. dir .. ":one", "docker-daemon:spec/app:v1"))
				local told = inspect "spec/app:v1"
				assert.equal(entry.kind == "containerd" and one:digest() or one:config_name(), told.Id)
				assert.same(one:config_file().config.Env, told.Config.Env)
				assert.same(one:config_file().config.Cmd, told.Config.Cmd)
				assert.equal("nobody", told.Config.User)
				assert.same(one:config_file().rootfs.diff_ids, told.RootFS.Layers)
				assert.equal("spec/app:v1", names())
				assert.equal(one:raw_config_file(), run("config", "docker-daemon:spec/app:v1"))
				assert.equal("value\n", run("cat", "docker-daemon:spec/app:v1", "/etc/name"))
			end)

			check("gives back what it was given", function()
				copy("oci:" .. dir .. ":one", "docker-daemon:app:v1")
				local back = "oci:" .. dir .. ":back-" .. entry.kind
				local digest = copy("docker-daemon:app:v1", back, "--compress", "none")
				local image = luff.open(back)
				assert.equal(image:digest() .. "\n", digest)
				assert.equal(digest, run("digest", "docker-daemon:app:v1"))
				assert.equal(one:raw_config_file(), image:raw_config_file())
				for i, layer in ipairs(image:layers()) do
					assert.equal(one:layers()[i]:diff_id(), layer:diff_id())
					assert.equal(one:layers()[i]:uncompressed():read "a", layer:uncompressed():read "a")
				end
				if entry.kind == "containerd" then
					assert.equal(one:digest(), image:digest())
				end
				-- and takes that, too: it is the same image
				copy(back, "docker-daemon:app:v2")
				assert.equal(inspect "app:v1".Id, inspect "app:v2".Id)
				assert.equal("app:v1 app:v2", names())
			end)

			check("takes what luff writes as docker load does, and gives what it reads as docker save does", function()
				local written, saved = support.scratch() .. "/w.tar", support.scratch() .. "/s.tar"
				luff.copy("oci:" .. dir .. ":one", "docker-archive:" .. written .. ":app:v1")
				luff.copy("oci:" .. dir .. ":one", "docker-archive:" .. written .. ":other/app:v2")
				local status, body = daemons.ask(daemon.socket, "/images/load", { method = "POST", body = written })
				assert.equal(200, status, body)
				assert.falsy(body:find '"error', body)
				assert.equal("app:v1 other/app:v2", names())
				support.must { "curl", "-sSf", "--unix-socket", daemon.socket, "-o", saved,
					"http://docker/images/other/app:v2/get" }
				forget()
				support.must({ "sh", "-c", "exec $0 copy -q docker-archive:- docker-daemon: <$1", support.program, saved },
					{ env = { DOCKER_HOST = daemon.host } })
				assert.equal("other/app:v2", names())
				assert.equal(one:raw_config_file(), run("config", "docker-daemon:other/app:v2"))
			end)

			check("takes several at once", function()
				local place = "docker-archive:" .. support.scratch() .. "/two.tar"
				luff.copy("oci:" .. dir .. ":one", place .. ":app:v1")
				local other = support.make_image("memory:daemon-" .. entry.kind .. ":v2", { layers = { 500 } })
				luff.copy(other, place .. ":org/other:v2")
				run("copy", "-q", place .. ":app:v1", place .. ":org/other:v2", "docker-daemon:")
				assert.equal("app:v1 org/other:v2", names())
				assert.equal(one:raw_config_file(), run("config", "docker-daemon:app:v1"))
				assert.equal(other:raw_config_file(), run("config", "docker-daemon:org/other:v2"))
			end)

			check("takes an index", function()
				local many = luff.open("oci:" .. dir .. ":many")
				assert.equal(many:digest() .. "\n", copy("oci:" .. dir .. ":many", "docker-daemon:many:v1"))
				assert.equal("many:v1", names())
				if entry.kind == "containerd" then
					assert.equal(many:digest() .. "\n", run("digest", "docker-daemon:many:v1"))
					local arm = many:image { platform = "linux/arm64" }
					assert.equal(arm:raw_config_file(), run("config", "--platform", "linux/arm64", "docker-daemon:many:v1"))
					local to = "oci:" .. dir .. ":arm"
					assert.equal(arm:digest() .. "\n", copy("docker-daemon:many:v1", to, "--platform", "linux/arm64"))
					assert.equal(many:digest() .. "\n", copy("docker-daemon:many:v1", "oci:" .. dir .. ":whole"))
				end
			end)

			check("has images without a name, too", function()
				copy("oci:" .. dir .. ":one", "docker-daemon:")
				assert.equal("", names())
				local id = entry.kind == "containerd" and one:digest() or one:config_name()
				assert.equal(one:raw_config_file(), run("config", "docker-daemon:" .. id))
				run("tag", "docker-daemon:" .. id, "found:v1")
				assert.equal("found:v1", names())
			end)

			check("names, renames and forgets", function()
				copy("oci:" .. dir .. ":one", "docker-daemon:app:v1")
				local digest = run("digest", "docker-daemon:app:v1")
				assert.equal(digest, run("tag", "docker-daemon:app:v1", "localhost:5000/team/app:v2"))
				assert.equal("app:v1 localhost:5000/team/app:v2", names())
				assert.equal(inspect "app:v1".Id, inspect "localhost:5000/team/app:v2".Id)
				assert.equal(digest, run("digest", "docker-daemon:app:v1@" .. digest:sub(1, -2)))
				run("delete", "docker-daemon:app:v1")
				assert.equal("localhost:5000/team/app:v2", names())
				local last = support.luff({ "delete", "docker-daemon:localhost:5000/team/app:v2" },
					{ env = { DOCKER_HOST = daemon.host } })
				assert.equal(1, last.code)
				assert.truthy(last.stderr:find("only name", 1, true), last.stderr)
				run("tag", "docker-daemon:localhost:5000/team/app:v2", "app:v3")
				local id = inspect "app:v3".Id
				assert.equal("deleted " .. id .. "\n", run("delete", "-f", "docker-daemon:" .. id))
				assert.equal("", names())
				assert.is_nil(inspect(id))
			end)

			check("is read by skopeo as by luff", function()
				local skopeos = support.peers "skopeo"
				if #skopeos == 0 then
					pending "skopeo is not installed"
				end
				copy("oci:" .. dir .. ":one", "docker-daemon:docker.io/library/app:v1")
				local theirs = support.scratch()
				local result = support.run { skopeos[#skopeos], "--insecure-policy", "copy", "-q", "--src-daemon-host",
					daemon.host, "docker-daemon:app:v1", "dir:" .. theirs }
				if result.stderr:find("is too old", 1, true) then
					pending "skopeo is too old for this daemon"
				end
				assert.equal(0, result.code, result.stderr)
				assert.equal(one:raw_config_file(), luff.open("dir:" .. theirs):raw_config_file())
			end)

			check("pulls, pushes and prunes by itself", function()
				local server <close> = luff.serve { listen = daemon.registry }
				local name = server:address() .. "/team/app"
				local index = luff.open("oci:" .. dir .. ":many")
				luff.copy(index, name .. ":v1")
				local env = { env = { DOCKER_HOST = daemon.host } }
				local result = support.luff({ "daemon", "pull", "--platform", "linux/arm64", name .. ":v1" }, env)
				assert.equal(0, result.code, result.stderr)
				assert.equal("", result.stdout)
				assert.truthy(result.stderr:find("[Pp]ull"), result.stderr)
				assert.equal("arm64", inspect(name .. ":v1").Architecture)
				run("tag", "docker-daemon:" .. name .. ":v1", name .. ":v2")
				assert.equal("", run("daemon", "push", "--quiet", name .. ":v2"))
				assert.same({ "v1", "v2" }, support.tags(name))
				result = support.luff({ "daemon", "push", name .. ":v3" }, env)
				assert.not_equal(0, result.code)
				assert.truthy(result.stderr:find("\nluff: docker-daemon: ", 1, true) or
					result.stderr:find "^luff: docker%-daemon: ", result.stderr)
				copy("oci:" .. dir .. ":one", "docker-daemon:")
				copy("oci:" .. dir .. ":one", "docker-daemon:kept:v1")
				run("tag", "docker-daemon:" .. name .. ":v1", "kept:v1")
				local done = luff.json.decode(run("daemon", "prune", "--json"))
				assert.is_true(done.images >= 1, luff.json.encode(done))
				assert.truthy(inspect "kept:v1")
				done = luff.json.decode(run("daemon", "prune", "--all", "--json"))
				assert.is_true(done.images >= 1, luff.json.encode(done))
				assert.equal("", names())
			end)

			check("says what it has where a name is not there", function()
				copy("oci:" .. dir .. ":one", "docker-daemon:app:v1")
				local result = support.luff({ "digest", "docker-daemon:app:v2" }, { env = { DOCKER_HOST = daemon.host } })
				assert.equal(3, result.code)
				assert.equal("luff: docker-daemon: no image app:v2 (have: app:v1)\n", result.stderr)
			end)
		end)
	end
end)
