-- Archives: what docker save writes in its three forms, OCI layouts in a tar, and whatever else calls itself one.
local luff = require "luff"
local support = require "spec.support"

local layer_tar = support.tar { ["etc/name"] = ("value\n"):rep(1000) }
local other_tar = support.tar { ["etc/other"] = "other\n" }

local function config_of(...)
	local diff_ids = luff.array {}
	for i, tar in ipairs { ... } do
		diff_ids[i] = luff.digest(tar)
	end
	return luff.json.encode { architecture = "amd64", os = "linux", rootfs = { type = "layers", diff_ids = diff_ids } }
end

-- The members of Docker's archives before 25: layers in folders of their own, one of them a link to another's, names with "./"
-- in front, manifest.json last. Returns them and the records, to be changed.
local function middle_form()
	local config = config_of(layer_tar, layer_tar)
	local records = {
		{ Config = "config.json", RepoTags = luff.array { "app:v1", "docker.io/org/app:v2" },
			Layers = luff.array { "aaa/layer.tar", "bbb/layer.tar" } },
		{ Config = "other.json", RepoTags = luff.null, Layers = luff.array { "ccc/layer.tar" } },
	}
	local members = {
		{ "./aaa/", type = "5" },
		{ "./aaa/VERSION", "1.0" },
		{ "./aaa/layer.tar", layer_tar },
		{ "./bbb/layer.tar", type = "2", link = "../aaa/layer.tar" },
		{ "./ccc/layer.tar", other_tar },
		{ "./hard.tar", type = "1", link = "./ccc/layer.tar" },
		{ "./config.json", config },
		{ "./other.json", config_of(other_tar) },
	}
	return members, records
end

