-- Not under the thread sanitizer.
-- Edits of documents: configs, manifests, annotations; and luff mutate.
local luff = require "luff"
local support = require "spec.support"

-- An image whose documents no tool of ours would write, and its layout's folder: members in an order
-- of their own, unknown ones, white space.
local function odd_image()
	local dir = support.scratch() .. "/odd"
	local blob, name = support.layout(dir)
	local layer = blob(support.tar { ["etc/motd"] = "hello\n" }, "application/vnd.oci.image.layer.v1.tar")
	local config = blob(([[{ "zzz": {"b": 1, "a": [null, {"y": 1.5, "x": "\u003c"}]},
		"n": [1.0, 9007199254740993, 1e3], "os": "linux", "architecture": "amd64",
		"rootfs": {"type": "layers", "diff_ids": ["%s"]}, "config": {"OnBuild": [], "User": "root"} }]]):format(layer.digest),
		"application/vnd.oci.image.config.v1+json")
	name("v1", blob(([[{ "layers": [{"size": %d, "org.example.note": 7, "digest": "%s", "mediaType": "%s"}],
		"future": {"q": true, "p": null}, "config": {"size": %d, "digest": "%s", "mediaType": "%s"}, "schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json" }]]):format(layer.size, layer.digest, layer.mediaType,
		config.size, config.digest, config.mediaType), "application/vnd.oci.image.manifest.v1+json"))
	return luff.image("oci:" .. dir .. ":v1"), dir
end

