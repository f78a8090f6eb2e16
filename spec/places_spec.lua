-- Not under sanitizers.
-- Places that hold one image without a name: skopeo's folder, a root filesystem, and images made of random bytes.
local luff = require "luff"
local support = require "spec.support"

describe("dir:", function()
	local place, dir
	before_each(function()
		dir = support.scratch() .. "/d"
		place = "dir:" .. dir
	end)

	it("holds one image, which the next one replaces", function()
		local one = support.make_image("memory:dir:one", { layers = { 1000, 2000 } })
		local two = support.make_index("memory:dir:two", { "linux/amd64", "linux/arm64" })
		luff.copy(one, place)
		assert.equal(one, luff.open(place))
		assert.equal(one:raw_manifest(), support.read(dir .. "/manifest.json"))
		luff.copy("memory:dir:two", place)
		assert.equal(two, luff.open(place))
		assert.equal("linux/arm64", luff.image(place, { platform = "linux/arm64" }):platform())
		luff.copy(place, "memory:dir:back")
		assert.equal(two, luff.open "memory:dir:back")
		assert.equal(0, luff.copy("memory:dir:two", place).copied)
		assert.equal("Directory Transport Version: 1.1\n", support.read(dir .. "/version"))
		assert.equal(two, luff.open(place .. "@" .. two:digest()))
		assert.equal("not_found", support.fails(luff.open, place .. "@" .. luff.digest "x").code)
	end)

	it("has no names", function()
		luff.copy(support.make_image "memory:dir:three", place)
		local err = support.fails(luff.tag, place, "v1")
		assert.equal("unsupported", err.code)
		assert.truthy(err.message:find("no names", 1, true), err.message)
		for tag in luff.tags(place) do
			error("a tag: " .. tag)
		end
	end)

	it("is not there, or not what it should be", function()
		assert.equal("not_found", support.fails(luff.open, place).code)
		assert.equal("invalid_name", support.fails(luff.open, "dir:").code)
		support.must { "mkdir", dir }
		assert.equal("not_found", support.fails(luff.open, place).code)
		support.write(dir .. "/manifest.json", "[")
		assert.equal("bad_format", support.fails(luff.open, place).code)
		support.must { "rm", dir .. "/manifest.json" }
		support.write(dir .. "/../outside", support.make_image "memory:dir:four":raw_manifest())
		support.must { "ln", "-s", "../outside", dir .. "/manifest.json" }
		assert.equal("bad_format", support.fails(luff.open, place).code)
	end)

	it("fails as a whole", function()
		local image = support.make_image "memory:dir:five"
		luff.copy(image, place)
		local layout = support.scratch()
		local blob, name = support.layout(layout)
		support.image_by_hand(blob, name, "bad", { blob("not these bytes", "application/vnd.oci.image.layer.v1.tar",
			{ digest = luff.digest "others", size = 15 }) })
		local before = support.checksums(dir)
		assert.equal("digest_mismatch", support.fails(luff.copy, "oci:" .. layout .. ":bad", place).code)
		assert.equal(image, luff.open(place))
		assert.falsy(support.tree(dir):find(".luff", 1, true))
		assert.truthy(support.checksums(dir):find(before:match "^[^\n]+", 1, true))
	end)
end)

