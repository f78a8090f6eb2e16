-- Not under the thread sanitizer.
-- containerd: what it keeps on disk, as containerd itself writes it, and made by hand with what nobody should.
local luff = require "luff"
local support = require "spec.support"

local PAGE = 4096

-- FNV-1a
local function checksum(bytes)
	local sum = 0xcbf29ce484222325
	for i = 1, #bytes do
		sum = (sum ~ bytes:byte(i)) * 0x100000001b3
	end
	return sum
end

local function meta(number, root, commit, change)
	local body = ("<I4I4I4I4I8I8I8I8I8"):pack(0xED0CDAED, 2, PAGE, 0, root, 0, 2, 300, commit)
	return ("<I8I2I2I4"):pack(number, 4, 0, 0) .. body .. ("<I8"):pack(checksum(body) + (change or 0))
end

-- A page of items { key, value, is_bucket } or of { key, page } below a branch.
local function page(number, items, branch)
	local at, elements, data = #items * 16, {}, {}
	for i, item in ipairs(items) do
		local start = at - (i - 1) * 16
		if branch then
			elements[i] = ("<I4I4I8"):pack(start, #item[1], item[2])
			data[i] = item[1]
		else
			elements[i] = ("<I4I4I4I4"):pack(item[3] and 1 or 0, start, #item[1], #item[2])
			data[i] = item[1] .. item[2]
		end
		at = at + #data[i]
	end
	local body = table.concat(elements) .. table.concat(data)
	return ("<I8I2I2I4"):pack(number, branch and 1 or 2, #items, (#body + 15) // PAGE) .. body
end

local function bucket(items)
	return ("<I8I8"):pack(0, 0) .. page(0, items)
end

local function at_page(number)
	return ("<I8I8"):pack(number, 0)
end

-- encoding/binary's PutVarint
local function varint(n)
	local bytes = {}
	n = n << 1 ~ (n < 0 and -1 or 0)
	while n < 0 or n > 127 do
		bytes[#bytes + 1] = string.char(n & 127 | 128)
		n = n >> 7
	end
	return table.concat(bytes) .. string.char(n)
end

local function image_item(name, image, size)
	return { name, bucket {
		{ "createdat", "x" },
		{ "target", bucket {
			{ "digest", image:digest() },
			{ "mediatype", image:media_type() },
			{ "size", varint(size or image:size()) },
		}, true },
	}, true }
end

describe("containerd:", function()
	local dir, place, image

	-- pages: by number, from 2 on; 2 is the root's.
	local function write(pages, metas)
		local parts = {}
		local function put(bytes, number)
			parts[number + 1] = bytes .. ("\0"):rep(-#bytes % PAGE)
			for n = number + 1, number + #parts[number + 1] // PAGE - 1 do
				parts[n + 1] = ""
			end
		end
		put(metas and metas[1] or meta(0, 2, 1), 0)
		put(metas and metas[2] or meta(1, 2, 0), 1)
		for number = 2, 300 do
			if pages[number] then
				put(pages[number], number)
			end
		end
		support.write(dir .. "/io.containerd.metadata.v1.bolt/meta.db", table.concat(parts))
	end

	local function root_of(images)
		return page(2, { { "v1", bucket { { "default", bucket { { "images", images, true } }, true } }, true } })
	end

	before_each(function()
		dir = support.scratch()
		place = "containerd:[" .. dir .. "]"
		image = support.make_image("oci:" .. dir .. "/made:v1", { layers = { 500, 300 } })
		support.must { "sh", "-ec", [[cd "$1" && mkdir io.containerd.metadata.v1.bolt io.containerd.content.v1.content &&
			cp -r made/blobs io.containerd.content.v1.content/]], "sh", dir }
	end)

	it("lists, opens and copies what is there", function()
		write { [2] = root_of(bucket {
			{ "created", "a value between buckets" },
			image_item("docker.io/library/app:v1", image),
			image_item("ghcr.io/team/app:v2", image),
			image_item("sha256:" .. ("1"):rep(64), image) }) }
		assert.same({ "app:v1", "ghcr.io/team/app:v2", "sha256:" .. ("1"):rep(64) }, support.tags(place))
		for _, name in ipairs { "app:v1", "docker.io/library/app:v1", "ghcr.io/team/app:v2", "@" .. image:digest() } do
			assert.equal(image:digest(), luff.open(place .. name):digest())
		end
		assert.equal(image:raw_config_file(), luff.open(place .. "app:v1"):raw_config_file())
		assert.equal(image:digest(), luff.copy(place .. "app:v1", "memory:containerd:v1").digest)
		local err = support.fails(luff.open, place .. "app:v2")
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find("app:v1", 1, true), err.message)
		err = support.fails(luff.copy, "memory:containerd:v1", place .. "new:v1")
		assert.equal("unsupported", err.code)
		assert.equal("unsupported", support.fails(luff.delete, place .. "app:v1").code)
		assert.equal("unsupported", support.fails(luff.tag, place .. "app:v1", "app:v2").code)
	end)

	it("keeps namespaces apart", function()
		write { [2] = page(2, { { "v1", bucket {
			{ "default", bucket {}, true },
			{ "k8s.io", bucket { { "images", bucket { image_item("docker.io/library/app:v1", image) }, true } }, true },
		}, true } }) }
		assert.same({}, support.tags(place))
		assert.same({}, support.tags("containerd:[none@" .. dir .. "]"))
		assert.same({ "app:v1" }, support.tags("containerd:[k8s.io@" .. dir .. "]"))
		local result = support.luff({ "ls", place }, { env = { CONTAINERD_NAMESPACE = "k8s.io" } })
		assert.equal("app:v1\n", result.stdout)
	end)

	it("reads trees of many pages, some of which run over", function()
		local pages, branches, names = {}, {}, {}
		local number = 4
		for i = 1, 30 do
			local items = {}
			for j = 1, 40 do
				local name = ("host.example/app-%02d/%02d:v1"):format(i, j)
				items[j] = image_item(name, image)
				names[#names + 1] = name
			end
			pages[number] = page(number, items)
			branches[i] = { items[1][1], number }
			number = number + #pages[number] // PAGE + 1
			assert.is_true(number <= 300)
		end
		pages[2], pages[3] = root_of(at_page(3)), page(3, branches, true)
		write(pages)
		assert.same(names, support.tags(place))
		assert.equal(image:digest(), luff.open(place .. names[777]):digest())
	end)

	it("believes the newer of both meta pages, and the older where that is torn", function()
		local pages = { [2] = root_of(bucket { image_item("old/app:v1", image) }) }
		pages[3] = root_of(bucket { image_item("new/app:v1", image) }):gsub("^.", "\3")
		write(pages, { meta(0, 2, 8), meta(1, 3, 9) })
		assert.same({ "new/app:v1" }, support.tags(place))
		write(pages, { meta(0, 2, 10), meta(1, 3, 9) })
		assert.same({ "old/app:v1" }, support.tags(place))
		write(pages, { meta(0, 2, 8), meta(1, 3, 9, 1) })
		assert.same({ "old/app:v1" }, support.tags(place))
		write(pages, { meta(0, 2, 8, 1), meta(1, 3, 9) })
		assert.same({ "new/app:v1" }, support.tags(place))
		write(pages, { meta(0, 2, 8, 1), meta(1, 3, 9, 1) })
		assert.equal("bad_format", support.fails(support.tags, place).code)
	end)

	it("refuses a damaged database with one clear error", function()
		local good = root_of(bucket { image_item("app/a:v1", image) })
		local function patched(at, bytes)
			return good:sub(1, at) .. bytes .. good:sub(at + #bytes + 1)
		end
		local damaged = {
			["a page of another number"] = { [2] = patched(0, "\9") },
			["a page that is neither leaf nor branch"] = { [2] = patched(8, "\16\0") },
			["more items than the page has"] = { [2] = patched(10, "\255\255") },
			["a page that runs over the file's end"] = { [2] = patched(12, "\255\255\255\255") },
			["a key outside of the page"] = { [2] = patched(16 + 4, "\255\255\255\127") },
			["a key that is too long"] = { [2] = patched(16 + 8, "\255\255\255\255") },
			["a value that is too long"] = { [2] = patched(16 + 12, "\255\255\255\255") },
			["a bucket that is too short"] = { [2] = page(2, { { "v1", "short", true } }) },
			["a bucket whose page is not there"] = { [2] = page(2, { { "v1", at_page(77), true } }) },
			["a bucket in a meta page"] = { [2] = page(2, { { "v1", at_page(1), true } }) },
			["an empty page"] = { [2] = page(2, { { "v1", ("<I8I8"):pack(0, 0), true } }) },
			["a branch to itself"] = { [2] = page(2, { { "a", 2 } }, true) },
			["branches in a circle, again and again"] = {
				[2] = page(2, { { "a", 3 }, { "b", 3 }, { "c", 3 } }, true),
				[3] = page(3, { { "a", 2 }, { "b", 2 }, { "c", 2 } }, true),
			},
			["a negative size"] = { [2] = root_of(bucket { image_item("app/a:v1", image, -5) }) },
			["a size that has no end"] = { [2] = root_of(bucket { { "app/a:v1", bucket { { "target",
				bucket { { "size", ("\255"):rep(20) } }, true } }, true } }) },
			["an image without a target"] = { [2] = root_of(bucket { { "app/a:v1", bucket {}, true } }) },
			["a digest that is none"] = { [2] = root_of(bucket { { "app/a:v1", bucket { { "target", bucket {
				{ "digest", "../../etc/passwd" }, { "mediatype", image:media_type() }, { "size", varint(5) } }, true } },
				true } }) },
		}
		for what, pages in pairs(damaged) do
			write(pages)
			local err = support.fails(luff.open, place .. "app/a:v1")
			assert.equal("bad_format", err.code, what)
			assert.truthy(err.message:find("containerd:[default@" .. dir .. "]", 1, true), err.message)
		end
		write { [2] = root_of(bucket { image_item(("x"):rep(600), image) }) }
		assert.equal("too_large", support.fails(support.tags, place).code)
		for _, bytes in ipairs { "", "text", meta(0, 2, 1) } do
			support.write(dir .. "/io.containerd.metadata.v1.bolt/meta.db", bytes)
			assert.equal("bad_format", support.fails(support.tags, place).code)
		end
	end)

	it("says what is not here", function()
		write { [2] = root_of(bucket { image_item("docker.io/library/app:v1", image) }) }
		local layer = image:layers()[2]:digest()
		os.remove(dir .. "/io.containerd.content.v1.content/blobs/sha256/" .. layer:match ":(.*)")
		local err = support.fails(luff.copy, place .. "app:v1", "memory:containerd-lost:v1")
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find("no blob " .. layer, 1, true), err.message)
		os.execute(("ln -s /etc/hostname %s/io.containerd.content.v1.content/blobs/sha256/%s"):format(dir,
			layer:match ":(.*)"))
		assert.equal("bad_format", support.fails(luff.copy, place .. "app:v1", "memory:containerd-lost:v2").code)
		for _, name in ipairs { "containerd:[" .. dir, "containerd:[@" .. dir .. "]app", "containerd:[x@y]app",
			"containerd:[relative]app" } do
			assert.equal("invalid_name", support.fails(luff.open, name).code)
		end
		assert.equal("not_found", support.fails(luff.open, "containerd:[" .. dir .. "/none]app").code)
		assert.equal("not_found", support.fails(luff.open, "containerd:[" .. dir .. "/made]app").code)
	end)

	it("is read while containerd writes", function()
		if not (support.peer "containerd" and support.peer "ctr") then
			pending "containerd is not installed"
		end
		local home = support.scratch()
		support.write(home .. "/config.toml", ([[
			version = 2
			root = "%s/root"
			state = "%s/state"
			disabled_plugins = ["io.containerd.grpc.v1.cri"]
			[grpc]
			address = "%s/socket"
		]]):format(home, home, home))
		local engine = support.start { "containerd", "-c", home .. "/config.toml", "-l", "error" }
		support.defer(function()
			engine:stop()
		end)
		local function ctr(...)
			return support.run { "ctr", "-a", home .. "/socket", ... }
		end
		if not pcall(support.eventually, function()
			return ctr("version").code == 0 or not engine:running() and error "it has ended"
		end, 30) then
			pending "containerd does not start here"
		end
		local archive = home .. "/app.tar"
		support.make_image("oci-archive:" .. archive .. ":docker.io/library/app:v1", { layers = { 3000 } })
		assert.equal(0, ctr("images", "import", "--no-unpack", "--all-platforms", archive).code)
		local original = luff.open("oci-archive:" .. archive)
		local there = "containerd:[" .. home .. "/root]"
		assert.same({ "app:v1" }, support.tags(there))
		assert.equal(original, luff.open(there .. "app:v1"))
		local tagging = support.start { "sh", "-c",
			'for i in $(seq 30); do ctr -a "$1" images tag docker.io/library/app:v1 "host.example/app:v$i"; done', "sh",
			home .. "/socket" }
		local seen = 0
		repeat
			local running = tagging:running()
			local count = #support.tags(there)
			assert.is_true(count >= seen)
			seen = count
		until not running
		assert.equal(31, #support.tags(there))
		assert.equal(original:digest(), luff.copy(there .. "host.example/app:v30", "memory:containerd-real:v1").digest)
	end)
end)
