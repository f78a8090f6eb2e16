#!/usr/bin/env luff
-- Keeps the three newest backups ("bkup-NAME-NUMBER") of each name, in all repositories of a registry.
--
--	luff scripts/prune-backups.lua REGISTRY
local luff = require "luff"
local prune = require "luff.prune"

for repository in luff.catalog(arg[1]) do
	local summary = prune.run { from = arg[1] .. "/" .. repository, tags = { allow = "bkup-*" }, keep = 3, max = 1000,
		group = "^bkup%-(.+)%-%d+$", by = function(tag) return tonumber(tag:match "%d+$") end, delete = true }
	print(repository, summary.deleted .. " deleted", summary.failed .. " failed")
end
