-- Layers that are compressed on their way, and what that changes above them.
local luff = require "luff"
local support = require "spec.support"

local oci_layer = "application/vnd.oci.image.layer.v1.tar"
local docker_layer = "application/vnd.docker.image.rootfs.diff.tar"

local function unpacked_by(tool, bytes)
	local file = support.write(support.scratch() .. "/packed", bytes)
	return support.must { tool, "-qdc", file }
end

local function text_tar(size)
	local line = "all work and no play makes jack a dull boy\n"
	return support.tar { ["etc/text"] = line:rep(size // #line) .. support.random(size % 1000) }
end

describe("a copy that compresses", function()
	local place, archive
	before_each(function()
		place = "oci:" .. support.scratch() .. "/out"
		archive = "docker-archive:" .. support.scratch() .. "/a.tar"
	end)

	it("turns an archive's plain layers into gzip, reproducibly", function()
		-- around the size of a block, and of many
		local layers = { "", text_tar(1000) }
		for i, size in ipairs { (256 << 10) - 1, 256 << 10, (256 << 10) + 1, 1 << 20, 1300000 } do
			layers[i + 2] = support.random(size)
		end
		layers[#layers + 1] = text_tar(3 << 20)
		local made = support.make_image("memory:plain:v1", { layers = layers, annotations = { key = "value" } })
		luff.copy(made, archive .. ":app:v1")
		assert.equal(made, luff.open(archive))
		local result = luff.copy(archive, place .. ":v1")
		local image = luff.open(place .. ":v1")
		assert.equal(result.digest, image:digest())
		assert.not_equal(made:digest(), image:digest())
		assert.equal(made:config_name(), image:config_name())
		assert.equal("value", image:annotations().key)
		for i, layer in ipairs(image:layers()) do
			assert.equal(oci_layer .. "+gzip", layer:media_type())
			assert.equal(luff.digest(layers[i]), layer:diff_id())
			local bytes = layer:compressed():read "a"
			assert.equal(luff.digest(bytes), layer:digest())
			assert.equal(layers[i], layer:uncompressed():read "a" or "")
			assert.equal(layers[i], unpacked_by("gzip", bytes))
		end
		assert.truthy(image:layers()[#layers]:size() < #layers[#layers] / 20)
		-- again, elsewhere, one at a time; and where it is already
		local again = luff.copy(archive, "memory:again" .. support.scratch():gsub("%W", "") .. ":v1", { jobs = 1 })
		assert.equal(result.digest, again.digest)
		local second = luff.copy(archive, place .. ":v2")
		assert.equal(result.digest, second.digest)
		assert.equal(0, second.copied)
	end)

	it("does so to a registry, not between archives, nor where a digest is asked for", function()
		local server <close> = luff.serve()
		local made = support.make_image("memory:kinds:v1", { layers = { text_tar(5000) } })
		luff.copy(made, archive .. ":app:v1")
		local name = server:address() .. "/app:v1"
		luff.copy(archive, name)
		assert.equal(oci_layer .. "+gzip", luff.open(name):layers()[1]:media_type())
		local other = "docker-archive:" .. support.scratch() .. "/b.tar"
		luff.copy(archive, other)
		assert.equal(made, luff.open(other))
		luff.copy(archive, place .. "@" .. made:digest())
		assert.equal(made, luff.open(place .. "@" .. made:digest()))
		luff.copy("memory:kinds:v1", place .. ":kept")
		assert.equal(made, luff.open(place .. ":kept"))
		assert.equal("digest_mismatch", support.fails(luff.copy, archive, place .. "@" .. made:digest(),
			{ compress = "gzip" }).code)
	end)

	it("takes zstd, or none", function()
		local tar = text_tar(400000)
		local made = support.make_image("memory:zstd:v1", { layers = { tar } })
		luff.copy(made, archive .. ":app:v1")
		luff.copy(archive, place .. ":none", { compress = "none" })
		assert.equal(made, luff.open(place .. ":none"))
		luff.copy(place .. ":none", place .. ":zstd", { compress = "zstd" })
		local layer = luff.open(place .. ":zstd"):layers()[1]
		assert.equal(oci_layer .. "+zstd", layer:media_type())
		assert.equal(tar, layer:uncompressed():read "a")
		assert.equal(tar, unpacked_by("zstd", layer:compressed():read "a"))
		local err = support.fails(luff.copy, archive, place .. ":x", { compress = "bzip2" })
		assert.equal("invalid", err.code)
		local run = support.luff("copy", "-q", "--compress", "zstd", archive, place .. ":cli")
		assert.equal(luff.open(place .. ":zstd"):digest() .. "\n", run.stdout)
	end)

	it("makes the same bytes on one processor as on all", function()
		local tar = support.scratch() .. "/rootfs.tar"
		support.write(tar,
			support.tar { a = support.random(5 << 20), b = ("word "):rep(1 << 20), c = support.random(1 << 20) })
		for _, kind in ipairs { "zstd", "gzip" } do
			local argv = { "copy", "-q", "--compress", kind, "rootfs:" .. tar, place .. ":" .. kind }
			local all = support.luff(argv)
			assert.equal(0, all.code, all.stderr)
			local one = support.run { "taskset", "-c", support.sh "taskset -cp $$ | sed 's/.*[ ,-]//'", support.program,
				"copy", "-q", "--compress", kind, "rootfs:" .. tar, "oci:" .. support.scratch() .. "/one:v1" }
			assert.equal(all.stdout, one.stdout)
			luff.open(place .. ":" .. kind):layers()[1]:uncompressed():read "a"
		end
	end)

	it("gives indexes, and Docker's manifests, their new digests", function()
		local index = support.make_index("memory:index:v1", { "linux/amd64", "linux/arm64" }, { docker = true })
		luff.copy(index, place .. ":v1", { compress = "gzip" })
		local new = luff.index(place .. ":v1")
		assert.not_equal(index:digest(), new:digest())
		assert.equal(index:media_type(), new:media_type())
		for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
			local before, after = index:image { platform = platform }, new:image { platform = platform }
			assert.equal(before:config_name(), after:config_name())
			assert.equal(docker_layer .. ".gzip", after:layers()[1]:media_type())
			assert.equal(before:layers()[1]:diff_id(), after:layers()[1]:diff_id())
		end
		local err = support.fails(luff.copy, index, place .. ":v2", { compress = "zstd" })
		assert.equal("unsupported", err.code)
	end)

	it("leaves alone what is compressed, whatever its label says", function()
		local packed = support.packed(text_tar(5000), "gzip")
		local made = support.make_image("memory:label:v1", { layers = { packed,
			{ bytes = packed.bytes, media_type = oci_layer, diff_id = packed.diff_id } } })
		luff.copy(made, place .. ":v1", { compress = "zstd" })
		assert.equal(made, luff.open(place .. ":v1"))
		local err = support.fails(luff.copy, made, place .. ":v2", { compress = "gzip", referrers = true })
		assert.equal("invalid", err.code)
	end)

	it("finds damage, and leaves nothing of it", function()
		local dir = support.scratch()
		local blob, name = support.layout(dir)
		local bytes = support.random(600000)
		local lie = { digest = luff.digest "others", size = #bytes }
		support.image_by_hand(blob, name, "bad", { blob(bytes, oci_layer, lie) })
		local tmp = support.scratch()
		local run = support.run({ "env", "TMPDIR=" .. tmp, support.program, "copy", "-q", "--compress", "gzip",
			"oci:" .. dir .. ":bad", place .. ":bad" })
		assert.equal(6, run.code, run.stderr)
		assert.equal("", support.tree(tmp))
		assert.equal("not_found", support.fails(luff.open, place .. ":bad").code)
	end)
end)
