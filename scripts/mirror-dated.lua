#!/usr/bin/env luff
-- Mirrors the three newest tags with a date in them ("testing-20240506"), and deletes older ones from the mirror.
--
--	luff scripts/mirror-dated.lua FROM TO PREFIX
--	luff scripts/mirror-dated.lua docker.io/library/debian registry.example.com/debian testing-
local luff = require "luff"
local mirror = require "luff.mirror"

local from, to, prefix = table.unpack(arg)
local dated = {}
for tag in luff.tags(from) do
	if tag:sub(1, #prefix) == prefix and tag:find("^%d+$", #prefix + 1) then
		dated[#dated + 1] = tag
	end
end
table.sort(dated, function(a, b) return a > b end)
local summary = mirror.run { from = from, to = to, tags = { allow = { dated[1], dated[2], dated[3] } },
	prune = true, keep = "[!" .. prefix:sub(1, 1) .. "]*",
	each = function(entry) print(entry.status, entry.target) end }
os.exit(summary.failed == 0 and 0 or 1)
