#!/usr/bin/env luff
-- Mirrors those tags of a repository that match a Lua pattern, several at a time, and goes on past those that fail.
--
--	luff scripts/mirror-tags.lua FROM TO [PATTERN]
--	luff scripts/mirror-tags.lua docker.io/library/alpine oci:./alpine '^3%.%d+$'
local luff = require "luff"

local from, to, pattern = arg[1], arg[2], arg[3] or "."
if not to then
	io.stderr:write "usage: mirror-tags.lua FROM TO [PATTERN]\n"
	os.exit(2)
end

local tags = {}
for tag in luff.tags(from) do
	if tag:find(pattern) then
		tags[#tags + 1] = tag
	end
end

local failures = 0
luff.map(tags, { jobs = 4 }, function(tag)
	local result, err = luff.try(luff.copy, from .. ":" .. tag, to .. ":" .. tag)
	if result then
		print(tag, result.digest, result.copied + result.manifests == 0 and "was there" or "copied")
	else
		failures = failures + 1
		io.stderr:write(tag, ": ", tostring(err), "\n")
	end
end)
os.exit(failures == 0 and 0 or 1)
