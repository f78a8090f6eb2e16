-- Files in registries and layouts: as layers with titles, in the way of oras (image-spec, manifest.md "Guidelines for Artifact
-- Usage"). What is written has the same digest each time: it says no date of its own.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"

local artifact = {}

local MANIFEST = "application/vnd.oci.image.manifest.v1+json"
local EMPTY = "application/vnd.oci.empty.v1+json"
local UNKNOWN = "application/vnd.unknown.artifact.v1" -- oras's word for what has no type
local FOLDER = "application/vnd.oci.image.layer.v1.tar+gzip"
local TITLE = "org.opencontainers.image.title"
local UNPACK, CONTENT = "io.deis.oras.content.unpack", "io.deis.oras.content.digest"
local DEEPEST = 16 -- referrers of referrers

-- A folder can be opened and not read (EISDIR, which is 21 on every system that luff runs on).
local function is_folder(path)
	local file = io.open(path, "rb")
	if not file then
		return false
	end
	local _, _, number = file:read(1)
	file:close()
	return number == 21
end

-- "./a//b/" is "a/b"; of what is elsewhere ("/etc/hosts", "../x") the last name alone.
local function title_of(path)
	local names, outside = {}, path:sub(1, 1) == "/"
	for name in path:gmatch "[^/]+" do
		outside = outside or name == ".."
		if name ~= "." and name ~= ".." then
			names[#names + 1] = name
		end
	end
	if #names == 0 then
		fail("invalid", '"%s": say which title it has', path)
	end
	return outside and names[#names] or table.concat(names, "/")
end

local known = { "path", "title", "type", "annotations" }

-- The descriptor of a file that was pushed.
local function push_file(to, file, opts)
	if type(file) == "string" then
		file = { path = file }
	end
	options.check(file, known, "member")
	local title = file.title or title_of(file.path)
	local annotations = { [TITLE] = title }
	for key, value in pairs(file.annotations or {}) do
		annotations[key] = value
	end
	local descriptor, content
	if is_folder(file.path) then
		descriptor, content = luff.push_blob(to, { folder = file.path, title = title },
			{ media_type = file.type or FOLDER, plain_http = opts.plain_http })
		annotations[UNPACK], annotations[CONTENT] = "true", content
	else
		descriptor = luff.push_blob(to, { file = file.path },
			{ media_type = file.type or "application/octet-stream", plain_http = opts.plain_http })
	end
	descriptor.annotations = annotations
	return descriptor
end

local function push(to, opts, untagged)
	local empty = luff.push_blob(to, "{}", { media_type = EMPTY, plain_http = opts.plain_http })
	empty.data = "e30="
	local layers, taken = luff.array {}, {}
	for i, file in ipairs(opts.files or {}) do
		layers[i] = push_file(to, file, opts)
		local title = layers[i].annotations[TITLE]
		if taken[title] then
			fail("invalid", 'two files have the title "%s"', title)
		end
		taken[title] = true
	end
	layers[1] = layers[1] or empty
	return luff.push_manifest(to, {
		schemaVersion = 2,
		mediaType = MANIFEST,
		artifactType = opts.type or UNKNOWN,
		config = empty,
		layers = layers,
		subject = opts.subject and luff.resolve(opts.subject, { plain_http = opts.plain_http }),
		annotations = opts.annotations,
	}, { plain_http = opts.plain_http, untagged = untagged })
end

--- Stores files under a name. Returns the Image that they are.
--
--	files         a list of paths, or of { path, title, type, annotations }; a folder goes as a tar.gz. The title is the path as
--	              it was said, without "./" in front; of what is not below the current folder the last name
--	type          what the artifact is ("application/vnd.example+json")
--	subject       the name of an image or index in the same place that it refers to
--	annotations   of the manifest
--	plain_http    http to the registry
function artifact.push(to, opts)
	options.check(opts, { "files", "type", "subject", "annotations", "plain_http" }, "option")
	return push(to, opts)
end

--- Stores files that refer to what a name stands for; they have a digest, and no tag. Options and result as those of push.
function artifact.attach(name, opts)
	options.check(opts, { "files", "type", "annotations", "plain_http" }, "option")
	local all = { subject = name }
	for key, value in pairs(opts) do
		all[key] = value
	end
	return push(name, all, true)
end

--- Puts the files of an artifact into a folder (the current one), each under its title (luff.Image:save).
-- opts: folder, platform (of an index), plain_http. Returns { digest, files (a list of titles), bytes, skipped }.
function artifact.pull(name, opts)
	opts = opts or {}
	options.check(opts, { "folder", "platform", "plain_http" }, "option")
	local image = luff.image(name, { platform = opts.platform, plain_http = opts.plain_http })
	local saved = image:save(opts.folder or ".")
	local files = luff.array {}
	for _, layer in ipairs(image:manifest().layers) do
		files[#files + 1] = layer.annotations and layer.annotations[TITLE]
	end
	return { digest = image:digest(), files = files, bytes = saved.bytes, skipped = saved.skipped }
end

-- The same place, and the manifest of that digest: it decides over a tag.
local function at(name, digest)
	return tostring(name):gsub("@%w+:%x+$", "") .. "@" .. digest
end

--- What refers to a name's manifest, and to that, and so on: descriptors, each with its own list `referrers`.
-- opts: type (only artifacts of that type, at the first level), plain_http. Returns the descriptor of the name itself.
function artifact.tree(name, opts)
	opts = opts or {}
	options.check(opts, { "type", "plain_http" }, "option")
	local seen = {}
	local function add(node, place, depth)
		node.referrers = luff.array {}
		if seen[node.digest] or depth > DEEPEST then
			return node
		end
		seen[node.digest] = true
		local found = luff.referrers(place, { artifact_type = depth == 1 and opts.type or nil, plain_http = opts.plain_http })
		for descriptor in found do
			node.referrers[#node.referrers + 1] = descriptor
		end
		for _, child in ipairs(node.referrers) do
			add(child, at(place, child.digest), depth + 1)
		end
		return node
	end
	local root = luff.resolve(name, { plain_http = opts.plain_http })
	return add(root, at(name, root.digest), 1)
end

return artifact
