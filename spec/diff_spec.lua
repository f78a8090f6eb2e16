-- Not under the thread sanitizer.
-- luff.diff, tree:diff and luff diff: what is different between two images.
local luff = require "luff"
local diff = require "luff.diff"
local support = require "spec.support"

local made = 0
-- An image of tars, each a list of entries or a table of contents.
local function image(layers, config)
	made = made + 1
	for i, layer in ipairs(layers) do
		if type(layer) == "table" and not layer.bytes then
			layers[i] = layer[1] and support.archive.tar(layer) or support.tar(layer)
		end
	end
	return support.make_image("memory:diff:v" .. made, { layers = layers, config = config })
end

local function show(steps)
	local parts = {}
	for i, step in ipairs(steps) do
		parts[i] = step[1] .. tostring(step[2])
	end
	return table.concat(parts, " ")
end

describe("diff.lists", function()
	it("takes the shortest way", function()
		assert.equal("", show(diff.lists({}, {})))
		assert.equal("=1 -2 =3 +4", show(diff.lists({ 1, 2, 3 }, { 1, 3, 4 })))
		assert.equal("+1", show(diff.lists({}, { 1 })))
		assert.equal("-1 -2", show(diff.lists({ 1, 2 }, {})))
		assert.equal("-1 -2 +3", show(diff.lists({ 1, 2 }, { 3 })))
	end)

	it("leads from one list to the other, with as much left as there can be", function()
		math.randomseed(7)
		for _ = 1, support.scaled(300) do
			local a, b, x, y = {}, {}, {}, {}
			for _, list in ipairs { a, b } do
				for i = 1, math.random(0, 12) do
					list[i] = math.random(1, 4)
				end
			end
			local kept = 0
			for _, step in ipairs(diff.lists(a, b)) do
				x[#x + 1] = step[1] ~= "+" and step[2] or nil
				y[#y + 1] = step[1] ~= "-" and step[2] or nil
				kept = kept + (step[1] == "=" and 1 or 0)
			end
			assert.same({ a, b }, { x, y })
			local longest = { [0] = {} }
			for i = 0, #a do
				longest[i] = {}
				for k = 0, #b do
					longest[i][k] = (i == 0 or k == 0) and 0 or a[i] == b[k] and longest[i - 1][k - 1] + 1
						or math.max(longest[i - 1][k], longest[i][k - 1])
				end
			end
			assert.equal(longest[#a][#b], kept)
		end
	end)

	it("gives up on what is all different", function()
		local a, b = { "same" }, { "same" }
		for i = 1, 2000 do
			a[i + 1], b[i + 1] = i, -i
		end
		local steps = diff.lists(a, b)
		assert.same({ 4001, "=", "-", "+" }, { #steps, steps[1][1], steps[2][1], steps[4001][1] })
	end)
end)

describe("diff.texts", function()
	it("shows hunks with three lines around", function()
		local a, b = {}, {}
		for i = 1, 30 do
			a[i], b[i] = "line " .. i, "line " .. i
		end
		b[5], b[25] = "five", "line 25\nand more"
		assert.equal([[
@@ -2,7 +2,7 @@
 line 2
 line 3
 line 4
-line 5
+five
 line 6
 line 7
 line 8
@@ -23,6 +23,7 @@
 line 23
 line 24
 line 25
+and more
 line 26
 line 27
 line 28
]], diff.texts(table.concat(a, "\n"), table.concat(b, "\n")))
	end)

	it("knows empty texts, and missing newlines", function()
		assert.equal("", diff.texts("a\n", "a\n"))
		assert.equal("@@ -1,0 +1,1 @@\n+a\n", diff.texts("", "a\n"))
		assert.equal("@@ -1,1 +1,1 @@\n-a\n+a\n\\ no newline at the end\n", diff.texts("a\n", "a"))
		assert.equal("@@ -1,3 +1,2 @@\n a\n-\n b\n", diff.texts("a\n\nb\n", "a\nb\n"))
		assert.is_false(diff.is_text "a\0b")
		assert.is_false(diff.is_text "\255")
		assert.is_true(diff.is_text "ä\n\tb\27[0m")
	end)
end)

describe("tree:diff", function()
	-- "kind path what" of each, one a line
	local function brief(a, b, opts)
		local lines = {}
		for i, f in ipairs(a:tree():diff(b:tree(), opts)) do
			lines[i] = table.concat({ f.kind, f.path, table.unpack(f.what) }, " ")
		end
		return table.concat(lines, "\n")
	end

	it("finds what was added, removed and changed, in the order of names", function()
		local a = image { { { path = "b/", type = "folder" }, { path = "b/gone", content = "1" },
			{ path = "b/same", content = "2" }, { path = "c", content = "3" }, { path = "old/x", content = "" },
			{ path = "z", content = "zz" } } }
		local b = image { { { path = "a", content = "new" }, { path = "b/same", content = "2" },
			{ path = "b/x", content = "9" }, { path = "c", content = "33" }, { path = "z", type = "folder" },
			{ path = "z/in", content = "" } } }
		assert.equal([[
added /a
removed /b/gone
added /b/x
changed /c content
removed /old
removed /old/x
changed /z type mode
added /z/in]], brief(a, b))
		assert.equal("changed /c content", brief(a, b, { pattern = "/c" }))
		assert.equal("removed /b/gone\nadded /b/x", brief(a, b, { pattern = "b/**" }))
		assert.equal("", brief(a, a))
	end)

	it("finds each thing that may be different", function()
		local function one(change)
			local e = { path = "f", content = "abc", mode = 420, uid = 1, gid = 2, mtime = 100, xattrs = { ["user.x"] = "1" } }
			for key, value in pairs(change or {}) do
				e[key] = value
			end
			return image { { e } }
		end
		for what, change in pairs {
			content = { content = "abd" }, mode = { mode = 493 }, owner = { gid = 3 },
			xattrs = { xattrs = { ["user.x"] = "2" } }, ["type"] = { type = "fifo", content = "" },
		} do
			assert.equal("changed /f " .. what, brief(one(), one(change)))
		end
		assert.equal("", brief(one(), one { mtime = 101 }))
		assert.equal("changed /f time", brief(one(), one { mtime = 101 }, { times = true }))
		local function link(target)
			return image { { { path = "l", type = "symlink", link = target } } }
		end
		assert.equal("changed /l link", brief(link "a", link "b"))
		local function device(minor)
			return image { { { path = "d", type = "char", major = 1, minor = minor } } }
		end
		assert.equal("changed /d device", brief(device(3), device(5)))
	end)

	it("reads contents where only they can be different, in any layer and by any name", function()
		local base = support.archive.tar { { path = "base", content = "base" } }
		local a = image { base, { { path = "x", content = "1111" }, { path = "y", content = "2222" } },
			{ { path = "z", content = "3" } } }
		local b = image { base, { { path = "z", content = "4" } }, { { path = "y", content = "2223" },
			{ path = "x", type = "hardlink", link = "y" } } }
		assert.equal("changed /x content\nchanged /y content\nchanged /z content", brief(a, b))
		local found = a:tree():diff(b:tree(), { contents = true })
		assert.same({ "1111", "2223", "2222", "2223", "3", "4" }, { found[1].from_content, found[1].to_content,
			found[2].from_content, found[2].to_content, found[3].from_content, found[3].to_content })
		assert.same({ 2, 3 }, { found[1].from.layer, found[1].to.layer })
	end)

	it("keeps small contents alone", function()
		local large = ("x"):rep(65537)
		local a = image { { { path = "empty", content = "" }, { path = "large", content = large },
			{ path = "small", content = "1" } } }
		local b = image { { { path = "empty", content = "no" }, { path = "large", content = large .. "x" },
			{ path = "small", content = "" } } }
		local found = a:tree():diff(b:tree(), { contents = true })
		assert.same({ "", "no" }, { found[1].from_content, found[1].to_content })
		assert.same({ 65537, 65538 }, { found[2].from.size, found[2].to.size })
		assert.is_nil(found[2].from_content)
		assert.same({ "1", "" }, { found[3].from_content, found[3].to_content })
	end)

	it("reads no layer that both have", function()
		local server <close> = luff.serve { record = true }
		local shared = support.tar { ["big/file"] = support.random(5000) }
		for i = 1, 2 do
			support.make_image(server:address() .. "/app:v" .. i, { layers = { shared, support.tar { own = "own " .. i } } })
		end
		local a, b = luff.image(server:address() .. "/app:v1"):tree(), luff.image(server:address() .. "/app:v2"):tree()
		server:requests()
		assert.equal(1, #a:diff(b))
		assert.equal(2, support.count(server, "GET", "/blobs/"))
	end)

	it("says what is wrong with its arguments", function()
		local tree = image({ { a = "1" } }):tree()
		assert.has_error(function() tree:diff() end)
		assert.equal("invalid", support.fails(tree.diff, tree, tree, { time = true }).code)
	end)
end)

describe("diff.images", function()
	it("compares configs, histories and layers", function()
		local one, two, three = support.tar { a = "1" }, support.tar { b = "2" }, support.tar { c = "3" }
		local a = image({ one, two }, { created = "2026-01-01T00:00:00Z", config = { Env = { "A=1", "B=2" }, User = "root" },
			history = { { created_by = "ADD a" }, { created_by = "RUN b" } } })
		local b = image({ support.packed(one, "gzip"), three }, { created = "2026-01-01T00:00:00Z",
			config = { Env = { "A=1", "B=3" }, Cmd = { "sh" }, User = "root" },
			history = { { created_by = "ADD a" }, { created_by = "RUN c" }, { comment = "d", empty_layer = true } } })
		local found = diff.images(a, b)
		assert.is_false(found.same)
		assert.same({ { path = "config.Cmd", to = { "sh" } }, { path = "config.Env", from = "B=2" },
			{ path = "config.Env", to = "B=3" } }, { found.config[1], found.config[2], found.config[3] })
		assert.equal("=ADD a -RUN b +RUN c +d", show(found.history))
		local kinds = {}
		for i, l in ipairs(found.layers) do
			kinds[i] = l.kind
		end
		assert.same({ "recompressed", "removed", "added" }, kinds)
		assert.equal(2, #found.files)
		assert.same({ same = true, config = {}, history = {}, layers = {}, files = {} }, diff.images(a, a))
	end)
end)

describe("luff diff", function()
	local function layouts(a, b)
		local dir = "oci:" .. support.scratch()
		support.make_image(dir .. ":a", a)
		support.make_image(dir .. ":b", b)
		return dir .. ":a", dir .. ":b"
	end

	it("prints what is different, with the lines of texts", function()
		local a, b = layouts(
			{ layers = { support.tar { ["etc/conf"] = "one\ntwo\n", bin = "\0\1", gone = "" } }, config = {
				config = { User = "root" } } },
			{ layers = { support.tar { ["etc/conf"] = "one\n\27two\n", bin = "\0\2", ["\27new"] = "" } }, config = {
				config = { User = "me" } } })
		local done = support.luff("diff", a, b)
		assert.equal(0, done.code, done.stderr)
		assert.equal([[
config
- config.User: root
+ config.User: me
layers
- LAYER  3.6 kB
+ LAYER  3.6 kB
files
+ /\x1bnew
~ /bin  other content
~ /etc/conf  content 8 bytes -> 9 bytes
    @@ -1,2 +1,2 @@
     one
    -two
    +\etwo
- /gone
]], (done.stdout:gsub("sha256:%x+", "LAYER"):gsub("%d%.%d kB", "3.6 kB"):gsub("\\enew", "\\x1bnew")))
		done = support.luff("diff", "--no-text", a, b, "/etc/**")
		assert.equal("files\n~ /etc/conf  content 8 bytes -> 9 bytes\n", done.stdout)
		assert.equal("", support.luff("diff", a, a).stdout)
	end)

	it("prints JSON", function()
		local a, b = layouts({ layers = { support.tar { x = "1\n", ["\255"] = "" } } },
			{ layers = { support.tar { x = "\255\n" } } })
		local found = luff.json.decode(support.luff("diff", "--json", a, b).stdout)
		assert.same({ false, 2 }, { found.same, #found.files })
		assert.same({ "/x", "changed", { "content" }, "1\n" },
			{ found.files[1].path, found.files[1].kind, found.files[1].what, found.files[1].from_content })
		assert.is_nil(found.files[1].to_content)
		assert.equal([[/\xff]], found.files[2].path)
		assert.is_true(luff.json.decode(support.luff("diff", "--json", a, a).stdout).same)
	end)
end)
