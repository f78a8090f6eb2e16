-- An image's files as a folder and as a tar: what comes out, and that nothing lands outside, whatever the image holds.
local luff = require "luff"
local support = require "spec.support"

local archive = support.archive

local root = support.sh "id -u" == "0"

local function image_of(layers, name)
	local tars = {}
	for i, entries in ipairs(layers) do
		tars[i] = archive.tar(entries)
	end
	return support.make_image(name or "memory:extract:v1", { layers = tars })
end

-- Path, kind, permissions, time, links and target of all there is, and a checksum of contents.
local function look(dir)
	return support.sh(([[cd %s && find . -mindepth 1 \( -type d \
		-printf '%%p d %%m %%T@\n' \) -o -printf '%%p %%y %%m %%T@ %%n %%s %%l\n' |
		sort && find . -type f -exec cksum {} + | sort -k3]]):format(support.quote(dir)))
end

local rich = {
	{ { path = "./", type = "folder", mode = 493, mtime = 5 },
		{ path = "bin/", type = "folder", mode = 365, mtime = 1000 }, { path = "bin/tool", content = ("x"):rep(300000),
			mode = 493, mtime = 7 },
		{ path = "bin/alias", type = "hardlink", link = "/bin/tool" }, { path = "run/", type = "folder", mtime = 2 },
		{ path = "var/", type = "folder", mtime = 3 }, { path = "var/run", type = "symlink", link = "/run", mtime = 9 },
		{ path = "old", content = "old" }, { path = "empty", mtime = 1 } },
	{ { path = "var/run/app/pid", content = "1", mtime = 4 }, { path = ".wh.old" }, { path = "bin/more",
		type = "hardlink", link = "bin/alias" },
		{ path = "pipe", type = "fifo", mode = 384, mtime = 6 }, { path = ("long/"):rep(60) .. "name", content = "deep",
			mtime = 1 },
		{ path = "zeros", content = ("\0"):rep(500000) .. "end", mtime = 1, pax = { { "mtime", "1.5" } } } },
}

