-- What there is to say about an Image, Index or Layer: once as a plain table (`luff inspect --json`), once as text
-- (`luff inspect`, the REPL). Everything in it came from outside: no member is taken for what it should be.
local history = require "luff.history"
local terminal = require "luff.terminal"

local facts = {}

--- "Image", "Index", "Layer", … for luff's objects, nil for anything else.
function facts.kind(value)
	local meta = type(value) == "userdata" and debug.getmetatable(value)
	local name = meta and meta.__name
	return type(name) == "string" and name:match "^luff%.(%a+)$" or nil
end

local function text(value)
	return type(value) == "string" and value ~= "" and value or nil
end

-- { [text] = text } of what may be anything.
local function texts(value)
	local out
	for key, item in pairs(type(value) == "table" and value or {}) do
		if type(key) == "string" and type(item) == "string" then
			out = out or {}
			out[key] = item
		end
	end
	return out
end

--- What lies at a path of keys; nil where something on the way is no table.
function facts.member(value, ...)
	for _, key in ipairs { ... } do
		value = type(value) == "table" and value[key] or nil
	end
	return value
end

local member = facts.member

local function platform_of(value)
	local os, arch = text(member(value, "os")), text(member(value, "architecture"))
	if not os or not arch then
		return nil
	end
	local variant, version = text(member(value, "variant")), text(member(value, "os.version"))
	return os .. "/" .. arch .. (variant and "/" .. variant or "") .. (version and ":" .. version or "")
end

local function of_layer(layer)
	return { mediaType = layer:media_type(), digest = layer:digest(), size = layer:size() }
end

local image_configs = {
	["application/vnd.oci.image.config.v1+json"] = true,
	["application/vnd.docker.container.image.v1+json"] = true,
}

-- What is missing or damaged is not passed over; that an artifact's config is no JSON is.
local function config_of(image, manifest)
	local luff = require "luff"
	local bytes = image:raw_config_file()
	if image_configs[member(manifest, "config", "mediaType")] then
		return image:config_file()
	end
	local config, err = luff.try(luff.json.decode, bytes)
	if err and err.code ~= "bad_format" then
		error(err, 0)
	end
	return config
end

local function of_image(image)
	local luff = require "luff"
	local manifest = image:manifest()
	local config = config_of(image, manifest)
	local out = {
		mediaType = image:media_type(),
		digest = image:digest(),
		size = #image:raw_manifest(),
		platform = platform_of(config),
		created = text(member(config, "created")),
		config = image:config_name(),
		artifactType = text(member(manifest, "artifactType")),
		labels = texts(member(config, "config", "Labels")),
		annotations = texts(member(manifest, "annotations")),
		layers = luff.array {},
	}
	local config_size = member(manifest, "config", "size")
	out.totalSize = out.size + (math.type(config_size) == "integer" and config_size or 0)
	local layers = image:layers()
	for i, layer in ipairs(layers) do
		out.layers[i] = of_layer(layer)
		out.totalSize = out.totalSize + layer:size()
	end
	for _, step in ipairs(history.steps(image, type(config) == "table" and config or {}, layers)) do
		if step.layer then
			out.layers[step.layer].createdBy = step.createdBy or step.comment
		end
	end
	return out
end

local function of_index(index)
	local luff = require "luff"
	local manifest = index:index_manifest()
	local out = {
		mediaType = index:media_type(),
		digest = index:digest(),
		size = #index:raw_manifest(),
		artifactType = text(member(manifest, "artifactType")),
		annotations = texts(member(manifest, "annotations")),
		manifests = luff.array {},
	}
	local entries = member(manifest, "manifests")
	for _, entry in ipairs(type(entries) == "table" and entries or {}) do
		table.insert(out.manifests, {
			mediaType = text(member(entry, "mediaType")),
			digest = text(member(entry, "digest")),
			size = math.type(member(entry, "size")) == "integer" and entry.size or nil,
			platform = platform_of(member(entry, "platform")),
			artifactType = text(member(entry, "artifactType")),
			annotations = texts(member(entry, "annotations")),
		})
	end
	return out
