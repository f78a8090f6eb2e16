-- The public module: what the binding gives, and what is made of it in Lua. lua/luff/meta.lua describes it.
local core = require "luff.core"

local luff = { _VERSION = "luff " .. core.luff_version, null = core.null, array = core.array }

for _, name in ipairs {
	"ref", "resolve", "open", "image", "index", "tags", "catalog", "tag", "delete", "copy", "validate", "blob",
	"push_blob", "push_manifest", "ping", "rate_limit", "digest", "login", "logout", "auth", "serve", "gc", "platform",
	"version", "fd",
} do
	luff[name] = core[name]
end

luff.json = require "luff.json"

-- What is made of the core in files of their own, which are read when they are needed: method = file.
local methods = {
	Image = {
		configure = "documents", annotate = "documents", with_subject = "documents", with_artifact_type = "documents",
		with_format = "documents", append = "layers", map_layers = "layers", recompress = "layers",
		strip = "files", keep = "files", with_time = "files", canonical = "files",
		rebase = "rebase", flatten = "rebase", squash = "rebase", remove_layer = "rebase",
	},
	Layer = { map = "layers", recompress = "layers" },
	Index = {
		annotate = "documents", with_subject = "documents", with_artifact_type = "documents", with_format = "documents",
		filter = "indexes", append = "indexes", remove = "indexes", map = "indexes",
	},
}
for class, list in pairs(methods) do
	for name, file in pairs(list) do
		core.methods[class][name] = function(...)
			return require("luff.edit." .. file)[name](...)
		end
	end
end

function luff.layer(source)
	return require("luff.edit.layers").layer(source)
end

function luff.empty(opts)
	return require("luff.edit.layers").empty(opts)
end

function luff.index_of(children, opts)
	return require("luff.edit.indexes").of(children, opts)
end

function luff.config(settings)
	require("luff.config").apply(settings)
end

function luff.medium(definition)
	require "luff.medium"(definition)
end

function luff.referrers(name, opts)
	local next_text, _, _, closing = core.referrers(name, opts)
	return function()
		local text = next_text()
		return text and core.decode(text)
	end, nil, nil, closing
end

function luff.spawn(f, ...)
	return require("luff.task").spawn(f, ...)
end

function luff.map(list, opts, f)
	return require("luff.task").map(list, opts, f)
end

function luff.step()
	return require("luff.task").step()
end

local function tried(ok, ...)
	if ok then
		return ...
	end
	return nil, (...)
end

function luff.try(f, ...)
	return tried(pcall(f, ...))
end

return luff
