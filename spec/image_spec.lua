-- Not under the thread sanitizer.
-- Image, Index, Layer and Reader as scripts see them.
local luff = require "luff"
local support = require "spec.support"

local tar = support.tar { ["etc/motd"] = "hello\nworld\n" }

local function an_image(name)
	local packed = support.packed(tar, "gzip")
	return support.make_image(name, { layers = { packed }, annotations = { note = "one" } }), packed
end

describe("an Image", function()
	it("answers the eleven questions of its interface", function()
		local image, packed = an_image "memory:image:v1"
		local raw = image:raw_manifest()
		assert.equal(luff.digest(raw), image:digest())
		assert.equal(#raw, image:size())
		assert.equal(luff.json.decode(raw).config.digest, image:manifest().config.digest)
		assert.equal(luff.digest(image:raw_config_file()), image:config_name())
		assert.equal("linux", image:config_file().os)
		assert.equal("application/vnd.oci.image.manifest.v1+json", image:media_type())
		assert.equal(1, #image:layers())
		local layer = image:layers()[1]
		assert.equal(layer, image:layer_by_digest(luff.digest(packed.bytes)))
		assert.equal(layer, image:layer_by_diff_id(luff.digest(tar)))
		assert.truthy(image:platform():match "^linux/")
	end)

	it("says which layer there is not", function()
		local image = an_image "memory:image:v1"
		assert.equal("not_found", support.fails(image.layer_by_digest, image, luff.digest "x").code)
		assert.equal("not_found", support.fails(image.layer_by_diff_id, image, luff.digest "x").code)
		assert.equal("invalid_name", support.fails(image.layer_by_diff_id, image, "x").code)
	end)

	it("is equal by its digest, and shows itself in a line", function()
		local image = an_image "memory:image:v1"
		assert.equal(image, luff.image "memory:image:v1")
		assert.truthy(tostring(image):match "^luff%.Image<sha256:%x+ 1 layer>$")
		assert.equal("luff.Image", getmetatable(image))
	end)

	it("keeps what it stands on after the place is gone from sight", function()
		local image
		do
			local folder = support.scratch()
			an_image("oci:" .. folder .. ":v1")
			image = luff.image("oci:" .. folder .. ":v1")
		end
		collectgarbage()
		collectgarbage()
		assert.equal(luff.digest(image:raw_config_file()), image:config_name())
	end)
end)

describe("an object that lua_close has collected", function()
	it("says so to a finalizer that is called later", function()
		local name = "oci:" .. support.scratch() .. ":v1"
		support.make_index(name, { "linux/amd64" })
		local result = support.luff("-e", ([==[
			local first = {} -- the oldest: collected last
			setmetatable(first, { __gc = function()
				for _, try in ipairs {
					function() return first.image:digest() end, function() return first.index:digest() end,
					function() return first.layer:digest() end, function() return tostring(first.image) end,
					function() return luff.copy(first.image, "memory:b:v1") end,
					function() return luff.copy(first.index, "memory:b:v1") end,
					function() return luff.resolve "memory:a:v1" end,
					function() return first.image == first.same or first.layer == first.image:layers()[1] end,
				} do
					io.stdout:write(tostring(select(2, pcall(try))):gsub("^.-: ", ""), "\n")
				end
			end })
			luff.copy("%s", "memory:a:v1")
			first.index = luff.index "memory:a:v1"
			first.image = first.index:image { platform = "linux/amd64" }
			first.same = luff.image("memory:a:v1", { platform = "linux/amd64" })
			first.layer = first.image:layers()[1]]==]):format(name))
		assert.equal(("the %s has been collected\n"):rep(8):format("image", "index", "layer", "image", "image", "index",
			"place in memory", "image"), result.stdout)
		assert.equal(0, result.code, result.stderr)
	end)
end)

describe("an Index", function()
	it("answers the seven questions of its interface", function()
		local index = support.make_index("memory:index:v1", { "linux/amd64", "linux/arm64" })
		local raw = index:raw_manifest()
		assert.equal(luff.digest(raw), index:digest())
		assert.equal(#raw, index:size())
		assert.equal("application/vnd.oci.image.index.v1+json", index:media_type())
		local entries = index:index_manifest().manifests
		assert.equal(2, #entries)
		assert.equal(entries[2].digest, index:image(entries[2].digest):digest())
		assert.equal("linux/arm64", index:image({ platform = "arm64" }):platform())
		assert.same({}, index:annotations())
	end)

	it("opens indexes within it", function()
		local inner = support.make_index("memory:nested:inner", { "linux/amd64" })
		local outer = luff.push_manifest("memory:nested:outer", { schemaVersion = 2,
			mediaType = inner:media_type(), manifests = { { mediaType = inner:media_type(), digest = inner:digest(),
				size = inner:size() } } })
		assert.equal(inner, outer:image_index(inner:digest()))
		assert.equal("bad_format", support.fails(outer.image, outer, inner:digest()).code)
		assert.equal("linux/amd64", outer:image({ platform = "linux/amd64" }):platform())
		assert.equal("not_found", support.fails(outer.image, outer, luff.digest "x").code)
	end)

	it("is no image, and an image is none", function()
		support.make_index("memory:index:v1", { "linux/amd64" })
		an_image "memory:image:v1"
		assert.equal("bad_format", support.fails(luff.index, "memory:image:v1").code)
		assert.equal("luff.Index", getmetatable(luff.open "memory:index:v1"))
		assert.equal("luff.Image", getmetatable(luff.open "memory:image:v1"))
	end)
end)

describe("a Layer", function()
	it("answers the six questions of its interface", function()
		for _, tool in ipairs { "gzip", "zstd", "xz", "bzip2" } do
			local packed = support.packed(tar, tool)
			local layer = support.make_image("memory:layer:" .. tool, { layers = { packed } }):layers()[1]
			assert.equal(luff.digest(packed.bytes), layer:digest())
			assert.equal(luff.digest(tar), layer:diff_id())
			assert.equal(#packed.bytes, layer:size())
			assert.equal(packed.media_type, layer:media_type())
			local stored <close> = layer:compressed()
			assert.equal(packed.bytes, stored:read "a")
			local reader <close> = layer:uncompressed()
			assert.equal(tar, reader:read "a")
		end
	end)
end)

describe("a Reader", function()
	local function reader()
		return an_image("memory:reader:v1"):layers()[1]:uncompressed()
	end

	it("reads by number, and nil at the end", function()
		local r <close> = reader()
		local parts = {}
		for part in function() return r:read(100) end do
			assert.is_true(#part <= 100)
			parts[#parts + 1] = part
		end
		assert.equal(tar, table.concat(parts))
		assert.is_nil(r:read(1))
		assert.equal("", r:read "a")
	end)

	it("reads by line", function()
		local r <close> = reader()
		r:read(512)
		assert.equal("hello", r:read())
		assert.equal("world\n", r:read "L")
		local lines = {}
		for line in reader():lines() do
			lines[#lines + 1] = line
		end
		assert.equal(tar, table.concat(lines, "\n"))
	end)

	it("reads all of 64 MiB, and not a byte more", function()
		local bytes = ("x"):rep(1 << 20):rep(64)
		support.make_image("memory:large:v1", { layers = { bytes .. "x" } })
		local layer = luff.image("memory:large:v1", { platform = "linux/amd64" }):layers()[1]
		local r <close> = layer:compressed()
		assert.equal("x", r:read(1))
		assert.is_true(r:read "a" == bytes)
		assert.same({ "", "" }, { r:read "a", r:read(0) })
		local more <close> = layer:compressed()
		assert.equal("too_large", support.fails(more.read, more, "a").code)
	end)

	it("reads short lines fast", function()
		if os.getenv "ASAN_OPTIONS" then
			pending "sanitizers are slow"
		end
		local count = 300000
		support.make_image("memory:lines:v1", { layers = { ("ten bytes\n"):rep(count) .. "end" } })
		local r = luff.image("memory:lines:v1", { platform = "linux/amd64" }):layers()[1]:compressed()
		local n, before = 0, os.clock()
		for line in r:lines() do
			n = n + (line == "ten bytes" and 1 or line == "end" and 0 or error(line))
		end
		assert.equal(count, n)
		assert.is_true(os.clock() - before < 10, os.clock() - before) -- minutes, if each line moved what follows it
	end)

	it("is pushed with what it has read ahead", function()
		local image, first = an_image "memory:reader:v1"
		local r <close> = image:layers()[1]:uncompressed()
		assert.equal(tar:sub(1, 512), r:read(512))
		assert.equal("hello", r:read "l")
		local pushed = luff.push_blob("memory:pushed", r)
		assert.same({ #tar - 518, luff.digest(tar:sub(519)) }, { pushed.size, pushed.digest })
		assert.equal("", r:read "a")
		assert.is_nil(r:read "l")
		local whole = luff.push_blob("memory:pushed", image:layers()[1]:compressed())
		assert.equal(luff.digest(first.bytes), whole.digest)
	end)

	it("is not closed while a task pushes it", function()
		local image = support.make_image("memory:reader:v2", { layers = { 3000000 } })
		local r = image:layers()[1]:compressed()
		local task = luff.spawn(luff.push_blob, "memory:pushed", r)
		for _, f in ipairs { r.close, r.read, r.lines } do
			assert.has_error(function() f(r) end, "another task is reading")
		end
		assert.has_error(function() luff.push_blob("memory:pushed", r) end, "another task is reading")
		assert.equal(image:layers()[1]:digest(), task:wait().digest)
		r:close()
	end)

	it("stays free where the place to push to is none", function()
		local r <close> = reader()
		assert.equal("invalid_name", support.fails(luff.push_blob, "UPPER", r).code)
		assert.equal(tar, r:read "a")
	end)

	it("is closed once, and then says so", function()
		local r = reader()
		assert.equal("luff.Reader<open>", tostring(r))
		r:close()
		r:close()
		assert.equal("luff.Reader<closed>", tostring(r))
		assert.has_error(function()
			r:read(1)
		end, "the reader is closed")
	end)

	it("refuses what it cannot read", function()
		local r <close> = reader()
		for _, what in ipairs { -1, 1 << 40, "x", 1.5, {} } do
			assert.has_error(function()
				r:read(what)
			end)
		end
	end)
end)
