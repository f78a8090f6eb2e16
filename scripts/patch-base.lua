#!/usr/bin/env luff
-- Puts the images of a repository on what their base is now, by mounts. An image says in its annotations what it stands on:
-- luff append --set-base-image-annotations, BuildKit and others write them.
--
--	luff scripts/patch-base.lua ghcr.io/org/app
local luff = require "luff"

local place = arg[1]
if not place then
	io.stderr:write "usage: patch-base.lua REPOSITORY\n"
	os.exit(2)
end

local function rebased(image)
	return image:annotations()["org.opencontainers.image.base.digest"] and image:rebase() or image
end

local tags = {}
for tag in luff.tags(place) do
	tags[#tags + 1] = tag
end
table.sort(tags)
for _, tag in ipairs(tags) do
	local name = place .. ":" .. tag
	local old = luff.open(name)
	local new = getmetatable(old) == "luff.Index" and old:map(rebased) or rebased(old)
	if new ~= old then
		luff.copy(new, name)
	end
	print(tag, new ~= old and new:digest() or "is up to date")
end
