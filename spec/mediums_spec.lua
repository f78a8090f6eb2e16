-- One suite over every medium: whatever holds images behaves alike.
local luff = require "luff"
local mediums = require "spec.support.mediums"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local oci_index = "application/vnd.oci.image.index.v1+json"

local tags_of = support.tags

-- A manifest as nobody's encoder would write it, over blobs that are pushed to the place.
local function odd_manifest(place)
	local config = luff.push_blob(place, '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
		{ media_type = "application/vnd.oci.image.config.v1+json" })
	return ('{ "zebra" : [1, 2.50, {"b":1, "a":null, "":"é"}],\n\t"layers":[ ],  "config": {"size":%d, "x-unknown":'
		.. '"kept \\u00e9", "digest":"%s","mediaType":"%s"},\n"mediaType":"%s", "schemaVersion" : 2 }\n'):format(
		config.size, config.digest, config.mediaType, oci_manifest)
end

local function suite(medium)
	local place

	setup(medium.start)
	teardown(medium.stop)
	before_each(function()
		place = medium.place()
	end)

	it("gives a manifest back byte for byte", function()
		local text = odd_manifest(place)
		local pushed = luff.push_manifest(place .. ":odd", text)
		local opened = luff.open(place .. ":odd")
		assert.equal(text, opened:raw_manifest())
		assert.equal(luff.digest(text), opened:digest())
		assert.equal(pushed, opened)
		assert.equal("kept é", opened:manifest().config["x-unknown"])
		assert.equal(luff.null, opened:manifest().zebra[3].a)
	end)

	it("gives an index back byte for byte", function()
		local image = support.make_image(place, { untagged = true })
		local text = ('{"manifests":[{"platform":{"os":"linux","architecture":"amd64","x":1},"urls":[],"size":%d,'
			.. '"digest":"%s","mediaType":"%s"}], "schemaVersion":2,"x":{"y":[]},"mediaType":"%s"}'):format(
			#image:raw_manifest(), image:digest(), oci_manifest, oci_index)
		luff.push_manifest(place .. ":odd", text)
		local index = luff.index(place .. ":odd")
		assert.equal(text, index:raw_manifest())
		assert.equal(luff.digest(text), index:digest())
		assert.equal(oci_index, index:media_type())
	end)

	it("keeps Docker's media types", function()
		support.make_index(place .. ":docker", { "linux/amd64", "linux/arm64" }, { docker = true })
		local index = luff.index(place .. ":docker")
		assert.equal("application/vnd.docker.distribution.manifest.list.v2+json", index:media_type())
		local image = index:image { platform = "linux/arm64" }
		assert.equal("application/vnd.docker.distribution.manifest.v2+json", image:media_type())
		assert.equal("application/vnd.docker.image.rootfs.diff.tar", image:layers()[1]:media_type())
	end)

	it("answers what there is to ask of an image", function()
		local tar = support.tar { ["etc/name"] = "value\n" }
		local made = support.make_image(place .. ":v1", {
			platform = "linux/arm64", layers = { tar, 3000 }, annotations = { ["org.example.key"] = "value" },
		})
		local image = luff.image(place .. ":v1", { platform = "linux/arm64" })
		assert.equal(made, image)
		assert.equal("linux/arm64", image:platform())
		assert.equal("value", image:annotations()["org.example.key"])
		assert.equal("arm64", image:config_file().architecture)
		assert.equal(luff.digest(image:raw_config_file()), image:config_name())
		assert.equal(image:manifest().config.digest, image:config_name())
		local layers = image:layers()
		assert.equal(2, #layers)
		assert.equal(luff.digest(tar), layers[1]:digest())
		assert.equal(luff.digest(tar), layers[1]:diff_id())
		assert.equal(#tar, layers[1]:size())
		assert.equal(tar, layers[1]:compressed():read "a")
		assert.equal(tar, layers[1]:uncompressed():read "a")
		assert.equal(layers[2], image:layer_by_digest(layers[2]:digest()))
		assert.equal(layers[2], image:layer_by_diff_id(layers[2]:diff_id()))
	end)

	it("uncompresses gzip and zstd", function()
		local tar = support.tar { ["etc/text"] = ("all work and no play\n"):rep(5000) }
		local layers = { support.packed(tar, "gzip"), support.packed(tar, "zstd") }
		support.make_image(place .. ":packed", { layers = layers })
		for i, layer in ipairs(luff.image(place .. ":packed", { platform = "linux/amd64" }):layers()) do
			assert.equal(luff.digest(layers[i].bytes), layer:digest())
			assert.equal(luff.digest(tar), layer:diff_id())
			assert.equal(layers[i].bytes, layer:compressed():read "a")
			assert.equal(tar, layer:uncompressed():read "a")
		end
	end)

	it("holds a layer of no bytes", function()
		support.make_image(place .. ":empty", { layers = { "" } })
		local layer = luff.image(place .. ":empty", { platform = "linux/amd64" }):layers()[1]
		assert.equal("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", layer:digest())
		assert.equal(0, layer:size())
		assert.equal("", layer:compressed():read "a" or "")
	end)

	it("moves a tag and keeps what it named", function()
		local old = support.make_image(place .. ":latest", { config = { author = "old" } })
		local new = support.make_image(place .. ":latest", { config = { author = "new" } })
		assert.not_equal(old:digest(), new:digest())
		assert.equal(new:digest(), luff.open(place .. ":latest"):digest())
		assert.equal(old:digest(), luff.open(place .. "@" .. old:digest()):digest())
		assert.same({ "latest" }, tags_of(place))
	end)

	it("gives one image several tags", function()
		local image = support.make_image(place .. ":v1")
		luff.tag(place .. ":v1", "stable")
		luff.tag(place .. "@" .. image:digest(), "V1.0_rc-1")
		assert.equal(image, luff.open(place .. ":stable"))
		assert.equal(image, luff.open(place .. ":V1.0_rc-1"))
		assert.same({ "V1.0_rc-1", "stable", "v1" }, tags_of(place))
	end)

	it("tags an index without touching its images", function()
		local index = support.make_index(place .. ":v1", { "linux/amd64", "linux/arm64" })
		luff.tag(place .. ":v1", "v2")
		assert.equal(index:raw_manifest(), luff.index(place .. ":v2"):raw_manifest())
		assert.same({ "v1", "v2" }, tags_of(place))
	end)

	it("lets the digest decide where a name has both", function()
		local old = support.make_image(place .. ":latest", { config = { author = "old" } })
		support.make_image(place .. ":latest", { config = { author = "new" } })
		assert.equal(old:digest(), luff.open(place .. ":latest@" .. old:digest()):digest())
	end)

	it("takes the same things twice", function()
		local layer = support.tar { ["a"] = "b" }
		local one = support.make_image(place .. ":twice", { layers = { layer, layer } })
		local two = support.make_image(place .. ":twice", { layers = { layer, layer } })
		assert.equal(one, two)
		assert.same({ "twice" }, tags_of(place))
		assert.equal(2, #luff.image(place .. ":twice", { platform = "linux/amd64" }):layers())
	end)

	it("opens whichever is there, and says so where the other was meant", function()
		support.make_image(place .. ":image")
		support.make_index(place .. ":index", { "linux/amd64", "linux/arm64" })
		assert.truthy(tostring(luff.open(place .. ":image")):find("^luff%.Image<"))
		assert.truthy(tostring(luff.open(place .. ":index")):find("^luff%.Index<"))
		local err = support.fails(luff.index, place .. ":image")
		assert.truthy(err.message:find("image", 1, true), err.message)
		assert.equal("linux/arm64", luff.image(place .. ":index", { platform = "linux/arm64" }):platform())
	end)

	it("finds the platform in an index within an index", function()
		local inner = support.make_index(place .. ":inner", { "linux/riscv64", "linux/arm64/v8" })
		luff.push_manifest(place .. ":outer", { schemaVersion = 2, mediaType = oci_index, manifests = luff.array {
			{ mediaType = oci_index, digest = inner:digest(), size = inner:size() },
		} })
		local outer = luff.index(place .. ":outer")
		assert.equal(inner, outer:image_index(inner:digest()))
		assert.equal("linux/riscv64", outer:image { platform = "linux/riscv64" }:platform())
		assert.equal("linux/arm64", luff.image(place .. ":outer", { platform = "linux/arm64" }):platform())
	end)

	describe("choosing a platform", function()
		it("knows variants", function()
			support.make_index(place .. ":all", { "linux/amd64", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7",
				"linux/arm64/v8", "linux/386" })
			for want, have in pairs {
				["linux/amd64"] = "linux/amd64", ["amd64"] = "linux/amd64", ["linux/x86_64"] = "linux/amd64",
				["linux/arm"] = "linux/arm/v7", ["linux/arm/v7"] = "linux/arm/v7", ["linux/arm/v6"] = "linux/arm/v6",
				["linux/arm/v5"] = "linux/arm/v5", ["linux/arm64"] = "linux/arm64/v8", ["linux/aarch64"] = "linux/arm64/v8",
				["linux/arm64/v8"] = "linux/arm64/v8", ["linux/386"] = "linux/386",
			} do
				local config = luff.image(place .. ":all", { platform = want }):config_file()
				local found = config.os .. "/" .. config.architecture .. (config.variant and "/" .. config.variant or "")
				assert.equal(have, found, want)
			end
		end)

		it("takes an older variant where there is no better", function()
			support.make_index(place .. ":old", { "linux/arm/v5", "linux/arm/v6" })
			assert.equal("v6", luff.image(place .. ":old", { platform = "linux/arm/v7" }):config_file().variant)
			assert.equal("v5", luff.image(place .. ":old", { platform = "linux/arm/v5" }):config_file().variant)
		end)

		it("takes the host's by default", function()
			support.make_index(place .. ":host", { "linux/s390x", luff.platform(), "windows/amd64" })
			assert.equal(luff.platform(), luff.image(place .. ":host"):platform())
			assert.equal(luff.platform(), luff.index(place .. ":host"):image():platform())
		end)

		it("lists what there is where none fits", function()
			support.make_index(place .. ":few", { "linux/amd64", "linux/arm/v6" })
			local err = support.fails(luff.image, place .. ":few", { platform = "linux/s390x" })
			assert.equal("not_found", err.code)
			for _, word in ipairs { "linux/s390x", "linux/amd64", "linux/arm/v6" } do
				assert.truthy(err.message:find(word, 1, true), err.message)
			end
		end)
	end)

	describe("what is not there", function()
		it("is not_found, with the tag's name", function()
			support.make_image(place .. ":here")
			local err = support.fails(luff.open, place .. ":gone")
			assert.equal("not_found", err.code)
			assert.truthy(err.message:find("gone", 1, true), err.message)
		end)

		it("is not_found, with the digest", function()
			support.make_image(place .. ":here")
			local digest = luff.digest "not there"
			local err = support.fails(luff.open, place .. "@" .. digest)
			assert.equal("not_found", err.code)
			assert.truthy(err.message:find(digest:sub(1, 19), 1, true), err.message)
		end)

		it("is not_found where the whole place is new", function()
			assert.equal("not_found", support.fails(luff.open, place .. ":v1").code)
		end)

		it("is nil, error by luff.try", function()
			local image, err = luff.try(luff.open, place .. ":v1")
			assert.is_nil(image)
			assert.equal("not_found", err.code)
		end)

		it("is not_found for an image that an index promises", function()
			-- docker-registry itself refuses such an index.
			local pushed = luff.try(luff.push_manifest, place .. ":sparse", {
				schemaVersion = 2, mediaType = oci_index, manifests = luff.array { { mediaType = oci_manifest, size = 400,
					digest = luff.digest "nowhere", platform = { os = "linux", architecture = "amd64" } } },
			})
			if pushed then
				local err = support.fails(luff.image, place .. ":sparse", { platform = "linux/amd64" })
				assert.equal("not_found", err.code)
			end
		end)
	end)

	it("refuses a tag with blanks, control characters or a NUL", function()
		local image = support.make_image(place .. ":v1")
		for _, tag in ipairs { "bad tag", "bad\ntag", "bad\27tag", "v2\0", "\127" } do
			assert.equal("invalid_name", support.fails(luff.tag, place .. ":v1", tag).code)
			assert.equal("invalid_name", support.fails(luff.copy, image, place .. ":" .. tag).code)
			assert.equal("invalid_name", support.fails(luff.push_manifest, place .. ":" .. tag, image:raw_manifest()).code)
		end
		assert.same({ "v1" }, tags_of(place))
	end)

	it("deletes by digest", function()
		local image = support.make_image(place .. ":v1", { config = { author = "kept" } })
		local other = support.make_image(place .. ":v2", { config = { author = "goes" } })
		luff.delete(place .. "@" .. other:digest())
		assert.equal("not_found", support.fails(luff.open, place .. "@" .. other:digest()).code)
		assert.equal(image, luff.open(place .. ":v1"))
	end)

	it("refuses a manifest whose digest is not the name's", function()
		local text = odd_manifest(place)
		local err = support.fails(luff.push_manifest, place .. "@" .. luff.digest "another", text)
		assert.equal("digest_mismatch", err.code)
		assert.equal("not_found", support.fails(luff.open, place .. "@" .. luff.digest(text)).code)
	end)

	it("takes what a reader gives, and what a file holds", function()
		local image = support.make_image(place .. ":v1", { layers = { 100000 } })
		local copy = luff.push_blob("memory:copy-of-" .. image:digest():sub(8, 15), image:layers()[1]:compressed(),
			{ media_type = "application/octet-stream" })
		assert.equal(image:layers()[1]:digest(), copy.digest)
		local file = support.write(support.scratch() .. "/blob", support.random(100000))
		local pushed = luff.push_blob(place, { file = file }, { media_type = "application/octet-stream" })
		assert.equal(100000, pushed.size)
		assert.equal(luff.digest { file = file }, pushed.digest)
		assert.equal("application/octet-stream", pushed.mediaType)
	end)

	it("holds sha512", function()
		if medium.name == "docker-registry" then
			pending "docker-registry takes sha256 alone"
		end
		local source = support.scratch()
		local digest = support.sha512_layout(source, "v1")
		local result = luff.copy("oci:" .. source .. ":v1", place .. ":v1")
		assert.equal(digest, result.digest)
		local image = luff.image(place .. ":v1", { platform = "linux/amd64" })
		assert.equal(digest, image:digest())
		assert.equal("sha512", image:layers()[1]:digest():match("^%w+"))
		assert.equal("etc/made-by", image:layers()[1]:compressed():read "a":sub(1, 11))
		assert.equal(image, luff.open(place .. "@" .. digest))
	end)

	it("lists no tags twice, in any number", function()
		local image = support.make_image(place .. ":t000")
		local want = { "t000" }
		for i = 1, 30 do
			want[i + 1] = ("t%03d"):format(i)
			luff.tag(place .. "@" .. image:digest(), want[i + 1])
		end
		assert.same(want, tags_of(place))
	end)

	it("closes a cursor that is left early", function()
		support.make_image(place .. ":a")
		luff.tag(place .. ":a", "b")
		for tag in luff.tags(place) do -- luacheck: ignore 512
			assert.truthy(tag == "a" or tag == "b")
			break
		end
		local cursor <close> = luff.tags(place)
		assert.truthy(cursor())
	end)
end

describe("a name in memory", function()
	it("has a place, and no tag that is empty, too long or cut short", function()
		for _, name in ipairs { "memory:", "memory:a:", "memory::v1", "memory:@" .. luff.digest "x", "memory:a:b c/d",
			"memory:a b", "memory:a:" .. ("x"):rep(512), "memory:a\0b:v1", "memory:a@sha256:0" } do
			assert.equal("invalid_name", support.fails(luff.open, name).code, name)
			assert.equal("invalid_name", support.fails(luff.push_blob, name, "x").code, name)
		end
		local long = "memory:long:" .. ("x"):rep(511)
		assert.equal(support.make_image(long), luff.open(long))
		assert.equal("not_found", support.fails(luff.open, "memory:long:" .. ("x"):rep(510)).code)
	end)
end)

describe("a NUL", function()
	it("ends no text early", function()
		local image = support.make_image "memory:nul:v1"
		assert.equal("invalid_name", support.fails(luff.open, "memory:nul:v1\0x").code)
		assert.equal("invalid_name", support.fails(luff.open, "localhost:1/a:v1\0x").code)
		assert.equal("invalid_name", support.fails(luff.digest, "x", "sha256\0x").code)
		assert.equal("invalid_name", support.fails(image.layer_by_digest, image, image:layers()[1]:digest() .. "\0").code)
		assert.equal("invalid", support.fails(luff.image, "memory:nul:v1", { platform = "linux/amd64\0x" }).code)
		assert.equal("invalid", support.fails(luff.push_blob, "memory:nul", "x", { media_type = "a/b\0" }).code)
		assert.equal("invalid", support.fails(luff.digest, { file = "/dev/null\0x" }).code)
	end)
end)

for _, medium in ipairs(mediums) do
	if medium.missing then
		pending(medium.name .. ": " .. medium.missing)
	else
		describe(medium.name, function()
			suite(medium)
		end)
	end
end
