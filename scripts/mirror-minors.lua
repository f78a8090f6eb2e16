#!/usr/bin/env luff
-- Mirrors the three newest "MAJOR.MINOR" tags of repositories, as long as their registry allows for 100 requests more.
--
--	luff scripts/mirror-minors.lua TO REPOSITORY...
--	luff scripts/mirror-minors.lua registry.example.com/hub docker.io/library/alpine docker.io/library/debian
local luff = require "luff"
local mirror = require "luff.mirror"

local to = table.remove(arg, 1) or error "usage: mirror-minors.lua TO REPOSITORY..."
local failed = 0
for _, from in ipairs(arg) do
	local allowed = luff.rate_limit(luff.ref(from).registry)
	if allowed and allowed.remaining and allowed.remaining < 100 then
		error(from .. ": the registry wants fewer requests; go on later")
	end
	local summary = mirror.run { from = from, to = to .. "/" .. luff.ref(from).repository,
		tags = { allow = "[0-9]*.[0-9]*", deny = { "*.*.*", "*-*" }, newest = 3 },
		each = function(entry) print(from, entry.tag, entry.status) end }
	failed = failed + summary.failed
end
os.exit(failed == 0 and 0 or 1)
