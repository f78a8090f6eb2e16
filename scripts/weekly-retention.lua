#!/usr/bin/env luff
-- Each repository of a registry keeps latest, stable, main and the two newest other tags, indexes among them.
--
--	luff scripts/weekly-retention.lua REGISTRY [really]
local luff = require "luff"
local prune = require "luff.prune"

local failed = 0
luff.map(luff.catalog(arg[1]), { jobs = 4 }, function(repository)
	local summary = prune.run { from = arg[1] .. "/" .. repository, keep = 2, protect = { "latest", "stable", "main" },
		max = 1000, delete = arg[2] == "really" }
	print(("%s: %d of %d tags go"):format(repository, summary.count, #summary.entries))
	failed = failed + summary.failed
end)
os.exit(failed == 0 and 0 or 1)
