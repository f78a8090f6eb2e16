-- Garbage collection: what no name reaches goes, and nothing else, whoever writes meanwhile.
local luff = require "luff"
local support = require "spec.support"

local request = support.http

local manifest_type = "application/vnd.oci.image.manifest.v1+json"

-- The blobs in a layout as { [digest] = true }, with their digests checked.
local function blobs_in(dir)
	local set, n = {}, 0
	for path in support.sh(("find %s -type f -path '*/blobs/*'; :"):format(support.quote(dir))):gmatch "[^\n]+" do
		local algorithm, hex = path:match "blobs/(%w+)/(%x+)$"
		if hex then
			assert.equal(algorithm .. ":" .. hex, luff.digest({ file = path }, algorithm))
			set[algorithm .. ":" .. hex] = true
			n = n + 1
		end
	end
	return set, n
end

-- What an image or index consists of, itself included.
local function parts_of(any, set)
	set = set or {}
	set[any:digest()] = true
	local manifest = luff.json.decode(any:raw_manifest())
	for _, d in ipairs(manifest.layers or {}) do
		set[d.digest] = true
	end
	if manifest.config then
		set[manifest.config.digest] = true
	end
	for _, d in ipairs(manifest.manifests or {}) do
		parts_of(d.mediaType == manifest_type and any:image(d.digest) or any:image_index(d.digest), set)
	end
	return set
end

