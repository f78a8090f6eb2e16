-- Not under the thread sanitizer.
-- What a pass through a remote layer leaves for the next run: that moves only what it is about, and believes nothing that is
-- damaged, out of date or somebody else's.
local luff = require "luff"
local archive = require "spec.support.archive"
local support = require "spec.support"

-- Text that gets about half as large.
local digits = {}
for i = 0, 255 do
	digits[string.char(i)] = ("%02x"):format(i)
end
local function text(size)
	return (support.random(size // 2):gsub(".", digits))
end

local bulk, middle = text(900000), text(200000)
local files = {
	{ path = "usr/", type = "folder" },
	{ path = "usr/bulk", content = bulk, xattrs = { ["user.note"] = "a\0b" } },
	{ path = "usr/middle", content = middle, uid = 12, gid = 34, user = "someone", group = "some", mtime = 1700000000 },
	{ path = "usr/more", content = bulk:reverse() },
	{ path = "usr/old", content = "old", mtime = -5, mode = tonumber("4755", 8) },
	{ path = "usr/link", type = "symlink", link = "middle" },
	{ path = "usr/same", type = "hardlink", link = "usr/middle" },
	{ path = "usr/tty", type = "char", major = 4, minor = 1 },
	{ path = "usr/" .. ("long/"):rep(30) .. "name", content = "long" },
	{ path = "usr/.wh.gone" },
	{ path = "empty/", type = "folder" },
	{ path = "empty/.wh..wh..opq" },
	{ path = "late", content = "late\n" },
}
local tar = archive.tar(files)
local below = archive.tar {
	"usr/", { path = "usr/gone", content = "gone" }, "empty/", { path = "empty/not", content = "not" },
}

local kinds = {
	["one member of gzip"] = function() return support.packed(tar, "gzip") end,
	["luff's gzip"] = function()
		local name = "memory:seek-" .. #tar .. ":v1"
		support.make_image(name, { layers = { tar } })
		luff.copy(name, name .. "-gz", { compress = "gzip" })
		local layer = luff.image(name .. "-gz"):layers()[1]
		return { bytes = layer:compressed():read "a", diff_id = luff.digest(tar), media_type = layer:media_type() }
	end,
	["frames of zstd"] = function()
		local dir = support.scratch()
		support.write(dir .. "/tar", tar)
		support.sh(("cd %s && split -b 400000 tar part. && zstd -q part.* && cat part.*.zst > all"):format(dir))
		return { bytes = support.read(dir .. "/all"), diff_id = luff.digest(tar),
			media_type = "application/vnd.oci.image.layer.v1.tar+zstd" }
	end,
}
local packed -- one member of gzip

local function packed_layer()
	packed = packed or kinds["one member of gzip"]()
	return packed
end

local server, name, env, file

local function serve(layer, opts)
	opts = opts or {}
	opts.record = true
	server = luff.serve(opts)
	support.defer(function() server:close() end)
	name = server:address() .. "/app:v1"
	support.make_image(name, { layers = { below, layer } })
	server:requests()
	env = { XDG_CACHE_HOME = support.scratch() }
	file = support.kept_file(layer.bytes)
	os.remove(file)
end

local function moved()
	return support.moved(server)
end

-- How much of the layer it takes.
local function cost(path, content)
	moved()
	assert.equal(content, luff.image(name):read(path))
	return moved()
end

local function whole(path, content)
	return select(2, cost(path, content))
end

-- In a process of its own, whether it asks for blobs as a whole.
local function cat(path, content)
	moved()
	local result = support.luff({ "cat", name, path }, { env = env })
	assert.equal(0, result.code, result.stderr)
	assert.equal(content, result.stdout)
	return select(2, moved()) > 0
end

describe("A layer that was read before", function()
	for kind, make in pairs(kinds) do
		it("is read in parts, of " .. kind, function()
			local layer = make()
			serve(layer)
			local size = #layer.bytes
			assert.equal(1, whole("/late", "late\n"))
			local sum, again = cost("/late", "late\n")
			assert.equal(0, again)
			assert.truthy(sum > 0 and sum < size / 2, sum)
			sum, again = cost("/usr/link", middle)
			assert.equal(0, again)
			assert.truthy(sum > 80000 and sum < size / 2, sum)
			assert.equal(0, whole("/usr/more", bulk:reverse()))
			assert.equal(0, whole("/usr/" .. ("long/"):rep(30) .. "name", "long"))
			assert.equal("not_found", support.fails(function() luff.image(name):read "/usr/gone" end).code)
			local content <close> = luff.image(name):open "/usr/bulk"
			assert.equal(bulk:sub(1, 1000), content:read(1000))
			assert.equal(bulk:sub(1001), content:read "a")
		end)
	end

	it("is listed without it", function()
		local function attributes(xattrs)
			local list = {}
			for key, value in pairs(xattrs or {}) do
				list[#list + 1] = ("%s=%q"):format(key, value)
			end
			table.sort(list)
			return table.concat(list, ",")
		end
		local function list(image)
			local lines = {}
			for e in image:files() do
				lines[#lines + 1] = table.concat({ e.path, e.type, e.size, e.mode, e.uid, e.gid, e.mtime, e.link or "",
					e.user or "", attributes(e.xattrs), e.layer or 0,
					e.type == "file" and luff.digest(e:read "a") or "" }, " ")
			end
			return lines
		end
		serve(packed_layer())
		local plain = list(support.make_image("memory:seek-plain:v1", { layers = { below, tar } }))
		assert.same(plain, list(luff.image(name)))
		assert.same(plain, list(luff.image(name)))
		moved()
		for e in luff.image(name):files() do
			assert.not_equal("/usr/gone", e.path)
		end
		assert.same({ 0, 1 }, { moved() }) -- the layer below, which is small
	end)

	it("is remembered by the next program, for its user alone", function()
		local layer = packed_layer()
		serve(layer)
		assert.is_true(cat("/late", "late\n"))
		assert.is_false(cat("/usr/middle", middle))
		local kept = support.kept_file(layer.bytes, env.XDG_CACHE_HOME)
		local folder = kept:match "^(.*)/"
		assert.equal("600 700", support.sh(("stat -c %%a %s %s"):format(kept, folder)):gsub("%s+", " "):match "%d+ %d+")
		local first = support.luff({ "files", "--json", name }, { env = { XDG_CACHE_HOME = "/dev/null" } })
		local second = support.luff({ "files", "--json", name }, { env = env })
		assert.equal(0, second.code, second.stderr)
		assert.equal(first.stdout, second.stdout)
		-- what others may write is not believed, and neither is what leads elsewhere
		for _, change in ipairs { "chmod 644 %s", "mv %s %s.real && ln -s %s.real %s" } do
			support.sh((change:gsub("%%s", kept)))
			assert.is_true(cat("/late", "late\n"), change)
			assert.is_false(cat("/late", "late\n"), change)
			support.sh("rm -f " .. folder .. "/*.real")
		end
		support.sh("chmod 777 " .. folder)
		assert.is_true(cat("/late", "late\n"))
		assert.is_true(cat("/late", "late\n"))
	end)

	it("is read as a whole where what is kept is damaged", function()
		serve(packed_layer())
		assert.equal(1, whole("/late", "late\n"))
		local good = support.read(file)
		local function flipped(i)
			return good:sub(1, i - 1) .. string.char(good:byte(i) ~ 1) .. good:sub(i + 1)
		end
		for what, bytes in pairs {
			empty = "", short = good:sub(1, 30), ["cut off"] = good:sub(1, -2), longer = good .. "x",
			["another format"] = flipped(1), ["another digest"] = flipped(30), ["in the middle"] = flipped(#good // 2),
			["at the end"] = flipped(#good),
		} do
			support.write(file, bytes)
			assert.equal(1, whole("/late", "late\n"), what)
			assert.equal(0, whole("/late", "late\n"), what)
		end
		-- good, and of another layer
		local other = support.packed(support.tar { late = "other\n", bulk = bulk }, "gzip")
		serve(other)
		support.write(file, good)
		assert.equal(1, whole("/late", "other\n"))
		assert.equal(0, whole("/late", "other\n"))
	end)

	it("is another one behind the same digest: who reads it is told", function()
		local root = support.scratch()
		local layer = packed_layer()
		serve(layer, { root = root })
		assert.equal(1, whole("/late", "late\n"))
		local blob = root .. "/app/blobs/sha256/" .. luff.digest(layer.bytes):sub(8)
		support.sh("chmod u+w " .. blob)
		local at = #layer.bytes - 3000
		support.write(blob, layer.bytes:sub(1, at) .. string.char(layer.bytes:byte(at + 1) ~ 64) .. layer.bytes:sub(at + 2))
		local err = support.fails(function() luff.image(name):read "/late" end)
		assert.truthy(err.code == "digest_mismatch" or err.code == "bad_format", err.code)
		assert.falsy(support.exists(file))
	end)

	it("may come with a fault once, and from a server that knows no ranges", function()
		local layer = packed_layer()
		local path = "/v2/*/blobs/" .. luff.digest(layer.bytes)
		serve(layer, { faults = {
			{ method = "GET", path = path, after = 1, count = 1, flip = 5 },
			{ method = "GET", path = path, after = 4, ignore_range = true },
		} })
		assert.equal(1, whole("/late", "late\n"))
		local sum, again = cost("/usr/middle", middle) -- in parts, then as a whole
		assert.truthy(sum > 0)
		assert.equal(1, again)
		assert.falsy(support.exists(file))
		assert.equal(1, whole("/late", "late\n"))
		assert.equal(0, whole("/usr/middle", middle))
		assert.equal(0, whole("/late", "late\n"))
	end)

	it("is read as a whole where nothing can be kept", function()
		serve(packed_layer())
		for _, where in ipairs {
			{ XDG_CACHE_HOME = false, HOME = false }, { XDG_CACHE_HOME = "/dev/null" },
			{ XDG_CACHE_HOME = "relative", HOME = "/dev/null" },
		} do
			env = where
			assert.is_true(cat("/late", "late\n"))
			assert.is_true(cat("/late", "late\n"))
		end
		assert.falsy(support.exists "relative")
	end)

	it("is read from a cache, too", function()
		serve(packed_layer())
		luff.config { cache = { dir = support.scratch() .. "/cache" } }
		support.defer(function() luff.config { cache = false } end)
		assert.equal(1, whole("/late", "late\n"))
		assert.same({ 0, 0 }, { cost("/usr/middle", middle) })
	end)
end)
