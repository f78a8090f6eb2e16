-- Not under the thread sanitizer.
-- Files of layers that carry a table of contents, eStargz and zstd:chunked: what is read, how little of it is moved, and which
-- tables are not believed.
local luff = require "luff"
local support = require "spec.support"
local toc = require "spec.support.toc"

local server

before_each(function()
	server = luff.serve { record = true }
	support.defer(function() server:close() end)
end)

local big = support.random(200000)

local entries = {
	{ path = "etc/", type = "folder" },
	{ path = "etc/name", content = "a name\n", mtime = 1700000000, uid = 12, gid = 34, mode = tonumber("4711", 8) },
	{ path = "etc/alias", type = "hardlink", link = "etc/name" },
	{ path = "lib", type = "symlink", link = "usr/lib" },
	{ path = "usr/lib/big", content = big },
	{ path = "usr/lib/pieces", content = big:reverse(), chunk = 70000 },
	{ path = "usr/lib/empty" },
	{ path = "usr/lib/last", content = "last\n" },
}

local function moved()
	return support.moved(server)
end

local function remote(layers)
	local name = server:address() .. "/app:v1"
	support.make_image(name, { layers = layers })
	for _, layer in ipairs(layers) do
		os.remove(support.kept_file(layer.bytes))
	end
	server:requests()
	return luff.image(name)
end

-- All that is said of an image's files, and what is in them.
local function look(image)
	local lines = {}
	for e in image:files() do
		lines[#lines + 1] = table.concat({ e.path, e.type, e.size, e.mode, e.uid, e.gid, e.mtime, e.link or "-", e.layer or 0,
			e.type == "file" and luff.digest(e:read "a") or "" }, " ")
	end
	return table.concat(lines, "\n")
end

local function without_table(layer)
	return { bytes = layer.bytes, diff_id = layer.diff_id, media_type = layer.media_type }
end

