-- luff in the stock interpreter, of any version: lua5.4 scripts/embed/stock.lua REPOSITORY
-- Prints each tag with the size of what stands behind it, eight at a time.
local luff = require "luff"

local repository = arg[1] or error("which repository?", 0)
local tags = {}
for tag in luff.tags(repository) do
	tags[#tags + 1] = tag
end
local sizes = luff.map(tags, function(tag)
	return luff.open(repository .. ":" .. tag):size()
end)
for i, tag in ipairs(tags) do
	print(tag, ("%.1f MB"):format(sizes[i] / 1e6))
end
