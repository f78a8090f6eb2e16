#!/usr/bin/env luff
-- Copies all releases, but no release candidates, to several registries, where the repository has its name in one piece
-- ("team/app" as "team-app").
--
--	luff scripts/mirror-releases.lua REPOSITORY TO...
--	luff scripts/mirror-releases.lua gcr.io/team/app ghcr.io/team quay.io/team
local luff = require "luff"
local mirror = require "luff.mirror"

local from = table.remove(arg, 1)
local name = luff.ref(from).repository:gsub("/", "-")
local places = {}
for i, to in ipairs(arg) do
	places[i] = { from = from, to = to .. "/" .. name }
end
local summary = mirror.run { repositories = places, tags = { semver = "*" }, referrers = true, digest_tags = true,
	each = function(entry) print(entry.status, entry.to, entry.tag, entry.error) end }
os.exit(summary.failed == 0 and 0 or 1)