describe("an edited image", function()
	it("has the numbers and the order that it was given", function()
		local new = odd_image():configure(function(config)
			config.big = math.maxinteger
			config.config.Labels = luff.json.decode '{"z":"1","a":"2"}'
		end)
		assert.truthy(new:raw_config_file():find('"Labels":{"z":"1","a":"2"}},"big":9223372036854775807}', 1, true),
			new:raw_config_file())
	end)

	it("keeps what nobody changed, and its order", function()
		local image = odd_image()
		local new = image:configure(function(config)
			config.config.User = "nobody"
			config.author = "me"
		end)
		assert.equal('{"zzz":{"b":1,"a":[null,{"y":1.5,"x":"<"}]},'
			.. '"n":[1.0,9007199254740993,1e3],"os":"linux","architecture":"amd64","rootfs":{"type":"layers",'
			.. '"diff_ids":["' .. image:layers()[1]:digest() .. '"]},"config":{"OnBuild":[],"User":"nobody"},"author":"me"}',
			new:raw_config_file())
		local digest, size = new:raw_manifest():match '"config":{"size":(%d+),"digest":"([^"]+)"'
		assert.equal(luff.digest(new:raw_config_file()), size)
		assert.equal(tostring(#new:raw_config_file()), digest)
		assert.truthy(new:raw_manifest():find('"future":{"q":true,"p":null},"config"', 1, true))
		assert.truthy(new:raw_manifest():find '^{"layers":%[{"size":%d+,"org.example.note":7,"digest"')
		assert.equal(luff.digest(new:raw_manifest()), new:digest())
		assert.equal(image:layers()[1], new:layers()[1])
		assert.equal("root", image:config_file().config.User)
	end)

	it("is the same image where nothing changes", function()
		local image = odd_image()
		assert.equal(image:raw_manifest(), image:configure(function() end):raw_manifest())
		assert.equal(image:raw_manifest(), image:annotate {}:raw_manifest())
		local there_and_back = image:annotate { a = "b" }:annotate { a = false }
		assert.is_nil(there_and_back:manifest().annotations)
		assert.equal(image:raw_config_file(), there_and_back:raw_config_file())
	end)

	it("moves nothing until it is written, and then only what is new", function()
		local server <close> = luff.serve { record = true }
		local name = server:address() .. "/team/app:v1"
		support.make_image(name, { layers = { 5000, 6000 } })
		local image = luff.image(name)
		server:requests()
		local new = image:configure(function(config) config.config.User = "me" end):annotate {
			a = "b" }:with_artifact_type "x/y"
		assert.equal(0, support.count(server, "POST", "."))
		local result = luff.copy(new, server:address() .. "/other/app:v2")
		local requests = server:requests()
		assert.equal(2, result.mounted)
		assert.equal(1, result.copied)
		assert.equal(0, support.count(requests, "GET", "/blobs/"))
		assert.equal(new:digest(), luff.resolve(server:address() .. "/other/app:v2").digest)
		-- over the same name, too
		assert.equal(2, luff.copy(new, name).skipped)
		assert.equal("me", luff.image(name):config_file().config.User)
	end)

	it("stands on its own after its source is gone from sight", function()
		local new
		do
			local image = odd_image()
			for i = 1, 20 do
				image = image:annotate { ["n" .. i] = "x" }
			end
			new = image:configure(function(config) config.config.Env = { "A=b" } end):annotate { last = "1" }
		end
		collectgarbage()
		collectgarbage()
		local copied = luff.copy(new, "memory:edited:v1")
		assert.equal(new:digest(), copied.digest)
		assert.same({ "A=b" }, luff.image "memory:edited:v1":config_file().config.Env)
		assert.equal("hello\n", luff.image "memory:edited:v1":read "/etc/motd")
	end)

	it("keeps the algorithm of its digests", function()
		local dir = support.scratch()
		support.sha512_layout(dir, "v1")
		local new = luff.image("oci:" .. dir .. ":v1"):annotate { a = "b" }
		assert.equal(luff.digest(new:raw_manifest(), "sha512"), new:digest())
		assert.equal(new:digest(), luff.copy(new, "oci:" .. dir .. ":v2").digest)
	end)

	it("comes from a docker-archive: with its layers compressed on the way, as the archive's own image", function()
		local file = support.scratch() .. "/a.tar"
		support.make_image("memory:edited:plain", { docker = true })
		luff.copy("memory:edited:plain", "docker-archive:" .. file .. ":app:v1")
		local new = luff.image("docker-archive:" .. file):configure(function(config) config.config.User = "me" end)
		luff.copy(new, "memory:edited:packed")
		local layer = luff.image "memory:edited:packed":layers()[1]
		assert.equal("application/vnd.docker.image.rootfs.diff.tar.gzip", layer:media_type())
		assert.equal("me", luff.image "memory:edited:packed":config_file().config.User)
	end)

	it("has no config left that it does not need", function()
		local image = support.make_image "memory:edited:bare"
		assert.is_nil(image:configure(function(config)
			assert.same({}, config.config)
			config.author = "me"
		end):config_file().config)
		assert.equal("you", image:configure(function(config)
			return { os = config.os, architecture = config.architecture, rootfs = config.rootfs, author = "you" }
		end):config_file().author)
	end)

	it("gets a subject, and is found as a referrer", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/team/app:v1"
		local image = support.make_image(name)
		local note = support.make_image("memory:edited:note", { layers = {
			10 } }):with_subject(name):with_artifact_type "x/note"
		assert.same({ mediaType = image:media_type(), digest = image:digest(), size = image:size() }, note:manifest().subject)
		luff.copy(note, server:address() .. "/team/app:note")
		local found = {}
		for one in luff.referrers(name) do
			found[#found + 1] = one
		end
		assert.equal(note:digest(), found[1].digest)
		assert.equal("x/note", found[1].artifactType)
		assert.equal("me", note:configure(function(c) c.author = "me" end):config_file().author)
		assert.same(note:manifest().subject, note:annotate { a = "b" }:manifest().subject)
		assert.is_nil(note:with_subject(nil):manifest().subject)
		assert.equal(note, note:with_subject(image))
	end)

	it("speaks the OCI's or Docker's media types", function()
		local image = support.make_image("memory:edited:oci", { layers = {
			support.packed(support.tar { a = "1" }, "gzip"), support.tar { b = "2" },
		} })
		local docker = image:with_format "docker"
		assert.equal("application/vnd.docker.distribution.manifest.v2+json", docker:media_type())
		assert.equal("application/vnd.docker.container.image.v1+json", docker:manifest().config.mediaType)
		assert.equal("application/vnd.docker.image.rootfs.diff.tar.gzip", docker:layers()[1]:media_type())
		assert.equal("application/vnd.docker.image.rootfs.diff.tar", docker:layers()[2]:media_type())
		assert.equal(image:config_name(), docker:config_name())
		assert.equal(image, docker:with_format "oci")
		assert.equal("2", luff.image("memory:edited:" .. (luff.copy(docker, "memory:edited:docker") and "docker")):read "/b")
		local zstd = support.make_image("memory:edited:zstd", { layers = { support.packed(support.tar {}, "zstd") } })
		assert.equal("unsupported", support.fails(zstd.with_format, zstd, "docker").code)
		assert.equal("invalid", support.fails(zstd.with_format, zstd, "other").code)
	end)

	it("refuses what makes no sense", function()
		local image = odd_image()
		assert.equal("invalid", support.fails(image.annotate, image, { a = 1 }).code)
		assert.equal("invalid", support.fails(image.with_artifact_type, image, 7).code)
		assert.equal("invalid", support.fails(image.with_subject, image, {}).code)
		assert.equal("invalid", support.fails(image.configure, image, function() return 7 end).code)
		assert.equal("too_large", support.fails(image.annotate, image, { a = ("x"):rep(5 << 20) }).code)
		assert.equal("too_large", support.fails(image.configure, image, function(c) c.author = ("x"):rep(9 << 20) end).code)
		assert.is_false(pcall(image.configure, image, function() error "no" end))
	end)
end)

describe("luff mutate", function()
	local function mutate(...)
		local result = support.luff("mutate", "-q", ...)
		return result
	end

	it("sets and takes away", function()
		local dir = support.scratch()
		local old = support.make_image("oci:" .. dir .. ":v1", { config = { config = { Env = luff.array { "PATH=/bin",
			"DEBUG=1" },
			Cmd = luff.array { "sh" }, Labels = { old = "1" }, ExposedPorts = { ["1/tcp"] = {} } } }, annotations = {
				gone = "1" } })
		local result = mutate("oci:" .. dir .. ":v1", "-t", "oci:" .. dir .. ":v2", "--env", "PATH=/usr/bin", "-e", "NEW=a=b",
			"--unset", "env.DEBUG", "--label", "new=2", "--unset=label.old", "--cmd", '["a,b"]', "--cmd", "c,d", "--user", "me",
			"--workdir", "/w", "--exposed-ports", "80/tcp,53/udp", "--unset", "port.1/tcp", "--volume", "/data", "-a", "x=y",
			"--unset", "annotation.gone")
		assert.equal("", result.stderr)
		local image = luff.image("oci:" .. dir .. ":v2")
		assert.equal(image:digest() .. "\n", result.stdout)
		assert.same({
			Env = { "PATH=/usr/bin", "NEW=a=b" }, Labels = { new = "2" }, Cmd = { "a,b", "c", "d" }, User = "me",
			WorkingDir = "/w", ExposedPorts = { ["80/tcp"] = {}, ["53/udp"] = {} }, Volumes = { ["/data"] = {} },
		}, image:config_file().config)
		assert.same({ x = "y" }, image:annotations())
		assert.equal(old:layers()[1], image:layers()[1])
		mutate("oci:" .. dir .. ":v2", "-t", "oci:" .. dir .. ":v3", "--entrypoint", "/e", "--unset", "user", "--unset",
			"workdir",
			"--unset", "volume./data", "--unset", "env.PATH", "--unset", "env.NEW", "--unset", "label.new", "--unset",
				"port.80/tcp",
			"--unset", "port.53/udp")
		assert.same({ Entrypoint = { "/e" } }, luff.image("oci:" .. dir .. ":v3"):config_file().config)
	end)

	it("changes one platform or all", function()
		local dir = support.scratch()
		local index = support.make_index("oci:" .. dir .. ":v1", { "linux/amd64", "linux/arm64" })
		assert.equal(0, mutate("oci:" .. dir .. ":v1", "-t", "oci:" .. dir .. ":one", "--platform", "linux/arm64", "-u",
			"me").code)
		assert.equal("linux/arm64", luff.open("oci:" .. dir .. ":one"):platform())
		assert.equal(0, mutate("oci:" .. dir .. ":v1", "-t", "oci:" .. dir .. ":all", "--all-platforms", "-u", "me").code)
		local all = luff.index("oci:" .. dir .. ":all")
		for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
			assert.equal("me", all:image { platform = platform }:config_file().config.User)
			assert.equal(index:image { platform = platform }:layers()[1], all:image { platform = platform }:layers()[1])
		end
	end)

	it("says what is wrong before it reads anything", function()
		local dir = support.scratch()
		for _, words in ipairs { { "--user", "x" }, { "-t", "oci:" .. dir .. ":v2", "--env", "x" },
			{ "-t", "oci:" .. dir .. ":v2", "--unset", "x" }, { "-t", "oci:" .. dir .. ":v2", "--cmd", "[x" } } do
			local result = mutate("oci:" .. dir .. "/missing:v1", table.unpack(words))
			assert.equal(2, result.code, result.stderr)
			assert.truthy(result.stderr:find "^luff: [^\n]+\n$", result.stderr)
		end
	end)
end)
