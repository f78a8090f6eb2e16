-- New layers, and images with other layers: whatever changes the list of layers goes through with_layers, which keeps manifest,
-- diff IDs and history in step.
local core = require "luff.core"
local documents = require "luff.edit.documents"
local fail = require "luff.fail"
local options = require "luff.options"
local time = require "luff.edit.time"

local layers = {}

-- What descriptors say of a layer's bytes, which does not hold for others (eStargz, zstd:chunked).
local about_bytes = { "^containerd%.io/snapshot/", "^io%.containers%.zstd%-chunked%.",
	"^io%.github%.containers%.zstd%-chunked%." }

local image_configs = {
	["application/vnd.oci.image.config.v1+json"] = true, ["application/vnd.docker.container.image.v1+json"] = true,
}

local function is_layer(value)
	return getmetatable(value) == "luff.Layer"
end

-- ---- Images with other layers ------------------------------------------------------------------------------

--- A history that tells of n layers: the config's own, or where that does not fit, an empty entry for each.
function layers.history_of(config, n)
	local history, count = type(config.history) == "table" and config.history or {}, 0
	for _, entry in ipairs(history) do
		count = count + (type(entry) == "table" and entry.empty_layer == true and 0 or 1)
	end
	if count == n then
		return history
	end
	history = core.array()
	for i = 1, n do
		history[i] = {}
	end
	return history
end