describe("img:extract", function()
	it("makes the files with their modes, times and links", function()
		local dir = support.scratch() .. "/new"
		local done = image_of(rich):extract(dir)
		assert.equal(0, done.skipped)
		assert.equal("1", support.read(dir .. "/run/app/pid"))
		assert.equal(("\0"):rep(500000) .. "end", support.read(dir .. "/zeros"))
		assert.equal("deep", support.read(dir .. "/" .. ("long/"):rep(60) .. "name"))
		assert.is_false(support.exists(dir .. "/old"))
		local text = look(dir)
		for _, line in ipairs { "./bin d 555 1000.0000000000", "./bin/tool f 755 7.0000000000 3 300000 ",
			"./var/run l 777 9.0000000000 1 4 /run", "./pipe p 600 6.0000000000", "./zeros f 644 1.5000000000 1 500003 " } do
			assert.truthy(text:find(line, 1, true), line .. " is not in " .. text)
		end
		local inodes = support.sh(("cd %s/bin && ls -i1 | awk '{ print $1 }' | sort -u | wc -l"):format(dir))
		assert.equal("1", (inodes:gsub("%s", "")))
	end)

	it("keeps owners, setuid, devices and attributes for root", function()
		if not root then
			return pending "not root"
		end
		local dir = support.scratch() .. "/new"
		image_of({ { { path = "su", content = "x", mode = tonumber("4755", 8), uid = 12, gid = 34,
			xattrs = { ["user.note"] = "yes", ["trusted.overlay.opaque"] = "y" } },
			{ path = "l", type = "symlink", link = "su", uid = 5, gid = 6 } } }):extract(dir)
		assert.equal("4755 12 34", support.sh("stat -c '%a %u %g' " .. dir .. "/su"))
		assert.equal("5 6", support.sh("stat -c '%u %g' " .. dir .. "/l"))
		local mine = support.scratch() .. "/mine"
		image_of({ { { path = "su", content = "x", mode = tonumber("4755", 8), uid = 12 } } }):extract(mine,
			{ keep_owner = false })
		assert.equal("755 0", support.sh("stat -c '%a %u' " .. mine .. "/su"))
	end)

	it("takes an empty folder, and no other", function()
		local dir = support.scratch()
		image_of(rich):extract(dir)
		local before = look(dir)
		local image = image_of(rich)
		local err = support.fails(image.extract, image, dir)
		assert.equal("exists", err.code)
		assert.equal(before, look(dir))
		assert.equal("not_found", support.fails(image.extract, image, dir .. "/none/none").code)
		assert.equal("io", support.fails(image.extract, image, dir .. "/zeros").code)
	end)

	it("leaves nothing behind where it fails", function()
		local folder = support.scratch()
		local blob, name = support.layout(folder .. "/layout")
		local good = blob(archive.tar(rich[1]), "application/vnd.oci.image.layer.v1.tar")
		support.image_by_hand(blob, name, "v1", { good })
		local image = luff.image("oci:" .. folder .. "/layout:v1")
		assert.truthy(image:extract(folder .. "/first").files > 5)
		-- a file whose name no file system takes
		image = image_of { rich[1], { { path = ("n"):rep(300), content = "x" } } }
		local err = support.fails(image.extract, image, folder .. "/out")
		assert.equal("io", err.code)
		assert.is_nil(support.sh("ls -d " .. folder .. "/out 2>/dev/null"))
		os.execute("mkdir " .. folder .. "/there")
		support.fails(image.extract, image, folder .. "/there")
		assert.equal("", support.sh("ls -A " .. folder .. "/there"))
	end)

	-- Each of them put something outside of its folder in another tool once.
	local attacks = {
		["a name with .. (CVE-2021-21272, GHSA-g5v4-5x39-vwhx)"] = { { { path = "../victim/owned", content = "x" } } },
		["a/../../ (CVE-2021-21272)"] = { { { path = "a/../../victim/owned", content = "x" } } },
		["a folder beside with the same beginning (CVE-2024-24579)"] = { { { path = "../out-evil/owned", content = "x" } } },
		["an absolute name"] = function(victim) return { { { path = victim .. "/owned", content = "x" } } } end,
		["a link, and a file through it (CVE-2018-15664)"] = function(victim) return { { { path = "l", type = "symlink",
			link = victim },
			{ path = "l/owned", content = "x" } } } end,
		["a relative link out, and a file through it"] = { { { path = "l", type = "symlink", link = "../victim" },
			{ path = "l/owned", content = "x" } } },
		["a chain of links (GHSA-m37j-52j7-pjw7)"] = { { { path = "d/", type = "folder" }, { path = "d/a", type = "symlink",
			link = "." },
			{ path = "d/b", type = "symlink", link = "a/../.." }, { path = "d/b/../victim/owned", content = "x" },
			{ path = "d/b/victim/owned", content = "x" } } },
		["a link in one layer, a file through it in the next"] = function(victim) return {
			{ { path = "l", type = "symlink", link = victim } }, { { path = "l/owned", content = "x" } } } end,
		["a file in the place of a link (GHSA-8xwf-rjm4-xvhv)"] = function(victim) return {
			{ { path = "l", type = "symlink", link = victim .. "/file" }, { path = "l", content = "owned" } } } end,
		["a hard link out (GHSA-fxhp-mv3v-67qp, CVE-2026-50163)"] = { { { path = "h", type = "hardlink",
			link = "../victim/file" },
			{ path = "h", content = "owned" } } },
		["an absolute hard link (CVE-2026-17106)"] = function(victim) return { { { path = "h", type = "hardlink",
			link = victim .. "/file" },
			{ path = "h", content = "owned" } } } end,
		["a hard link through a link (CVE-2026-17106)"] = function(victim) return { { { path = "l", type = "symlink",
			link = victim },
			{ path = "h", type = "hardlink", link = "l/file" }, { path = "h", content = "owned" } } } end,
		["a hard link to a link, then a file through it"] = function(victim) return { { { path = "l", type = "symlink",
			link = victim },
			{ path = "h", type = "hardlink", link = "l" }, { path = "h/owned", content = "x" } } } end,
		["the root as a link (CVE-2021-29136)"] = function(victim) return { { { path = ".", type = "symlink", link = victim },
			{ path = "owned", content = "x" } } } end,
		["modes and times through a link (CVE-2021-32760)"] = function(victim) return { { { path = "l", type = "symlink",
			link = victim .. "/file", mode = 511, mtime = 1, xattrs = { ["user.x"] = "1" } } } } end,
		["a folder in the place of a link to one"] = function(victim) return { { { path = "l", type = "symlink",
			link = victim } },
			{ { path = "l/", type = "folder", mode = 511, mtime = 1 }, { path = "l/owned", content = "x" } } } end,
		["a whiteout of .. (image-spec b9060a3)"] = { { { path = "d/.wh..." } } },
		["a whiteout of .. from the root"] = { { { path = ".wh..." } } },
		["a whiteout through a link"] = function(victim) return { { { path = "l", type = "symlink", link = victim } },
			{ { path = "l/.wh.file" } }, { { path = "l/.wh..wh..opq" } } } end,
		["an opaque folder that is a link"] = { { { path = "l", type = "symlink", link = "../victim" } },
			{ { path = "l/.wh..wh..opq" } } },
		["a backslash"] = { { { path = "..\\victim\\owned", content = "x" } } },
	}
	for what, layers in pairs(attacks) do
		it("puts nothing outside of the folder: " .. what, function()
			local dir = support.scratch()
			os.execute(("cd %s && mkdir victim && echo precious >victim/file && touch -d @1000 victim/file victim"):format(dir))
			local function outside()
				return support.sh(("cd %s && find victim . -maxdepth 1 ! -path . ! -path ./out -printf '%%p %%y %%m %%T@ %%n\n'")
					:format(dir)) .. support.read(dir .. "/victim/file")
			end
			local before = outside()
			local image = image_of(type(layers) == "function" and layers(dir .. "/victim") or layers)
			local ok, err = pcall(image.extract, image, dir .. "/out")
			assert.equal(before, outside())
			-- refused, or kept inside; never half of it
			assert.truthy(ok or err.code == "bad_format", tostring(err))
			assert.equal(ok and 0 or nil, ok and 0 or (support.sh("ls -d " .. dir .. "/out 2>/dev/null") and 1))
		end)
	end

	it("does not believe numbers of owners beyond 32 bits (CVE-2024-40635)", function()
		for _, uid in ipairs { (1 << 32) - 1, 1 << 32, -1 } do
			local image = image_of { { { path = "x", content = "x", uid = uid } } }
			assert.equal("bad_format", support.fails(image.extract, image, support.scratch() .. "/out").code)
		end
	end)

	it("does not fill the disk with holes", function()
		local dir = support.scratch()
		image_of({ { { path = "x", pax = { { "GNU.sparse.size", "10000000" }, { "GNU.sparse.map", "" } } } } }):extract(dir)
		assert.truthy(tonumber(support.sh("stat -c %b " .. dir .. "/x")) < 100)
		local image = image_of { { { path = "x", pax = { { "GNU.sparse.size", "1000000000000000" }, { "GNU.sparse.map",
			"" } } } } }
		assert.equal("too_large", support.fails(image.extract, image, dir .. "/out").code)
	end)

	it("makes the same tree as umoci", function()
		local umoci = support.peer "umoci"
		if not umoci or not root then
			return pending "no umoci, or not root"
		end
		local dir = support.scratch()
		image_of(rich, "oci:" .. dir .. "/layout:v1"):extract(dir .. "/ours")
		support.must { umoci, "unpack", "--image", dir .. "/layout:v1", dir .. "/theirs" }
		local function without_implied(text) -- folders that no layer names have umoci's time
			return (text:gsub("(%./long[^\n ]* d %d+) [%d.]+", "%1"):gsub("(%./run/app d %d+) [%d.]+", "%1")
				:gsub("(%./run d %d+) [%d.]+", "%1"))
		end
		assert.equal(without_implied(look(dir .. "/theirs/rootfs")), without_implied(look(dir .. "/ours")))
	end)
end)

