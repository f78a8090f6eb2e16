-- Not under the thread sanitizer.
-- The entries of a layer as scripts see them, and the tars that they come from.
local luff = require "luff"
local support = require "spec.support"

local archive = support.archive

local function layer_of(bytes)
	return support.make_image("memory:entries:v1", { layers = { { bytes = bytes,
		diff_id = luff.digest(bytes) } } }):layers()[1]
end

-- All entries as tables, with the content of files.
local function read_all(bytes)
	local list = {}
	for e in layer_of(bytes):entries() do
		local one = {}
		for key, value in pairs(e) do
			one[key] = value
		end
		one.content = e.type == "file" and e:read "a" or nil
		list[#list + 1] = one
	end
	return list
end

local function only(entry)
	local list = read_all(archive.tar { entry })
	assert.equal(1, #list)
	return list[1]
end

local function refused(code, part, entries)
	local bytes = type(entries) == "string" and entries or archive.tar(entries)
	local err = support.fails(read_all, bytes)
	assert.equal(code, err.code, err.message)
	assert.truthy(err.message:find(part, 1, true), err.message)
	return err
end

describe("layer:entries()", function()
	it("says what each entry is", function()
		local list = read_all(archive.tar {
			{ path = "./etc/", type = "folder", mode = tonumber("1755", 8), mtime = 1 },
			{ path = "etc/passwd", content = "root:x:0:0\n", uid = 7, gid = 8, user = "me", group = "us", mtime = 1234567890 },
			{ path = "etc/hard", type = "hardlink", link = "etc/passwd" },
			{ path = "etc/soft", type = "symlink", link = "../x" },
			{ path = "dev/null", type = "char", major = 1, minor = 3 },
			{ path = "dev/sda", type = "block", major = 8, minor = 300 },
			{ path = "run/pipe", type = "fifo" },
			{ path = "bin/x", content = "x", mode = tonumber("4755", 8), xattrs = { ["user.a"] = "1\0\n2",
				["security.capability"] = "c" } },
		})
		local types = {}
		for i, e in ipairs(list) do
			types[i] = e.type
		end
		assert.same({ "folder", "file", "hardlink", "symlink", "char", "block", "fifo", "file" }, types)
		assert.same({ path = "etc/passwd", type = "file", size = 11, mode = 420, uid = 7, gid = 8, user = "me", group = "us",
			mtime = 1234567890, mtime_ns = 0, content = "root:x:0:0\n" }, list[2])
		assert.equal("./etc/", list[1].path)
		assert.equal(tonumber("1755", 8), list[1].mode)
		assert.equal("etc/passwd", list[3].link)
		assert.equal("../x", list[4].link)
		assert.equal(3, list[5].minor)
		assert.equal(300, list[6].minor)
		assert.same({ ["user.a"] = "1\0\n2", ["security.capability"] = "c" }, list[8].xattrs)
	end)

	it("gives content by number, by line and to the end, and passes over what was not read", function()
		local big = support.random(300000)
		local entries <close> = layer_of(archive.tar {
			{ path = "skipped", content = big }, { path = "lines", content = "a\nb\n" }, { path = "big", content = big },
			{ path = "half", content = "0123456789" }, { path = "last", content = "z" },
		}):entries()
		entries()
		local lines = {}
		for line in entries():lines() do
			lines[#lines + 1] = line
		end
		assert.same({ "a", "b" }, lines)
		assert.equal(big, entries():read "a")
		local half = entries()
		assert.equal("012", half:read(3))
		assert.equal("z", entries():read "a")
		assert.has_error(function() half:read(1) end, "the reader is closed")
		assert.is_nil(entries())
		assert.is_nil(entries())
	end)

	it("has no content where there is none", function()
		for e in layer_of(archive.tar { "etc/" }):entries() do
			assert.equal("invalid", support.fails(e.read, e).code)
			assert.equal("luff.Entry<folder etc/>", tostring(e))
		end
	end)

	it("runs in tasks, several at a time", function()
		local files = {}
		for i = 1, 50 do
			files["f" .. i] = ("x"):rep(i)
		end
		local image = support.make_image("memory:entries:many", { layers = { support.tar(files), support.tar(files) } })
		local sums = luff.map(image:layers(), function(layer)
			local sum = 0
			for e in layer:entries() do
				sum = sum + #e:read "a"
			end
			return sum
		end)
		assert.same({ 1275, 1275 }, sums)
	end)

	it("lets a loop break, and closes what is left", function()
		local file
		for e in layer_of(support.tar { a = "1", b = "2" }):entries() do
			file = e
			if e.path == "a" then
				break
			end
		end
		assert.has_error(function() file:read(1) end, "the reader is closed")
	end)

	it("checks the digest before the end", function()
		local folder = support.scratch()
		local blob, name = support.layout(folder)
		local tar = support.tar { a = "1" }
		local layer = blob(tar .. ("\0"):rep(511) .. "x", "application/vnd.oci.image.layer.v1.tar",
			{ digest = luff.digest(tar .. ("\0"):rep(512)) })
		support.image_by_hand(blob, name, "v1", { layer })
		local seen = 0
		local err = support.fails(function()
			for _ in luff.image("oci:" .. folder .. ":v1"):layers()[1]:entries() do
				seen = seen + 1
			end
		end)
		assert.equal("digest_mismatch", err.code)
		assert.equal(1, seen)
	end)
end)

describe("a tar", function()
	it("may be empty, and may lack its end", function()
		assert.same({}, read_all(""))
		assert.same({}, read_all(("\0"):rep(512)))
		assert.same({}, read_all(archive.tar {}))
		assert.equal(1, #read_all(archive.tar { "etc/" }:sub(1, 512)))
	end)

	it("has long names: of pax, of GNU tar, of ustar's prefix", function()
		local long = ("d/"):rep(150) .. "name"
		assert.equal(long, only({ path = long, content = "x" }).path)
		local gnu = archive.header { path = "././@LongLink", flag = "L", size = #long + 1 } .. long .. ("\0"):rep(512 - #long)
		local link = archive.header { path = "././@LongLink", flag = "K",
			size = #long + 1 } .. long .. ("\0"):rep(512 - #long)
		local list = read_all(archive.tar { gnu, link, { path = "short", type = "symlink", link = "short" }, "next/" })
		assert.equal(long, list[1].path)
		assert.equal(long, list[1].link)
		assert.equal("next/", list[2].path)
		assert.equal("a/b/c", only({ path = "c", prefix = "a/b" }).path)
		assert.equal("c", only({ path = "c", prefix = "a/b", magic = "ustar  \0" }).path)
		assert.equal("c", only({ path = "c", prefix = "", magic = "\0\0\0\0\0\0\0\0" }).path)
		assert.equal(("n"):rep(100), only({ path = ("n"):rep(100) }).path)
	end)

	it("has pax records that go before the header's fields, and an empty one that does not", function()
		local e = only { path = "x", content = "abc", uid = 1, user = "u", pax = { { "uid", "3000000000" }, { "gid", "5" },
			{ "uname", "somebody" }, { "mtime", "-1.25" }, { "comment", "none" }, { "size", "3" } } }
		assert.same({ 3000000000, 5, "somebody", -2, 750000000, "abc" },
			{ e.uid, e.gid, e.user, e.mtime, e.mtime_ns, e.content })
		assert.equal("x", only({ path = "x", pax = { { "path", "y" }, { "path", "" } } }).path)
		assert.equal(7, only({ path = "x", mtime = 7, pax = { { "mtime", "1" }, { "mtime", "" } } }).mtime)
	end)

	it("has records of all files and labels that nobody heeds", function()
		local list = read_all(archive.tar { archive.pax({ { "path", "y" }, { "uid", "9" } }, "g"), { path = "x" },
			archive.header { path = "label", flag = "V" } })
		assert.equal(1, #list)
		assert.equal("x", list[1].path)
		assert.equal(0, list[1].uid)
	end)

	it("has numbers to the base of 256", function()
		local e = only { path = "x", uid = 4000000000, mtime = -5 }
		assert.equal(4000000000, e.uid)
		assert.equal(-5, e.mtime)
	end)

	it("has folders by their name alone, as before ustar", function()
		assert.equal("folder", only({ path = "old/", flag = "\0" }).type)
		assert.equal("file", only({ path = "old", flag = "\0" }).type)
	end)

	it("has sparse files: of old GNU tar and three times of pax", function()
		local want = ("\0"):rep(512) .. ("a"):rep(512) .. ("\0"):rep(1000) .. ("b"):rep(100) .. ("\0"):rep(76)
		local data = ("a"):rep(512) .. ("b"):rep(100)
		local o = function(n) return ("%011o\0"):format(n) end
		local old = { path = "x", flag = "S", magic = "ustar  \0", content = data,
			raw = { [386] = o(512) .. o(512) .. o(2024) .. o(100) .. o(2200) .. o(0), [483] = o(2200) } }
		assert.equal(want, only(old).content)
		assert.equal(2200, only(old).size)
		local more = { path = "x", flag = "S", magic = "ustar  \0", size = #data,
			raw = { [386] = o(512) .. o(512), [482] = "\1", [483] = o(2200) } }
		local block = o(2024) .. o(100)
		local list = read_all(archive.tar { archive.header(more) .. block .. ("\0"):rep(512 - #block) .. data
			.. ("\0"):rep(-#data % 512), "next/" })
		assert.equal(want, list[1].content)
		assert.equal("next/", list[2].path)
		assert.equal(want, only({ path = "x", content = data, pax = { { "GNU.sparse.size", "2200" },
			{ "GNU.sparse.numblocks", "2" }, { "GNU.sparse.offset", "512" }, { "GNU.sparse.numbytes", "512" },
			{ "GNU.sparse.offset", "2024" }, { "GNU.sparse.numbytes", "100" } } }).content)
		assert.equal(want, only({ path = "x", content = data, pax = { { "GNU.sparse.size", "2200" },
			{ "GNU.sparse.map", "512,512,2024,100" } } }).content)
		local map = "2\n512\n512\n2024\n100\n"
		local e = only { path = "GNUSparseFile.0/x", content = map .. ("\0"):rep(512 - #map) .. data,
			pax = { { "GNU.sparse.major", "1" }, { "GNU.sparse.minor", "0" }, { "GNU.sparse.name", "real" },
				{ "GNU.sparse.realsize", "2200" }, { "path", "GNUSparseFile.0/x" } } }
		assert.equal(want, e.content)
		assert.equal("real", e.path)
		assert.equal(("\0"):rep(5000), only({ path = "x", pax = { { "GNU.sparse.size", "5000" },
			{ "GNU.sparse.map", "" } } }).content)
	end)

	it("is what GNU tar writes, sparse files included", function()
		local version = support.sh "tar --version 2>/dev/null"
		if not version or not version:find("GNU", 1, true) then
			return pending "no GNU tar"
		end
		local dir = support.scratch()
		os.execute(([[cd %s && mkdir t && printf hello >t/file && ln t/file t/hard && ln -s file t/soft && mkfifo t/pipe &&
			truncate -s 100000 t/sparse && printf end >>t/sparse]]):format(dir))
		local sparse = ("\0"):rep(100000) .. "end"
		for _, format in ipairs { "gnu", "ustar", "v7", "pax", "pax --sparse-version=0.0", "pax --sparse-version=0.1" } do
			local hole = format ~= "ustar" and format ~= "v7" and "-S" or ""
			os.execute(("cd %s && tar -c %s --format=%s -f t.tar %s t"):format(dir, hole, format,
				format == "v7" and "--exclude=pipe" or ""))
			local seen = {}
			for _, e in ipairs(read_all(support.read(dir .. "/t.tar"))) do
				seen[e.path] = e.content or e.type
				-- which name comes first is the folder's affair
				if e.type == "hardlink" then
					seen[e.path] = "hello"
				end
			end
			assert.same({ ["t/"] = "folder", ["t/file"] = "hello", ["t/hard"] = "hello", ["t/soft"] = "symlink",
				["t/pipe"] = format ~= "v7" and "fifo" or nil, ["t/sparse"] = sparse }, seen, format)
		end
	end)

	it("is refused where it is damaged or cut off", function()
		local good = archive.tar { { path = "x", content = ("c"):rep(600) } }
		for _, size in ipairs { 1, 511, 513, 700, 1111, 1535 } do
			refused("bad_format", "cut off", good:sub(1, size))
		end
		refused("bad_format", "byte 0 is damaged", { { path = "x", lie = 1 } })
		refused("bad_format", "byte 0 is damaged", ("no tar "):rep(100))
		refused("bad_format", "goes on after", good:sub(1, 1536) .. ("\0"):rep(512) .. good)
		refused("bad_format", "cut off", archive.pax { { "path", "y" } })
		refused("bad_format", "unknown type", { { path = "x", flag = "Z" } })
		local err = refused("bad_format", "layer sha256:", { { path = "x", lie = 1 } })
		assert.truthy(err.message:find(": layer sha256:%x+: "))
	end)

	it("is refused where its numbers make no sense", function()
		refused("bad_format", "size makes no sense", { { path = "x", size = 1 << 61 } })
		refused("bad_format", "damaged", { { path = "x", size = -1 } })
		refused("bad_format", "a number that is none", { { path = "x", raw = { [100] = "0000z44\0" } } })
		refused("bad_format", "owner's number", { { path = "x", pax = { { "uid", "4294967295" } } } })
		refused("bad_format", "owner's number", { { path = "x", uid = 1 << 32 } })
		refused("bad_format", "owner's number", { { path = "x", gid = -1 } })
		refused("bad_format", "device's number", { { path = "x", type = "char", major = 5000 } })
	end)

	it("is refused where extended headers are damaged", function()
		for _, bytes in ipairs { "x", "5 a=b", "99 a=b\n", "6 ab\n", "6 =ab\n", "0 a=b\n", "6 a=bb", "-6 a=b\n",
			"06  a=b" } do
			refused("bad_format", "pax header", { archive.pax(bytes), { path = "x" } })
		end
		for _, record in ipairs { { "uid", "x" }, { "mtime", "1.x" }, { "size", "-1" }, { "mtime", ("9"):rep(30) } } do
			refused("bad_format", "pax header", { { path = "x", pax = { record } } })
		end
		refused("bad_format", "NUL", { { path = "x", pax = { { "path", "a\0b" } } } })
		refused("bad_format", "NUL", { { path = "x", pax = { { "linkpath", "a\0b" } } } })
	end)

	it("is refused where sparse maps lie", function()
		for _, map in ipairs { "0,5", "0", "x,1", "10,4,0,4", "0,4,2,4", "0,8,9,9223372036854775807", "5000,8", "0,-8" } do
			refused("bad_format", "map", { { path = "x", content = "12345678",
				pax = { { "GNU.sparse.size", "100" }, { "GNU.sparse.map", map } } } })
		end
		refused("bad_format", "map", { { path = "x", content = ("0\n\n"):rep(200),
			pax = { { "GNU.sparse.major", "1" }, { "GNU.sparse.realsize", "100" } } } })
		refused("bad_format", "cut off", { { path = "x", content = "9\n",
			pax = { { "GNU.sparse.major", "1" }, { "GNU.sparse.realsize", "100" } } } })
		refused("unsupported", "version", { { path = "x", pax = { { "GNU.sparse.major", "2" } } } })
	end)

	it("stops at the caps: long names, long headers, maps, attributes", function()
		assert.equal(4096, #only({ path = ("n"):rep(4096) }).path)
		refused("too_large", "4096", { { path = ("n"):rep(4097) } })
		refused("too_large", "4096", { { path = "x", type = "symlink", link = ("n"):rep(4097) } })
		refused("too_large", "1 MiB", { archive.pax { { "path", ("n"):rep(1 << 20) } }, { path = "x" } })
		refused("too_large", "1 MiB", archive.header { path = "l", flag = "L", size = 1 << 40 })
		refused("too_large", "pieces", { { path = "x", pax = { { "GNU.sparse.size", "9" },
			{ "GNU.sparse.map", ("0,0,"):rep(65537) } } } })
		refused("too_large", "pieces", { { path = "x", content = "99999999\n",
			pax = { { "GNU.sparse.major", "1" }, { "GNU.sparse.realsize", "100" } }, size = 512 } })
		local many = {}
		for i = 1, 1025 do
			many[i] = { "SCHILY.xattr.user." .. i, "" }
		end
		refused("too_large", "attributes", { { path = "x", pax = many } })
	end)
end)