for _, kind in ipairs { "estargz", "chunked" } do
	describe("A layer of the kind " .. kind, function()
		it("says what its tar says", function()
			local layer = toc[kind](entries)
			local image = remote { layer }
			local found = look(image)
			local sum, whole = moved()
			assert.equal(0, whole)
			assert.truthy(sum > 400000 and sum < 420000, sum)
			assert.equal(look(remote { without_table(layer) }), found)
			assert.same({}, (luff.validate(image)))
		end)

		it("moves the table and the file that is wanted", function()
			local image = remote { toc[kind](entries) }
			assert.equal("a name\n", image:read "/etc/alias")
			assert.equal("last\n", image:read "/lib/last")
			local sum, whole = moved()
			assert.equal(0, whole)
			assert.truthy(sum < 30000, sum)
			assert.equal(big:reverse(), image:read "/usr/lib/pieces")
			assert.equal("", image:read "/usr/lib/empty")
			sum, whole = moved()
			assert.equal(0, whole)
			assert.truthy(sum < 230000, sum)
			assert.equal(200000, image:stat("/lib/big").size)
		end)

		it("hides what lies below", function()
			local image = remote { { bytes = support.tar { ["etc/old"] = "old", ["etc/other"] = "other" } },
				toc[kind] { { path = "etc/", type = "folder" }, { path = "etc/.wh.old" }, { path = "etc/new", content = "new" } } }
			assert.equal("not_found", support.fails(image.read, image, "/etc/old").code)
			assert.equal("new", image:read "/etc/new")
			assert.equal("other", image:read "/etc/other")
		end)

		it("is compared with others, and exported from its tar", function()
			local layer = toc[kind](entries)
			local image, plain = remote { layer }, support.make_image("memory:toc:v1", { layers = { without_table(layer) } })
			assert.same({}, image:tree():diff(plain:tree()))
			local other = support.make_image("memory:toc:v2", { layers = { support.tar { ["usr/lib/big"] = big } } })
			assert.truthy(#image:tree():diff(other:tree()) > 3)
			local dir = support.scratch()
			image:export(dir .. "/a.tar")
			plain:export(dir .. "/b.tar")
			assert.equal(support.read(dir .. "/b.tar"), support.read(dir .. "/a.tar"))
		end)

		it("is read as a whole where the manifest does not vouch for its table", function()
			for _, change in ipairs {
				function(annotations)
					for key, value in pairs(annotations) do
						annotations[key] = value:gsub("(sha256:)%x%x%x%x", "%10000")
					end
				end,
				function(annotations)
					for key in pairs(annotations) do
						annotations[key] = "none"
					end
				end,
				function(annotations)
					for key, value in pairs(annotations) do
						annotations[key] = value:gsub("^%d+", "99999999999999")
					end
				end,
			} do
				local layer = toc[kind](entries)
				local lie = toc[kind](entries, function(contents)
					contents.entries[2].name = "etc/secret"
					return luff.json.encode(contents)
				end)
				change(layer.annotations)
				lie.annotations = kind == "estargz" and layer.annotations or lie.annotations
				if kind == "chunked" then
					change(lie.annotations)
				end
				local image = remote { lie }
				assert.equal("a name\n", image:read "/etc/name")
				local _, whole = moved()
				assert.equal(1, whole)
			end
		end)

		it("is read as a whole where the table makes no sense", function()
			local bad = {
				empty = function() return "" end,
				["not JSON"] = function() return "{" end,
				["no list"] = function() return '{"version":1}' end,
				["two lists"] = function(json) return json:gsub("}$", ',"entries":[]}') end,
				["cut off"] = function(json) return json:sub(1, -3) end,
				["no object"] = function(json) return json:gsub('"entries":%[', "%01,") end,
				["a name that leads out"] = function(json) return json:gsub("etc/name", "../../x") end,
				["no digest"] = function(json) return json:gsub('"digest":', '"dig":') end,
				["an offset beyond"] = function(json) return json:gsub('"offset":%d', "%19999999999") end,
				["an offset below 0"] = function(json) return json:gsub('"offset":', "%0-") end,
				["a size below 0"] = function(json) return json:gsub('"size":', "%0-") end,
				["a type of its own"] = function(json) return json:gsub('"type":"reg"', '"type":"door"') end,
				["a chunk of nothing"] = function(json) return json:gsub('"type":"dir"', '"type":"chunk"') end,
				["an owner beyond 32 bits"] = function(json) return json:gsub('"uid":12', '"uid":4294967296') end,
				["a time that is none"] = function(json) return json:gsub("1970%-01%-01", "1970-31-01") end,
			}
			for what, change in pairs(bad) do
				local image = remote { toc[kind](entries, function(contents)
					return (change(luff.json.encode(contents)))
				end) }
				assert.equal("a name\n", image:read "/etc/name", what)
				local _, whole = moved()
				assert.equal(1, whole, what)
			end
		end)

		it("gives no content that its digest does not fit", function()
			local image = remote { toc[kind](entries, function(contents)
				for _, e in ipairs(contents.entries) do
					if e.name == "usr/lib/big" then
						e.digest = luff.digest "another"
					end
				end
				return luff.json.encode(contents)
			end) }
			assert.equal("digest_mismatch", support.fails(image.read, image, "/usr/lib/big").code)
			assert.equal("last\n", image:read "/usr/lib/last")
		end)
	end)
end

describe("A table of contents", function()
	it("says which files share a member", function()
		local shared = { { path = "a", content = "first" }, { path = "b", content = "second", shares = true },
			{ path = "c", content = ("third"):rep(1000), chunk = 2000, shares = true }, { path = "d", content = "fourth" } }
		local image = remote { toc.estargz(shared) }
		for _, e in ipairs(shared) do
			assert.equal(e.content, image:read("/" .. e.path))
		end
		local _, whole = moved()
		assert.equal(0, whole)
	end)

	it("is read where it lies, too", function()
		local dir = support.scratch()
		for _, name in ipairs { "memory:toc-here:v1", "oci:" .. dir .. "/layout:v1" } do
			support.make_image(name, { layers = { toc.estargz(entries) } })
			assert.equal("last\n", luff.image(name):read "/usr/lib/last")
		end
	end)

	it("is read from a server that knows no ranges, or sends less than was asked for", function()
		local faulty = luff.serve { faults = {
			{ method = "GET", path = "/v2/*/blobs/*", ignore_range = true },
		} }
		support.defer(function() faulty:close() end)
		local name = faulty:address() .. "/app:v1"
		support.make_image(name, { layers = { toc.chunked(entries), toc.estargz { { path = "top", content = "top" } } } })
		assert.equal("top", luff.image(name):read "/top")
		assert.equal("last\n", luff.image(name):read "/usr/lib/last")
	end)

	it("is read where skopeo wrote it", function()
		local found = support.peers "skopeo"
		local skopeo = found[#found]
		if not skopeo then
			return pending "no skopeo"
		end
		local dir = support.scratch()
		support.make_image("oci:" .. dir .. "/plain:v1", { layers = { support.packed(support.tar {
			["etc/name"] = "a name\n", ["usr/big"] = big }, "gzip") } })
		local done = support.run { skopeo, "copy", "--dest-compress", "--dest-compress-format", "zstd:chunked",
			"--dest-force-compress-format", "oci:" .. dir .. "/plain:v1", "oci:" .. dir .. "/chunked:v1" }
		if done.code ~= 0 or not luff.image("oci:" .. dir .. "/chunked:v1"):raw_manifest():find "zstd%-chunked" then
			return pending "this skopeo makes no zstd:chunked"
		end
		local name = server:address() .. "/app:v1"
		luff.copy("oci:" .. dir .. "/chunked:v1", name)
		server:requests()
		assert.equal("a name\n", luff.image(name):read "/etc/name")
		local sum, whole = moved()
		assert.equal(0, whole)
		assert.truthy(sum < 2000, sum)
		assert.equal(look(luff.image("oci:" .. dir .. "/plain:v1")), look(luff.image(name)))
	end)
end)