describe("img:export", function()
	it("writes one tar, the same each time, with what extract makes", function()
		local dir = support.scratch()
		local image = image_of(rich)
		image:export(dir .. "/a.tar")
		image:export(dir .. "/b.tar")
		assert.equal(support.read(dir .. "/a.tar"), support.read(dir .. "/b.tar"))
		assert.equal("a.tar\nb.tar", support.sh("ls " .. dir))
		local flat = support.make_image("memory:extract:flat", { layers = { support.read(dir .. "/a.tar") } })
		flat:extract(dir .. "/flat")
		image:extract(dir .. "/layers")
		assert.equal(look(dir .. "/layers"), look(dir .. "/flat"))
	end)

	it("writes into a pipe or device that has the name, and leaves it what it is", function()
		local dir = support.scratch()
		local image = image_of(rich)
		assert(os.execute(("mkfifo %s/pipe"):format(dir)))
		local reader = support.start { "sh", "-c", ("cat %s/pipe >%s/read"):format(dir, dir) }
		image:export(dir .. "/pipe")
		assert.equal(0, reader:wait())
		image:export(dir .. "/a.tar")
		assert.equal(support.read(dir .. "/a.tar"), support.read(dir .. "/read"))
		assert.equal("fifo", support.sh("stat -c %F " .. dir .. "/pipe"))
	end)

	it("leaves no half of a file", function()
		local dir = support.scratch()
		local image = image_of { { { path = "../x" } } }
		assert.equal("bad_format", support.fails(image.export, image, dir .. "/a.tar").code)
		assert.equal("", support.sh("ls -A " .. dir))
		assert.equal("not_found", support.fails(image.export, image_of(rich), dir .. "/none/a.tar").code)
	end)
end)

