-- Not under the thread sanitizer.
-- tree:efficiency() and luff tree: what layers hold in vain; luff size and luff history.
local luff = require "luff"
local support = require "spec.support"

local function content(size)
	return ("x"):rep(size)
end

local function image(layers, config)
	return support.make_image("memory:efficiency:v1", { layers = layers, config = config })
end

local function by_path(sums)
	local paths = {}
	for _, p in ipairs(sums.paths) do
		paths[p.path] = ("%d %d %d%s"):format(p.count, p.bytes, p.wasted, p.removed and " removed" or "")
	end
	return paths
end

describe("tree:efficiency", function()
	local function of(layers)
		return image(layers):tree():efficiency()
	end

	it("is 1 where nothing is wasted", function()
		local sums = of { support.tar { a = content(10), b = content(20) }, support.tar { c = content(30) } }
		assert.same({ score = 1.0, bytes = 60, wasted = 0, paths = {}, layers = {
			{ files = 2, bytes = 30, wasted = 0 }, { files = 1, bytes = 30, wasted = 0 } } }, sums)
		assert.equal(1.0, of({ support.tar {} }).score)
	end)

	it("counts what later layers replace and remove, as dive does", function()
		local sums = of {
			support.tar { ["d/a"] = content(100), ["d/b"] = content(50), ["d/c"] = content(7), keep = content(1000) },
			support.tar { ["d/a"] = content(40), ["d/.wh.b"] = "" },
			support.tar { ["d/a"] = content(60) },
		}
		-- smallest sizes: a 40, b 0 (removed), c 7, keep 1000
		assert.equal(1047 / 1257, sums.score)
		assert.same({ 1257, 190 }, { sums.bytes, sums.wasted })
		assert.same({ ["/d/a"] = "3 200 140", ["/d/b"] = "1 50 50 removed" }, by_path(sums))
		assert.equal("/d/a", sums.paths[1].path)
		assert.same({ { files = 4, bytes = 1157, wasted = 150 }, { files = 1, bytes = 40, wasted = 40 },
			{ files = 1, bytes = 60, wasted = 0 } }, sums.layers)
	end)

	it("counts the files of folders that go, and of those that become files", function()
		local sums = of {
			support.tar { ["d/a"] = content(10), ["e/a"] = content(20), ["f/a"] = content(30) },
			support.archive.tar { { path = ".wh.d" }, { path = "e/.wh..wh..opq" }, { path = "f", content = content(1) } },
		}
		assert.same({ ["/d/a"] = "1 10 10 removed", ["/e/a"] = "1 20 20 removed", ["/f/a"] = "1 30 30 removed" },
			by_path(sums))
		assert.equal(1 / 61, sums.score)
	end)

	it("counts no file as wasted that another name still has", function()
		local sums = of {
			support.archive.tar { { path = "a", content = content(10) }, { path = "b", type = "hardlink", link = "a" } },
			support.tar { [".wh.a"] = "" },
		}
		assert.same({ 1.0, 0 }, { sums.score, sums.wasted })
	end)
end)