-- The history when the layers are those of the list: entries of layers that are gone go, new ones come behind what was before.
local function new_history(old, list)
	local history, at, seen, last = core.array(), 1, 0, 0
	for i, item in ipairs(list) do
		last = item.was and i or last
	end
	-- Up to the entry of layer n; its own, too, where it stays.
	local function go_to(n, stays)
		while old[at] and seen < n do
			local own = old[at].empty_layer ~= true
			seen = seen + (own and 1 or 0)
			if not own or seen == n and stays then
				history[#history + 1] = old[at]
			end
			at = at + 1
		end
	end
	local function rest()
		for k = at, #old do
			if old[k].empty_layer == true then
				history[#history + 1] = old[k]
			end
		end
		at = #old + 1
	end
	for i, item in ipairs(list) do
		if item.was then
			go_to(item.was, true)
		else
			if i > last then
				rest()
			end
			history[#history + 1] = item.history or {}
		end
	end
	rest()
	return history
end

-- The descriptor of an item of the list in a manifest.
local function descriptor_of(item, old, format)
	local layer = item.layer
	if old and old.digest == layer:digest() then
		return old
	end
	local new = old or {}
	new.mediaType = documents.type_in(layer:media_type(), format)
	new.digest, new.size = layer:digest(), layer:size()
	new.data, new.urls = nil, nil
	local annotations = item.annotations or new.annotations
	for name in pairs(type(annotations) == "table" and annotations or {}) do
		for _, pattern in ipairs(about_bytes) do
			if name:find(pattern) and not item.annotations then
				annotations[name] = nil
			end
		end
	end
	new.annotations = type(annotations) == "table" and next(annotations) and annotations or nil
	return new
end

--- The image with other layers.
-- list: { layer, was, history, annotations } each, the base first: was is the number that the layer, or what it comes from, had
-- in the image so far; a new one has none, but an entry for the history.
-- change(config, manifest): what else changes; optional. A history that it sets stays.
function layers.with_layers(image, list, change)
	local manifest = image:manifest()
	local format, new = documents.format_of(image), {}
	local old = manifest.layers
	manifest.layers = core.array()
	for i, item in ipairs(list) do
		manifest.layers[i] = descriptor_of(item, item.was and old[item.was], format)
		new[#new + 1] = item.layer
	end
	if not image_configs[manifest.config.mediaType] then
		if change then
			change({}, manifest)
		end
		return core.edit_image(image, nil, core.encode(manifest), new)
	end
	local config = image:config_file()
	local ids, same = core.array(), #list == #old
	for i, item in ipairs(list) do
		ids[i] = item.layer:diff_id()
		same = same and item.was == i
	end
	config.rootfs = type(config.rootfs) == "table" and config.rootfs or { type = "layers" }
	config.rootfs.diff_ids = ids
	if not same then
		config.history = new_history(layers.history_of(config, #old), list)
	end
	if change then
		change(config, manifest)
	end
	return core.edit_image(image, core.encode(config), core.encode(manifest), new)
end

--- The layers of an image as such a list.
function layers.list_of(image)
	local list = {}
	for i, layer in ipairs(image:layers()) do
		list[i] = { layer = layer, was = i }
	end
	return list
end

--- An image with neither files nor layers.
function layers.empty(opts)
	opts = opts or {}
	options.check(opts, { "platform", "format" }, "option")
	local os_name, arch, variant = (opts.platform or core.platform()):match "^([^/]+)/([^/]+)/?(.*)$"
	if not os_name then
		fail("invalid_name", 'a platform is "os/architecture", not "%s"', opts.platform)
	end
	local config = {
		architecture = arch, os = os_name, variant = variant ~= "" and variant or nil, config = {},
		rootfs = { type = "layers", diff_ids = core.array() },
	}
	local format = opts.format or "oci"
	return core.edit_image(nil, core.encode(config), ('{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s",'
		.. '"digest":"","size":0},"layers":[]}'):format(
		documents.type_in("application/vnd.oci.image.manifest.v1+json", format),
		documents.type_in("application/vnd.oci.image.config.v1+json", format)))
end

-- ---- New layers --------------------------------------------------------------------------------------------

--- A path as layers have it: "/a//b/" is "a/b". Raises where it leads out.
function layers.clean(path)
	local parts = {}
	for part in path:gmatch "[^/]+" do
		if part == ".." then
			fail("invalid", 'a path in a layer leads out of it: "%s"', path)
		elseif part ~= "." then
			parts[#parts + 1] = part
		end
	end
	return table.concat(parts, "/")
end

local clean = layers.clean

local file_fields = {
	"content", "file", "dir", "link", "hardlink", "type", "mode", "uid", "gid", "user", "group", "mtime", "xattrs",
		"major",
	"minor",
}

-- The entry that a value in a table of files stands for.
-- target: of a hard link, the value for what it leads to, where that is there, too.
local function entry_of(path, value, mtime, target)
	local e = { path = path, type = "file", mtime = mtime }
	for name, what in pairs(value) do
		e[name] = what
	end
	if value.link then
		e.type, e.mode = "symlink", 511 -- 0777
	elseif value.hardlink then
		e.type, e.link, e.hardlink = "hardlink", clean(value.hardlink), nil
		-- some who unpack give the file what the link says
		for _, name in ipairs { "mode", "uid", "gid", "user", "group", "mtime" } do
			e[name] = value[name] or target and target[name] or e[name]
		end
	end
	if e.type == "folder" then
		e.path, e.mode = path .. "/", e.mode or 493 -- 0755
	elseif e.type == "file" and not e.content and not e.file then
		fail("invalid", '"%s" has no content: name content, file, dir, link or hardlink', path)
	end
	return e
end

-- A table of files, in the order of their paths.
local function add_files(writer, files, disk)
	local list, by_path = {}, {}
	for key, value in pairs(files) do
		local path = key
		if math.type(key) == "integer" then
			path, value = value, { dir = value }
		elseif type(value) == "string" then
			value = key:find "/$" and fail("invalid", '"%s" is a folder, and has no content', key) or { content = value }
		end
		if type(path) ~= "string" or type(value) ~= "table" then
			fail("invalid", "files are content, or a table of what they are, by path; or paths on this machine")
		end
		options.check(value, file_fields, "field of a file")
		if type(key) == "string" and key:find "/$" and not value.dir then
			value.type = "folder"
		end
		local name = clean(path)
		if name == "" and not value.dir then
			fail("invalid", 'a file without a name: "%s"', path)
		end
		list[#list + 1] = { path = name, value = value, inside = type(key) == "string" and name ~= "" }
		by_path[name] = value
	end
	-- Links come behind what they may lead to.
	local function rank(item)
		return (item.value.hardlink and "1" or "0") .. item.path
	end
	table.sort(list, function(a, b) return rank(a) < rank(b) end)
	for _, item in ipairs(list) do
		if item.value.dir then
			writer:add_disk(item.value.dir, item.path .. (item.inside and "/" or ""), disk)
		else
			local target, steps = item.value, 0
			while target and target.hardlink and steps < 16 do
				target, steps = by_path[clean(target.hardlink)], steps + 1
			end
			writer:add(nil, entry_of(item.path, item.value, disk.time, target))
		end
	end
end

local source_fields = {
	"tar", "dir", "files", "layer", "to", "keep_owner", "keep_times", "time", "compress", "created_by", "comment",
		"author",
	"annotations",
}

local function check_source(source)
	if type(source) == "string" then
		return { tar = source }
	elseif is_layer(source) then
		return { layer = source }
	elseif type(source) ~= "table" then
		fail("invalid", "a layer is made of a tar's path, a Layer, or a table with tar, dir or files, not of a %s",
			type(source))
	end
	options.check(source, source_fields, "field of a layer")
	local kinds = 0
	for _, kind in ipairs { "tar", "dir", "files", "layer" } do
		kinds = kinds + (source[kind] ~= nil and 1 or 0)
	end
	if kinds ~= 1 then
		fail("invalid", "a layer is made of one of tar, dir, files and layer")
	end
	return source
end

-- What f makes of a new layer's writer, which is closed then, also where f fails.
local function with_writer(f)
	local writer = core.layer_writer()
	local ok, result = pcall(f, writer)
	writer:close()
	if not ok then
		error(result, 0)
	end
	return result
end

--- A layer from a tar's path, or { tar = | dir = | files = | layer =, … }.
function layers.layer(source)
	source = check_source(source)
	if source.tar or source.layer then
		local layer = source.layer or core.layer_from_tar(source.tar)
		return source.compress and layers.recompress(layer, source.compress) or layer
	end
	local disk = {
		keep_owner = source.keep_owner, keep_times = source.keep_times, time = source.time or time.now(),
	}
	return with_writer(function(writer)
		if source.dir then
			local to = clean(source.to or "")
			writer:add_disk(source.dir, to ~= "" and to .. "/" or "", disk)
		else
			add_files(writer, source.files, disk)
		end
		return writer:finish(source.compress or "gzip")
	end)
end

function layers.append(image, sources)
	if type(sources) ~= "table" or is_layer(sources) then
		sources = { sources }
	end
	local list = layers.list_of(image)
	local function add(source)
		source = check_source(source)
		list[#list + 1] = {
			layer = layers.layer(source), annotations = source.annotations,
			history = {
				created = time.text(time.now()), created_by = source.created_by or "luff append", comment = source.comment,
				author = source.author,
			},
		}
	end
	local rest = {}
	for key, value in pairs(sources) do
		if math.type(key) ~= "integer" then
			rest[key] = value
		end
	end
	for _, source in ipairs(sources) do
		add(source)
	end
	if next(rest) then
		add(rest)
	end
	return layers.with_layers(image, list)
end

-- ---- Layers that change ------------------------------------------------------------------------------------

--- "gzip", "zstd" or "none": what a layer is by its media type.
local function compression_of(layer)
	local kind = layer:media_type()
	return kind:find "zstd$" and "zstd" or kind:find "%.tar$" and "none" or "gzip"
end

--- Whether a layer is a tar that an edit of all layers concerns: artifacts have others, and foreign ones stay what they are.
function layers.is_open(layer)
	local kind = layer:media_type()
	return kind:find("%.tar") ~= nil and not kind:find("nondistributable", 1, true) and not kind:find(".foreign.", 1, true)
end

local function recompress_layer(layer, kind)
	return compression_of(layer) == kind and layer or core.recompress(layer, kind)
end

--- A Layer, or all layers of an Image.
function layers.recompress(object, kind)
	if kind ~= "gzip" and kind ~= "zstd" and kind ~= "none" then
		fail("invalid", 'a compression is "gzip", "zstd" or "none", not "%s"', tostring(kind))
	elseif is_layer(object) then
		return recompress_layer(object, kind)
	end
	return layers.map_layers(object, function(layer)
		return layers.is_open(layer) and recompress_layer(layer, kind) or nil
	end)
end

-- What a function that maps entries returned: nil, false, or the changes, in which a new path is clean.
local function checked(new)
	if new == nil or new == false then
		return new
	elseif type(new) ~= "table" then
		fail("invalid", "a function that maps entries returns nil, false, or a table of what changes, not a %s", type(new))
	elseif not new.path then
		return new
	end
	local copy = {}
	for name, value in pairs(new) do
		copy[name] = value
	end
	copy.path = clean(new.path) .. (new.path:find "/$" and "/" or "")
	return copy
end

local function map_into(writer, layer, f)
	local changed, dropped, renamed = false, {}, {}
	for e in core.replay_entries(layer) do
		local new, path = checked(f(e)), clean(e.path)
		if new == false then
			dropped[path] = not renamed[path] and (e.type == "file" or e.type == "hardlink") or nil
			changed = true
		else
			local link = new and new.link or e.link
			if (new and new.type or e.type) == "hardlink" and dropped[clean(link)] then
				fail("invalid", "%s is a hard link to %s, which was dropped", e.path, link)
			end
			if new and new.path then
				renamed[clean(new.path)] = true
				path = clean(new.path)
			end
			dropped[path] = nil
			writer:add(e, new)
			changed = changed or new ~= nil
		end
	end
	return changed and writer:finish(compression_of(layer)) or layer
end

function layers.map(layer, f)
	return with_writer(function(writer)
		return map_into(writer, layer, f)
	end)
end

--- The image with what f(layer, i) makes of each layer: another Layer, nil where it stays, false where it goes.
function layers.map_layers(image, f, change)
	local list = {}
	for i, layer in ipairs(image:layers()) do
		local new = f(layer, i)
		if new ~= nil and new ~= false and not is_layer(new) then
			fail("invalid", "the function that maps layers returned a %s, not a Layer", type(new))
		end
		if new ~= false then
			list[#list + 1] = { layer = new or layer, was = i }
		end
	end
	return layers.with_layers(image, list, change)
end

return layers
