-- Not under the thread sanitizer.
-- New layers, and images with other layers.
local luff = require "luff"
local support = require "spec.support"

-- Entries as lines: path, type, mode, owner, time, link, content.
local function lines_of(entries)
	local lines = {}
	for e in entries do
		lines[#lines + 1] = table.concat({
			e.path, e.type, ("%o"):format(e.mode), e.uid .. ":" .. e.gid, e.mtime, e.link or "-",
				e.type == "file" and e:read "a" or "",
		}, " ")
	end
	return lines
end

local function listing(layer)
	return lines_of(layer:entries())
end

local function files_of(image)
	return lines_of(image:files())
end

local function a_folder()
	local dir = support.scratch()
	support.sh(("cd %s && mkdir -p bin etc/empty && echo hello > etc/motd && echo '#!' > bin/app && chmod 755 bin/app"
		.. " && ln bin/app bin/other && ln -s ../bin/app etc/link && chmod 700 etc/empty"):format(dir))
	return dir
end

describe("a new layer", function()
	it("is made of a table of files, sorted", function()
		local layer = luff.layer { files = {
			["/etc/motd"] = "hello\n", ["bin/app"] = { content = "#!", mode = 493, uid = 7, gid = 8 }, ["/empty/"] = {},
			["bin/b"] = { link = "app" }, ["a-link"] = { hardlink = "/bin/app" }, ["dev/null"] = { type = "char", major = 1,
				minor = 3 },
			["etc/none"] = "",
		} }
		assert.same({
			"bin/app file 755 7:8 0 - #!", "bin/b symlink 777 0:0 0 app ", "dev/null char 644 0:0 0 - ",
			"empty/ folder 755 0:0 0 - ", "etc/motd file 644 0:0 0 - hello\n", "etc/none file 644 0:0 0 - ",
			"a-link hardlink 755 7:8 0 bin/app ",
		}, listing(layer))
		assert.equal("application/vnd.oci.image.layer.v1.tar+gzip", layer:media_type())
		assert.equal(luff.digest(layer:compressed():read "a"), layer:digest())
		assert.equal(luff.digest(layer:uncompressed():read "a"), layer:diff_id())
	end)

	it("is made of a folder or of files on disk, without what differs from disk to disk", function()
		local dir = a_folder()
		local expected = {
			"opt/bin/ folder 755 0:0 0 - ", "opt/bin/app file 755 0:0 0 - #!\n", "opt/bin/other hardlink 755 0:0 0 opt/bin/app ",
			"opt/etc/ folder 755 0:0 0 - ", "opt/etc/empty/ folder 700 0:0 0 - ", "opt/etc/link symlink 777 0:0 0 ../bin/app ",
			"opt/etc/motd file 644 0:0 0 - hello\n",
		}
		local layer = luff.layer { dir = dir, to = "/opt/" }
		assert.same(expected, listing(layer))
		assert.equal(layer, luff.layer { dir = a_folder(), to = "opt" })
		assert.equal(layer, luff.layer { files = { ["/opt"] = { dir = dir } } })
		assert.same({ "x file 755 0:0 0 - #!\n" }, listing(luff.layer { files = { x = { file = dir .. "/bin/app" } } }))
		local list = listing(luff.layer { files = { dir .. "/etc", dir .. "/bin/app" } })
		assert.equal(5, #list)
		assert.equal(dir:sub(2) .. "/bin/app file 755 0:0 0 - #!\n", list[1])
		assert.equal(support.sh("id -u"):match "%d+", listing(luff.layer { dir = dir,
			keep_owner = true })[1]:match "755 (%d+):")
		assert.truthy(tonumber(listing(luff.layer { dir = dir, keep_times = true })[1]:match "%d+:%d+ (%d+)") > 1e9)
		assert.truthy(listing(luff.layer { dir = dir, time = 77 })[1]:find " 77 ")
	end)

	it("keeps extended attributes", function()
		local dir = support.scratch() .. "/files"
		luff.empty():append { files = { a = { content = "", xattrs = { ["user.note"] = "x" } } } }:extract(dir, {
			keep_owner = true })
		local found
		for e in luff.layer { dir = dir }:entries() do
			found = found or e.xattrs
		end
		if not found then
			pending "the file system has no extended attributes, or they are root's"
		end
		assert.same({ ["user.note"] = "x" }, found)
		local layer = luff.layer { files = { a = { content = "", xattrs = { ["security.capability"] = "\1\0\0\2" } } } }
		for e in layer:entries() do
			assert.same({ ["security.capability"] = "\1\0\0\2" }, e.xattrs)
		end
	end)

	it("has the time that $SOURCE_DATE_EPOCH says, and the same digest in each run", function()
		local dir = a_folder()
		local function run(env)
			return support.run({ support.program, "-e", ([[
				local image = luff.empty { platform = "linux/amd64" }:append { dir = "%s", files = nil }
				print(image:digest(), image:config_file().history[1].created)
				for e in image:layers()[1]:entries() do print(e.mtime) end]]):format(dir) }, { env = env })
		end
		local one, two = run(), run()
		assert.equal("", one.stderr)
		assert.equal(one.stdout, two.stdout)
		assert.truthy(one.stdout:find "1970%-01%-01T00:00:00Z\n0\n")
		assert.truthy(run { SOURCE_DATE_EPOCH = "86400" }.stdout:find "1970%-01%-02T00:00:00Z\n86400\n")
		assert.truthy(run { SOURCE_DATE_EPOCH = "soon" }.stderr:find "SOURCE_DATE_EPOCH")
	end)

	it("is made of a tar, compressed or not", function()
		local dir = support.scratch()
		local tar = support.tar { ["etc/motd"] = "hello\n" }
		support.write(dir .. "/a.tar", tar)
		for _, tool in ipairs { "gzip", "zstd", "xz", "bzip2" } do
			support.sh(("%s -qkf %s/a.tar"):format(tool, dir))
		end
		local plain = luff.layer(dir .. "/a.tar")
		for suffix, kind in pairs { [""] = "+gzip", [".gz"] = "+gzip", [".zst"] = "+zstd", [".xz"] = "+gzip",
			[".bz2"] = "+gzip" } do
			local layer = luff.layer(dir .. "/a.tar" .. suffix)
			assert.equal(luff.digest(tar), layer:diff_id())
			assert.equal("application/vnd.oci.image.layer.v1.tar" .. kind, layer:media_type())
			if suffix == ".gz" or suffix == ".zst" then
				assert.equal(support.read(dir .. "/a.tar" .. suffix), layer:compressed():read "a")
			else
				assert.equal(plain, layer)
			end
		end
		assert.equal(luff.digest(tar), luff.layer { tar = dir .. "/a.tar.gz", compress = "none" }:digest())
	end)

	it("is refused where it is no tar, to its end", function()
		local dir = support.scratch()
		local tar = support.tar { ["etc/motd"] = ("x"):rep(3000) }
		for _, bytes in ipairs { "text", ("text"):rep(1000), tar:sub(1, 2000) } do
			support.write(dir .. "/bad", bytes)
			local err = support.fails(luff.layer, dir .. "/bad")
			assert.equal("bad_format", err.code)
			assert.truthy(err.message:find(dir .. "/bad", 1, true))
		end
		assert.equal("not_found", support.fails(luff.layer, dir .. "/none").code)
		assert.equal("bad_format", support.fails(luff.layer, dir).code)
		for _, source in ipairs { 7, {}, { dir = dir, tar = "x" }, { files = { ["../x"] = "" } }, { files = { [""] = "" } },
			{ files = { x = {} } }, { files = { x = 7 } }, { files = { x = { mode = -1, content = "" } } }, { dri = "x" },
			{ files = { x = { content = "", mdoe = 1 } } }, { files = { ["x/"] = "content" } }, { files = { x = {
				file = dir } } },
			{ files = { x = { content = "", xattrs = { "x" } } } }, { files = { ["x\0y"] = "" } }, { dir = dir,
				compress = "xz" } } do
			assert.equal("invalid", support.fails(luff.layer, source).code)
		end
		assert.equal("not_found", support.fails(luff.layer, { dir = dir .. "/none" }).code)
		assert.equal("too_large", support.fails(luff.layer, { files = { [("x"):rep(5000)] = "" } }).code)
	end)

	it("is noticed where its file changes before it is copied", function()
		local dir = support.scratch()
		support.write(dir .. "/a.tar.gz", support.packed(support.tar { a = "1" }, "gzip").bytes)
		local image = luff.empty():append(dir .. "/a.tar.gz")
		local file = assert(io.open(dir .. "/a.tar.gz", "r+"))
		file:seek("set", 30)
		file:write "x"
		file:close()
		assert.equal("digest_mismatch", support.fails(luff.copy, image, "memory:layers:changed").code)
	end)
end)

describe("img:append", function()
	it("adds layers with their history", function()
		local image = support.make_image("memory:layers:base", { config = { history = luff.array {
			{ created_by = "one" }, { created_by = "ENV A=b", empty_layer = true } } } })
		local other = support.make_image("memory:other:v1", { layers = { support.tar { other = "o" } } })
		local new = image:append {
			{ files = { a = "1" }, created_by = "me", comment = "why", annotations = { x = "y" } }, other:layers()[1],
			files = { b = "2" },
		}
		assert.same({
			{ created_by = "one" }, { created_by = "ENV A=b", empty_layer = true },
			{ created = "1970-01-01T00:00:00Z", created_by = "me", comment = "why" },
			{ created = "1970-01-01T00:00:00Z", created_by = "luff append" },
			{ created = "1970-01-01T00:00:00Z", created_by = "luff append" },
		}, new:config_file().history)
		assert.equal(4, #new:layers())
		assert.same({ x = "y" }, new:manifest().layers[2].annotations)
		assert.equal(image:layers()[1], new:layers()[1])
		luff.copy(new, "memory:layers:appended")
		local read = luff.image "memory:layers:appended"
		for path, content in pairs { ["/a"] = "1", ["/b"] = "2", ["/other"] = "o", ["/etc/made-by"] = "specs\n" } do
			assert.equal(content, read:read(path))
		end
		for i, layer in ipairs(read:layers()) do
			assert.equal(luff.digest(layer:uncompressed():read "a"), read:config_file().rootfs.diff_ids[i])
		end
		-- a history that tells of other layers is none
		local without = support.make_image "memory:layers:nohistory"
		assert.equal(2, #without:append { files = { a = "1" } }:config_file().history)
	end)

	it("takes the same layer twice", function()
		local layer = luff.layer { files = { a = "1" } }
		local image = luff.empty():append { layer, layer }
		assert.equal(2, #image:config_file().rootfs.diff_ids)
		assert.equal(image:digest(), luff.copy(image, "memory:layers:twice").digest)
	end)

	it("speaks the media types of the image", function()
		local docker = support.make_image("memory:layers:docker", { docker = true })
		assert.equal("application/vnd.docker.image.rootfs.diff.tar.gzip",
			docker:append { files = { a = "1" } }:layers()[2]:media_type())
		assert.equal("unsupported", support.fails(docker.append, docker, { files = { a = "1" }, compress = "zstd" }).code)
		local image = luff.empty { format = "docker", platform = "linux/arm/v7" }
		assert.equal("application/vnd.docker.distribution.manifest.v2+json", image:media_type())
		assert.equal("linux/arm/v7", image:append { files = { a = "1" } }:platform())
	end)

	it("mounts what comes from another image of the registry", function()
		local server <close> = luff.serve {}
		support.make_image(server:address() .. "/one:v1", { layers = { 2000 } })
		support.make_image(server:address() .. "/two:v1", { layers = { 3000 } })
		local new = luff.image(server:address() .. "/one:v1"):append(luff.image(server:address() .. "/two:v1"):layers()[1])
		assert.equal(2, luff.copy(new, server:address() .. "/three:v1").mounted)
	end)
end)

describe("layer:map", function()
	local layer = luff.layer { files = {
		a = "aaa", b = { content = "bbb", mode = 493 }, c = { link = "b" }, d = { hardlink = "b" }, ["e/"] = {},
			f = ("f"):rep(300000),
	} }

	it("gives the same layer where nothing changes, whatever was read", function()
		assert.equal(layer, layer:map(function() end))
		assert.equal(layer, layer:map(function(e) if e.type == "file" then e:read(2) end end))
	end)

	it("takes changes that are computed when they are read, and keeps them while it writes", function()
		local junk
		local function changes(e)
			return setmetatable({}, { __index = function(_, name)
				if name == "user" or name == "group" then
					return (name .. "-of-" .. e.path):rep(5)
				end
				collectgarbage()
				junk = {}
				for i = 1, 200 do
					junk[i] = ("junk" .. i):rep(9)
				end
			end })
		end
		for e in luff.layer { files = { a = "1", b = "2" } }:map(changes):entries() do
			assert.same({ ("user-of-" .. e.path):rep(5), ("group-of-" .. e.path):rep(5) }, { e.user, e.group })
		end
		assert.equal(200, #junk)
	end)

	it("drops, renames and rewrites", function()
		local new = layer:map(function(e)
			if e.path == "a" then
				return { content = e:read "a":upper() .. "!" }
			elseif e.path == "b" then
				e:read(1)
				return { mode = 420, uid = 5, mtime = 9, path = "/x/./b" }
			elseif e.type == "hardlink" then
				return { link = "x/b" }
			elseif e.type == "symlink" then
				return false
			elseif e.path == "f" then
				return e:read(1) and nil
			end
		end)
		assert.same({ "a file 644 0:0 0 - AAA!", "x/b file 644 5:0 9 - bbb", "e/ folder 755 0:0 0 - ",
			"f file 644 0:0 0 - " .. ("f"):rep(300000), "d hardlink 755 0:0 0 x/b " }, listing(new))
		assert.equal(luff.digest(new:uncompressed():read "a"), new:diff_id())
		local again = layer:map(function(e) return e.path == "a" and { content = "AAA!" } or nil end)
		assert.equal(again, again:map(function(e) if e.path == "zzz" then return false end end))
	end)

	it("keeps the compression", function()
		for _, kind in ipairs { "gzip", "zstd", "none" } do
			local one = layer:recompress(kind)
			assert.equal(layer:diff_id(), one:diff_id())
			assert.equal(one:media_type(), one:map(function(e) return e.path == "a" and false or nil end):media_type())
			assert.equal(one, one:recompress(kind))
		end
	end)

	it("refuses what would break the layer", function()
		local function refused(f)
			return support.fails(layer.map, layer, f).code
		end
		assert.equal("invalid", refused(function(e) if e.path == "b" then return false end end)) -- d is a link to it
		assert.equal("invalid", refused(function() return 7 end))
		assert.equal("invalid", refused(function() return { path = "../x" } end))
		assert.equal("invalid", refused(function() return { mode = 1 << 20 } end))
		assert.equal("invalid", refused(function() return { type = "door" } end))
		local ok, err = pcall(layer.map, layer, function() error "mine" end)
		assert.is_false(ok)
		assert.truthy(tostring(err):find "mine")
	end)

	it("runs in tasks, too", function()
		local made = luff.map({ 1, 2, 3 }, function(i)
			return layer:map(function(e) return e.path == "a" and { content = e:read "a" .. i } or nil end)
		end)
		for i, one in ipairs(made) do
			assert.truthy(listing(one)[1]:find("aaa" .. i, 1, true))
		end
	end)
end)

describe("an image with other layers", function()
	local function three(name)
		return support.make_image(name, { layers = {
			support.tar { ["etc/a"] = "1", ["usr/doc/x"] = "doc" }, support.tar { ["etc/b"] = "2", ["etc/.wh.a"] = "" },
			support.packed(support.tar { ["usr/doc/y"] = "doc" }, "gzip"),
		}, config = { created = "2020-01-01T00:00:00Z", history = luff.array {
			{ created_by = "ENV", empty_layer = true }, { created_by = "1", created = "2020-01-01T00:00:00Z" }, {
				created_by = "2" },
			{ created_by = "CMD", empty_layer = true }, { created_by = "3" }, { created_by = "END", empty_layer = true },
		} } })
	end
	local function steps(image)
		local list = {}
		for i, entry in ipairs(image:config_file().history) do
			list[i] = entry.created_by
		end
		return table.concat(list, " ")
	end

	it("loses a layer with its history", function()
		local image = three "memory:layers:three"
		assert.equal("ENV 1 CMD 3 END", steps(image:remove_layer(2)))
		assert.equal("ENV 2 CMD 3 END", steps(image:remove_layer(image:layers()[1])))
		local new = image:remove_layer(image:layers()[3]:digest())
		assert.equal("ENV 1 2 CMD END", steps(new))
		assert.same({ image:layers()[1]:diff_id(), image:layers()[2]:diff_id() }, new:config_file().rootfs.diff_ids)
		assert.equal("not_found", support.fails(image.remove_layer, image, 4).code)
		assert.equal("not_found", support.fails(image.remove_layer, image, luff.digest "x").code)
	end)

	it("is compressed anew, with the same config", function()
		local image = three "memory:layers:three"
		local zstd = image:recompress "zstd"
		assert.equal(image:config_name(), zstd:config_name())
		for i, layer in ipairs(zstd:layers()) do
			assert.equal("application/vnd.oci.image.layer.v1.tar+zstd", layer:media_type())
			assert.equal(image:layers()[i]:uncompressed():read "a", layer:uncompressed():read "a")
		end
		assert.equal(zstd, zstd:recompress "zstd")
		assert.equal(image:layers()[3], image:recompress "gzip":layers()[3])
		assert.equal(zstd:digest(), luff.copy(zstd, "memory:layers:zstd").digest)
		assert.equal("invalid", support.fails(image.recompress, image, "xz").code)
	end)

	it("leaves layers alone that are no tars, or may not be distributed", function()
		local image = support.make_image("memory:layers:mixed", { layers = {
			support.tar { a = "1" }, { bytes = "{}", media_type = "application/vnd.in-toto+json" },
			{ bytes = "foreign", media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" } } })
		for _, new in ipairs { image:recompress "zstd", image:strip "/a", image:with_time(7) } do
			assert.not_equal(image:digest(), new:digest())
			local left = new:layers()
			assert.equal(image:layers()[2], left[#left - 1])
			assert.equal(image:layers()[3], left[#left])
		end
	end)

	it("maps its layers", function()
		local image = three "memory:layers:three"
		local new = image:map_layers(function(layer, i)
			return i == 1 and layer:map(function(e) return e.path == "etc/a" and {
				content = "new" } or nil end) or (i ~= 2 and nil)
		end)
		assert.equal("ENV 1 CMD 3 END", steps(new))
		assert.equal("new", new:read "/etc/a")
		assert.equal("invalid", support.fails(image.map_layers, image, function() return 7 end).code)
	end)

	it("loses files by their names, in all layers", function()
		local image = three "memory:layers:three"
		local new = image:strip { "/usr/doc", "/etc/a*" }
		assert.equal(1, #new:layers()) -- the others have nothing left
		assert.equal("ENV 2 CMD END", steps(new))
		assert.same({ "/", "/etc", "/etc/b" }, (function()
			local list = {}
			for e in new:files() do
				list[#list + 1] = e.path
			end
			return list
		end)())
		assert.same({ "etc/b file 644 0:0 0 - 2" }, listing(new:layers()[1]))
		assert.equal(image, image:strip "/nothing")
		local kept = image:keep "/usr/**/y"
		assert.equal(1, #kept:layers())
		assert.equal("doc", kept:read "/usr/doc/y")
		assert.equal(image, image:keep "**")
		-- what is hidden does not come back
		local opaque = luff.empty():append { { files = { ["etc/x"] = "1" } }, { files = { [".wh.etc"] = "", ["b/x"] = "" } } }
		assert.equal("not_found", support.fails(opaque:keep "**/x".read, opaque:keep "**/x", "/etc/x").code)
	end)

	it("keeps a file whose other name goes", function()
		local image = luff.empty():append { files = {
			["doc/a"] = { content = "text", mode = 384 }, ["b"] = { hardlink = "doc/a" }, ["c"] = { hardlink = "b" }, z = "" } }
		local new = image:strip "/doc"
		assert.same({ "b file 600 0:0 0 - text", "z file 644 0:0 0 - ", "c hardlink 600 0:0 0 b " }, listing(new:layers()[1]))
		local two = image:append { files = { d = { hardlink = "doc/a" } } }
		assert.equal("unsupported", support.fails(two.strip, two, "/doc/a").code)
	end)

	it("gets other times, and spares its base", function()
		local image = three "memory:layers:three"
		local new = image:with_time(86400)
		assert.equal("1970-01-02T00:00:00Z", new:config_file().created)
		assert.equal("1970-01-02T00:00:00Z", new:config_file().history[2].created)
		for _, layer in ipairs(new:layers()) do
			for e in layer:entries() do
				assert.equal(86400, e.mtime)
			end
		end
		assert.equal(new, new:with_time(86400))
		local base = image:remove_layer(3):remove_layer(2)
		local spared = image:with_time(86400, { base = base })
		assert.equal(image:layers()[1], spared:layers()[1])
		assert.not_equal(image:layers()[2], spared:layers()[2])
		assert.equal("2020-01-01T00:00:00Z", spared:config_file().history[2].created)
		assert.equal("invalid", support.fails(image.with_time, image, 0, { base = new }).code)
		assert.equal("invalid", support.fails(image.with_time, image, "now").code)
	end)

	it("becomes canonical", function()
		local function made(host, time)
			return luff.empty { platform = "linux/amd64" }:append { files = { a = { content = "1", mtime = time,
				user = host } } }
				:configure(function(c)
					c.config.Hostname, c.container, c.docker_version, c.created = host, host, host, "2021-01-01T00:00:00Z"
				end)
		end
		local one, two = made("one", 1), made("two", 2)
		assert.not_equal(one, two)
		assert.equal(one:canonical(), two:canonical())
		assert.equal(one:canonical(), one:canonical():canonical())
	end)

	local function tangled()
		return luff.empty():append {
			{ files = { ["a/one"] = "1", ["a/two"] = { hardlink = "a/one" }, ["b/x"] = "x", ["c/"] = { mode = 448 },
				["c/deep/y"] = "y",
				d = "file", ["e/f"] = "ef", ["s/t"] = "st" } },
			{ files = { ["a/three"] = { hardlink = "a/one" }, ["b/.wh..wh..opq"] = "", ["b/z"] = "z", [".wh.c"] = "",
				["d/"] = {}, ["d/in"] = "now a folder" } },
			{ files = { ["a/.wh.one"] = "", ["a/four"] = { hardlink = "a/three" }, ["c/new"] = "n", ["e/.wh.f"] = "", ["s"] = {
				link = "a" },
				["b/.wh.z"] = "", ["u"] = { hardlink = "d/in" } } },
		}
	end

	it("has its layers as one, with the same files", function()
		local image = tangled()
		local expected = files_of(image)
		assert.truthy(#expected > 10)
		local flat = image:flatten()
		assert.equal(1, #flat:layers())
		assert.same(expected, files_of(flat))
		assert.equal(1, #flat:config_file().history)
		assert.equal(flat, image:flatten())
		for e in flat:layers()[1]:entries() do
			assert.is_nil(e.path:find(".wh.", 1, true))
		end
		for n = 1, 3 do
			local new = image:squash(n)
			assert.equal(4 - n, #new:layers())
			assert.same(expected, files_of(new))
			assert.equal(4 - n, #new:config_file().history)
			for i = 1, 3 - n do
				assert.equal(image:layers()[i], new:layers()[i])
			end
		end
		assert.same({
			"a/.wh.one file 0 0:0 0 - ", "b/.wh.x file 0 0:0 0 - ", "c/.wh.deep file 0 0:0 0 - ",
		}, { table.unpack(listing(image:squash(2):layers()[2]), 1, 3) })
		-- as other names of one file
		local links = 0
		for e in image:squash(2):layers()[2]:entries() do
			links = links + (e.type == "hardlink" and 1 or 0)
		end
		assert.equal(3, links) -- a/three and a/four to a/two below, u to d/in
		assert.equal("invalid", support.fails(image.squash, image, 4).code)
		assert.equal("invalid", support.fails(image.squash, image, 0).code)
	end)

	it("has the same files after any squash", function()
		local seed = 1
		local function random(n)
			seed = (seed * 1103515245 + 12345) % (1 << 31)
			return seed // 65536 % n + 1
		end
		local names = { "a", "b", "c" }
		for round = 1, support.scaled(12) do
			local layers, no_folder = {}, {}
			for i = 1, 4 do
				local files, used = {}, {}
				for k = 1, random(6) do
					local path = names[random(3)]
					for _ = 1, random(3) - 1 do
						path = path .. "/" .. names[random(3)]
					end
					-- one kind of file for each path of a layer, and none below what is no folder
					local clash = false
					for other in pairs(used) do
						clash = clash or other == path or other:find("^" .. path .. "/") or path:find("^" .. other .. "/")
					end
					if not clash then
						used[path] = true
						local folder, name = path:match "^(.-)([^/]+)$"
						local kind = random(5)
						kind = i == 1 and kind < 3 and 4 or kind
						-- what was a file is a folder only where it is said
						for parent in pairs(no_folder) do
							if path:find("^" .. parent .. "/") or kind == 2 and path == parent then
								files[parent .. "/"] = files[parent .. "/"] or {}
							end
						end
						no_folder[path] = kind > 3 or no_folder[path] or nil
						if kind == 1 then
							files[folder .. ".wh." .. name] = ""
						elseif kind == 2 then
							files[path .. "/.wh..wh..opq"] = ""
						elseif kind == 3 then
							files[path .. "/"] = { mode = 448 + i }
						else
							files[path] = { content = ("%d %d %d"):format(round, i, k), uid = i }
						end
					end
				end
				layers[i] = { files = files }
			end
			local image = luff.empty():append(layers)
			local expected = files_of(image)
			for n = 2, 4 do
				assert.same(expected, files_of(image:squash(n)), ("round %d, the last %d"):format(round, n))
			end
			assert.same(expected, files_of(image:flatten()))
		end
	end)
end)

describe("img:rebase", function()
	local function a_base(tag, files, config)
		local image = luff.empty { platform = "linux/amd64" }:append { { files = files, created_by = "base " .. tag } }
			:configure(function(c)
				table.insert(c.history, { created_by = "ENV of " .. tag, empty_layer = true })
				for name, value in pairs(config or {}) do
					c[name] = value
				end
			end)
		luff.copy(image, "memory:bases:" .. tag)
		return luff.image("memory:bases:" .. tag)
	end
	local function steps(image)
		local list = {}
		for i, entry in ipairs(image:config_file().history) do
			list[i] = entry.created_by
		end
		return table.concat(list, ", ")
	end

	it("puts the layers of an image on another base", function()
		local old = a_base("old", { ["etc/version"] = "1" })
		local new = a_base("new", { ["etc/version"] = "2" }, { variant = "v2" })
		new = new:append { files = { more = "m" } }
		local app = old:append { { files = { app = "a" }, created_by = "app" } }:configure(function(c)
			c.config.User = "me"
			c.author = "somebody"
			table.insert(c.history, { created_by = "CMD", empty_layer = true })
		end):annotate { note = "kept" }
		local rebased = app:rebase(old, new)
		assert.equal("2", rebased:read "/etc/version")
		assert.equal("a", rebased:read "/app")
		assert.equal("base new, ENV of new, luff append, app, CMD", steps(rebased))
		assert.equal(3, #rebased:config_file().rootfs.diff_ids)
		assert.equal("me", rebased:config_file().config.User)
		assert.equal("somebody", rebased:config_file().author)
		assert.equal("v2", rebased:config_file().variant)
		assert.same({ note = "kept", ["org.opencontainers.image.base.digest"] = new:digest() }, rebased:annotations())
		assert.equal(app:layers()[2], rebased:layers()[3])
		-- and back again
		assert.equal(steps(app), steps(rebased:rebase(new, old)))
		local err = support.fails(app.rebase, app, new, old)
		assert.equal("invalid", err.code)
		assert.truthy(err.message:find "is not based on")
		assert.equal("invalid", support.fails(old.rebase, old, app, new).code)
	end)

	it("knows its base from the annotations", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/base:v1"
		luff.copy(a_base("one", { ["etc/version"] = "1" }), name)
		local old = luff.image(name)
		local app = old:append { files = { app = "a" } }:annotate {
			["org.opencontainers.image.base.name"] = name, ["org.opencontainers.image.base.digest"] = old:digest() }
		luff.copy(a_base("two", { ["etc/version"] = "2" }), name)
		local rebased = app:rebase()
		assert.equal("2", rebased:read "/etc/version")
		assert.same({ ["org.opencontainers.image.base.name"] = name,
			["org.opencontainers.image.base.digest"] = luff.image(name):digest() }, rebased:annotations())
		-- a second time nothing is to be done
		assert.equal(rebased, rebased:rebase())
		local image = luff.empty()
		assert.equal("invalid", support.fails(image.rebase, image).code)
		assert.equal("invalid", support.fails(image.rebase, image, image).code)
	end)

	it("has names of registries alone in its annotations", function()
		local name = require "luff.edit.documents".registry_name
		assert.equal("docker.io/library/alpine:edge", name "alpine:edge")
		assert.equal("ghcr.io/a/b:v1", name("docker://ghcr.io/a/b:v1@" .. luff.digest "x"))
		assert.equal("ghcr.io/a/b@" .. luff.digest "x", name("ghcr.io/a/b@" .. luff.digest "x"))
		for _, other in ipairs { "oci:dir:v1", "memory:a:v1", "oci-archive:x.tar", "rootfs:." } do
			assert.is_nil(name(other))
		end
	end)

	it("counts layers where histories do not tell of them", function()
		local function made(tag, files)
			return support.make_image("memory:bases:" .. tag, { layers = { support.tar(files) } })
		end
		local old, new = made("bare1", { version = "1" }), made("bare2", { version = "2" })
		local app = old:map_layers(function() end):append { { files = { app = "a" }, created_by = "app" } }
		local rebased = app:rebase(old, new)
		assert.same({ {}, { created = "1970-01-01T00:00:00Z", created_by = "app" } }, rebased:config_file().history)
		assert.equal("a", rebased:read "/app")
		assert.equal("2", rebased:read "/version")
	end)
end)

describe("the commands", function()
	local function run(...)
		local result = support.luff(...)
		assert.equal("", result.stderr)
		assert.equal(0, result.code)
		return result.stdout:match "^(sha256:%x+)\n$" or result.stdout
	end

	it("luff append, rebase and flatten write what the methods make", function()
		local dir = support.scratch()
		local place = "oci:" .. dir .. "/layout:"
		support.write(dir .. "/a.tar", support.tar { version = "1" })
		support.write(dir .. "/b.tar", support.tar { version = "2" })
		support.write(dir .. "/app.tar", support.tar { app = "a" })
		local old = run("append", "-q", "--platform", "linux/amd64", "-f", dir .. "/a.tar", "-t", place .. "old")
		assert.equal(luff.empty { platform = "linux/amd64" }:append(dir .. "/a.tar"):digest(), old)
		run("append", "-q", "--platform", "linux/amd64", "-f", dir .. "/b.tar", "-t", place .. "new")
		run("append", "-q", place .. "old", "-f", dir .. "/app.tar", "-f", dir .. "/app.tar", "-t", place .. "app")
		assert.equal(3, #luff.image(place .. "app"):layers())
		run("rebase", "-q", place .. "app", "--old-base", place .. "old", "--new-base", place .. "new", "-t",
			place .. "rebased")
		assert.equal("2", luff.image(place .. "rebased"):read "/version")
		run("flatten", "-q", place .. "rebased", "-t", place .. "flat")
		assert.equal(1, #luff.image(place .. "flat"):layers())
		assert.equal("2", luff.image(place .. "flat"):read "/version")
		assert.equal(luff.resolve(place .. "rebased").digest, luff.json.decode(run("flatten", "-q", "--json", "--last", "1",
			place .. "rebased", "-t", place .. "json")).digest)
		run("flatten", "-q", "--last", "2", place .. "rebased", "-t", place .. "flatter")
		assert.equal(2, #luff.image(place .. "flatter"):layers())
		local piped = support.sh(("cat %s/a.tar | %s append -q --platform linux/amd64 -f - -t %spiped"):format(dir,
			support.program,
			place))
		assert.equal(old, piped)
		for _, words in ipairs { { "append", "-t", place .. "x" }, { "append", "-f", "x" }, { "rebase", "x" }, { "flatten",
			"x" } } do
			assert.equal(2, support.luff(table.unpack(words)).code)
		end
	end)

	it("luff append says what the base is, for luff rebase", function()
		local server <close> = luff.serve {}
		local dir = support.scratch()
		local name = server:address() .. "/base:v1"
		support.write(dir .. "/app.tar", support.tar { app = "a" })
		support.make_index(name, { "linux/amd64", "linux/arm64" })
		run("append", "-q", "--all-platforms", "--set-base-image-annotations", name, "-f", dir .. "/app.tar", "-t",
			server:address() .. "/app:v1")
		support.make_index(name, { "linux/amd64", "linux/arm64" }, { layers = { support.tar { version = "2" } } })
		run("rebase", "-q", "--all-platforms", server:address() .. "/app:v1", "-t", server:address() .. "/app:v2")
		for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
			local image = luff.image(server:address() .. "/app:v2", { platform = platform })
			assert.equal("2", image:read "/version")
			assert.equal("a", image:read "/app")
			assert.equal(luff.image(name, { platform = platform }):digest(),
				image:annotations()["org.opencontainers.image.base.digest"])
		end
	end)

	it("luff index makes, changes and lists indexes", function()
		local dir = support.scratch()
		local place = "oci:" .. dir .. "/layout:"
		local one = support.make_image(place .. "one", { platform = "linux/amd64" })
		local two = support.make_image(place .. "two", { platform = "linux/arm64", layers = { 10 } })
		run("index", "create", "-q", place .. "one", "-t", place .. "v1")
		run("index", "append", "-q", place .. "v1", place .. "two", "-t", place .. "v2")
		local listed = run("index", "list", place .. "v2")
		assert.equal(("linux/amd64  %s  %s\nlinux/arm64  %s  %s\n"):format(one:digest(), one:media_type(), two:digest(),
			two:media_type()), listed)
		assert.equal(2, #luff.json.decode(run("index", "list", "--json", place .. "v2")))
		run("index", "filter", "-q", place .. "v2", "--platform", "linux/arm64", "-t", place .. "v3")
		assert.equal(two:digest(), luff.index(place .. "v3"):index_manifest().manifests[1].digest)
		assert.equal(run("index", "remove", "-q", place .. "v2", one:digest(), "-t", place .. "v4"),
			luff.index(place .. "v3"):digest())
		for _, words in ipairs { { "lsit", "x" }, { "list" }, { "list", "a", "b" }, { "create", place .. "one" },
			{ "filter", place .. "v2", "-t", place .. "x" } } do
			local result = support.luff("index", table.unpack(words))
			assert.equal(2, result.code, result.stderr)
		end
	end)
end)
