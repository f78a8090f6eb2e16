#!/usr/bin/env luff
-- Which version is "latest"? Prints the tags that stand for the same image or index as a name.
--
--	luff scripts/same-digest.lua docker.io/library/alpine:latest
local luff = require "luff"

if not arg[1] then
	io.stderr:write "usage: same-digest.lua NAME\n"
	os.exit(2)
end
local ref = luff.ref(arg[1])
local repository = ref.registry .. "/" .. ref.repository
local wanted = luff.resolve(ref).digest

luff.map(luff.tags(repository), { jobs = 8 }, function(tag)
	if tag ~= ref.tag and luff.resolve(repository .. ":" .. tag).digest == wanted then
		print(tag)
	end
end)