describe("rootfs:", function()
	local function folder()
		local dir = support.scratch()
		support.must { "mkdir", "-p", dir .. "/etc/" .. ("deep/"):rep(30) }
		support.write(dir .. "/etc/name", "value\n")
		support.write(dir .. "/etc/" .. ("deep/"):rep(30) .. "file", "far down\n")
		support.must { "ln", dir .. "/etc/name", dir .. "/hard" }
		support.must { "ln", "-s", "etc/name", dir .. "/soft" }
		support.must { "ln", "-s", ("long/"):rep(40), dir .. "/longer" }
		support.must { "mkfifo", dir .. "/pipe" }
		support.must { "chmod", "4755", dir .. "/etc/name" }
		return dir
	end

	it("is a folder as one layer, the same for the same content", function()
		local one, two = folder(), folder()
		support.must { "touch", "-d", "2001-02-03", two .. "/etc/name", two .. "/etc" }
		local image = luff.open("rootfs:" .. one)
		assert.equal(image:digest(), luff.open("rootfs:" .. two):digest())
		assert.equal(luff.platform(), image:platform())
		local layer = image:layers()[1]
		assert.equal(layer:digest(), layer:diff_id())
		local tar = support.write(support.scratch() .. "/layer.tar", layer:compressed():read "a")
		local list = support.must { "tar", "-tvf", tar }
		assert.truthy(list:find("hard link to etc/name", 1, true) or list:find("hard", 1, true), list)
		assert.truthy(list:find("soft -> etc/name", 1, true), list)
		assert.truthy(list:find("longer -> " .. ("long/"):rep(40), 1, true), list)
		assert.truthy(list:find("%-rwsr%-xr%-x"), list)
		assert.equal("far down\n", support.must { "tar", "-xOf", tar, "etc/" .. ("deep/"):rep(30) .. "file" })
		support.write(two .. "/etc/name", "another value\n")
		assert.not_equal(image:digest(), luff.open("rootfs:" .. two):digest())
	end)

	it("is a tar of any compression, which goes elsewhere as gzip", function()
		local tar = support.tar { ["etc/name"] = ("value\n"):rep(1000) }
		local file = support.write(support.scratch() .. "/root.tar", tar)
		local image = luff.open("rootfs:" .. file)
		assert.equal(luff.digest(tar), image:layers()[1]:digest())
		support.must { "gzip", "-k", file }
		assert.equal(image, luff.open("rootfs:" .. file .. ".gz"))
		luff.copy("rootfs:" .. file .. ".gz", "memory:rootfs:v1")
		local layer = luff.open "memory:rootfs:v1":layers()[1]
		assert.equal("application/vnd.oci.image.layer.v1.tar+gzip", layer:media_type())
		assert.equal(luff.digest(tar), layer:diff_id())
		assert.equal(tar, layer:uncompressed():read "a")
	end)

	it("is read-only, and says what is none", function()
		local dir = folder()
		assert.equal("unsupported", support.fails(luff.copy, support.make_image "memory:rootfs:v2", "rootfs:" .. dir).code)
		assert.equal("not_found", support.fails(luff.open, "rootfs:" .. dir .. "/none").code)
		assert.equal("bad_format", support.fails(luff.open, "rootfs:" .. dir .. "/etc/name").code)
		assert.equal("bad_format", support.fails(luff.open, "rootfs:" .. dir .. "/pipe").code)
		assert.equal("invalid_name", support.fails(luff.open, "rootfs:").code)
	end)
end)