describe("luff.gc", function()
	local dir, place
	before_each(function()
		dir = support.scratch() .. "/app"
		place = "oci:" .. dir
	end)

	-- A manifest that refers to another; returns its digest.
	local function refer(to, tag, payload)
		local config = luff.push_blob(place, "{}", { media_type = "application/vnd.oci.empty.v1+json" })
		local text = luff.json.encode {
			schemaVersion = 2, mediaType = manifest_type, artifactType = "application/vnd.example.signature", config = config,
			layers = { luff.push_blob(place, payload or support.random(50), { media_type = "application/octet-stream" }) },
			subject = { mediaType = manifest_type, digest = to:digest(), size = #to:raw_manifest() },
		}
		luff.push_manifest(place .. (tag and ":" .. tag or "@" .. luff.digest(text)), text)
		return luff.digest(text)
	end

	it("keeps what tags and indexes reach, and removes the rest", function()
		local image = support.make_image(place .. ":v1")
		local index = support.make_index(place .. ":all", { "linux/amd64", "linux/arm64" })
		support.make_image(place .. ":old", { layers = { 1000, 2000 } })
		support.make_image(place, { untagged = true, layers = { 500 } })
		local stray = luff.push_blob(place, "nobody's", { media_type = "application/octet-stream" })
		luff.delete(place .. ":old")
		local _, before = blobs_in(dir)
		local result = luff.gc(dir, { grace = 0 })
		local after, n = blobs_in(dir)
		assert.same(parts_of(image, parts_of(index)), after)
		assert.is_nil(after[stray.digest])
		assert.same({ 1, n, before - n, 0 }, { result.repositories, result.kept, result.removed, result.uploads })
		assert.is_true(result.bytes > 3500)
		assert.equal(0, luff.gc(dir, { grace = 0 }).removed)
	end)

	it("keeps an index within an index, and what goes by sha512", function()
		local inner = support.make_index(place .. ":inner", { "linux/amd64" })
		luff.push_manifest(place .. ":outer", { schemaVersion = 2, mediaType = inner:media_type(), manifests = {
			{ mediaType = inner:media_type(), digest = inner:digest(), size = #inner:raw_manifest() } } })
		luff.delete(place .. ":inner")
		local before = blobs_in(dir)
		luff.gc(dir, { grace = 0 })
		assert.same(before, (blobs_in(dir)))
		local other = support.scratch()
		support.sha512_layout(other, "v1")
		before = blobs_in(other)
		luff.gc(other, { grace = 0 })
		assert.same(before, (blobs_in(other)))
	end)

	it("keeps the referrers of what is kept, and theirs; others go, from index.json, too", function()
		local image = support.make_image(place .. ":v1")
		local old = support.make_image(place .. ":old", { layers = { 800 } })
		local signature = refer(image)
		local counter = refer(luff.image(place .. "@" .. signature))
		local gone = refer(old)
		local named = refer(old, "named")
		luff.delete(place .. ":old")
		luff.gc(dir, { grace = 0 })
		local after = blobs_in(dir)
		assert.same({ true, true, true }, { after[signature], after[counter], after[named] })
		assert.is_nil(after[gone])
		assert.is_nil(after[old:digest()])
		assert.is_nil(support.read(dir .. "/index.json"):find(gone, 1, true))
		local list = {}
		for d in luff.referrers(place .. ":v1") do
			list[#list + 1] = d.digest
		end
		assert.same({ signature }, list)
		luff.delete(place .. ":v1")
		luff.delete(place .. ":named")
		luff.gc(dir, { grace = 0 })
		local _, n = blobs_in(dir)
		assert.equal(0, n)
	end)

	it("keeps what other tools have in index.json, of kinds that it does not know, too", function()
		local blob, name = support.layout(dir)
		local part = blob("a part", "application/octet-stream")
		local artifact = luff.json.encode { mediaType = "application/vnd.oci.artifact.manifest.v1+json", blobs = { part } }
		name(nil, blob(artifact, "application/vnd.oci.artifact.manifest.v1+json"))
		name("blob", blob("just a blob", "application/octet-stream"))
		blob("stray", "application/octet-stream")
		support.write(dir .. "/blobs/sha256/README", "of somebody")
		assert.equal(1, luff.gc(dir, { grace = 0 }).removed)
		local _, n = blobs_in(dir)
		assert.equal(3, n)
		assert.equal("of somebody", support.read(dir .. "/blobs/sha256/README"))
	end)

	it("leaves alone what is younger than the grace, with all that it lists", function()
		support.make_image(place .. ":v1")
		luff.delete(place .. ":v1")
		local before = support.checksums(dir)
		assert.equal(0, luff.gc(dir).removed)
		assert.equal(0, luff.gc(dir, { grace = 600 }).removed)
		assert.same(before, support.checksums(dir))
	end)

	it("leaves alone what somebody asked for within the grace", function()
		local grace = 4
		local server <close> = luff.serve { root = dir .. "/.." }
		local base = ("http://%s/v2/app"):format(server:address())
		for _ = 1, 20 do
			local wanted = support.make_image(place, { untagged = true, layers = { 700 } })
			local stray = luff.push_blob(place, support.random(10), { media_type = "application/octet-stream" })
			local blob = luff.push_blob(place, support.random(10), { media_type = "application/octet-stream" })
			support.sleep(grace + 1)
			local from = tonumber(support.sh "date +%s.%N")
			assert.equal(200, request("HEAD", base .. "/manifests/" .. wanted:digest()).status)
			assert.equal(200, request("HEAD", base .. "/blobs/" .. blob.digest).status)
			luff.gc(dir, { grace = grace })
			-- on a machine that slept in between it says nothing
			if tonumber(support.sh "date +%s.%N") - from < grace then
				local after = blobs_in(dir)
				assert.is_nil(after[stray.digest])
				assert.is_true(after[blob.digest])
				for digest in pairs(parts_of(wanted)) do
					assert.is_true(after[digest])
				end
				return
			end
		end
		pending "this machine is too slow for seconds"
	end)

	it("says what would go, and leaves it", function()
		support.make_image(place .. ":v1")
		luff.delete(place .. ":v1")
		local before = support.checksums(dir)
		local result = luff.gc(dir, { grace = 0, dry_run = true })
		assert.equal(3, result.removed)
		assert.same(before, support.checksums(dir))
		local real = luff.gc(dir, { grace = 0 })
		assert.same({ result.removed, result.bytes }, { real.removed, real.bytes })
	end)

	it("removes nothing where a manifest is damaged, and says which", function()
		local image = support.make_image(place .. ":v1")
		luff.push_blob(place, "stray", { media_type = "application/octet-stream" })
		support.write(dir .. "/blobs/" .. image:digest():gsub(":", "/"), (image:raw_manifest():gsub("}$", " ")))
		local before = support.checksums(dir)
		local _, err = luff.try(luff.gc, dir, { grace = 0 })
		assert.equal("digest_mismatch", err.code)
		assert.is_truthy(err.message:find(image:digest(), 1, true))
		assert.same(before, support.checksums(dir))
		support.write(dir .. "/index.json", "{}")
		assert.equal("bad_format", select(2, luff.try(luff.gc, dir, { grace = 0 })).code)
	end)

	it("does a tree of layouts, and goes on past one that fails", function()
		local root = support.scratch()
		for _, name in ipairs { "a", "b/c", "d" } do
			support.make_image(("oci:%s/%s:v1"):format(root, name))
			luff.push_blob(("oci:%s/%s"):format(root, name), "stray", { media_type = "application/octet-stream" })
		end
		support.write(root .. "/b/c/index.json", "x")
		local _, err = luff.try(luff.gc, root, { grace = 0 })
		assert.is_truthy(err.message:find("b/c", 1, true))
		for _, name in ipairs { "a", "d" } do
			assert.same(parts_of(luff.image(("oci:%s/%s:v1"):format(root, name))), (blobs_in(root .. "/" .. name)))
		end
	end)

	it("refuses what is no layout", function()
		local none = support.scratch()
		assert.equal("not_found", select(2, luff.try(luff.gc, none)).code)
		assert.equal("not_found", select(2, luff.try(luff.gc, none .. "/nothing")).code)
		assert.has_error(function()
			luff.gc(none, { grace = -1 })
		end)
		assert.is_false(support.exists(none .. "/nothing"))
	end)

	it("runs in a server, on disk and in memory, and ends its uploads", function()
		for _, root in ipairs { dir, false } do
			local server <close> = luff.serve { root = root or nil, gc = 1 }
			local base = ("http://%s/v2/team/app"):format(server:address())
			local image = support.make_image(server:address() .. "/team/app:v1")
			request("POST", base .. "/blobs/uploads/")
			local digest = luff.digest "stray"
			assert.equal(201, request("POST", base .. "/blobs/uploads/?digest=" .. digest, { body = "stray" }).status)
			support.eventually(function()
				return request("GET", base .. "/blobs/" .. digest).status == 404
			end, 60, "the collection")
			for part in pairs(parts_of(image)) do
				assert.equal(200, request("GET", base .. "/blobs/" .. part).status)
			end
		end
	end)

	it("is a command", function()
		support.make_image(place .. ":v1")
		luff.delete(place .. ":v1")
		local result = support.luff("gc", "--dry-run", "--grace", "0", dir)
		assert.equal(0, result.code)
		local said = "^would remove 3 blobs and 0 uploads, %d+ bytes; 0 blobs stay in 1 repository\n$"
		assert.is_truthy(result.stdout:find(said))
		local json = luff.json.decode(support.luff("gc", "--grace=0s", "--json", dir).stdout)
		assert.same({ 3, false }, { json.removed, json.dry_run })
		assert.equal(2, support.luff("gc", "--grace", "soon", dir).code)
		assert.equal(3, support.luff("gc", dir .. "/none").code)
	end)

	it("takes nothing from those who push, mount, copy and delete at the same time", function()
		local root = support.scratch()
		local server <close> = luff.serve { root = root }
		local list = {}
		for i = 1, support.scaled(40) do
			list[i] = i
		end
		local done = false
		local collector = luff.spawn(function()
			repeat
				local _, err = luff.try(luff.gc, root, { grace = 30 })
				assert(not err or err.code == "not_found", err)
			until done
		end)
		luff.map(list, { jobs = 8 }, function(i)
			local name = ("%s/app%d:v%d"):format(server:address(), i % 4, i)
			support.make_image(name, { layers = { support.tar { base = "the same\n" }, 1000 } })
			luff.copy(name, ("oci:%s/copy:v%d"):format(root, i))
			if i % 3 == 0 then
				luff.delete(name)
			end
		end)
		done = true
		collector:wait()
		for i = 1, #list do
			local image = luff.image(("oci:%s/copy:v%d"):format(root, i))
			for part in pairs(parts_of(image)) do
				assert.is_true(support.exists(("%s/copy/blobs/%s"):format(root, part:gsub(":", "/"))))
			end
		end
	end)
end)

describe("a registry that is killed in the middle of many pushes", function()
	it("has all that it acknowledged, and nothing by half; collection removes the rest", function()
		local clients = support.scaled(200)
		local root, work = support.scratch(), support.scratch()
		local blobs, manifests = {}, {}
		for i = 1, clients do
			local bytes = support.random(30000)
			local path = ("/v2/team/app%d"):format(i % 5)
			blobs[i] = path .. "/blobs/" .. luff.digest(bytes)
			manifests[i] = ("%s/manifests/v%d"):format(path, i)
			support.write(("%s/%d.blob"):format(work, i), bytes)
			support.write(("%s/%d.blob.path"):format(work, i), path .. "/blobs/uploads/?digest=" .. luff.digest(bytes))
			support.write(("%s/%d.manifest"):format(work, i), luff.json.encode { schemaVersion = 2, mediaType = manifest_type,
				config = { mediaType = "application/vnd.example", digest = luff.digest(bytes), size = #bytes },
				layers = luff.array {} })
			support.write(("%s/%d.manifest.path"):format(work, i), manifests[i])
		end
		for round = 1, 2 do
			local server = support.start { support.program, "serve", "--listen", "127.0.0.1:0", root }
			local host, port = support.eventually(function()
				return server:stdout():match "127.0.0.1:%d+"
			end, 60, "luff serve"):match "^(.*):(%d+)$"
			local pushes = support.start { "perl", "spec/support/pushes.pl", host, port, work, clients }
			-- in the middle: when a part of what will come was acknowledged
			support.eventually(function()
				return select(2, pushes:stdout():gsub("\n", "")) >= round * clients // 4
			end, 120, "the first acknowledgements")
			server:kill "KILL"
			server:wait()
			pushes:wait(60)
			local acknowledged = {}
			for what, n in pushes:stdout():gmatch "(%l+) (%d+)\n" do
				acknowledged[what .. n] = true
			end

			local again <close> = luff.serve { root = root }
			local base = "http://" .. again:address()
			blobs_in(root)
			for i = 1, clients do
				local text = support.read(("%s/%d.manifest"):format(work, i))
				local got = request("GET", base .. manifests[i])
				assert.is_true(got.status == 200 or got.status == 404 and not acknowledged["manifest" .. i])
				assert.is_true(got.status == 404 or got.body == text)
				local blob = request("GET", base .. blobs[i])
				assert.is_true(blob.status == 200 or blob.status == 404 and not acknowledged["blob" .. i])
				assert.is_true(blob.status == 200 or got.status == 404)
				assert.is_true(blob.status == 404 or blob.body == support.read(("%s/%d.blob"):format(work, i)))
			end
			luff.gc(root, { grace = 0 })
			local reached = {}
			for repository in luff.catalog(again:address()) do
				for tag in luff.tags(again:address() .. "/" .. repository) do
					parts_of(luff.image(("%s/%s:%s"):format(again:address(), repository, tag)), reached)
				end
			end
			assert.same(reached, (blobs_in(root)))
			assert.equal("", support.sh(("find %s -path '*/ingest*' -type f"):format(root)))
		end
	end)
end)
