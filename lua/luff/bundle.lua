-- Many images in one file, to be carried to where there is no network. A full bundle is an oci-archive, with whole names for
-- tags. A delta is one, too, with one artifact: what the images need and a bundle before it did not have.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"

local core = require "luff.core"

local bundle = {}

local MANIFEST = "application/vnd.oci.image.manifest.v1+json"
local TYPE = "application/vnd.luff.bundle.v1+json"
local BLOB = "application/vnd.luff.bundle.blob.v1"
local DELTA = "delta" -- the tag of the artifact
local IMAGES_MAX = 10000
local LIST_MAX = 64 * 1024 * 1024 -- bytes of a list of blobs
local DEPTH_MAX = 8

local indexes = {
	["application/vnd.oci.image.index.v1+json"] = true,
	["application/vnd.docker.distribution.manifest.list.v2+json"] = true,
}

-- ---- What an image is made of -------------------------------------------------------------------------------

local function add_blob(found, d, place, manifest)
	if not found.seen[d.digest] then
		found.seen[d.digest] = true
		found.list[#found.list + 1] = { digest = d.digest, size = d.size, mediaType = d.mediaType, manifest = manifest,
			place = place }
		return true
	end
end

-- All that hangs below an Image or Index, blobs before manifests, and what refers to it.
local function collect(found, object, place, opts, depth)
	local document = object.index_manifest and object:index_manifest() or object:manifest()
	if found.seen[object:digest()] then
		return
	elseif depth > DEPTH_MAX then
		fail("too_large", "%s: indexes are nested deeper than %d", place, DEPTH_MAX)
	end
	for _, entry in ipairs(document.manifests or {}) do
		if indexes[entry.mediaType] then
			collect(found, object:image_index(entry.digest), place, opts, depth + 1)
		else
			collect(found, object:image(entry.digest), place, opts, depth + 1)
		end
	end
	for _, d in ipairs(object.index_manifest and {} or { document.config, table.unpack(document.layers) }) do
		if not d.mediaType:find("nondistributable", 1, true) and not d.mediaType:find(".foreign.", 1, true) then
			add_blob(found, d, place)
		end
	end
	add_blob(found, { digest = object:digest(), size = object.index_manifest and #object:raw_manifest()
		or #object:raw_manifest(), mediaType = object:media_type() }, place, true)
	if opts.referrers then
		for one in luff.referrers(place .. "@" .. object:digest(), { plain_http = opts.plain_http }) do
			local referrer = luff.open(place .. "@" .. one.digest, { plain_http = opts.plain_http })
			found.referrers[#found.referrers + 1] = { subject = object:digest(), digest = one.digest, size = one.size,
				mediaType = one.mediaType, artifactType = one.artifactType, annotations = one.annotations }
			collect(found, referrer, place, opts, depth + 1)
		end
	end
end

-- "docker.io/library/alpine" and "docker.io/library/alpine:3" of a name in a registry; of others the place, and the name that
-- it has in the bundle.
local function whole_name(name)
	local ok, ref = pcall(luff.ref, name)
	if not ok then
		fail("invalid_name", '"%s": a bundle is made of images in registries', name)
	end
	local repository = ref.registry .. "/" .. ref.repository
	return repository, ref.digest and repository .. "@" .. ref.digest or repository .. ":" .. ref.tag
end

-- The images that names stand for now: { name, place, digest, size, mediaType } each.
local function resolve_all(names, opts)
	if #names == 0 or #names > IMAGES_MAX then
		fail("invalid", "a bundle is made of 1 to %d images", IMAGES_MAX)
	end
	local taken = {}
	return luff.map(names, { jobs = opts.jobs or 8 }, function(given)
		local place, name = whole_name(given)
		if taken[name] then
			fail("invalid", "%s is there twice", name)
		end
		taken[name] = true
		local object = opts.platform and luff.image(name, { platform = opts.platform, plain_http = opts.plain_http })
			or luff.open(name, { plain_http = opts.plain_http })
		return { name = name, place = place, object = object, digest = object:digest(), size = #object:raw_manifest(),
			mediaType = object:media_type() }
	end)
end

-- ---- What is in a bundle ------------------------------------------------------------------------------------

-- The document of a delta; nil where the file is a full bundle.
local function read_delta(file)
	local place = "oci-archive:" .. file
	for tag in luff.tags(place) do
		if tag == DELTA then
			local manifest = luff.open(place .. ":" .. DELTA):manifest()
			if manifest.artifactType ~= TYPE or manifest.config.size > LIST_MAX then
				return nil
			end
			local reader = luff.blob(place .. "@" .. manifest.config.digest)
			local ok, text = pcall(reader.read, reader, "a")
			reader:close()
			local document = ok and luff.json.decode(text) or error(text, 0)
			if type(document.images) ~= "table" or type(document.blobs) ~= "table" then
				fail("bad_format", "%s: this is no bundle of this luff", file)
			end
			return document
		end
	end
end

--- What a bundle holds: { images = { { name, digest, size, mediaType }, … }, blobs = { { digest, size }, … }, delta = boolean },
-- where blobs are all that the images need, also those of a delta that a bundle before it has.
function bundle.list(file)
	local delta = read_delta(file)
	if delta then
		return { images = delta.images, blobs = delta.blobs, delta = true }
	end
	local place, images = "oci-archive:" .. file, {}
	local found = { seen = {}, list = {}, referrers = {} }
	for name in luff.tags(place) do
		local digest = name:match "@(sha%d+:%x+)$"
		local object = luff.open(place .. (digest and "@" .. digest or ":" .. name))
		images[#images + 1] = { name = name, digest = object:digest(), size = #object:raw_manifest(),
			mediaType = object:media_type() }
		collect(found, object, place, { referrers = true }, 1)
	end
	table.sort(images, function(a, b) return a.name < b.name end)
	return { images = images, blobs = found.list, delta = false }
end

-- "docker.io/library/alpine" of docker.io/library/alpine:3.
local function repository_of(name)
	return (name:gsub("@sha%d+:%x+$", ""):gsub(":[^:/]*$", ""))
end

-- The digests that a bundle before, or the list that luff bundle ls --json printed of it, has; and its repositories.
local function had_before(path)
	local file, message = io.open(path, "rb")
	if not file then
		fail("not_found", "%s: %s", path, message)
	end
	local first = file:read(1)
	file:seek "set"
	local text = first == "{" and file:read(LIST_MAX)
	file:close()
	local document = text and luff.json.decode(text) or bundle.list(path)
	if type(document.blobs) ~= "table" then
		fail("bad_format", "%s: no list of a bundle: luff bundle ls --json makes one", path)
	end
	local had, repositories = {}, {}
	for _, blob in ipairs(document.blobs) do
		had[blob.digest] = true
	end
	for _, image in ipairs(document.images or {}) do
		repositories[repository_of(image.name)] = true
	end
	return had, repositories
end

-- ---- Mediums that a delta is written and read by ------------------------------------------------------------

local function read_blob(name, offset, opts)
	local reader = luff.blob(name, opts)
	while offset > 0 do
		offset = offset - #(reader:read(math.min(offset, 1024 * 1024)) or fail("bad_format", "%s: it is too short", name))
	end
	return reader
end

local open, last = {}, 0 -- what these mediums hold, by number
local registered

-- Makes a place of { resolve = f(tag), fetch = f(descriptor, offset), referrers = f(digest) }; returns its name.
local function place_of(held)
	if not registered then
		luff.medium {
			scheme = "luff-bundle",
			resolve = function(place, name)
				return open[place].resolve(name.digest or name.tag)
			end,
			fetch = function(place, d, offset)
				return open[place].fetch(d, offset)
			end,
			referrers = function(place, digest)
				return open[place].referrers(digest)
			end,
		}
		registered = true
	end
	last = last + 1
	open[tostring(last)] = held
	return "luff-bundle:" .. last
end

-- Calls f and closes the place; in what fails, it has the name that people know it by.
local function with_place(place, name, f)
	local result, err = luff.try(f)
	open[place:match "%d+$"] = nil
	if err then
		err.message = err.message:gsub("^" .. place:gsub("%p", "%%%0") .. ":?%S*: ", function() return name end)
		error(err, 0)
	end
	return result
end

local function none()
	return {}
end

-- ---- Making one ---------------------------------------------------------------------------------------------

-- Writes the images to a place that they are all in then; staged: where they are already.
local function create_full(to, images, opts, staged)
	local sources, names = {}, {}
	for i, image in ipairs(images) do
		sources[i], names[i] = staged and luff.open(staged .. "@" .. image.digest) or image.object, image.name
	end
	local done = luff.copy(sources, to, { names = names, referrers = opts.referrers, plain_http = opts.plain_http,
		progress = opts.progress })
	return done.copied, done.bytes
end

-- The artifact: a document that says what there is, and as layers the blobs and manifests that are new.
local function create_delta(to, images, opts, staged)
	if staged then
		local manifest = luff.open(staged .. ":" .. DELTA):manifest()
		return #manifest.layers, luff.copy(staged .. ":" .. DELTA, to .. ":" .. DELTA, { progress = opts.progress }).bytes
	end
	local had, repositories = had_before(opts.since)
	local found = { seen = {}, list = {}, referrers = {} }
	for _, image in ipairs(images) do
		collect(found, image.object, image.place, opts, 1)
	end
	local layers, where, blobs = luff.array {}, {}, luff.array {}
	for i, blob in ipairs(found.list) do
		blobs[i] = { digest = blob.digest, size = blob.size, mediaType = blob.mediaType, manifest = blob.manifest }
		if not had[blob.digest] then
			layers[#layers + 1] = { mediaType = BLOB, digest = blob.digest, size = blob.size }
			where[blob.digest] = blob
		end
	end
	local listed = luff.array {}
	for i, image in ipairs(images) do
		listed[i] = { name = image.name, digest = image.digest, size = image.size, mediaType = image.mediaType }
	end
	luff.array(found.referrers)
	local before = luff.array {}
	for repository in pairs(repositories) do
		before[#before + 1] = repository
	end
	table.sort(before)
	local config = luff.json.encode { version = 1, images = listed, blobs = blobs, referrers = found.referrers,
		before = before }
	local manifest = luff.json.encode {
		schemaVersion = 2, mediaType = MANIFEST, artifactType = TYPE,
		config = { mediaType = TYPE, digest = luff.digest(config), size = #config }, layers = layers,
	}
	local own = { [luff.digest(config)] = config, [luff.digest(manifest)] = manifest }
	local place = place_of {
		referrers = none,
		resolve = function()
			return { mediaType = MANIFEST, digest = luff.digest(manifest), size = #manifest }
		end,
		fetch = function(d, offset)
			if own[d.digest] then
				return own[d.digest]:sub(offset + 1)
			end
			local blob = where[d.digest]
			if blob.manifest then
				return luff.open(blob.place .. "@" .. d.digest, { plain_http = opts.plain_http }):raw_manifest():sub(offset + 1)
			end
			return read_blob(blob.place .. "@" .. d.digest, offset, { plain_http = opts.plain_http })
		end,
	}
	local done = with_place(place, "", function()
		return luff.copy(place .. ":" .. DELTA, to .. ":" .. DELTA, { progress = opts.progress })
	end)
	return #layers, done.bytes
end

-- A folder keeps what has come, so that a run that broke off goes on from there. The file is written from it when all is there,
-- which is checked then once more.
local function create_file(create, file, images, opts)
	local folder = file .. ".unfinished"
	local stage, new = "oci:" .. folder, folder .. "/bundle.tar"
	local _, is_file = core.real_path(folder)
	if is_file then
		os.remove(folder)
	end
	os.remove(new)
	local function run()
		create(stage, images, opts)
		return create("oci-archive:" .. new, images, opts, stage)
	end
	local ok, blobs, bytes = pcall(run)
	if not ok and type(blobs) == "table" and (blobs.code == "digest_mismatch" or blobs.code == "size_mismatch") then
		core.remove_folder(folder)
		ok, blobs, bytes = pcall(run)
	end
	if not ok then
		if luff.try(luff.tags, stage) and type(blobs) == "table" and blobs.code ~= "cancelled" then
			blobs.message = blobs.message .. "; what has come is in " .. folder
		end
		error(blobs, 0)
	end
	local renamed, message = os.rename(new, file)
	if not renamed then
		fail("io", "%s", message)
	end
	core.remove_folder(folder)
	return blobs, bytes
end

--- Makes a bundle of images in registries. What has come is in FILE.unfinished, a folder, until the file is made: after a run
-- that broke off, the next one goes on from there.
--
--	since       a bundle, or the list of one (luff bundle ls --json): only what that has not
--	referrers   signatures and attestations, too
--	platform    of indexes only the image for it
--	jobs        questions at a time (8)
--	progress    as of luff.copy
--
-- Returns { images = { { name, digest }, … }, blobs =, bytes = }: how many it holds, and their bytes. Replaces a file that is
-- there, behind links, too; into what is no file (a pipe, "-" for stdout) it is written as it is, and from the start each time.
function bundle.create(file, names, opts)
	opts = opts or {}
	options.check(opts, { "since", "referrers", "platform", "jobs", "plain_http", "progress" }, "option")
	if file:find(":", 1, true) then
		fail("invalid", "%s: the file of a bundle has no colon in its name", file)
	end
	local images = resolve_all(names, opts)
	local create = opts.since and create_delta or create_full
	local path, is_file = core.real_path(file)
	local blobs, bytes
	if is_file and file ~= "-" and not core.plan_is_on() then
		blobs, bytes = create_file(create, path, images, opts)
	else
		blobs, bytes = create("oci-archive:" .. file, images, opts)
	end
	for i, image in ipairs(images) do
		images[i] = { name = image.name, digest = image.digest }
	end
	return { images = images, blobs = blobs, bytes = bytes }
end

-- ---- Bringing one in ----------------------------------------------------------------------------------------

-- "docker.io/library/alpine:3" comes to "TO/library/alpine:3".
local function target_of(name, to)
	return to .. "/" .. name:gsub("^[^/]*/", "")
end

-- What the bundle before brought: a manifest or blob that one of the repositories at the destination has.
local function find_there(d, repositories, offset, opts)
	for _, repository in ipairs(repositories) do
		local name = repository .. "@" .. d.digest
		local found, err
		if d.manifest then
			found, err = luff.try(function()
				return luff.open(name, opts):raw_manifest():sub(offset + 1)
			end)
		else
			found, err = luff.try(read_blob, name, offset, opts)
		end
		if not found and err.code ~= "not_found" and err.code ~= "bad_format" then
			error(err, 0)
		elseif found then
			return found
		end
	end
end

-- A function that gives a source of all that a delta has, by digests, for an image that goes to `to`.
local function open_delta(file, delta, to, opts)
	local manifests, place, has, others, seen = {}, "oci-archive:" .. file, {}, {}, {}
	for _, layer in ipairs(luff.open(place .. ":" .. DELTA):manifest().layers) do
		has[layer.digest] = true
	end
	for _, blob in ipairs(delta.blobs) do
		manifests[blob.digest] = blob.manifest and blob or nil
	end
	local function add_repository(name)
		local repository = target_of(name, to)
		others[#others + 1] = not seen[repository] and repository or nil
		seen[repository] = true
	end
	for _, image in ipairs(delta.images) do
		add_repository(repository_of(image.name))
	end
	for _, repository in ipairs(delta.before or {}) do
		add_repository(repository)
	end
	local how = { plain_http = opts.plain_http }
	return function(name)
		local own = target_of(repository_of(name), to)
		return place_of {
			resolve = function(digest)
				local d = manifests[digest]
				return d and { mediaType = d.mediaType, digest = d.digest, size = d.size }
			end,
			fetch = function(d, offset)
				if has[d.digest] then
					return read_blob(place .. "@" .. d.digest, offset)
				end
				local wanted = { digest = d.digest, manifest = manifests[d.digest] }
				return find_there(wanted, { own }, offset, how) or find_there(wanted, others, offset, how)
					or fail("not_found", "%s is in the bundle before this one, and not at %s: load that first", d.digest, to)
			end,
			referrers = function(digest)
				local list = {}
				for _, one in ipairs(delta.referrers or {}) do
					if one.subject == digest then
						list[#list + 1] = { mediaType = one.mediaType, digest = one.digest, size = one.size,
							artifactType = one.artifactType, annotations = one.annotations }
					end
				end
				return list
			end,
		}
	end
end

-- No two images may come to one name.
local function check_targets(images, to)
	local taken = {}
	for _, image in ipairs(images) do
		local target = target_of(image.name, to)
		local other = taken[target]
		if other and other.digest ~= image.digest then
			fail("invalid", 'both "%s" and "%s" would be "%s"', other.name, image.name, target)
		end
		taken[target] = image
	end
end

--- Copies what a bundle holds to a registry, or to layouts below a folder: docker.io/library/alpine:3 to TO/library/alpine:3.
-- What is there does not move, so that a load that broke off goes on. Nothing is done where two images would have one name.
--
--	jobs    images at a time (4)
--	each    function(entry), for each image as it is done: { name, to, digest, status, error }
--	progress  function() that gives what luff.copy takes under that name, for each copy
--
-- Returns { copied, unchanged, failed: numbers; bytes; entries }.
function bundle.load(file, to, opts)
	opts = opts or {}
	options.check(opts, { "jobs", "plain_http", "each", "progress" }, "option")
	local delta = read_delta(file)
	local images = delta and delta.images or bundle.list(file).images
	check_targets(images, to)
	local source_of = delta and open_delta(file, delta, to, opts)
	local function load(image, target)
		local how = { referrers = true, plain_http = opts.plain_http, progress = opts.progress and opts.progress() }
		if not source_of then
			return luff.copy(("oci-archive:%s@%s"):format(file, image.digest), target, how)
		end
		local source = source_of(image.name)
		return with_place(source, file .. ": ", function()
			return luff.copy(source .. "@" .. image.digest, target, how)
		end)
	end
	local summary = { copied = 0, unchanged = 0, failed = 0, bytes = 0, entries = {} }
	luff.map(images, { jobs = opts.jobs or 4 }, function(image)
		local entry = { name = image.name, to = target_of(image.name, to), digest = image.digest }
		local done, err = luff.try(load, image, entry.to)
		if err and err.code == "cancelled" then
			error(err, 0)
		end
		entry.status = err and "failed" or done.copied + done.manifests + done.mounted > 0 and "copied" or "unchanged"
		entry.error, summary.bytes = err, summary.bytes + (done and done.bytes or 0)
		summary[entry.status] = summary[entry.status] + 1
		summary.entries[#summary.entries + 1] = entry
		if opts.each then
			opts.each(entry)
		end
	end)
	return summary
end

return bundle
