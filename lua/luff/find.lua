-- Which tags of a repository or layout are of a kind: the same image, so old, with a file or a package inside.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local removal = require "luff.prune.removal"
local select_tags = require "luff.select"
local time = require "luff.time"

local find = {}

local known = { "from", "tags", "digest", "older_than", "newer_than", "label", "file", "package", "platform", "jobs",
	"each", "plain_http" }

-- Where the packages of an image are listed, and the lines that name one and its version.
local databases = {
	{ "/var/lib/dpkg/status", "^Package: (%S+)", "^Version: (%S+)" },
	{ "/lib/apk/db/installed", "^P:(%S+)", "^V:(%S+)" },
	{ "/usr/lib/apk/db/installed", "^P:(%S+)", "^V:(%S+)" },
}

-- The image of that platform; without one the first that an index lists.
local function image_of(place, digest, opts)
	local name = place .. "@" .. digest
	if opts.platform then
		return luff.image(name, { platform = opts.platform, plain_http = opts.plain_http })
	end
	local object = luff.open(name, { plain_http = opts.plain_http })
	while object and object.index_manifest do
		local first
		for _, entry in ipairs(object:index_manifest().manifests) do
			if not first and not (entry.annotations and entry.annotations["vnd.docker.reference.digest"]) then
				first = entry
			end
		end
		local nested = first and first.mediaType:find("index", 1, true) or first and first.mediaType:find("list", 1, true)
		object = first and (nested and object:image_index(first.digest) or object:image(first.digest))
	end
	return object
end

-- What f gives for the lines of a file, the first that is not nil; nil where there is no such file.
local function search(image, path, f)
	local reader, err = luff.try(image.open, image, path)
	if err and err.code ~= "not_found" then
		error(err, 0)
	end
	local found
	local ok, failure = pcall(function()
		local line = reader and reader:read "l"
		while line and found == nil do
			found = f(line)
			line = reader:read "l"
		end
	end)
	if reader then
		reader:close()
	end
	return ok and found or not ok and error(failure, 0) or nil
end

-- The version of a package, "" where none is said; nil where it is not there.
local function package_of(image, wanted)
	for _, database in ipairs(databases) do
		local inside
		local version = search(image, database[1], function(line)
			if inside and (line == "" or line:match(database[3])) then
				return line:match(database[3]) or ""
			end
			inside = inside or line:match(database[2]) == wanted
		end)
		if version or inside then
			return version or ""
		end
	end
	-- images without a package manager have a file for each
	return search(image, "/var/lib/dpkg/status.d/" .. wanted, function(line)
		return line:match "^Version: (%S+)"
	end)
end

-- The first path that matches; a path without wildcards is looked for without going through all.
local function file_of(image, pattern)
	if not pattern:find "[*?%[{\\]" then
		local entry, err = luff.try(image.stat, image, pattern)
		if err and err.code ~= "not_found" then
			error(err, 0)
		end
		return entry and pattern
	end
	local entry = image:files(pattern)() -- the rest is collected
	return entry and entry.path
end

-- What there is to say of a digest that is meant; nil where it is not.
local function look(place, digest, opts)
	local seen = {}
	if opts.older_than or opts.newer_than then
		seen.created = require("luff.created").of(luff.open(place .. "@" .. digest, { plain_http = opts.plain_http }))
		if not seen.created or opts.older_than and seen.created >= time.ago(opts.older_than)
			or opts.newer_than and seen.created < time.ago(opts.newer_than) then
			return nil
		end
	end
	if not opts.label and not opts.file and not opts.package then
		return seen
	end
	local image = image_of(place, digest, opts)
	if opts.label then
		local key, value = opts.label:match "^([^=]+)=(.*)$"
		local config = image and image:config_file().config
		local labels = type(config) == "table" and type(config.Labels) == "table" and config.Labels or {}
		seen.label = labels[key or opts.label]
		if not seen.label or value and seen.label ~= value then
			return nil
		end
	end
	seen.file = opts.file and image and file_of(image, opts.file) or nil
	seen.version = opts.package and image and package_of(image, opts.package) or nil
	return (not opts.file or seen.file) and (not opts.package or seen.version) and seen or nil
end

--- Finds tags; all that is said has to hold.
--
--	from        a repository or layout, without a tag
--	tags        which names (luff.select)
--	digest      those that stand for this digest, or for what this name stands for
--	older_than  an age: made before; newer_than: since
--	label       "key" or "key=value", of the config
--	file        a path, or a pattern of paths
--	package     the name of a package of Debian or Alpine
--	platform    of indexes, the image to look into; the first one where absent
--	jobs        images at a time (4)
--	each        function(entry), for each as it is found
--
-- Returns { tag, digest, created, label, file, version } each, in the order of the tags; each image is looked into once.
function find.run(opts)
	options.check(opts, known, "option")
	if type(opts.from) ~= "string" then
		fail("invalid", '"from" is missing: a repository or layout, without a tag')
	end
	local digest = opts.digest
	local algorithm, hex = tostring(digest):match "^(sha%d+):(.*)$"
	if algorithm == "sha256" or algorithm == "sha512" then
		if #hex ~= (algorithm == "sha256" and 64 or 128) or hex:find "[^0-9a-f]" then
			fail("invalid", '"%s" is no digest', digest)
		end
	elseif digest then
		digest = luff.resolve(digest, { plain_http = opts.plain_http }).digest
	end
	local names = {}
	for tag in luff.tags(opts.from, { plain_http = opts.plain_http }) do
		names[#names + 1] = tag
	end
	names = select_tags(opts.tags or {})(names, require("luff.created").ages(opts.from, opts))
	local entries, groups, order = removal.list(opts.from, opts, names), {}, {}
	for _, entry in ipairs(entries) do
		if not digest or entry.digest == digest then
			local group = groups[entry.digest] or {}
			groups[entry.digest], group[#group + 1] = group, entry
			order[#order + 1] = #group == 1 and group or nil
		end
	end
	local meant = {}
	luff.map(order, { jobs = opts.jobs or 4 }, function(group)
		local seen = look(opts.from, group[1].digest, opts)
		for _, entry in ipairs(seen and group or {}) do
			meant[entry] = { tag = entry.tag, digest = entry.digest, created = seen.created, label = seen.label,
				file = seen.file, version = seen.version }
			if opts.each then
				opts.each(meant[entry])
			end
		end
	end)
	local found = {}
	for _, entry in ipairs(entries) do
		found[#found + 1] = meant[entry]
	end
	return found
end

return find