-- Writes an archive and returns its name without an image's.
local function archive(members, records, ended)
	local list = { table.unpack(members) }
	if records then
		list[#list + 1] = { "manifest.json", type(records) == "string" and records or luff.json.encode(luff.array(records)) }
	end
	return "docker-archive:" .. support.write(support.scratch() .. "/a.tar", support.tar_of(list, ended))
end

local function names_of(place)
	local list = {}
	for name in luff.tags(place) do
		list[#list + 1] = name
	end
	return list
end

local function file_of(place)
	return place:match "^%l+%-archive:(.*)"
end

describe("an archive of docker save", function()
	it("has the manifest that its config and layers make, with plain tars", function()
		local place = archive(middle_form())
		assert.same({ "app:v1", "org/app:v2" }, names_of(place))
		local image = luff.image(place .. ":app:v1", { platform = "linux/amd64" })
		assert.equal(image, luff.open(place .. ":docker.io/library/app:v1"))
		assert.equal(image, luff.open(place .. ":org/app:v2"))
		assert.equal(image, luff.open(place .. ":@0"))
		assert.equal(image, luff.open(place .. "@" .. image:digest()))
		local layers = image:layers()
		assert.equal(2, #layers)
		for _, layer in ipairs(layers) do
			assert.equal("application/vnd.oci.image.layer.v1.tar", layer:media_type())
			assert.equal(layer:diff_id(), layer:digest())
			assert.equal(layer_tar, layer:compressed():read "a")
		end
		assert.equal(config_of(layer_tar, layer_tar), image:raw_config_file())
	end)

	it("has its untagged images by position", function()
		local place = archive(middle_form())
		local image = luff.open(place .. ":@1")
		assert.equal(other_tar, image:layers()[1]:compressed():read "a")
		assert.equal("not_found", support.fails(luff.open, place .. ":@2").code)
		local err = support.fails(luff.open, place)
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find("app:v1", 1, true), err.message)
	end)

	it("may have layers that are compressed, whatever they are called", function()
		local packed = support.packed(layer_tar, "gzip")
		local zstd = support.packed(other_tar, "zstd")
		local hex = luff.digest(packed.bytes):sub(8)
		local place = archive({ { hex .. ".tar.gz", packed.bytes }, { "x/layer.tar", zstd.bytes },
			{ "sha256:abc", config_of(layer_tar, other_tar) } }, { { Config = "sha256:abc", RepoTags = luff.array { "a:b" },
			Layers = luff.array { hex .. ".tar.gz", "x/layer.tar" } } })
		local layers = luff.image(place, { platform = "linux/amd64" }):layers()
		assert.equal(luff.digest(packed.bytes), layers[1]:digest())
		assert.equal(luff.digest(zstd.bytes), layers[2]:digest())
		assert.equal("application/vnd.oci.image.layer.v1.tar+zstd", layers[2]:media_type())
		assert.equal(layer_tar, layers[1]:uncompressed():read "a")
		assert.equal(other_tar, layers[2]:uncompressed():read "a")
	end)

	it("is the same compressed and through a pipe, and leaves no temporary file", function()
		local place = archive(middle_form())
		local file, want = file_of(place), luff.open(place .. ":app:v1"):digest()
		local tmp = support.scratch()
		for suffix, tool in pairs { gz = "gzip", zst = "zstd", xz = "xz" } do
			local packed = file .. "." .. suffix
			support.sh(("%s -qc %s > %s"):format(tool, support.quote(file), support.quote(packed)))
			assert.equal(want, luff.open("docker-archive:" .. packed .. ":app:v1"):digest())
			local run = support.run({ "sh", "-c", ("cat %s | TMPDIR=%s %s copy --compress none docker-archive:-:app:v1 "
				.. "oci:%s/c-%s:v1"):format(
				support.quote(packed), tmp, support.program, support.scratch(), suffix) })
			assert.equal(want .. "\n", run.stdout, run.stderr)
		end
		assert.equal("", support.tree(tmp))
		local run = support.run({ "sh", "-c", ("cat %s | TMPDIR=%s/none %s digest docker-archive:-:app:v1"):format(
			support.quote(file), tmp, support.program) })
		assert.truthy(run.stderr:find("TMPDIR", 1, true), run.stderr)
	end)

	it("of today keeps its manifests, as long as it tells one story", function()
		local place = "docker-archive:" .. support.scratch() .. "/new.tar"
		local made = support.make_image("oci:" .. support.scratch() .. ":x", { annotations = { key = "value" },
			layers = { support.packed(layer_tar, "gzip") } })
		luff.copy(made, place .. ":app:v1")
		assert.equal(made, luff.open(place))
		assert.equal("value", luff.open(place .. ":app:v1"):annotations().key)
		-- The same with a manifest.json of something else: what Docker reads is what counts.
		local text = support.read(file_of(place))
		local members = { { "config.json", config_of(other_tar) }, { "l.tar", other_tar } }
		local rest = support.tar_of(members, false)
		local at = text:find("manifest.json", 1, true)
		local other = rest .. text:sub(1, at - 1) .. support.tar_of { { "manifest.json", luff.json.encode { {
			Config = "config.json", RepoTags = luff.array { "app:v1" }, Layers = luff.array { "l.tar" } } } } }
		local file = support.write(support.scratch() .. "/two.tar", other)
		assert.equal(other_tar, luff.open("docker-archive:" .. file .. ":app:v1"):layers()[1]:compressed():read "a")
	end)
end)

describe("what is no archive of docker save", function()
	local function refused(place, code, words, name)
		local err = support.fails(luff.open, place .. (name or ":app:v1"))
		assert.equal(code, err.code, err.message)
		assert.truthy(err.message:find(words, 1, true), err.message)
		assert.truthy(err.message:find(place, 1, true), err.message)
	end

	it("is refused with what is wrong", function()
		local members, records = middle_form()
		refused("docker-archive:" .. support.scratch() .. "/none.tar", "not_found", "no such file")
		refused(archive(members), "bad_format", "no manifest.json")
		refused(archive(members, "null"), "bad_format", "no list of images")
		refused(archive(members, "{}"), "bad_format", "no list of images")
		refused(archive(members, "[null]"), "bad_format", "no Config or Layers")
		refused(archive(members, '[{"Config":"config.json","Layers":null}]'), "bad_format", "no Config or Layers")
		refused(archive(members, '[{"Config":"config.json","Layers":["aaa/layer.tar"]}]'), "bad_format", "1 layers")
		refused(archive(members, '[{"Config":"none.json","Layers":[]}]'), "bad_format", "no none.json")
		refused(archive(members, '[{"Config":"other.json","Layers":["gone/layer.tar"]}]'), "bad_format", "no gone/layer.tar")
		refused(archive(members, '[{"Config":"other.json","Layers":["ccc/layer.tar"],"RepoTags":["A b"]}]'),
			"bad_format", "A b")
		refused(archive(members, "["), "bad_format", "manifest.json")
		refused("docker-archive:" .. support.write(support.scratch() .. "/x", "no tar at all" .. ("x"):rep(600)),
			"bad_format", "no tar")
		refused("docker-archive:" .. support.write(support.scratch() .. "/x", ""), "bad_format", "empty")
		refused("docker-archive:" .. support.scratch(), "bad_format", "folder")
		luff.copy(support.make_image "memory:oci:v1", "oci-archive:" .. support.scratch() .. "/o.tar:v1")
		assert.same("app:v1", records[1].RepoTags[1])
	end)

	it("is told from an OCI archive, and the other way round", function()
		local oci = support.scratch() .. "/o.tar"
		luff.copy(support.make_image "memory:o:v1", "oci-archive:" .. oci .. ":v1")
		refused("docker-archive:" .. oci, "bad_format", "open it as oci-archive:")
		refused("oci-archive:" .. file_of(archive(middle_form())), "bad_format", "open it as docker-archive:")
	end)

	it("names members that lead out, are there twice, or are links into the void", function()
		local members, records = middle_form()
		local function with(member)
			return archive({ member, table.unpack(members) }, records)
		end
		refused(with { "../out", "x" }, "bad_format", "leads out")
		refused(with { "a/../../out", "x" }, "bad_format", "leads out")
		refused(with { "/etc/passwd", "x" }, "bad_format", "leads out")
		refused(with { "config.json", "{}" }, "bad_format", "config.json twice")
		refused(with { "manifest.json", "[]" }, "bad_format", "manifest.json twice")
		members[4].link = "../../../etc/passwd"
		refused(archive(members, records), "bad_format", "leads out")
		members[4].link = "/etc/passwd"
		refused(archive(members, records), "bad_format", "leads out")
		members[4].link = "../bbb/layer.tar"
		refused(archive(members, records), "bad_format", "circle")
		members[4].link = "../none"
		refused(archive(members, records), "bad_format", "no none")
		members[4].type = "3"
		refused(archive(members, records), "bad_format", "no bbb/layer.tar")
	end)

	it("may lie about sizes, be sparse, or break off anywhere", function()
		local members, records = middle_form()
		members[#members + 1] = { "lie", "x", size = 1 << 30 }
		refused(archive(members, records), "bad_format", "cut off")
		members[#members] = { "sparse", "x", type = "S" }
		refused(archive(members, records), "unsupported", "sparse")
		members[#members] = { "pax", "22 GNU.sparse.major=1\n", type = "x" }
		refused(archive(members, records), "unsupported", "sparse")
		members[#members] = { "pax", "17 path=../out/x\n", type = "x" }
		refused(archive({ members[#members], table.unpack(members) }, records), "bad_format", "leads out")
		members[#members] = { "pax", "10 size=9\n", type = "g" }
		refused(archive(members, records), "bad_format", "global header")
		members[#members] = { "pax", "99 size=9\n", type = "x" }
		refused(archive(members, records), "bad_format", "malformed")
		members[#members] = { "pax", "x", type = "x", size = 1 << 21 }
		refused(archive(members, records), "bad_format", "cut off")
		table.remove(members)
		refused(archive(members, records, false), "bad_format", "end mark")
		local whole = support.read(file_of(archive(members, records)))
		local tmp = support.scratch() .. "/cut.tar"
		for _, at in ipairs { 1, 511, 513, 1500, #whole // 2, #whole - 1600 } do
			refused("docker-archive:" .. support.write(tmp, whole:sub(1, at)), "bad_format", at < 512 and "" or "cut off")
		end
		local flipped = whole:sub(1, 600) .. "\255" .. whole:sub(602)
		refused("docker-archive:" .. support.write(tmp, flipped), "bad_format", "checksum")
	end)

	it("may have more members than there is room for", function()
		local one = support.tar_of({ { "x" } }, false)
		local file = support.scratch() .. "/many.tar"
		-- Distinct names are not needed for that.
		local out = assert(io.open(file, "wb"))
		local block = one:rep(1000)
		for _ = 1, 132 do
			out:write(block)
		end
		out:write(("\0"):rep(1024))
		out:close()
		refused("docker-archive:" .. file, "too_large", "members")
	end)

	it("is found out when the layer is read, where its digest is another", function()
		local members, records = middle_form()
		members[5][2] = layer_tar
		local layer = luff.open(archive(members, records) .. ":@1"):layers()[1]
		assert.equal("digest_mismatch", support.fails(function() return layer:compressed():read "a" end).code)
	end)
end)

describe("writing an archive", function()
	local place, file
	before_each(function()
		file = support.scratch() .. "/out.tar"
		place = "docker-archive:" .. file
	end)

	local function manifest_json()
		return luff.json.decode(support.must { "tar", "-xOf", file, "manifest.json" })
	end

	it("puts several images and names into one file, shared layers once", function()
		local shared = support.packed(layer_tar, "gzip")
		support.make_image("memory:several:one", { layers = { shared, 1000 } })
		support.make_image("memory:several:two", { layers = { shared, 1000 } })
		luff.copy("memory:several:one", place .. ":app:v1")
		luff.copy("memory:several:two", place .. ":registry.example:5000/org/app:v2")
		luff.copy("memory:several:two", place .. ":docker.io/library/app")
		luff.tag(place .. ":app:v1", "stable")
		assert.same({ "app:v1", "registry.example:5000/org/app:v2", "app:latest", "stable:latest" }, names_of(place))
		local records = manifest_json()
		assert.equal(2, #records)
		assert.same({ "docker.io/library/app:v1", "docker.io/library/stable:latest" }, records[1].RepoTags)
		local members = support.must { "tar", "-tf", file }
		assert.equal(3 + 2 + 2 + 3, select(2, members:gsub("\n", "")), members)
		assert.equal("", support.sh(("tar -tf %s | sort | uniq -d"):format(file)))
		luff.delete(place .. ":app:v1")
		assert.equal("not_found", support.fails(luff.open, place .. ":app:v1").code)
		assert.equal(luff.open "memory:several:one", luff.open(place .. ":stable"))
	end)

	it("takes the name from a registry, none from a tag alone", function()
		local server <close> = luff.serve()
		support.make_image(server:address() .. "/org/app:v1")
		luff.copy(server:address() .. "/org/app:v1", place)
		assert.same({ server:address() .. "/org/app:v1" }, names_of(place))
		local other = "docker-archive:" .. support.scratch() .. "/other.tar"
		luff.copy(support.make_image "memory:alone:v1", other)
		assert.same({}, names_of(other))
		assert.equal(luff.open "memory:alone:v1", luff.open(other))
		-- and back, with its name
		luff.copy(place, other)
		assert.same({ server:address() .. "/org/app:v1" }, names_of(other))
	end)

	it("adds to an archive of the older form", function()
		local old = archive(middle_form())
		local before = { luff.open(old .. ":@0"):digest(), luff.open(old .. ":@1"):digest() }
		local image = support.make_image "memory:older:v1"
		luff.copy(image, old .. ":new:v1")
		assert.same({ "app:v1", "org/app:v2", "new:v1" }, names_of(old))
		assert.equal(before[1], luff.open(old .. ":app:v1"):digest())
		assert.equal(before[2], luff.open(old .. ":@1"):digest())
		assert.equal(layer_tar, luff.open(old .. ":@0"):layers()[2]:compressed():read "a")
		assert.equal(image, luff.open(old .. ":new:v1"))
	end)

	it("writes to standard output, and says the digest elsewhere", function()
		local image = support.make_image("oci:" .. support.scratch() .. "/l:v1", { layers = { 100000 } })
		local dir = support.scratch()
		luff.copy(image, "oci:" .. dir .. ":v1")
		support.sh(("%s copy -q oci:%s:v1 docker-archive:-:app:v1 2>%s/err >%s"):format(support.program, dir, dir, file))
		assert.equal(image:digest() .. "\n", support.read(dir .. "/err"))
		assert.equal(image, luff.open(place .. ":app:v1"))
		support.sh(("%s copy -q oci:%s:v1 oci-archive:-:v9 2>/dev/null | %s copy -q oci-archive:- docker-archive:/dev/stdout "
			.. "2>/dev/null | tar -t >%s/list"):format(support.program, dir, support.program, dir))
		assert.truthy(support.read(dir .. "/list"):find("manifest.json", 1, true))
	end)

	it("leaves nothing where it fails, and the old archive as it was", function()
		local image = support.make_image "memory:fails:v1"
		luff.copy(image, place .. ":app:v1")
		local before = support.checksums(file:match "(.*)/")
		local dir = support.scratch()
		local blob, name = support.layout(dir)
		local layer = blob("not these bytes", "application/vnd.oci.image.layer.v1.tar", { digest = luff.digest "others",
			size = 15 })
		support.image_by_hand(blob, name, "bad", { layer })
		assert.equal("digest_mismatch", support.fails(luff.copy, "oci:" .. dir .. ":bad", place .. ":app:v2").code)
		assert.equal(before, support.checksums(file:match "(.*)/"))
		local fresh = support.scratch()
		support.fails(luff.copy, "oci:" .. dir .. ":bad", "docker-archive:" .. fresh .. "/new.tar:app:v2")
		assert.equal("", support.tree(fresh))
		support.write(file, "somebody's letters")
		assert.equal("bad_format", support.fails(luff.copy, image, place .. ":app:v1").code)
		assert.equal("somebody's letters", support.read(file))
	end)

	it("refuses to add to what is compressed", function()
		luff.copy(support.make_image "memory:packed:v1", place .. ":app:v1")
		support.must { "gzip", file }
		local err = support.fails(luff.copy, support.make_image "memory:packed:v2", place .. ".gz:app:v2")
		assert.equal("unsupported", err.code)
		assert.truthy(err.message:find("compressed", 1, true), err.message)
	end)

	it("keeps what several write at the same time", function()
		support.make_image("memory:many:v1", { layers = { 50000 } })
		local tags = {}
		for i = 1, 8 do
			tags[i] = ("v%d"):format(i)
		end
		luff.map(tags, { jobs = 8 }, function(tag)
			luff.copy("memory:many:v1", "oci-archive:" .. file .. ":" .. tag)
		end)
		local have = names_of("oci-archive:" .. file)
		table.sort(have)
		assert.same(tags, have)
	end)

	it("says which of its layers is at fault", function()
		local layer = support.tar { ["etc/x"] = support.random(1 << 20) }
		local path = place:match ":(.*)"
		support.make_image("memory:cut:v1", { layers = { support.tar { a = "b" }, layer:sub(1, 20000) } })
		luff.copy("memory:cut:v1", place .. ":app:v1")
		local image = luff.open(place)
		local err = support.fails(image.read, image, "/etc/x")
		local digest = image:layers()[2]:digest()
		assert.equal(("%s: layer %s: the tar is cut off"):format(place, digest:sub(1, 19)), err.message)

		-- it becomes shorter while it is read
		os.remove(path)
		support.make_image("memory:whole:v1", { layers = { layer } })
		luff.copy("memory:whole:v1", place .. ":app:v1")
		local whole = luff.open(place):layers()[1]
		local reader <close> = whole:compressed()
		reader:read(1000)
		support.must { "truncate", "-s", "4096", path }
		err = support.fails(reader.read, reader, "a")
		assert.equal("bad_format", err.code)
		assert.truthy(err.message:find(place .. ": " .. whole:digest() .. ": ", 1, true), err.message)
	end)

	it("carries indexes, and sizes and names that no plain header holds", function()
		local index = support.make_index("memory:index:v1", { "linux/amd64", "linux/arm64" })
		luff.copy(index, place .. ":app:v1")
		assert.equal(index, luff.index(place .. ":app:v1"))
		assert.equal(1, #manifest_json())
		local dir = support.scratch()
		local digest = support.sha512_layout(dir, "v1")
		luff.copy("oci:" .. dir .. ":v1", "oci-archive:" .. file .. "2:v1")
		assert.equal(digest, luff.open("oci-archive:" .. file .. "2"):digest())
		assert.truthy(support.must { "tar", "-tf", file .. "2" }:find(digest:gsub(":", "/"), 1, true))
	end)
end)
