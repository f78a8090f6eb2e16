-- The squashed tree of an image: what its layers leave of each other's files, and reading as few of them as it takes.
local luff = require "luff"
local support = require "spec.support"

local archive = support.archive

-- An image whose layers are lists of entries as archive.tar takes them; a string "path=content" is a
-- file, "path->target" a symlink, "path=>target" a hard link, "path/" a folder.
local function image_of(layers, name)
	local tars = {}
	for i, entries in ipairs(layers) do
		local list = {}
		for k, e in ipairs(entries) do
			if type(e) == "string" then
				local path, how, rest = e:match "^(.-)([-=]>)(.*)$"
				if not path then
					path, how, rest = e:match "^([^=]*)(=?)(.*)$"
				end
				e = how == "=" and { path = path, content = rest } or how == "->" and { path = path, type = "symlink", link = rest }
					or how == "=>" and { path = path, type = "hardlink", link = rest }
					or path:match "%.wh%.[^/]*$" and { path = path } or { path = path, type = "folder" }
			end
			list[k] = e
		end
		tars[i] = archive.tar(list)
	end
	return support.make_image("memory:tree:" .. (name or "v1"), { layers = tars })
end

-- "/a 1 content", "/b/ 2", "/c 1 -> target", in the tree's order.
local function show(layers, pattern)
	local lines = {}
	for e in image_of(layers):files(pattern) do
		if e.path ~= "/" then
			lines[#lines + 1] = e.type == "folder" and ("%s/ %s"):format(e.path, e.layer or "-")
				or e.type == "symlink" and ("%s %d -> %s"):format(e.path, e.layer, e.link)
				or ("%s %d %s"):format(e.path, e.layer, e:read "a")
		end
	end
	return lines
end

local function refused(part, layers)
	local image = image_of(layers)
	local err = support.fails(image.tree, image)
	assert.equal("bad_format", err.code)
	assert.truthy(err.message:find(part, 1, true), err.message)
	assert.truthy(err.message:find("layer sha256:", 1, true), err.message)
end

describe("the squashed tree", function()
	it("lays each layer over those below", function()
		assert.same({ "/a/ 2", "/a/x 2 new", "/a/y 1 y", "/b 2 file", "/c/ 2", "/c/in 2 c" }, show {
			{ "a/", "a/x=old", "a/y=y", "b/", "b/gone=x", "c=file" },
			{ "a/", "a/x=new", "b=file", "c/", "c/in=c" },
		})
	end)

	it("hides what whiteouts name, of the layers below alone, wherever in the layer they stand", function()
		assert.same({ "/a/ 1", "/a/y 1 y", "/d/ 2", "/d/new 2 n", "/e 2 again", "/f 2 before" }, show {
			{ "a/", "a/x=x", "a/y=y", "d/", "d/old=o", "e=e", "f=f" },
			{ "f=before", "d/new=n", ".wh.d", "d/", "a/.wh.x", ".wh.e", "e=again", ".wh.f", ".wh.none", "none/.wh.x" },
		})
		assert.same({ "/x 1 x" }, show { { ".wh.x", "x=x" } })
	end)

	it("empties opaque folders, of the layers below alone, wherever in the layer they stand", function()
		for _, upper in ipairs {
			{ "d/", "d/.wh..wh..opq", "d/new=n", "d/sub/", "d/sub/n=n" },
			{ "d/", "d/new=n", "d/sub/", "d/sub/n=n", "d/.wh..wh..opq" },
		} do
			assert.same({ "/d/ 2", "/d/new 2 n", "/d/sub/ 2", "/d/sub/n 2 n", "/e 1 e" },
				show { { "d/", "d/old=o", "d/sub/", "d/sub/old=o", "e=e" }, upper })
		end
		assert.same({ "/n 2 n" }, show { { "d/", "x=x" }, { ".wh..wh..opq", "n=n" } })
		assert.same({ "/d/ 1", "/d/x 1 x" }, show { { "d/", "d/.wh..wh..opq", "d/x=x" } })
	end)

	it("takes a whiteout of what is not there for nothing, and goes on in that folder", function()
		assert.same({ "/a 1 1", "/b/ -", "/b/d 2 2" }, show { { "a=1" }, { "b/.wh.c", "b/d=2" } })
	end)

	it("follows no link that a whiteout names, but those in its folders", function()
		assert.same({ "/real/ 1", "/real/x 1 x" }, show { { "real/", "real/x=x", "link->real" }, { ".wh.link" } })
		assert.same({ "/link 1 -> /real", "/real/ 1" }, show { { "real/", "real/x=x", "link->/real" }, { "link/.wh.x" } })
		assert.same({ "/link 1 -> /real", "/real/ 1" },
			show { { "real/", "real/x=x", "link->/real" }, { "link/.wh..wh..opq" } })
	end)

	it("goes by the order of entries where a layer replaces a link whose name whiteouts go through", function()
		assert.same({ "/link/ 2", "/real/ 1", "/real/x 1 x" },
			show { { "real/", "real/x=x", "link->/real" }, { "link/", "link/.wh.x" } })
		assert.same({ "/d/ -", "/d/new 2 n" }, show { { "d/", "d/old=o" }, { "d/new=n", ".wh.d" } })
	end)

	it("leads links in the folders of a path to where they lead in the image", function()
		assert.same({ "/run/ 1", "/run/app/ -", "/run/app/pid 2 7", "/var/ 1", "/var/run 1 -> /run" },
			show { { "run/", "var/", "var/run->/run" }, { "var/run/app/pid=7" } })
		assert.same({ "/a/ -", "/a/b/ -", "/a/b/l 1 -> ../../../../etc", "/etc/ -", "/etc/x 1 x" },
			show { { "a/b/l->../../../../etc", "a/b/l/x=x" } })
		assert.same({ "/l 1 -> not/there", "/not/ -", "/not/there/ -", "/not/there/x 1 x" },
			show { { "l->not/there", "l/x=x" } })
	end)

	it("keeps what a hard link stood for, whatever becomes of its target", function()
		assert.same({ "/a 2 new", "/b 1 old", "/c 1 old" }, show { { "a=old", "b=>a" }, { "c=>b", "a=new" } })
		assert.same({ "/b 1 old" }, show { { "a=old" }, { "b=>a" }, { ".wh.a" } })
		assert.same({ "/b 1 -> x", "/l 1 -> x" }, show { { "l->x", "b=>/l" } })
		assert.same({ "/a 1 a" }, show { { "a=a", "a=>a" } })
		assert.same({ "/d/ 1", "/d/a 1 a", "/h 1 a", "/l 1 -> /d" }, show { { "d/", "d/a=a", "l->/d", "h=>l/a" } })
		refused("b: a hard link to nothing", { { "a=>b", "b=late" } })
		refused("d: a hard link to a folder", { { "d/", "a=>d" } })
		refused("leads out", { { "a=>../../etc/passwd" } })
	end)

	it("takes the last of several entries of a path", function()
		assert.same({ "/a 1 2" }, show { { "a=1", "a=2" } })
		assert.same({ "/a 1 2" }, show { { "a/", "a/b=1", "a=2" } })
		assert.same({ "/a/ 1", "/a/b 1 1" }, show { { "a/", "a/b=1", "a/" } })
	end)

	it("cleans names, and refuses those that lead out", function()
		assert.same({ "/a/ 1", "/a/b 1 x", "/c 1 y" }, show { { "./", "./a//", "/a/./b=x", "a/../c=y" } })
		refused("leads out", { { "../x=x" } })
		refused("leads out", { { "a/../../x=x" } })
		refused("the root is no folder", { { "./=x" } })
		refused("the root is no folder", { { ".->/etc" } })
		refused("the root is no folder", { { "/.=>x" } })
		refused("a whiteout of nothing", { { ".wh." } })
		refused("a whiteout of nothing", { { "a/.wh..." } })
		refused("a whiteout of nothing", { { ".wh.." } })
		refused("a symlink to nowhere", { { "a->" } })
		refused("a: a file where a folder should be", { { "a=file", "a/b=x" } })
	end)

	it("leaves AUFS's own names out", function()
		assert.same({ "/a 1 a" }, show { { ".wh..wh.plnk/", ".wh..wh.aufs", "a=a" } })
	end)

	it("ends links in a circle, and trees that grow through links", function()
		refused("40 links", { { "a->b", "b->a", "a/x=x" } })
		local deep = {}
		for i = 1, 60 do
			deep[i] = { path = ("l/"):rep(i - 1) .. "l", type = "symlink", link = ("d/"):rep(1000) .. "d" }
		end
		local image = image_of({ deep })
		assert.equal("too_large", support.fails(image.tree, image).code)
	end)

	it("takes what an entry says of a folder that was there before, its own root's too", function()
		local image = image_of { { { path = "./", type = "folder", mode = 448 }, { path = "a/", type = "folder", mode = 448 },
			"a/b=b" }, { { path = "a/", type = "folder", uid = 7, xattrs = { ["user.x"] = "1" } } } }
		local e = image:tree():stat "/a"
		assert.same({ 493, 7, "1", 2 }, { e.mode, e.uid, e.xattrs["user.x"], e.layer })
		assert.equal(448, image:tree():stat("/").mode)
		assert.equal("b", image:read "a/b")
	end)

	it("finds files by patterns", function()
		local layers = { { "lib/", "lib/a.so=1", "lib/x/", "lib/x/y/", "lib/x/y/b.so=2", "lib/c.txt=3", "a.so=4" } }
		local function paths(pattern)
			local list = {}
			for e in image_of(layers):files(pattern) do
				list[#list + 1] = e.path
			end
			return table.concat(list, " ")
		end
		assert.equal("/lib/a.so /lib/x/y/b.so", paths "/lib/**/*.so")
		assert.equal("/a.so /lib/a.so /lib/x/y/b.so", paths "**/*.so")
		assert.equal("/a.so", paths "*.so")
		assert.equal("/lib", paths "/lib")
		assert.equal("/lib/a.so /lib/c.txt /lib/x /lib/x/y /lib/x/y/b.so", paths "/lib/**")
		assert.equal("/lib/x/y", paths "/lib/?/[xyz]")
		assert.equal("", paths "/lib/a")
		assert.equal("/ /a.so /lib /lib/a.so /lib/c.txt /lib/x /lib/x/y /lib/x/y/b.so", paths(nil))
	end)
end)

describe("img:read and img:stat", function()
	it("follow links within the image", function()
		local image = image_of { { "usr/", "usr/lib/", "usr/lib/os-release=ID=x", "etc/",
			"etc/os-release->../usr/lib/os-release",
			"abs->/etc/os-release", "up->../../../../etc/os-release", "loop->loop" } }
		for _, path in ipairs { "/etc/os-release", "etc/os-release", "abs", "up", "/usr/../etc//./os-release" } do
			assert.equal("ID=x", image:read(path), path)
			assert.equal("/usr/lib/os-release", image:stat(path).path)
		end
		assert.equal("bad_format", support.fails(image.read, image, "loop").code)
		assert.equal("not_found", support.fails(image.read, image, "etc/none").code)
		assert.equal("not_found", support.fails(image.read, image, "usr/lib/os-release/x").code)
		assert.equal("not_found", support.fails(image.stat, image, "none/x").code)
		assert.equal("invalid", support.fails(image.read, image, "/etc").code)
		assert.equal("ID=x", image:stat("abs"):read "a")
	end)

	it("read no more layers than it takes", function()
		local folder = support.scratch()
		local blob, name = support.layout(folder)
		local type_of = "application/vnd.oci.image.layer.v1.tar"
		local broken = { mediaType = type_of, digest = luff.digest "none", size = 4 } -- not there
		local top = blob(archive.tar { "a/", { path = "a/x", content = "top" }, { path = "a/.wh.y" }, { path = "o/",
			type = "folder" },
			{ path = "o/.wh..wh..opq" }, { path = "l", type = "symlink", link = "a/x" } }, type_of)
		local loose = blob(archive.tar { { path = "loose/f", content = "f" }, { path = "loose/l", type = "symlink",
			link = "f" } },
			type_of)
		support.image_by_hand(blob, name, "v1", { broken, top })
		local image = luff.image("oci:" .. folder .. ":v1")
		assert.equal("top", image:read "/a/x")
		assert.equal("top", image:read "/l")
		assert.equal("folder", image:stat("a").type)
		assert.equal("/a/y: no such file in the image", support.fails(image.read, image, "/a/y").message)
		assert.equal("/o/x: no such file in the image", support.fails(image.read, image, "/o/x").message)
		-- what is below would have to be asked
		for _, path in ipairs { "/a/z", "/b" } do
			assert.truthy(support.fails(image.stat, image, path).message:find("oci:", 1, true), path)
		end
		support.image_by_hand(blob, name, "v2", { broken, loose })
		image = luff.image("oci:" .. folder .. ":v2")
		assert.equal("f", image:read "/loose/f")
		assert.equal("f", image:read "/loose/l")
		assert.equal("f", image:open("/loose/f"):read "a")
		assert.equal("f", support.luff("cat", "oci:" .. folder .. ":v2", "loose/l").stdout)
		for _, path in ipairs { "/loose/g", "/loose", "/loose/f" } do
			assert.truthy(support.fails(image.stat, image, path).message:find("oci:", 1, true), path)
		end
	end)

	it("check the layer's digest before they answer", function()
		local folder = support.scratch()
		local blob, name = support.layout(folder)
		for tag, size in pairs { small = 10, large = 2000000 } do
			local tar = archive.tar { "a/", { path = "a/x", content = ("o"):rep(size) } }
			support.image_by_hand(blob, name, tag, { blob(tar:gsub("ooo", "oyo", 1), "application/vnd.oci.image.layer.v1.tar",
				{ digest = luff.digest(tar), size = #tar }) })
			local image = luff.image("oci:" .. folder .. ":" .. tag)
			assert.equal("digest_mismatch", support.fails(image.read, image, "a/x").code)
		end
	end)

	it("agree with the whole tree, whatever the layers hold", function()
		local seed = os.getenv "SEED" and math.tointeger(os.getenv "SEED") or os.time()
		math.randomseed(seed)
		local names = { "a", "b", "c" }
		local function path(most)
			local parts = {}
			for i = 1, math.random(most) do
				parts[i] = names[math.random(#names)]
			end
			return table.concat(parts, "/")
		end
		local function entry(i)
			local kind, p = math.random(12), path(3)
			return kind <= 4 and p .. "=" .. i or kind <= 6 and p .. "/" or kind == 7 and p .. "->/" .. path(2)
				or kind == 8 and p .. "->" .. path(2) or kind == 9 and p .. "=>" .. path(2)
				or kind == 10 and (p:gsub("[^/]*$", ".wh.%0")) or kind == 11 and (p:gsub("[^/]*$", ".wh..wh..opq")) or p .. "/"
		end
		local compared, certain = 0, 0
		for _ = 1, (os.getenv "ASAN_OPTIONS" and 50 or 400) do
			local layers = {}
			for l = 1, math.random(4) do
				layers[l] = {}
				for i = 1, math.random(5) do
					layers[l][i] = entry(l .. "." .. i)
				end
			end
			local image = image_of(layers, "random")
			local tree = luff.try(image.tree, image)
			for _ = 1, tree and 12 or 0 do
				local p = path(4)
				local want, want_err = luff.try(tree.stat, tree, p)
				local have, have_err = luff.try(image.stat, image, p)
				local context = ("seed %d, %s in %s"):format(seed, p, luff.json.encode(layers))
				compared = compared + 1
				if want then
					assert(have, context .. ": " .. tostring(have_err))
					certain = certain + 1
					for key, value in pairs(want) do
						assert.equal(value, have[key], context .. ": " .. key)
					end
					if want.type == "file" then
						local content = want:read "a"
						assert.equal(content, have:read "a", context)
						assert.equal(content, image:read(p), context)
						local open <close> = image:open(p)
						assert.equal(content, open:read "a" or "", context)
					end
				else
					assert.equal(want_err.code, have_err and have_err.code, context)
				end
			end
		end
		assert.truthy(certain > 10 and compared > certain)
	end)
end)