describe("both", function()
	local function counted()
		local server = luff.serve { record = true }
		support.defer(function() server:close() end)
		local name = server:address() .. "/app:v1"
		image_of(rich, name)
		local image = luff.image(name)
		image:raw_config_file()
		server:requests()
		return image, function()
			return support.count(server, "GET", "/v2/.*/blobs/")
		end
	end

	it("read each layer once, and leave nothing but the image's files", function()
		local image, gets = counted()
		local dir = support.scratch()
		image:export(dir .. "/a.tar")
		assert.equal(2, gets())
		image:extract(dir .. "/out")
		assert.equal(2, gets())
		assert.equal("bin\nempty\nlong\npipe\nrun\nvar\nzeros", support.sh("LC_ALL=C ls -A " .. dir .. "/out"))
		assert.equal("5", support.sh("stat -c %Y " .. dir .. "/out"))
		image:squash(2)
		assert.equal(2, gets())
	end)

	it("write where a link leads, and leave the link", function()
		local dir = support.scratch()
		local image = image_of(rich, "oci:" .. dir .. "/layout:v1")
		image:export(dir .. "/plain.tar")
		for _, target in ipairs { "plain.tar", "new.tar" } do
			support.sh(("ln -sfn %s %s/link"):format(target, dir))
			image:export(dir .. "/link")
			assert.equal(target, support.sh("readlink " .. dir .. "/link"))
			assert.equal(support.read(dir .. "/plain.tar"), support.read(dir .. "/" .. target))
		end
		support.sh(("ln -sfn loop %s/loop"):format(dir))
		assert.truthy(support.fails(image.export, image, dir .. "/loop").message:find("lead nowhere", 1, true))
	end)

	it("write the same tar where there is no room for a temporary file", function()
		local dir = support.scratch()
		local name = "oci:" .. dir .. "/layout:v1"
		image_of(rich, name):export(dir .. "/a.tar")
		local script = [[cd %s && TMPDIR=%s/none %s export %s -o b.tar && cmp a.tar b.tar &&
			if test -e /dev/full; then (ulimit -f 300; trap '' XFSZ; %s export %s | cmp a.tar -); fi]]
		local done = support.run { "sh", "-c", script:format(dir, dir, support.program, name, support.program, name) }
		assert.equal(0, done.code, done.stderr)
	end)
end)

describe("the commands", function()
	it("print a file, list files, write a tar, and unpack", function()
		local dir = support.scratch()
		local name = "oci:" .. dir .. "/layout:v1"
		image_of(rich, name)
		assert.equal("1", support.luff("cat", name, "/var/run/app/pid").stdout)
		assert.equal(3, support.luff("cat", name, "/none").code)
		assert.equal(2, support.luff("cat", name, "/bin").code)
		assert.equal("/bin/alias\n/bin/more\n/bin/tool\n", support.luff("files", name, "/bin/*").stdout)
		assert.equal("-rwxr-xr-x   1     0     0     300000 1970-01-01 00:00 /bin/tool\n",
			support.luff("files", "-l", name, "/bin/tool").stdout)
		local one = luff.json.decode(support.luff("files", "--json", name, "/bin/tool").stdout)
		assert.same({ "/bin/tool", 300000, 1 }, { one.path, one.size, one.layer })
		local tar = support.luff("export", name).stdout
		assert.equal(0, support.luff("export", name, "-o", dir .. "/a.tar").code)
		assert.equal(support.read(dir .. "/a.tar"), tar)
		local done = luff.json.decode(support.luff("extract", "--json", name, dir .. "/out").stdout)
		assert.equal(0, done.skipped)
		assert.equal("1", support.read(dir .. "/out/run/app/pid"))
		assert.equal(1, support.luff("extract", name, dir .. "/out").code)
	end)
end)