end

local function of_ref(ref)
	return { registry = ref.registry, repository = ref.repository, tag = ref.tag, digest = ref.digest }
end

local makers = { Image = of_image, Index = of_index, Layer = of_layer, Ref = of_ref }

--- The facts of an Image, Index, Layer or Ref with the spec's own names; nil for anything else.
function facts.of(value)
	local make = makers[facts.kind(value)]
	return make and make(value)
end

local words = {
	["application/vnd.oci.image.manifest.v1+json"] = "image",
	["application/vnd.docker.distribution.manifest.v2+json"] = "image",
	["application/vnd.oci.image.index.v1+json"] = "index",
	["application/vnd.docker.distribution.manifest.list.v2+json"] = "index",
}

-- What an entry is, in a word: "image", "attestation-manifest", "application/vnd.example".
local function entry_word(entry)
	local role = member(entry, "annotations", "vnd.docker.reference.type")
	return role or entry.artifactType or words[entry.mediaType] or entry.mediaType or "?"
end

local function pairs_of(map, indent)
	local keys = {}
	for key in pairs(map) do
		keys[#keys + 1] = key
	end
	table.sort(keys)
	local lines = {}
	for i, key in ipairs(keys) do
		lines[i] = ("%s%s=%s\n"):format(indent, terminal.printable(key), terminal.printable(map[key]))
	end
	return table.concat(lines)
end

local command_width = 60 -- of what made a layer, where nobody says how much room there is

-- What a layer is called behind its digest and size: the command that made it, else its media type.
local function layer_words(layer, columns)
	if not layer.createdBy then
		return terminal.printable(layer.mediaType)
	end
	return terminal.cut(terminal.printable(history.command(layer)), math.max(columns or command_width, 20))
end

--- Facts as a person reads them, line by line. indent goes before each; columns: how wide the lines should be.
function facts.format(f, indent, columns)
	indent = indent or ""
	local rows = {}
	local function row(label, value)
		if value then
			rows[#rows + 1] = { label, terminal.printable(value) }
		end
	end
	row("name", f.name)
	row("registry", f.registry)
	row("repository", f.repository)
	row("tag", f.tag)
	row("media type", f.mediaType)
	row("artifact", f.artifactType)
	row("digest", f.digest)
	row("platform", f.platform)
	row("created", f.created)
	row("config", f.config)
	row("size", f.totalSize and ("%s, with everything in it"):format(terminal.size(f.totalSize))
		or f.size and terminal.size(f.size))
	local parts = { terminal.align(rows, nil, indent) }
	local function list(label, map)
		if map and next(map) then
			parts[#parts + 1] = indent .. label .. "\n" .. pairs_of(map, indent .. "  ")
		end
	end
	list("annotations", f.annotations)
	list("labels", f.labels)
	if f.layers then
		local lines = {}
		for i, layer in ipairs(f.layers) do
			local digest = columns and columns < 120 and terminal.short(layer.digest) or layer.digest
			lines[i] = { digest, terminal.size(layer.size), layer_words(layer, columns and columns - #digest - 16) }
		end
		parts[#parts + 1] = indent .. (#lines == 0 and "no layers\n" or "layers\n")
		parts[#parts + 1] = terminal.align(lines, { [2] = true }, indent .. "  ")
	end
	if f.manifests then
		local lines = {}
		for i, entry in ipairs(f.manifests) do
			lines[i] = {
				terminal.printable(entry.platform or "-"),
				terminal.printable(entry.digest or "?"),
				entry.size and terminal.size(entry.size) or "?",
				terminal.printable(entry_word(entry)),
			}
		end
		parts[#parts + 1] = indent .. (#lines == 0 and "no manifests\n" or "manifests\n")
		parts[#parts + 1] = terminal.align(lines, { [3] = true }, indent .. "  ")
	end
	return table.concat(parts)
end

return facts
