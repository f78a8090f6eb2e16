-- An image of three layers with every trap that layers are known to hold, and as many ordinary entries around them as are
-- wanted.
local archive = require "spec.support.archive"

local traps = {}

local function entry(path, fields)
	local e = { path = path, mtime = 1000000000 }
	for key, value in pairs(fields or {}) do
		e[key] = value
	end
	return e
end

local function folder(path, fields)
	local e = entry(path, fields)
	e.type = "folder"
	return e
end

local function symlink(path, target, fields)
	local e = entry(path, fields)
	e.type, e.link, e.mode = "symlink", target, 511
	return e
end

local function hardlink(path, target)
	return entry(path, { type = "hardlink", link = target })
end

-- Folders of 50 files each, three deep, with modes, owners, times and sizes of all kinds; every tenth is a link.
local function crowd(list, count, where)
	local letters = ("abcdefghijklmnopqrstuvwxyz"):rep(800)
	local top, middle
	for i = 1, count do
		local t, m = i // 2500, i // 50
		if t ~= top then
			top = t
			list[#list + 1] = folder(("%s/t%d/"):format(where, t), { mode = 493, uid = t, mtime = 900000000 + t })
		end
		if m ~= middle then
			middle = m
			list[#list + 1] = folder(("%s/t%d/m%d/"):format(where, t, m),
				{ mode = 448 + m % 64, gid = m, mtime = 900000000 + m })
		end
		local path = ("%s/t%d/m%d/f%d"):format(where, t, m, i)
		if i % 10 == 3 then
			list[#list + 1] = symlink(path, ("f%d"):format(i - 1), { uid = i % 7, mtime = i })
		elseif i % 10 == 7 and (i - 1) // 50 == m then
			list[#list + 1] = hardlink(path, ("%s/t%d/m%d/f%d"):format(where, t, m, i - 1))
		else
			list[#list + 1] = entry(path, {
				content = letters:sub(i % 26 + 1, i % 26 + i * 7 % 1500), mode = 256 + i % 128, uid = i % 70000,
				gid = i % 5, mtime = 1000000000 + i, xattrs = i % 40 == 0 and { ["user.number"] = tostring(i) } or nil,
			})
		end
	end
end

local function base()
	local deep = ("deep/"):rep(40)
	local list = {
		-- folders that no layer names have the time of their making in umoci, and that of 1970 in luff: there are none here
		folder("crowd/"), folder("./", { mode = 493, mtime = 999999999 }), folder("dev/"), folder("etc/"),
		folder("usr/"), folder("usr/lib/"),
		folder("run/"), folder("var/"), symlink("var/run", "/run"), symlink("var/lock", "../run/lock"),
		folder("run/lock/"),
		-- sizes around a block, nothing, zeros
		entry("size/0"), entry("size/511", { content = ("a"):rep(511) }),
		entry("size/512", { content = ("b"):rep(512) }),
		entry("size/513", { content = ("c"):rep(513) }), entry("size/zeros", { content = ("\0"):rep(200000) }),
		entry("size/hole", { content = "x" .. ("\0"):rep(300000) .. "y" }), folder("size/"),
		-- names
		entry("name/" .. ("n"):rep(255)), entry("name/with space"), entry("name/-dash"), entry("name/new\nline"),
		entry("name/ä€😀"),
		entry("name/\255\254"), entry("name/back\\slash"), entry("name/*?[a]"), entry("name/..dots.."),
		entry("name/a:b"),
		entry("name/" .. ("p"):rep(99)), entry("name/" .. ("q"):rep(100)), folder("name/"),
		-- folders after what is in them; one that nobody may write to
		entry("late/in/file", { content = "1" }), folder("late/in/", { mode = 360, mtime = 12 }),
		folder("late/", { mode = 365,
			mtime = 11 }),
		-- modes and owners
		folder("mode/", { mode = 1023 }), entry("mode/setuid", { mode = 2541, uid = 0 }),
		entry("mode/setgid", { mode = 1517, gid = 9 }),
		entry("mode/none", { mode = 0 }), entry("mode/uid", { uid = 2097152, gid = 2097153 }),
		entry("mode/large", { uid = 2147483646, gid = 2147483645 }),
		entry("mode/cap", { mode = 493, xattrs = {
			["security.capability"] = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0" } }),
		-- one each, since file systems list them in any order; none that is empty: that of umoci is then missing
		entry("mode/user", { xattrs = { ["user.a"] = "1" } }),
		entry("mode/bytes", { xattrs = { ["user.b"] = "\0\1\255" } }),
		folder("mode/folder/", { xattrs = { ["user.of"] = "a folder" } }),
		-- times
		folder("time/", { mtime = 0 }), entry("time/zero", { mtime = 0 }), entry("time/early", { mtime = -86400 }),
		entry("time/fraction", { pax = { { "mtime", "1234567890.123456789" } } }),
		entry("time/late", { mtime = 4102444800 }),
		-- links
		folder("link/"), entry("link/file", { content = "linked" }), symlink("link/relative", "file"),
		symlink("link/absolute", "/link/file"),
		symlink("link/dangling", "nowhere"), symlink("link/loop", "loop"), symlink("link/out", "../../../etc/passwd"),
		symlink("link/long", ("x/"):rep(120) .. "y"), symlink("link/folder", "../etc"),
		hardlink("link/hard", "link/file"),
		hardlink("link/harder", "link/hard"), hardlink("link/rooted", "/link/file"),
		hardlink("link/dotted", "./link/./file"),
		hardlink("link/to-symlink", "link/relative"),
		-- devices
		folder("node/"), entry("node/null", { type = "char", major = 1, minor = 3, mode = 438 }),
		entry("node/loop", { type = "block", major = 7, minor = 0, mode = 432 }),
		entry("node/pipe", { type = "fifo", mode = 384 }),
		-- written twice, and by other spellings
		entry("twice", { content = "first" }), entry("./twice", { content = "second", mode = 384 }),
		entry("/rooted", { content = "r" }), entry("usr//lib/./slashes", { content = "s" }),
		folder("etc", { mode = 493 }),
		-- for the layers above
		entry("gone/file", { content = "1" }), entry("gone/kept", { content = "2" }), folder("gone/"),
		entry("goes/a/b/c", { content = "1" }), folder("goes/a/b/"), folder("goes/a/"), folder("goes/"),
		entry("opaque/old", { content = "1" }), entry("opaque/deep/older", { content = "2" }), folder("opaque/deep/"),
		folder("opaque/"), entry("late-opaque/old", { content = "1" }), folder("late-opaque/"),
		entry("to-folder", { content = "1" }), entry("to-file/x", { content = "1" }), folder("to-file/"),
		symlink("to-real", "etc"),
		entry("to-link/x", { content = "1" }), folder("to-link/"), symlink("over-link", "/link/file"),
		folder("mode-only/", { mode = 448, mtime = 1 }), entry("mode-only/x", { content = "stays" }),
		symlink("unlinked", "/etc"), entry("again", { content = "before" }),
		entry("link-lower", { content = "lower" }),
		entry("replaced", { content = "old content" }), hardlink("still-old", "replaced"),
		entry("both", { content = "b" }),
		symlink("through", "usr/lib"), folder("wh/"), entry("wh/.whatever", { content = "no whiteout" }),
	}
	for i = 1, 40 do
		list[#list + 1] = folder(deep:sub(1, 5 * i), { mtime = i })
	end
	list[#list + 1] = entry(deep .. ("f"):rep(200), { content = "deep" })
	return list
end

local function upper()
	return {
		-- what goes, and what only seems to
		entry "gone/.wh.file", entry ".wh.goes", entry ".wh.nothing", entry ".wh.unlinked",
		-- gone in this layer and there again, in both orders
		entry ".wh.again", entry("again", { content = "after" }), entry("both", { content = "new" }),
		entry ".wh.both",
		-- opaque before and after what is new
		folder("opaque/", { mtime = 5 }), entry "opaque/.wh..wh..opq", entry("opaque/new", { content = "n" }),
		folder("late-opaque/", { mtime = 6 }), entry("late-opaque/new", { content = "n" }),
		entry "late-opaque/.wh..wh..opq",
		-- of another kind
		folder("to-folder/", { mtime = 7 }), entry("to-folder/in", { content = "i" }),
		entry("to-file", { content = "f" }),
		folder("to-real/", { mtime = 8 }), entry("to-real/in", { content = "i" }), symlink("to-link", "usr"),
		entry("over-link", { content = "not in link/file" }),
		folder("mode-only/", { mode = 509, mtime = 9, uid = 3 }),
		-- links over layers and through links
		hardlink("link-upper", "link-lower"), hardlink("usr/lib/link", "through/slashes"),
		entry("var/run/pid", { content = "1" }), entry("var/lock/a", { content = "2" }),
		entry("through/more", { content = "3" }),
		folder("run/", { mtime = 10 }), folder("run/lock/", { mtime = 10 }), folder("usr/lib/", { mtime = 10 }),
		entry("replaced", { content = "new content" }), folder("wh/", { mtime = 11 }),
		folder("gone/", { mtime = 11 }),
		folder("./", { mode = 493, mtime = 123456 }),
	}
end

local function top()
	return {
		folder("opaque/", { mtime = 20 }), entry("opaque/old", { content = "back" }), entry "link/.wh.hard",
		folder("link/", { mtime = 21 }), entry("link/harder", { content = "on its own" }),
		entry("goes/new", { content = "1" }),
		folder("goes/", { mtime = 22 }), entry "to-folder/.wh.in", folder("to-folder/", { mtime = 23 }),
		folder("./", { mode = 493, mtime = 7654321 }),
	}
end

local function clean(path)
	return (("/" .. path):gsub("//+", "/"):gsub("/%./", "/"):gsub("/%.?$", ""))
end

-- What Podman takes as others do: of paths that are there more than once the last one, links that say of their file what it says
-- itself, no link to a symlink, no time before 1970, no whiteout behind what its own layer has there.
local function tame(entries)
	local known, list = {}, {}
	for i = #entries, 1, -1 do
		local e = entries[i]
		local path = clean(e.path)
		if not known[path] and path ~= "/link/to-symlink" and path ~= "/time/early"
			and path ~= "/.wh.both" then
			known[path] = e
			table.insert(list, 1, e)
		end
	end
	for i, e in ipairs(list) do
		local target = e.type == "hardlink" and known[clean(e.link)]
		while target and target.type == "hardlink" do
			target = known[clean(target.link)]
		end
		if target then
			list[i] = { path = e.path, type = e.type, link = e.link, mode = target.mode, uid = target.uid, gid = target.gid,
				mtime = target.mtime }
		end
	end
	return list
end

--- The tars of an image with about `count` entries in all. tamed: without what Podman alone
-- refuses or takes otherwise.
function traps.layers(count, tamed)
	local layers = { base(), upper(), top() }
	crowd(layers[1], count * 8 // 10, "crowd")
	table.insert(layers[2], folder("crowd/t0/", { mtime = 24 }))
	table.insert(layers[2], folder("crowd/t0/more/", { mtime = 25 }))
	crowd(layers[2], count // 10, "crowd/t0/more")
	for i, entries in ipairs(layers) do
		layers[i] = archive.tar(tamed and tame(entries) or entries)
	end
	return layers
end

return traps