describe("luff tree", function()
	local name
	before_each(function()
		name = "oci:" .. support.scratch() .. ":v1"
		support.make_image(name, { layers = {
			support.tar { ["usr/lib/x"] = content(3000), ["usr/bin/y"] = content(500), ["etc/z"] = content(1) },
			support.archive.tar { { path = "usr/lib/x", content = content(1000) },
				{ path = "link", type = "symlink", link = "usr/lib" }, { path = "\27[31m", content = "" } },
		} })
	end)

	it("shows folders, layers and waste", function()
		local done = support.luff("tree", "--depth", "2", name)
		assert.equal(0, done.code, done.stderr)
		local files, rest = done.stdout:match "^(.-\n)\nlayers\n(.*)$"
		assert.equal([[
1.5 kB  /
   0 B  |-- \e[31m
   1 B  |-- etc/
   1 B  |   `-- z
   0 B  |-- link -> usr/lib
1.5 kB  `-- usr/
 500 B      |-- bin/
1.0 kB      `-- lib/
]], files)
		assert.truthy(rest:find("3.5 kB  3 files  3.0 kB wasted\n", 1, true), rest)
		local waste = "\nefficiency 33.35 %, 3.0 kB of 4.5 kB wasted\n  3.0 kB  in 2 layers  /usr/lib/x\n"
		assert.equal(waste, rest:sub(-#waste))
		assert.falsy(support.luff("tree", "--top", "0", name).stdout:find "/usr/lib/x\n")
	end)

	it("shows one folder, also through a link", function()
		for _, path in ipairs { "/usr/lib", "link", "usr/bin/../lib/" } do
			assert.equal("1.0 kB  /usr/lib\n1.0 kB  `-- x\n", support.luff("tree", name, path).stdout)
		end
		assert.equal(3, support.luff("tree", name, "/nowhere").code)
	end)

	it("prints JSON", function()
		local facts = luff.json.decode(support.luff("tree", "--json", name).stdout)
		assert.same({ 2, 3000, 4501, 1 }, { #facts.layers, facts.wasted, facts.bytes, #facts.wastedPaths })
		assert.equal(luff.image(name):layers()[1]:digest(), facts.layers[1].digest)
		assert.same({ path = "/usr/lib/x", count = 2, bytes = 4000, wasted = 3000, removed = false }, facts.wastedPaths[1])
	end)
end)

describe("luff size", function()
	it("adds up manifest, config and layers, each blob once", function()
		local name = "oci:" .. support.scratch() .. ":v1"
		local tar = support.tar { a = content(10000) }
		local made = support.make_image(name, { layers = { tar, tar, support.tar { b = content(5) } } })
		local want = #made:raw_manifest() + #made:raw_config_file() + #tar + 2048
		local facts = luff.json.decode(support.luff("size", "--json", name).stdout)
		assert.same({ want, 3 }, { facts.size, #facts.layers })
		local lines = support.luff("size", name).stdout
		assert.truthy(lines:find("^%d+%.%d kB  sha256:%x+\n%s+%d+%.%d kB  sha256:"), lines)
	end)

	it("shows the images of an index, and reads no layer", function()
		local server <close> = luff.serve { record = true }
		local name = server:address() .. "/app:v1"
		local index = support.make_index(name, { "linux/amd64", "linux/arm/v7" })
		server:requests()
		local facts = luff.json.decode(support.luff("size", "--json", name).stdout)
		assert.equal(0, support.count(server, "GET", "/blobs/"))
		assert.same({ "linux/amd64", "linux/arm/v7" }, { facts.images[1].platform, facts.images[2].platform })
		-- what both have is stored once
		local shared = facts.images[1].layers[2].size
		assert.equal(#index:raw_manifest() + facts.images[1].size + facts.images[2].size - shared, facts.size)
		facts = luff.json.decode(support.luff("size", "--json", "--platform", "linux/arm", name).stdout)
		assert.equal(2, #facts.layers)
	end)
end)

describe("luff history", function()
	local function run(config, ...)
		local name = "oci:" .. support.scratch() .. ":v1"
		support.make_image(name, { layers = { support.tar { a = "1" }, support.tar { b = "2" } }, config = config })
		return support.luff("history", name, ...).stdout
	end

	it("shows each step with its layer", function()
		local lines = run { history = {
			{ created = "2026-01-02T03:04:05.678Z", created_by = "/bin/sh -c #(nop) ADD file:12 in / " },
			{ created_by = "/bin/sh -c #(nop)  CMD [\"sh\"]", empty_layer = true },
			{ created_by = "RUN /bin/sh -c apk  add\tx # buildkit", comment = "c" },
		} }
		assert.equal([[
1  2026-01-02T03:04:05  2.0 kB  ADD file:12 in /
-  -                         -  CMD ["sh"]
2  -                    2.0 kB  RUN /bin/sh -c apk add x
]], (lines:gsub("2%.1 kB", "2.0 kB"):gsub(" +\n", "\n")))
	end)

	it("shows layers that no step names, and cuts what is long", function()
		local lines = run { history = { { created_by = ("ä\27"):rep(100) } } }
		assert.equal(2, select(2, lines:gsub("\n", "")))
		assert.truthy(lines:find("…\n", 1, true))
		assert.truthy(utf8.len(lines))
		assert.falsy(lines:find "\27")
		local steps = luff.json.decode(run({ history = luff.array {} }, "--json"))
		assert.same({ 1, 2 }, { steps[1].layer, steps[2].layer })
		steps = luff.json.decode(run({ history = "none" }, "--json"))
		assert.equal(2, #steps)
	end)
end)