describe("random:", function()
	it("has the shape that was asked for, and is always the same", function()
		local image = luff.open "random:layers=3,size=100000,seed=7"
		assert.equal("sha256:", image:digest():sub(1, 7))
		assert.equal(image, luff.open "random:seed=7,size=100000,layers=3")
		assert.not_equal(image:digest(), luff.open "random:layers=3,size=100000,seed=8":digest())
		local layers = image:layers()
		assert.equal(3, #layers)
		for _, layer in ipairs(layers) do
			assert.equal(512 + 100352 + 1024, layer:size())
			assert.equal(layer:diff_id(), layer:digest())
			assert.equal(layer:size(), #layer:compressed():read "a")
		end
		assert.not_equal(layers[1]:digest(), layers[2]:digest())
		luff.copy("random:layers=2", "memory:random:v1")
		assert.equal(luff.open "random:layers=2", luff.open "memory:random:v1")
		assert.equal(0, #luff.open "random:layers=0":layers())
		assert.equal("linux/amd64", luff.open "random:":platform())
	end)

	it("is known on every machine", function()
		assert.equal("sha256:dcbacb059088effdb12d2fbf4f60c9a7c8b67f448879455042989cc4bb24120b", luff.open "random:":digest())
	end)

	it("refuses other shapes", function()
		for _, shape in ipairs { "layers", "layers=x", "layers=-1", "depth=3", "layers=1,," } do
			assert.equal("invalid_name", support.fails(luff.open, "random:" .. shape).code, shape)
		end
		assert.equal("too_large", support.fails(luff.open, "random:layers=101").code)
	end)
end)

-- Other tools read what was written, and luff what they write.
describe("beside other tools,", function()
	local source, index, image
	setup(function()
		source = support.scratch()
		index = support.make_index("oci:" .. source .. ":many", { "linux/amd64", "linux/arm64" })
		image = support.make_image("oci:" .. source .. ":one", {
			layers = { support.packed(support.tar { ["etc/name"] = "value" }, "gzip"), 1000 } })
	end)

	local function with(name, f)
		local programs = support.peers(name)
		if #programs == 0 then
			pending(name .. " is not installed")
		end
		for _, program in ipairs(programs) do
			f(program, support.scratch())
		end
	end

	it("skopeo", function()
		with("skopeo", function(skopeo, dir)
			local function copy(from, to, ...)
				support.must { skopeo, "--insecure-policy", "copy", "-q", "--all", from, to, ... }
			end
			for ours, theirs in pairs { ["oci-archive:" .. dir .. "/o.tar:many"] = "oci-archive:" .. dir .. "/o2.tar:many",
				["dir:" .. dir .. "/d"] = "dir:" .. dir .. "/d2" } do
				luff.copy(index, ours)
				copy(ours, "oci:" .. dir .. "/back:many", "--preserve-digests")
				assert.equal(index, luff.open("oci:" .. dir .. "/back:many"))
				copy("oci:" .. source .. ":many", theirs, "--preserve-digests")
				assert.equal(index, luff.open(theirs))
				assert.equal(index:digest(), luff.copy(theirs, "oci:" .. dir .. "/again:many").digest)
			end
			luff.copy(image, "docker-archive:" .. dir .. "/d.tar:app:v1")
			copy("docker-archive:" .. dir .. "/d.tar:app:v1", "dir:" .. dir .. "/app")
			assert.equal(image:config_name(), luff.open("dir:" .. dir .. "/app"):config_name())
			copy("dir:" .. dir .. "/app", "docker-archive:" .. dir .. "/theirs.tar:app:v2")
			local theirs = luff.open("docker-archive:" .. dir .. "/theirs.tar:app:v2")
			assert.equal(image:config_name(), theirs:config_name())
			assert.equal(image:layers()[1]:diff_id(), theirs:layers()[1]:digest())
			assert.equal("value", theirs:layers()[1]:uncompressed():read "a":sub(513, 517))
		end)
	end)

	it("crane", function()
		with("crane", function(crane, dir)
			local server <close> = luff.serve()
			luff.copy(image, "docker-archive:" .. dir .. "/d.tar:app:v1")
			support.must { crane, "push", dir .. "/d.tar", server:address() .. "/app:v1" }
			assert.equal(image:config_name(), luff.open(server:address() .. "/app:v1"):config_name())
			support.must { crane, "pull", server:address() .. "/app:v1", dir .. "/theirs.tar" }
			local theirs = luff.open("docker-archive:" .. dir .. "/theirs.tar")
			assert.equal(image:config_name(), theirs:config_name())
			assert.equal(image:layers()[1]:diff_id(), theirs:layers()[1]:diff_id())
			luff.copy(theirs, "memory:crane:v1", { compress = "none" })
		end)
	end)

	it("umoci", function()
		with("umoci", function(umoci, dir)
			luff.copy("rootfs:" .. source, "oci:" .. dir .. "/l:v1")
			support.must { umoci, "unpack", "--rootless", "--image", dir .. "/l:v1", dir .. "/bundle" }
			assert.equal(support.checksums(source), support.checksums(dir .. "/bundle/rootfs"))
		end)
	end)

	it("the archives that Docker and containerd wrote", function()
		local official = os.getenv "LUFF_IMAGES" or "../shared/images"
		if not support.exists(official .. "/docker-save-alpine.tar") then
			pending "the official images are not here ($LUFF_IMAGES, ../shared/images)"
		end
		for file, name in pairs { ["docker-save-alpine.tar"] = "peers/alpine:3.20",
			["docker-save-multi-busybox.tar"] = "busybox:latest", ["containerd-export-busybox.tar"] = "busybox:latest" } do
			local place, dir = "docker-archive:" .. official .. "/" .. file, support.scratch()
			local opened = luff.open(place .. ":" .. name)
			local entry = luff.json.decode(support.must { "tar", "-xOf", official .. "/" .. file, "index.json" }).manifests[1]
			assert.equal(entry.digest, opened:digest())
			assert.equal(entry.digest, luff.copy(place, "oci-archive:" .. dir .. "/o.tar", { compress = "none" }).digest)
			assert.equal(entry.digest, luff.copy("oci-archive:" .. dir .. "/o.tar", "docker-archive:" .. dir .. "/d.tar").digest)
		end
	end)
end)
