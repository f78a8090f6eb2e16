-- Not under sanitizers.
-- Other tools and luff, on the same images: the official busybox layouts and one made here go round all places with
-- their digests unchanged; skopeo, crane and oras read every stop, and luff reads what they push.
local luff = require "luff"
local support = require "spec.support"

-- The images: { title, name ("oci:DIR:TAG"), digest }, in a folder that lasts as long as this file runs.
local function samples()
	local list = {}
	local official = support.official()
	if official then
		for title, name in pairs {
			["official busybox for amd64"] = official .. "/busybox/amd64-glibc:busybox:1.38.0-glibc",
			["official busybox for arm64"] = official .. "/busybox/arm64-musl",
			["official busybox for many platforms"] = official .. "/multi-busybox-oci:latest",
		} do
			list[#list + 1] = { title = title, name = "oci:" .. name }
		end
		table.sort(list, function(a, b) return a.title < b.title end)
	end
	local made = { title = "image made here", name = "oci:" .. support.scratch() .. ":v1" }
	support.make_index(made.name, { "linux/amd64", "linux/arm64" }, { layers = function(platform)
		return { support.packed(support.tar { ["etc/platform"] = platform, data = support.random(100000) }, "gzip") }
	end })
	list[#list + 1] = made
	return list
end

local skopeos, cranes, oras = support.peers "skopeo", support.peers "crane", support.peers "oras"
local function skopeo(program, ...)
	return support.must { program, "--insecure-policy", ... }
end

describe("beside other tools", function()
	local embedded, docker, images
	setup(function()
		embedded = luff.serve { root = support.scratch() }
		docker = support.docker_registry()
		images = samples()
	end)
	teardown(function()
		embedded:close()
	end)

	-- Calls f(image, stops) for each image that was copied from place to place; stops: list of names of it.
	local function each(f)
		for i, image in ipairs(images) do
			local stops = { image.name, ("%s/stops/image%d:one"):format(embedded:address(), i) }
			if docker then
				stops[#stops + 1] = ("%s/stops/image%d:two"):format(docker.address, i)
			end
			stops[#stops + 1] = ("oci:%s:three"):format(support.scratch())
			for k = 2, #stops do
				luff.copy(stops[k - 1], stops[k])
			end
			f(image, stops)
		end
	end

	it("an image goes from place to place with its digest", function()
		if not docker then
			pending "docker-registry is not installed"
		end
		if #images == 1 then
			pending "the official images are not here ($LUFF_IMAGES, ../shared/images)"
		end
		each(function(image, stops)
			local raw = luff.open(image.name):raw_manifest()
			for _, stop in ipairs(stops) do
				assert.equal(raw, luff.open(stop):raw_manifest(), stop)
			end
			-- The last layout holds the same blobs as the first, as files of their own.
			local first, last = image.name:match "^oci:([^:]+)", stops[#stops]:match "^oci:([^:]+)"
			for path in support.sh("cd " .. last .. "/blobs && find * -type f"):gmatch "[^\n]+" do
				assert.equal(support.read(first .. "/blobs/" .. path), support.read(last .. "/blobs/" .. path))
			end
			assert.equal(support.sh("ls " .. first .. "/blobs/sha256"), support.sh("ls " .. last .. "/blobs/sha256"))
		end)
	end)

	it("luff knows what is in the official image", function()
		if #images == 1 then
			pending "the official images are not here ($LUFF_IMAGES, ../shared/images)"
		end
		local many = luff.index(images[3].name)
		for _, platform in ipairs { "linux/amd64", "linux/arm64" } do
			local image = many:image { platform = platform }
			assert.equal(platform, image:platform())
			local layer = image:layers()[1]
			assert.equal(image:config_file().rootfs.diff_ids[1], layer:diff_id())
			local sum = luff.digest(layer:uncompressed():read(64 << 20))
			assert.equal(layer:diff_id(), sum)
		end
		assert.equal("not_found", support.fails(luff.image, images[3].name, { platform = "linux/mips64le" }).code)
	end)

	local function copied_by(name, programs, f)
		if #programs == 0 then
			pending(name .. " is not installed")
		end
		for i, program in ipairs(programs) do
			each(function(image, stops)
				f(program, image, stops, luff.open(image.name), ("%s%d"):format(name, i))
			end)
		end
	end

	local function as_skopeo(name)
		return name:find "^oci:" and name or "docker://" .. name
	end

	it("skopeo reads each stop", function()
		copied_by("skopeo", skopeos, function(program, _, stops, opened)
			for _, stop in ipairs(stops) do
				local raw = skopeo(program, "inspect", "--raw", stop:find "^oci:" and stop or "--tls-verify=false",
					not stop:find "^oci:" and as_skopeo(stop) or nil)
				assert.equal(opened:raw_manifest(), raw, stop)
				-- It checks every blob on the way.
				local dir = support.scratch() .. "/dir"
				skopeo(program, "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false", as_skopeo(stop),
					"dir:" .. dir)
				assert.equal(opened:raw_manifest(), support.read(dir .. "/manifest.json"))
			end
		end)
	end)

	it("luff reads what skopeo pushes", function()
		copied_by("skopeo", skopeos, function(program, image, _, opened, who)
			local repository = who .. "/" .. image.title:lower():gsub("%W+", "-")
			local targets = { embedded:address() .. "/" .. repository .. ":pushed", "oci:" .. support.scratch() .. ":pushed" }
			for _, target in ipairs(targets) do
				skopeo(program, "copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false", image.name,
					as_skopeo(target))
				assert.equal(opened:raw_manifest(), luff.open(target):raw_manifest())
				assert.equal(opened:digest(), luff.copy(target, "memory:" .. who .. ":v1").digest)
			end
		end)
	end)

	it("crane reads each stop", function()
		copied_by("crane", cranes, function(program, _, stops, opened)
			for _, stop in ipairs(stops) do
				if not stop:find "^oci:" then
					assert.equal(opened:digest() .. "\n", support.must { program, "digest", stop })
					assert.equal(opened:raw_manifest(), support.must { program, "manifest", stop })
					-- not all platforms: crane takes the layers of attestations, which are no tars, for damaged
					support.must { program, "validate", "--platform", "linux/amd64", "--remote", stop }
					local dir = support.scratch() .. "/pulled"
					support.must { program, "pull", "--format=oci", stop, dir }
					assert.equal(opened:digest(), luff.open("oci:" .. dir):digest())
				end
			end
		end)
	end)

	it("luff reads what crane pushes", function()
		copied_by("crane", cranes, function(program, image, stops, opened, who)
			local repository = who .. "/" .. image.title:lower():gsub("%W+", "-")
			local target = embedded:address() .. "/" .. repository
			support.must { program, "copy", stops[2], target .. ":copied" }
			assert.equal(opened, luff.open(target .. ":copied"))
			assert.same({ "copied" }, { table.unpack(luff.json.decode(support.run {
				"curl", "-s", "http://" .. target:gsub("/", "/v2/", 1) .. "/tags/list" }.stdout).tags) })
			-- A layout that luff wrote, into an empty registry.
			local dir = stops[#stops]:match "^oci:([^:]+)"
			support.must { program, "push", "--index", dir, target .. "-pushed:v1" }
			local pushed = luff.index(target .. "-pushed:v1")
			assert.equal(opened:digest(), pushed:index_manifest().manifests[1].digest)
			assert.equal(opened:digest(), luff.copy(target .. "-pushed@" .. opened:digest(), "memory:" .. who .. ":v1").digest)
			support.must { program, "delete", target .. ":copied" }
			assert.equal("not_found", support.fails(luff.open, target .. ":copied").code)
		end)
	end)

	local function as_oras(name)
		return name:find "^oci:" and { "--oci-layout", (name:gsub("^oci:", "")) } or { "--plain-http", name }
	end

	it("oras reads each stop", function()
		copied_by("oras", oras, function(program, _, stops, opened)
			for k = 2, #stops do
				local flag, name = table.unpack(as_oras(stops[k]))
				assert.equal(opened:raw_manifest(), support.must { program, "manifest", "fetch", flag, name })
				local dir = support.scratch() .. "/copied"
				support.must { program, "copy", "--no-tty", flag:gsub("^%-%-", "--from-"), name, "--to-oci-layout", dir .. ":v1" }
				assert.equal(opened:raw_manifest(), luff.open("oci:" .. dir .. ":v1"):raw_manifest())
			end
		end)
	end)

	it("luff reads what oras pushes", function()
		copied_by("oras", oras, function(program, image, stops, opened, who)
			local target = embedded:address() .. "/" .. who .. "/" .. image.title:lower():gsub("%W+", "-") .. ":v1"
			support.must { program, "copy", "--no-tty", "--from-oci-layout", (stops[#stops]:gsub("^oci:", "")),
				"--to-plain-http", target }
			assert.equal(opened, luff.open(target))
			assert.equal(opened:digest(), luff.copy(target, "memory:" .. who .. ":v1").digest)
			assert.equal("v1\n", support.must { program, "repo", "tags", "--plain-http", (target:gsub(":v1$", "")) })
		end)
	end)

	it("cosign signs what luff serves, and luff finds the signature", function()
		local cosign = support.peer "cosign"
		if not cosign then
			return pending "cosign is not installed"
		end
		local dir, name = support.scratch(), embedded:address() .. "/signed/app"
		local function run(...)
			return support.must({ cosign, ... }, { cwd = dir, env = { COSIGN_PASSWORD = "", HOME = dir } })
		end
		run("generate-key-pair")
		local image = support.make_image(name .. ":v1")
		local by_digest = name .. "@" .. image:digest()
		local http, tls = "--allow-http-registry", "--allow-insecure-registry"
		run("sign", "--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "-y", http, tls, by_digest)
		local function verify(of)
			return run("verify", "--key", "cosign.pub", "--insecure-ignore-tlog", http, tls, of)
		end
		local signed = verify(by_digest)
		assert.truthy(signed:find(image:digest(), 1, true), signed)
		local found = {}
		for referrer in luff.referrers(by_digest) do
			found[#found + 1] = referrer
		end
		assert.equal(1, #found)
		assert.truthy(found[1].artifactType:find("sigstore", 1, true), found[1].artifactType)
		-- A copy with all that refers to it is as good.
		luff.copy(name .. ":v1", embedded:address() .. "/copied/app:v1", { referrers = true })
		verify(embedded:address() .. "/copied/app@" .. image:digest())
	end)
end)
