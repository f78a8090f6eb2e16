#!/usr/bin/env luff
-- Deletes builds ("ci-…") that are older than an age, whatever platform they are for. Says what it would do, until it is told
-- to do it.
--
--	luff scripts/delete-old-builds.lua REPOSITORY AGE [really]
--	luff scripts/delete-old-builds.lua registry.example.com/team/app 30d really
local prune = require "luff.prune"

local summary = prune.run { from = arg[1], tags = { allow = "ci-*" }, older_than = arg[2], max = 1000,
	delete = arg[3] == "really" }
for _, entry in ipairs(summary.entries) do
	if entry.status ~= "kept" then
		print(entry.status, entry.tag, entry.digest)
	end
end
os.exit(summary.failed == 0 and 0 or 1)
