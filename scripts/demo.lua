-- A tour of luff: images made from nothing, a registry in this process, a mirror on disk. Copy from it what you need.
--
--	luff scripts/demo.lua            from the busybox of this machine, no network needed
--	luff scripts/demo.lua IMAGE      with an image from a registry, as docker.io/library/alpine:3
local luff = require "luff"
local progress = require "luff.progress"

local function say(text, ...)
	print(text:format(...))
end

local steps = 0
local function step(title, ...)
	steps = steps + 1
	say("\n%d. " .. title, steps, ...)
	io.stdout:flush()
end

local function size(bytes)
	return bytes < 1e5 and ("%.1f kB"):format(bytes / 1e3) or ("%.1f MB"):format(bytes / 1e6)
end

-- The beginning of a digest, enough to see what is the same and what is not.
local function short(digest)
	return digest:sub(1, 19)
end

-- An empty folder that is gone when the variable that holds it goes out of scope.
local function scratch_folder()
	local pipe = assert(io.popen "mktemp -d")
	local path = pipe:read "l"
	assert(pipe:close(), "mktemp failed")
	return setmetatable({ path = path }, { __close = function()
		os.execute("rm -rf '" .. path .. "'")
	end })
end

-- ---- An image by hand ------------------------------------------------------------------------------------

