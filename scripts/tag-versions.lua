#!/usr/bin/env luff
-- Gives the newest version of each line the tags of its line: v1.2.3 is v1.2 and v1, too.
--
--	luff scripts/tag-versions.lua REPOSITORY
local luff = require "luff"
local semver = require "luff.semver"

local versions = {}
for tag in luff.tags(arg[1]) do
	versions[#versions + 1] = tag:match "^v%d+%.%d+%.%d+$"
end
for line, pattern in pairs { minor = "^v%d+%.%d+", major = "^v%d+" } do
	for _, version in ipairs(semver.newest(versions, line)) do
		luff.tag(arg[1] .. ":" .. version, version:match(pattern))
		print(version, version:match(pattern))
	end
end
