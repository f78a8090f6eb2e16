-- Edits of the files in an image's layers: those of some names go or stay, times and owners' names change.
local core = require "luff.core"
local fail = require "luff.fail"
local layers = require "luff.edit.layers"
local options = require "luff.options"
local time = require "luff.edit.time"

local files = {}

-- Whether a clean path, or a folder that it is in, fits one of the patterns.
local function matcher(patterns)
	local list, known = {}, { [""] = false }
	for i, pattern in ipairs(type(patterns) == "table" and patterns or { patterns }) do
		if type(pattern) ~= "string" then
			fail("invalid", "patterns are text: \"/usr/share/doc\", \"/var/cache/**\"")
		end
		list[i] = pattern:gsub("^/+", ""):gsub("/+$", "")
	end
	local function matches(path)
		local found = known[path]
		if found == nil then
			found = matches(path:match "^(.*)/" or "")
			for _, pattern in ipairs(list) do
				found = found or core.path_match(pattern, path)
			end
			known[path] = found
		end
		return found
	end
	return matches
end

-- What an entry is about: its path, or what a whiteout hides (image-spec, layer.md "Whiteouts").
local function subject(entry)
	local path = layers.clean(entry.path)
	local folder, name = path:match "^(.-)/?([^/]*)$"
	if name == ".wh..wh..opq" then
		return folder, true
	elseif name:find "^%.wh%." then
		return (folder ~= "" and folder .. "/" or "") .. name:sub(5), true
	end
	return path
end

-- Hard links whose target goes while they stay: the first of them becomes the file. Returns by the target's path what it is
-- called from now on.
local function heirs(layer, goes)
	local roots, new, there = {}, {}, {}
	for e in layer:entries() do
		local path = layers.clean(e.path)
		there[path] = e.type == "file" or nil
		if e.type == "hardlink" then
			local target = layers.clean(e.link)
			local root = roots[target] or target
			roots[path] = root
			if not goes(path) and goes(root) then
				if not there[root] then
					fail("unsupported", "%s is a hard link to %s in another layer, which would be gone", e.path, e.link)
				end
				new[root] = new[root] or path
			end
		end
	end
	return new, roots
end

-- The image without what goes(path, is_whiteout) says; layers that have nothing left go, too.
local function without(image, goes)
	return layers.map_layers(image, function(layer)
		if not layers.is_open(layer) then
			return nil
		end
		local new, roots = heirs(layer, goes)
		local left, gone = 0, 0
		local function stays(what)
			left = left + 1
			return what
		end
		local made = layers.map(layer, function(e)
			local path, is_whiteout = subject(e)
			if goes(path, is_whiteout) then
				if e.type == "file" and new[path] then
					return stays { path = new[path] }
				end
				gone = gone + 1
				return false
			elseif e.type == "hardlink" then
				local root = roots[path]
				if new[root] == path then
					return false
				end
				return stays(goes(layers.clean(e.link)) and { link = new[root] or root } or nil)
			end
			return stays(nil)
		end)
		if left == 0 and gone > 0 then
			return false
		end
		return made
	end)
end

function files.strip(image, patterns)
	return without(image, matcher(patterns))
end

function files.keep(image, patterns)
	local matches, above = matcher(patterns), { [""] = true }
	for _, layer in ipairs(image:layers()) do
		for e in layers.is_open(layer) and layer:entries() or function() end do
			local path, is_whiteout = subject(e)
			if not is_whiteout and matches(path) then
				while not above[path] do
					above[path], path = true, path:match "^(.*)/" or ""
				end
			end
		end
	end
	return without(image, function(path)
		return not above[path]
	end)
end

-- The image with new times, and what else `change` says of an entry.
local function with_times(image, seconds, base, change)
	local spared = 0
	if base then
		local of_base = type(base) == "string" and core.image(base, { platform = image:platform() }) or base
		spared = require("luff.edit.rebase").check_base(image, of_base)
	end
	local text = time.text(seconds)
	local list = {}
	for i, layer in ipairs(image:layers()) do
		list[i] = { was = i, layer = (i <= spared or not layers.is_open(layer)) and layer or layers.map(layer, function(e)
			local new = change and change(e)
			if e.mtime ~= seconds or e.mtime_ns ~= 0 then
				new = new or {}
				new.mtime, new.mtime_ns = seconds, 0
			end
			return new
		end) }
	end
	return layers.with_layers(image, list, function(config)
		config.created = text
		local n = 0
		for _, entry in ipairs(type(config.history) == "table" and config.history or {}) do
			n = n + (entry.empty_layer == true and 0 or 1)
			if n > spared and entry.created then
				entry.created = text
			end
		end
	end)
end

function files.with_time(image, seconds, opts)
	opts = opts or {}
	options.check(opts, { "base" }, "option")
	if math.type(seconds) ~= "integer" then
		fail("invalid", "a time is a whole number of seconds since 1970")
	end
	return with_times(image, seconds, opts.base)
end

function files.canonical(image)
	local new = with_times(image, time.now(), nil, function(e)
		return (e.user or e.group) and { user = "", group = "" } or nil
	end)
	return new:configure(function(config)
		config.container, config.docker_version, config.config.Hostname = nil, nil, nil
	end)
end

return files
