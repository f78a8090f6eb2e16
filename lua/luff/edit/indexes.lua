-- Edits of indexes: each gives a new Index. What BuildKit says about an image (attestations, which an index lists beside it and
-- ties to it by an annotation) follows the image.
local core = require "luff.core"
local documents = require "luff.edit.documents"
local fail = require "luff.fail"
local options = require "luff.options"

local indexes = {}

local REFERENCE = "vnd.docker.reference.digest"

-- The digest of the image that an entry of an index is about; nil where it is an image itself.
local function about(entry)
	return type(entry.annotations) == "table" and entry.annotations[REFERENCE] or nil
end

local function platform_text(platform)
	if type(platform) ~= "table" or not platform.os then
		return "unknown"
	end
	return ("%s/%s%s%s"):format(platform.os, tostring(platform.architecture),
		platform.variant and platform.variant ~= "" and "/" .. platform.variant or "",
		platform["os.version"] and ":" .. platform["os.version"] or "")
end

-- Keeps the entries that `wanted` says yes to, and what is about them. everything: that is asked of, too, and of images that
-- the index does not list.
local function keep(index, wanted, everything)
	return documents.with_manifest(index, function(manifest)
		local kept, left = {}, core.array()
		for i, entry in ipairs(manifest.manifests) do
			if not about(entry) then
				kept[i] = wanted(entry) and true or false
				kept[entry.digest] = kept[entry.digest] or kept[i]
			end
		end
		for i, entry in ipairs(manifest.manifests) do
			local keeps = kept[i]
			if keeps == nil and everything then
				keeps = kept[about(entry)] ~= false and wanted(entry)
			elseif keeps == nil then
				keeps = kept[about(entry)]
			end
			if keeps then
				left[#left + 1] = entry
			end
		end
		manifest.manifests = left
	end)
end

-- Functions that say how well an entry's platform runs on those that are wanted.
local function wanted_platforms(list)
	list = type(list) == "table" and list or { list }
	if #list == 0 then
		fail("invalid", "name a platform at least")
	end
	return function(entry)
		for _, want in ipairs(list) do
			if core.platform_match(want, platform_text(entry.platform)) then
				return true
			end
		end
	end
end

function indexes.filter(index, which)
	if type(which) == "function" then
		return keep(index, which)
	end
	options.check(which, { "platform" }, "option")
	return keep(index, wanted_platforms(which.platform))
end

function indexes.remove(index, which)
	local digests = {}
	for _, one in ipairs(type(which) == "table" and which or { which }) do
		digests[type(one) == "string" and one or one:digest()] = true
	end
	for digest in pairs(digests) do
		local found = false
		for _, entry in ipairs(index:index_manifest().manifests) do
			found = found or entry.digest == digest
		end
		if not found then
			fail("not_found", "the index lists no %s", digest)
		end
	end
	return keep(index, function(entry)
		return not digests[entry.digest]
	end, true)
end

-- What an index says of an image's platform, from its config; nil for artifacts.
local function platform_of(image)
	local ok, config = pcall(image.config_file, image)
	if not ok or type(config) ~= "table" or type(config.os) ~= "string" or config.os == "" then
		return nil
	end
	return {
		os = config.os, architecture = config.architecture, variant = config.variant,
		["os.version"] = config["os.version"], ["os.features"] = config["os.features"],
	}
end

--- The entry for an image or index, as an index lists it.
local function new_entry(object)
	local entry = documents.descriptor(object)
	if not documents.is_index(object) then
		entry.platform = platform_of(object)
		local artifact_type = object:manifest().artifactType
		entry.artifactType = not entry.platform and artifact_type or nil
	end
	return entry
end

function indexes.append(index, ...)
	local children = { ... }
	if #children == 1 and type(children[1]) == "table" then
		children = children[1]
	end
	for i, child in ipairs(children) do
		children[i] = type(child) == "string" and core.open(child) or child
	end
	return documents.with_manifest(index, function(manifest)
		local there = {}
		for _, entry in ipairs(manifest.manifests) do
			there[entry.digest] = true
		end
		for _, child in ipairs(children) do
			if not there[child:digest()] then
				table.insert(manifest.manifests, new_entry(child))
			end
		end
	end, children)
end

--- A new index of images and indexes. format: "oci" or "docker".
function indexes.of(children, opts)
	opts = opts or {}
	options.check(opts, { "format", "annotations", "artifact_type" }, "option")
	local kind = documents.type_in("application/vnd.oci.image.index.v1+json", opts.format or "oci")
	local empty = core.edit_index(nil, ('{"schemaVersion":2,"mediaType":"%s","manifests":[]}'):format(kind))
	local index = #children > 0 and indexes.append(empty, children) or empty
	index = opts.annotations and documents.annotate(index, opts.annotations) or index
	return opts.artifact_type and documents.with_artifact_type(index, opts.artifact_type) or index
end

-- Calls f for each entry that `concerns`; f gives the child anew, nil where it stays, false where it goes. What is about a
-- child that is new says so.
local function replace(index, concerns, f)
	local children = {}
	return documents.with_manifest(index, function(manifest)
		local left, renamed = core.array(), {}
		for _, entry in ipairs(manifest.manifests) do
			local child
			if concerns(entry) then
				child = f(entry)
			end
			if child then
				local now = documents.descriptor(child)
				if now.digest ~= entry.digest then
					renamed[entry.digest] = now.digest
					children[#children + 1] = child
					entry.data = nil
				end
				entry.mediaType, entry.digest, entry.size = now.mediaType, now.digest, now.size
				local platform = not about(entry) and not documents.is_index(child) and platform_of(child)
				if platform and platform_text(platform) ~= platform_text(entry.platform) then
					entry.platform = platform
				end
			elseif child == false then
				renamed[entry.digest] = false
			end
			if child ~= false then
				left[#left + 1] = entry
			end
		end
		local kept = core.array()
		for _, entry in ipairs(left) do
			local image = about(entry)
			if image and renamed[image] then
				entry.annotations[REFERENCE] = renamed[image]
			end
			if not image or renamed[image] ~= false then
				kept[#kept + 1] = entry
			end
		end
		manifest.manifests = kept
	end, children)
end

local image_types = {
	["application/vnd.oci.image.manifest.v1+json"] = "image",
	["application/vnd.docker.distribution.manifest.v2+json"] = "image",
	["application/vnd.oci.image.index.v1+json"] = "index",
	["application/vnd.docker.distribution.manifest.list.v2+json"] = "index",
}

function indexes.map(index, f)
	return replace(index, function(entry)
		return image_types[entry.mediaType] and not about(entry)
	end, function(entry)
		if image_types[entry.mediaType] == "index" then
			return indexes.map(index:image_index(entry.digest), f)
		end
		local image = index:image(entry.digest)
		local new = f(image, platform_text(entry.platform))
		if new ~= nil and new ~= false and getmetatable(new) ~= "luff.Image" then
			fail("invalid", "the function that maps an index returned a %s, not an Image", type(new))
		end
		return new
	end)
end

function indexes.with_format(index, format)
	local new = replace(index, function(entry)
		return image_types[entry.mediaType]
	end, function(entry)
		local child = image_types[entry.mediaType] == "index" and index:image_index(entry.digest) or index:image(entry.digest)
		return documents.with_format(child, format)
	end)
	return documents.with_manifest(new, function(manifest)
		manifest.mediaType = documents.type_in(index:media_type(), format)
	end)
end

return indexes
