#!/usr/bin/env luff
-- Of the images of each branch ("BRANCH-BUILD") the five newest stay, and all that are younger than a week, by the time that
-- they were made.
--
--	luff scripts/ci-retention.lua REPOSITORY [really]
local prune = require "luff.prune"

local summary = prune.run { from = arg[1], group = "^(.+)%-%d+$", keep = 5, older_than = "7d", max = 1000,
	delete = arg[2] == "really" }
for _, entry in ipairs(summary.entries) do
	print(entry.status, entry.tag, entry.why or "")
end
os.exit(summary.failed == 0 and 0 or 1)
