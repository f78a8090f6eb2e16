-- Manifests and configs as scripts of regbot see them: by JSON's names and by Go's (Config.Labels is config.Labels), to read and
-- to
-- write. Only JSON's names are stored.
local luff = require "luff"

local documents = {}

local special = { os = "OS", id = "ID", ids = "IDs", fs = "FS", url = "URL", urls = "URLs", rootfs = "RootFS" }

-- Tables whose names are the user's.
local foreign = { Labels = true, annotations = true, ExposedPorts = true, Volumes = true }

local function go_name(name)
	return (name:gsub("[^_.]+", function(word)
		return special[word] or word:sub(1, 1):upper() .. word:sub(2)
	end):gsub("[_.]", ""))
end

-- Names that scripts write where nothing is yet.
local written = {}
for _, name in ipairs { "annotations", "architecture", "author", "config", "created", "history", "layers", "manifests",
	"mediaType", "os",
	"rootfs", "schemaVersion", "subject", "artifactType", "comment", "created_by", "empty_layer", "diff_ids", "digest",
	"size",
	"platform", "urls", "variant", "os.version" } do
	written[go_name(name)] = name
end

local Names = {}

function Names.__index(t, name)
	for key, value in next, t do
		if type(key) == "string" and type(name) == "string" and go_name(key) == name then
			return value
		end
	end
end

function Names.__newindex(t, name, value)
	for key in next, t do
		if type(key) == "string" and type(name) == "string" and go_name(key) == name then
			rawset(t, key, value)
			return
		end
	end
	rawset(t, written[name] or name, value)
end

--- The document with both kinds of names; what null stands for is nil.
function documents.wrap(value, key)
	if type(value) ~= "table" then
		return value
	end
	for name, member in next, value do
		value[name] = documents.wrap(member, name)
	end
	for name, member in next, value do
		if member == luff.null then
			value[name] = nil
		end
	end
	if not getmetatable(value) and not foreign[key] then
		setmetatable(value, Names)
	end
	return value
end

return documents
