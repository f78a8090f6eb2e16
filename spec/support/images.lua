-- Images for specs: small ones made on the spot, and the official busybox layouts where they are at hand.
local archive = require "spec.support.archive"
local process = require "spec.support.process"

local images = {}

local function luff()
	return require "luff"
end

--- A tar of regular files: { ["etc/name"] = "content" }.
function images.tar(files)
	local entries = {}
	for name, content in pairs(files) do
		entries[#entries + 1] = { path = name, content = content }
	end
	table.sort(entries, function(a, b) return a.path < b.path end)
	return archive.tar(entries)
end

--- A tar of members in their order, as no tool would write it: { name, content, type =, link =, size = (a lie) } each.
-- ended = false: without the two blocks of zeros.
function images.tar_of(members, ended)
	local parts = {}
	for _, m in ipairs(members) do
		local content = m[2] or ""
		parts[#parts + 1] = archive.header { path = m[1], size = m.size or #content, flag = m.type, link = m.link }
			.. content .. ("\0"):rep(-#content % 512)
	end
	return table.concat(parts) .. (ended == false and "" or ("\0"):rep(1024))
end

--- Bytes that no compression makes smaller.
function images.random(size)
	local file = assert(io.open("/dev/urandom", "rb"))
	local bytes = file:read(size)
	file:close()
	return bytes
end

--- A tar as a compressed layer for make_image; tool "gzip", "zstd", "xz" or "bzip2".
function images.packed(tar, tool)
	local file = process.write(process.scratch() .. "/layer.tar", tar)
	return {
		bytes = process.must(tool == "gzip" and { "gzip", "-nc", file } or { tool, "-qc", file }),
		media_type = "application/vnd.oci.image.layer.v1.tar+" .. tool,
		diff_id = luff().digest(tar),
	}
end

--- The file that a remote layer of these bytes leaves behind once it was read, in that folder; else in this process's.
function images.kept_file(bytes, cache)
	return ("%s/luff/layers/%s.layer"):format(cache or os.getenv "XDG_CACHE_HOME", (luff().digest(bytes):gsub(":", "-")))
end

-- "oci:DIR:TAG" and "host/repository:tag" without what names something in the place.
local function place_of(name)
	local bare = name:gsub("@[%w:]+$", "")
	if bare:match("^oci:") or bare:match("^memory:") or bare:match("^%l+%-archive:") then
		return (bare:gsub("^([%l-]+:[^:]+):.*$", "%1"))
	end
	return (bare:gsub(":[%w._-]+$", ""))
end

local function split_platform(text)
	local os, arch, variant = text:match("^([^/]+)/([^/]+)/?(.*)$")
	return { os = os, architecture = arch, variant = variant ~= "" and variant or nil }
end

--- Builds an image and leaves it under a name ("oci:DIR:TAG", "memory:x:TAG", "host/repo:tag", or any of them
-- with @digest or without a tag).
-- opts, each optional: platform ("linux/amd64"), layers (list of a tar's bytes, a number of random bytes in a tar, or
-- { bytes =, media_type =, diff_id =, annotations = };
-- one small layer by default), config (members beside those that are made), annotations,
-- docker (true: Docker's media types), untagged (true: pushed by digest only).
-- Returns the Image.
function images.make_image(name, opts)
	opts = opts or {}
	local L = luff()
	local place = place_of(name)
	local kind = opts.docker and {
		manifest = "application/vnd.docker.distribution.manifest.v2+json",
		config = "application/vnd.docker.container.image.v1+json",
		layer = "application/vnd.docker.image.rootfs.diff.tar",
	} or {
		manifest = "application/vnd.oci.image.manifest.v1+json",
		config = "application/vnd.oci.image.config.v1+json",
		layer = "application/vnd.oci.image.layer.v1.tar",
	}
	local layers, diff_ids = L.array {}, L.array {}
	for i, layer in ipairs(opts.layers or { images.tar { ["etc/made-by"] = "specs\n" } }) do
		if type(layer) == "number" then
			layer = { bytes = images.tar { ["data/" .. i] = images.random(layer) } }
		elseif type(layer) == "string" then
			layer = { bytes = layer }
		end
		layers[i] = L.push_blob(place, layer.bytes, { media_type = layer.media_type or kind.layer })
		layers[i].annotations = layer.annotations
		diff_ids[i] = layer.diff_id or L.digest(layer.bytes)
	end
	local config = split_platform(opts.platform or "linux/amd64")
	config.rootfs = { type = "layers", diff_ids = diff_ids }
	for key, value in pairs(opts.config or {}) do
		config[key] = value
	end
	local manifest = {
		schemaVersion = 2,
		mediaType = kind.manifest,
		config = L.push_blob(place, L.json.encode(config), { media_type = kind.config }),
		layers = layers,
		annotations = opts.annotations,
	}
	local text = L.json.encode(manifest)
	return L.push_manifest(opts.untagged and place .. "@" .. L.digest(text) or name, text)
end

--- Builds one image for each platform and an index over them under the name.
-- opts: as make_image's, for each of them; layers may be a function of the platform. Returns the Index.
function images.make_index(name, platforms, opts)
	local L = luff()
	local place = place_of(name)
	local manifests = L.array {}
	for i, platform in ipairs(platforms) do
		local one = { platform = platform, untagged = true, layers = {
			images.tar { ["etc/platform"] = platform .. "\n" }, images.tar { ["etc/shared"] = "the same in each\n" },
		} }
		for key, value in pairs(opts or {}) do
			one[key] = type(value) == "function" and value(platform) or value
		end
		local image = images.make_image(place, one)
		manifests[i] = {
			mediaType = image:media_type(),
			digest = image:digest(),
			size = #image:raw_manifest(),
			platform = split_platform(platform),
		}
	end
	return L.push_manifest(name, {
		schemaVersion = 2,
		mediaType = opts and opts.docker and "application/vnd.docker.distribution.manifest.list.v2+json"
			or "application/vnd.oci.image.index.v1+json",
		manifests = manifests,
	})
end

--- Writes an OCI layout by hand, so that it can hold what no tool would write. Returns two functions:
-- blob(bytes, media_type, lie) writes a blob and returns its descriptor, in which the members of lie (digest, size, …)
-- replace the true ones: the file has the name that the descriptor says; lie = { algorithm = "sha512" } is no lie;
-- name(tag, descriptor) puts the descriptor into index.json (tag nil: without a name).
function images.layout(dir)
	local L = luff()
	local manifests = L.array {}
	assert(os.execute(("mkdir -p %s/blobs/sha256 %s/blobs/sha512"):format(process.quote(dir), process.quote(dir))))
	process.write(dir .. "/oci-layout", '{"imageLayoutVersion":"1.0.0"}')
	local function blob(bytes, media_type, lie)
		lie = lie or {}
		local digest = lie.digest or L.digest(bytes, lie.algorithm or "sha256")
		process.write(dir .. "/blobs/" .. digest:gsub(":", "/", 1), bytes)
		return { mediaType = media_type, digest = digest, size = lie.size or #bytes }
	end
	local function name(tag, descriptor)
		local entry = { annotations = tag and { ["org.opencontainers.image.ref.name"] = tag } }
		for key, value in pairs(descriptor) do
			entry[key] = value
		end
		manifests[#manifests + 1] = entry
		process.write(dir .. "/index.json", L.json.encode { schemaVersion = 2, manifests = manifests })
	end
	return blob, name
end

--- An image by hand in such a layout: config and layers (a list of descriptors) under the tag. Returns its descriptor.
function images.image_by_hand(blob, name, tag, layers, lie)
	local L = luff()
	local manifest = blob(L.json.encode {
		schemaVersion = 2,
		mediaType = "application/vnd.oci.image.manifest.v1+json",
		config = blob('{"architecture":"amd64","os":"linux"}', "application/vnd.oci.image.config.v1+json", lie),
		layers = L.array(layers),
	}, "application/vnd.oci.image.manifest.v1+json", lie)
	name(tag, manifest)
	return manifest
end

--- A layout in which every digest is a sha512; returns the image's.
function images.sha512_layout(dir, tag)
	local blob, name = images.layout(dir)
	local by_sha512 = { algorithm = "sha512" }
	local layer = blob(images.tar { ["etc/made-by"] = "specs\n" }, "application/vnd.oci.image.layer.v1.tar", by_sha512)
	return images.image_by_hand(blob, name, tag, { layer }, by_sha512).digest
end

--- A scratch copy of the folder with official images ($LUFF_IMAGES, or ../shared/images), nil where there is none.
-- The busybox layouts' blobs are symlinks; a checkout that could not make links left their targets as text.
function images.official()
	local dir = os.getenv("LUFF_IMAGES") or "../shared/images"
	if not process.exists(dir .. "/multi-busybox-oci/index.json") then
		return nil
	end
	local copy = process.scratch()
	assert(os.execute(("cp -R %s/busybox %s/multi-busybox-oci %s && chmod -R u+w %s"):format(
		process.quote(dir), process.quote(dir), copy, copy)))
	assert(os.execute(([[find %s/busybox -path '*/blobs/*' -type f -size -2 | while read -r f; do
		case $(head -c 6 "$f") in ../../) ln -sf "$(cat "$f")" "$f";; esac; done]]):format(copy)))
	return copy
end

return images
