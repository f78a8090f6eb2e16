-- When an image was made, whatever machine asks: its annotation says so, else its config does; of an index, the newest of what
-- it lists. All of it comes from outside, and what is no time is none.
local facts = require "luff.facts"
local time = require "luff.time"

local KEY = "org.opencontainers.image.created"
local DEPTH_MAX = 4 -- of indexes in indexes

local member = facts.member

local image_types = {
	["application/vnd.oci.image.manifest.v1+json"] = "image",
	["application/vnd.docker.distribution.manifest.v2+json"] = "image",
	["application/vnd.oci.image.index.v1+json"] = "index",
	["application/vnd.docker.distribution.manifest.list.v2+json"] = "index",
}

local function instant(text)
	local ok, found = pcall(time.parse, text)
	return ok and type(text) == "string" and found or nil
end

-- Of what an artifact has in the place of a config, nothing is expected.
local function of_image(image)
	local found = instant(member(image:manifest(), "annotations", KEY))
	if found then
		return found
	end
	local ok, config = pcall(image.config_file, image)
	if not ok then
		if type(config) == "table" and config.code == "bad_format" then
			return nil
		end
		error(config, 0)
	end
	-- A label may be the base image's.
	return instant(member(config, "created")) or instant(member(config, "config", "Labels", KEY))
end

local function of_index(index, depth)
	local found = instant(member(index:index_manifest(), "annotations", KEY))
	if found then
		return found
	end
	local newest
	for _, entry in ipairs(index:index_manifest().manifests) do
		local kind = image_types[entry.mediaType]
		local made
		if kind == "index" and depth < DEPTH_MAX then
			made = of_index(index:image_index(entry.digest), depth + 1)
		elseif kind == "image" and not member(entry, "annotations", "vnd.docker.reference.digest") then
			made = of_image(index:image(entry.digest))
		end
		newest = made and (not newest or made > newest) and made or newest
	end
	return newest
end

--- The instant (luff.time) of an Image or Index; nil where nothing tells.
local function time_of(object)
	return object.index_manifest and of_index(object, 1) or not object.index_manifest and of_image(object) or nil
end

--- What luff.select wants to know: a function from a list of tags to their times by tag.
local function ages(place, opts)
	local luff = require "luff"
	return function(tags)
		local times = {}
		opts = opts or {}
		luff.map(tags, { jobs = opts.jobs or 8 }, function(tag)
			times[tag] = time_of(luff.open(place .. ":" .. tag, { plain_http = opts.plain_http }))
		end)
		return times
	end
end

return { of = time_of, ages = ages }