-- A tar with the same bytes whoever makes it, whenever: no owner, no time (POSIX ustar).
-- Each entry: { "name", content = text } or { "name", link = target }.
local function tar(entries)
	local parts = {}
	for _, entry in ipairs(entries) do
		local content = entry.content or ""
		local header = string.pack("c100 c8 c8 c8 c12 c12", entry[1], "0000755", "0000000", "0000000",
			("%011o"):format(#content), "00000000000")
		local rest = string.pack("c1 c100 c6 c2 c247", entry.link and "2" or "0", entry.link or "", "ustar", "00", "")
		local sum = 8 * 32 -- the checksum counts as blanks in itself
		for _, byte in ipairs { (header .. rest):byte(1, -1) } do
			sum = sum + byte
		end
		parts[#parts + 1] = header .. ("%06o\0 "):format(sum) .. rest .. content .. ("\0"):rep(-#content % 512)
	end
	return table.concat(parts) .. ("\0"):rep(1024)
end

-- Leaves a single-platform image in a place; returns its entry for an index.
local function make_image(place, platform, layers, labels)
	local os, architecture = platform:match "^(%w+)/(%w+)"
	local pushed, diff_ids = {}, {}
	for i, bytes in ipairs(layers) do
		pushed[i] = luff.push_blob(place, bytes, { media_type = "application/vnd.oci.image.layer.v1.tar" })
		diff_ids[i] = pushed[i].digest -- a plain tar: what is stored is what is unpacked
	end
	local config = luff.push_blob(place, luff.json.encode {
		os = os,
		architecture = architecture,
		created = "1970-01-01T00:00:00Z",
		config = { Cmd = { "/bin/sh" }, Env = { "PATH=/bin" }, Labels = labels },
		rootfs = { type = "layers", diff_ids = diff_ids },
	}, { media_type = "application/vnd.oci.image.config.v1+json" })
	local manifest = luff.json.encode {
		schemaVersion = 2,
		mediaType = "application/vnd.oci.image.manifest.v1+json",
		config = config,
		layers = pushed,
	}
	local image = luff.push_manifest(place .. "@" .. luff.digest(manifest), manifest)
	return {
		mediaType = image:media_type(),
		digest = image:digest(),
		size = #manifest,
		platform = { os = os, architecture = architecture },
	}
end

local function find_busybox()
	for _, path in ipairs { "/usr/bin/busybox", "/bin/busybox" } do
		local file = io.open(path, "rb")
		if file then
			local bytes = file:read "a"
			file:close()
			return bytes, path
		end
	end
	error "no busybox here: install the package busybox-static, or name an image: luff scripts/demo.lua alpine:3"
end

-- Makes "memory:work:1.0" and "memory:work:1.1", each an index over two platforms.
local function make_images(platforms)
	local busybox, path = find_busybox()
	step("Make images out of %s (%s), in memory", path, size(#busybox))
	local base = tar { { "bin/busybox", content = busybox }, { "bin/sh", link = "busybox" } }
	for _, version in ipairs { "1.0", "1.1" } do
		local manifests = {}
		for i, platform in ipairs(platforms) do
			local note = platform == luff.platform() and "runs on this machine"
				or "the same file, to have two platforms: it does not run there"
			local motd = tar { { "etc/motd", content = ("luff demo %s on %s\n"):format(version, platform) } }
			manifests[i] = make_image("memory:work", platform, { base, motd }, { version = version, note = note })
			say("   %s  %-14s %s  %s", version, platform, short(manifests[i].digest), note)
		end
		local index = luff.push_manifest("memory:work:" .. version, {
			schemaVersion = 2,
			mediaType = "application/vnd.oci.image.index.v1+json",
			manifests = manifests,
		})
		say("   %s  %-14s %s  an index over both", version, "", short(index:digest()))
	end
end

-- ---- What one does with images ------------------------------------------------------------------------------

-- Copies { { from, to, platform =, tag = }, … } with one picture of it all on stderr. The first goes alone: what the others
-- share with it is there when they start, all at once.
local function copy_all(jobs)
	local bars <close> = progress.new()
	local function copy(job)
		local result = luff.copy(job[1], job[2], { platform = job.platform, progress = bars:watch() })
		if job.tag then
			luff.tag(job[2], job.tag)
		end
		return result
	end
	local first = copy(jobs[1])
	return { first, table.unpack(luff.map({ table.unpack(jobs, 2) }, { jobs = 4 }, copy)) }
end

local function sum_up(results)
	local blobs, bytes, there, manifests = 0, 0, 0, 0
	for _, result in ipairs(results) do
		blobs, bytes = blobs + result.copied, bytes + result.bytes
		there, manifests = there + result.skipped + result.mounted, manifests + result.manifests
	end
	say("   %d blobs (%s) moved, %d there already, %d manifests written", blobs, size(bytes), there, manifests)
end

-- The platforms of whatever a name stands for, as a list of "os/arch".
local function platforms_of(name)
	local found = luff.open(name)
	if not found.index_manifest then
		return { found:platform() }
	end
	local list = {}
	for _, entry in ipairs(found:index_manifest().manifests) do
		local platform = entry.platform
		if platform and platform.os ~= "unknown" then -- attestations hide behind an unknown platform
			list[#list + 1] = platform.os .. "/" .. platform.architecture
				.. (platform.variant and "/" .. platform.variant or "")
		end
	end
	return list
end

local function tags_of(place)
	local list = {}
	for tag in luff.tags(place) do
		list[#list + 1] = tag
	end
	table.sort(list)
	return list
end

-- Looks at every tag of a place at once; prints a line for each.
local function show(place)
	local lines = luff.map(luff.tags(place), { jobs = 8 }, function(tag)
		local name = place .. ":" .. tag
		return ("   %-16s %s  %s"):format(tag, short(luff.open(name):digest()), table.concat(platforms_of(name), ", "))
	end)
	table.sort(lines)
	print(table.concat(lines, "\n"))
end

local function main(source)
	local folder <close> = scratch_folder()
	local host = luff.platform()
	local other = host == "linux/arm64" and "linux/amd64" or "linux/arm64"
	local from = source and {} or { { "memory:work:1.0" }, { "memory:work:1.1", tag = "latest" } }
	if not source then
		make_images { host, other }
	end

	step "Start a registry in this process, over a folder"
	local server <close> = luff.serve { root = folder.path .. "/registry" }
	local repository = server:address() .. "/demo/app"
	say("   %s", server:address())

	step("Push: %s to the registry", source or "memory")
	if source then
		from[1] = { source, tag = "latest" }
	end
	for _, job in ipairs(from) do
		job[2] = repository .. ":" .. (job[1]:match ":([%w._-]+)$" or "latest")
	end
	sum_up(copy_all(from))

	step("What is in %s now", repository)
	show(repository)

	step "One of them, closer"
	local name = repository .. ":" .. tags_of(repository)[1]
	local wanted = platforms_of(name)
	local image = luff.image(name, { platform = wanted[1] })
	say("   %s", name)
	say("   %s, %d layers", image:platform(), #image:layers())
	for _, layer in ipairs(image:layers()) do
		say("     %s  %10s  %s", short(layer:digest()), size(layer:size()), layer:media_type())
	end
	for key, value in pairs((image:config_file().config or {}).Labels or {}) do
		say("     %s: %s", key, value)
	end

	step("Mirror what is for %s into a folder", host)
	local mirror = "oci:" .. folder.path .. "/mirror"
	local jobs = {}
	for _, tag in ipairs(tags_of(repository)) do
		jobs[#jobs + 1] = { repository .. ":" .. tag, mirror .. ":" .. tag, platform = host }
	end
	sum_up(copy_all(jobs))

	step "The same again: nothing is left to move"
	sum_up(copy_all(jobs))

	step "The mirror, read from disk"
	show(mirror)
	for _, tag in ipairs(tags_of(mirror)) do
		local here = luff.image(mirror .. ":" .. tag)
		assert(here == luff.image(repository .. ":" .. tag), "a digest has changed")
	end
	say("   every digest is the one in the registry")
end

main(arg[1])
say("\nThat is all of it in scripts/demo.lua; `luff help` shows the same from the command line.")
