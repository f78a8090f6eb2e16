-- OCI layouts as files: what others leave in them, what luff leaves in them, and several writers at once.
local luff = require "luff"
local support = require "spec.support"

local oci_manifest = "application/vnd.oci.image.manifest.v1+json"
local ref_name = "org.opencontainers.image.ref.name"

local function index_of(dir)
	return luff.json.decode(support.read(dir .. "/index.json"))
end

local function names_in(dir)
	local names = {}
	for _, entry in ipairs(index_of(dir).manifests) do
		names[#names + 1] = entry.annotations and entry.annotations[ref_name] or "-"
	end
	table.sort(names)
	return names
end

describe("an OCI layout", function()
	local dir
	before_each(function()
		dir = support.scratch() .. "/image"
	end)

	it("has the files that the image-spec asks for, and nothing else", function()
		local image = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000 } })
		assert.same({ imageLayoutVersion = "1.0.0" }, luff.json.decode(support.read(dir .. "/oci-layout")))
		local index = index_of(dir)
		assert.equal(2, index.schemaVersion)
		assert.equal(1, #index.manifests)
		local entry = index.manifests[1]
		assert.equal(oci_manifest, entry.mediaType)
		assert.equal(image:digest(), entry.digest)
		assert.equal(#image:raw_manifest(), entry.size)
		assert.equal("v1", entry.annotations[ref_name])
		local want = { image:digest(), image:config_name(), image:layers()[1]:digest() }
		for i, digest in ipairs(want) do
			want[i] = digest:gsub(":", "/")
			assert.equal(digest, luff.digest { file = dir .. "/blobs/" .. want[i] })
		end
		table.sort(want)
		assert.equal(table.concat(want, "\n"), support.sh(("cd %s/blobs && find * -type f | sort"):format(dir)))
		assert.equal("", support.sh(("cd %s && find . -path ./blobs -prune -o -type f ! -name index.json"
			.. " ! -name oci-layout ! -path './*lock*' -print"):format(dir)))
	end)

	it("is readable for whom the umask lets read", function()
		assert(os.execute("umask 022; " .. table.concat({ support.program, "-e", support.quote(
			('luff.push_blob("oci:%s", "x", { media_type = "text/plain" })'):format(dir)) }, " ")))
		assert.equal("644", support.sh("stat -c %a " .. dir .. "/blobs/*/*"))
		assert.equal("644", support.sh("stat -c %a " .. dir .. "/index.json"))
		assert.equal("755", support.sh("stat -c %a " .. dir .. "/blobs"))
	end)

	it("keeps what others wrote into index.json", function()
		local blob, name = support.layout(dir)
		local theirs = support.image_by_hand(blob, name, "theirs", {})
		support.write(dir .. "/index.json", (support.read(dir .. "/index.json")
			:gsub("^{", '{"annotations":{"com.example":"kept"},"x-member":[1,{"b":1,"a":2}],')
			:gsub('"size"', '"x-entry":true,"size"')))
		support.make_image("oci:" .. dir .. ":ours")
		local text = support.read(dir .. "/index.json")
		local index = luff.json.decode(text)
		assert.equal("kept", index.annotations["com.example"])
		assert.truthy(text:find('"b"%s*:%s*1%s*,%s*"a"%s*:%s*2'), text)
		assert.same({ "ours", "theirs" }, names_in(dir))
		for _, entry in ipairs(index.manifests) do
			assert.equal(entry.digest == theirs.digest, entry["x-entry"] == true)
		end
		assert.equal(theirs.digest, luff.open("oci:" .. dir .. ":theirs"):digest())
	end)

	it("moves a name and keeps the old manifest within reach", function()
		local old = support.make_image("oci:" .. dir .. ":v1", { config = { author = "old" } })
		local new = support.make_image("oci:" .. dir .. ":v1", { config = { author = "new" } })
		local named = 0
		for _, entry in ipairs(index_of(dir).manifests) do
			if entry.annotations and entry.annotations[ref_name] == "v1" then
				named = named + 1
				assert.equal(new:digest(), entry.digest)
			end
		end
		assert.equal(1, named)
		assert.equal(old, luff.open("oci:" .. dir .. "@" .. old:digest()))
	end)

	it("takes whole image names as tags", function()
		for _, tag in ipairs { "busybox:1.38.0-glibc", "docker.io/library/app:v1", "registry.example:5000/a/b:c" } do
			local image = support.make_image("oci:" .. dir .. ":" .. tag, { config = { author = tag } })
			assert.equal(image, luff.open("oci:" .. dir .. ":" .. tag))
		end
		assert.same({ "busybox:1.38.0-glibc", "docker.io/library/app:v1", "registry.example:5000/a/b:c" }, names_in(dir))
	end)

	it("needs no tag where it holds one image alone", function()
		local image = support.make_image("oci:" .. dir .. ":v1")
		assert.equal(image, luff.open("oci:" .. dir))
		local blob, name = support.layout(dir .. "2")
		local descriptor = support.image_by_hand(blob, name, nil, {})
		assert.equal(descriptor.digest, luff.open("oci:" .. dir .. "2"):digest())
	end)

	it("lists its tags where a name is needed", function()
		support.make_image("oci:" .. dir .. ":v1", { config = { author = "one" } })
		support.make_image("oci:" .. dir .. ":v2", { config = { author = "two" } })
		for _, name in ipairs { "oci:" .. dir, "oci:" .. dir .. ":v3" } do
			local err = support.fails(luff.open, name)
			assert.equal("not_found", err.code)
			assert.truthy(err.message:find("v1", 1, true) and err.message:find("v2", 1, true), err.message)
		end
	end)

	it("removes a name, and content by its digest", function()
		local image = support.make_image("oci:" .. dir .. ":v1")
		luff.tag("oci:" .. dir .. ":v1", "v2")
		luff.delete("oci:" .. dir .. ":v1")
		assert.same({ "v2" }, names_in(dir))
		assert.equal(image, luff.open("oci:" .. dir .. ":v2"))
		assert.equal("not_found", support.fails(luff.open, "oci:" .. dir .. ":v1").code)
		luff.delete("oci:" .. dir .. "@" .. image:digest())
		assert.same({}, names_in(dir))
		assert.equal("not_found", support.fails(luff.open, "oci:" .. dir .. "@" .. image:digest()).code)
		assert.equal("not_found", support.fails(luff.delete, "oci:" .. dir .. ":v1").code)
	end)

	it("is read where nothing may be written", function()
		local image = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000 } })
		local before = support.tree(dir)
		assert(os.execute("chmod -R a-w " .. dir))
		assert.equal(image, luff.open("oci:" .. dir .. ":v1"))
		luff.copy("oci:" .. dir .. ":v1", "memory:readonly:v1")
		assert.equal(before, support.tree(dir))
	end)

	it("is not made by reading", function()
		local err = support.fails(luff.open, "oci:" .. dir .. ":v1")
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find(dir, 1, true), err.message)
		assert.is_nil(support.sh("ls -d " .. dir .. " 2>/dev/null"))
	end)

	it("is refused where the folder is none", function()
		assert(os.execute("mkdir -p " .. dir))
		support.write(dir .. "/precious", "data")
		local before = support.tree(dir)
		for _, f in ipairs { luff.open, luff.tags } do
			local err = support.fails(f, "oci:" .. dir .. ":v1")
			assert.equal("bad_format", err.code)
			assert.truthy(err.message:find("oci-layout", 1, true), err.message)
		end
		assert.equal("bad_format", support.fails(support.make_image, "oci:" .. dir .. ":v1").code)
		assert.equal(before, support.tree(dir))
	end)

	it("is refused in a version to come", function()
		support.make_image("oci:" .. dir .. ":v1")
		support.write(dir .. "/oci-layout", '{"imageLayoutVersion":"2.0.0"}')
		local err = support.fails(luff.open, "oci:" .. dir .. ":v1")
		assert.equal("unsupported", err.code)
	end)

	it("may have an index.json with a byte order or blanks of its own", function()
		local image = support.make_image("oci:" .. dir .. ":v1")
		support.write(dir .. "/index.json", "\n\t " .. support.read(dir .. "/index.json") .. "\n\n")
		assert.equal(image, luff.open("oci:" .. dir .. ":v1"))
		luff.tag("oci:" .. dir .. ":v1", "v2")
		assert.same({ "v1", "v2" }, names_in(dir))
	end)

	it("follows blobs that are links, inside of the layout", function()
		local image = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000 } })
		local blob = dir .. "/blobs/" .. image:layers()[1]:digest():gsub(":", "/")
		assert(os.execute(("mv %s %s/layer.tar && ln -s ../../layer.tar %s"):format(blob, dir, blob)))
		luff.copy("oci:" .. dir .. ":v1", "memory:links:v1")
		assert.equal(image, luff.open "memory:links:v1")
	end)

	it("follows no link that leads out of it", function()
		local image = support.make_image("oci:" .. dir .. ":v1", { layers = { 1000 } })
		local blob = dir .. "/blobs/" .. image:layers()[1]:digest():gsub(":", "/")
		assert(os.execute(("mv %s %s.tar && ln -s %s.tar %s"):format(blob, dir, dir, blob)))
		assert.equal("bad_format", support.fails(luff.copy, "oci:" .. dir .. ":v1", "memory:outside:v1").code)
	end)

	it("shows names with control characters in no message", function()
		local blob, name = support.layout(dir)
		support.image_by_hand(blob, name, "bad\27[31m\nname", {})
		support.image_by_hand(blob, name, "good", { blob("x", "text/plain") })
		local err = support.fails(luff.open, "oci:" .. dir .. ":other")
		assert.is_nil(err.message:find("%c"), err.message)
	end)

	describe("with several writers", function()
		-- Tags of its own image, one copy each, in a process of its own.
		local writer = [[
			local dir, who, count = arg[1], arg[2], tonumber(arg[3])
			for i = 1, count do
				local source = "memory:w:" .. who .. i
				local blob = luff.push_blob("memory:w", who .. i, { media_type = "text/plain" })
				local shared = luff.push_blob("memory:w", "the same from everyone", { media_type = "text/plain" })
				luff.push_manifest(source, { schemaVersion = 2, mediaType = "]] .. oci_manifest .. [[",
					config = luff.push_blob("memory:w", "{}", { media_type = "application/vnd.oci.empty.v1+json" }),
					layers = luff.array { blob, shared } })
				luff.copy(source, "oci:" .. dir .. ":" .. who .. i)
			end]]

		it("loses nothing, and each sees whole files", function()
			local script = support.write(support.scratch() .. "/writer.lua", writer)
			local count, processes = 25, {}
			for i, who in ipairs { "a", "b", "c" } do
				processes[i] = support.start { support.program, script, dir, who, tostring(count) }
			end
			-- A reader beside them: whatever it sees is whole.
			local looks = 0
			while processes[1]:running() or processes[2]:running() or processes[3]:running() do
				if support.exists(dir .. "/oci-layout") then -- which is written last
					for tag in luff.tags("oci:" .. dir) do
						assert.equal(2, #luff.open("oci:" .. dir .. ":" .. tag):layers())
					end
					looks = looks + 1
				end
				support.sleep(0.01)
			end
			local want = {}
			for i, who in ipairs { "a", "b", "c" } do
				assert.equal(0, processes[i]:wait(), processes[i]:stderr())
				for k = 1, count do
					want[#want + 1] = who .. k
				end
			end
			table.sort(want)
			assert.same(want, names_in(dir))
			for _, tag in ipairs(want) do
				assert.equal(tag, luff.open("oci:" .. dir .. ":" .. tag):layers()[1]:compressed():read "a")
			end
			assert.truthy(looks > 0)
			assert.equal("", support.sh("find " .. dir .. "/ingest -type f 2>/dev/null; :"))
		end)

		it("loses nothing between tasks of one process", function()
			local names = {}
			for i = 1, 40 do
				names[i] = ("t%02d"):format(i)
			end
			support.make_image("memory:tasks:v1")
			luff.map(names, { jobs = 8 }, function(tag)
				luff.copy("memory:tasks:v1", "oci:" .. dir .. ":" .. tag)
			end)
			assert.same(names, names_in(dir))
		end)
	end)
end)
