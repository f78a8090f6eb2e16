-- Edits of configs and manifests: each gives a new Image or Index. Core keeps the order of what was there.
local core = require "luff.core"
local fail = require "luff.fail"

local documents = {}

local pairs_of_types = {
	{ "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json" },
	{ "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json" },
	{ "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json" },
	{ "application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar" },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip" },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar" },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" },
}
local formats = { oci = {}, docker = {} } -- what each type becomes
for _, pair in ipairs(pairs_of_types) do
	formats.docker[pair[1]], formats.oci[pair[2]] = pair[2], pair[1]
end

--- Whether it is an Index; raises unless it is one of both.
function documents.is_index(object)
	local kind = getmetatable(object)
	if kind ~= "luff.Image" and kind ~= "luff.Index" then
		fail("invalid", "an Image or an Index is wanted, not a %s", type(object))
	end
	return kind == "luff.Index"
end

--- The object with the manifest that `change` makes of its own (in place). children: images and indexes that are new in it.
function documents.with_manifest(object, change, children)
	if documents.is_index(object) then
		local manifest = object:index_manifest()
		change(manifest)
		return core.edit_index(object, core.encode(manifest), children)
	end
	local manifest = object:manifest()
	change(manifest)
	return core.edit_image(object, nil, core.encode(manifest))
end

--- A descriptor's three members.
function documents.descriptor(object)
	return { mediaType = object:media_type(), digest = object:digest(), size = object:size() }
end

--- "oci" or "docker".
function documents.format_of(object)
	return object:media_type():find("vnd.docker.", 1, true) and "docker" or "oci"
end

--- What a layer's or other media type is called in a format; the same where there is no other word for it.
function documents.type_in(media_type, format)
	if format == "docker" and media_type == "application/vnd.oci.image.layer.v1.tar+zstd" then
		fail("unsupported", 'Docker\'s manifests know no layers in zstd: recompress "gzip" first')
	end
	return formats[format][media_type] or media_type
end

local transports = {
	oci = true, dir = true, rootfs = true, random = true, memory = true, ["docker-archive"] = true, ["oci-archive"] = true,
	["docker-daemon"] = true,
}

--- A name as annotations have it, "docker.io/library/alpine:3"; nil where it is none of a registry.
function documents.registry_name(name)
	local text = tostring(name):gsub("^docker://", "")
	local ok, ref = pcall(core.ref, text)
	if not ok or transports[text:match "^([^:]*):"] then
		return nil
	end
	return tostring(ref.tag and ref:with_tag(ref.tag) or ref)
end

-- ---- The methods -------------------------------------------------------------------------------------------

function documents.configure(image, f)
	local config = image:config_file()
	local had = type(config.config) == "table"
	if not had then
		config.config = {}
	end
	local other = f(config)
	config = other == nil and config or other
	if type(config) ~= "table" then
		fail("invalid", "the function that configures an image returned a %s", type(config))
	end
	if not had and type(config.config) == "table" and next(config.config) == nil then
		config.config = nil
	end
	return core.edit_image(image, core.encode(config))
end

function documents.annotate(object, annotations)
	return documents.with_manifest(object, function(manifest)
		local all = type(manifest.annotations) == "table" and manifest.annotations or {}
		for name, value in pairs(annotations) do
			if type(name) ~= "string" or value ~= false and type(value) ~= "string" then
				fail("invalid", "annotations are strings by name, or false to take one away")
			end
			all[name] = value or nil
		end
		manifest.annotations = next(all) and all or nil
	end)
end

function documents.with_subject(object, subject, opts)
	local descriptor
	if type(subject) == "string" or getmetatable(subject) == "luff.Ref" then
		descriptor = core.resolve(subject, opts)
	elseif subject then
		documents.is_index(subject)
		descriptor = documents.descriptor(subject)
	end
	return documents.with_manifest(object, function(manifest)
		manifest.subject = descriptor
	end)
end

function documents.with_artifact_type(object, artifact_type)
	if artifact_type and type(artifact_type) ~= "string" then
		fail("invalid", "an artifact type is a string, not a %s", type(artifact_type))
	end
	return documents.with_manifest(object, function(manifest)
		manifest.artifactType = artifact_type or nil
	end)
end

function documents.with_format(object, format)
	if not formats[format] then
		fail("invalid", 'the formats are "oci" and "docker", not "%s"', tostring(format))
	end
	if documents.is_index(object) then
		return require("luff.edit.indexes").with_format(object, format)
	end
	return documents.with_manifest(object, function(manifest)
		manifest.mediaType = documents.type_in(object:media_type(), format)
		manifest.config.mediaType = documents.type_in(manifest.config.mediaType, format)
		for _, layer in ipairs(manifest.layers or {}) do
			layer.mediaType = documents.type_in(layer.mediaType, format)
		end
	end)
end

return documents
