#!/usr/bin/env luff
-- A page (HTML) about each repository of a registry, in a folder, and an index of them.
--
--	luff scripts/report-registry.lua REGISTRY FOLDER
local luff = require "luff"
local report = require "luff.report"

local function write(name, text)
	local file = assert(io.open(arg[2] .. "/" .. name, "w"))
	assert(file:write(text))
	assert(file:close())
end

local links = {}
for repository in luff.catalog(arg[1]) do
	local page = repository:gsub("/", "_") .. ".html"
	write(page, report.repository(arg[1] .. "/" .. repository))
	links[#links + 1] = ('<li><a href="%s">%s</a>\n'):format(page, repository)
end
write("index.html", "<!doctype html>\n<title>Repositories</title>\n<ul>\n" .. table.concat(links) .. "</ul>\n")
