#!/usr/bin/env luff
-- Makes release candidates ("v1.4.0-rc.2") releases ("v1.4.0") once they are signed, sound and two days old.
--
--	luff scripts/promote-signed.lua REPOSITORY [AGE]
local luff = require "luff"
local promote = require "luff.promote"
local semver = require "luff.semver"

local candidates = {}
for tag in luff.tags(arg[1]) do
	candidates[#candidates + 1] = tag:match "^v%d+%.%d+%.%d+%-rc%.%d+$"
end
for _, tag in ipairs(semver.newest(candidates, "patch")) do
	local release = tag:match "^[^-]+"
	local ok, err = luff.try(promote.run, { from = arg[1] .. ":" .. tag, to = ":" .. release, signed = true,
		validate = true, older_than = arg[2] or "2d" })
	print(tag, ok and release or err.message)
end
