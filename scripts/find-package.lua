#!/usr/bin/env luff
-- Which images of a registry have a package of Debian or Alpine in them, and in which version?
--
--	luff scripts/find-package.lua REGISTRY PACKAGE
local find = require "luff.find"
local luff = require "luff"

luff.map(luff.catalog(arg[1]), { jobs = 4 }, function(repository)
	local name = arg[1] .. "/" .. repository
	for _, found in ipairs(find.run { from = name, package = arg[2] }) do
		print(found.version, name .. ":" .. found.tag)
	end
end)
