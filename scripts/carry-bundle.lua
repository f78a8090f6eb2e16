#!/usr/bin/env luff
-- Bundles images for a place without network: all of them at first, later what is new since the last bundle.
--
--	luff scripts/carry-bundle.lua FOLDER NAME…     writes FOLDER/1.tar, FOLDER/2.tar, …: load them in this order
local bundle = require "luff.bundle"

local folder, names = arg[1], table.move(arg, 2, #arg, 1, {})
if #names == 0 then
	io.stderr:write "usage: carry-bundle.lua FOLDER NAME…\n"
	os.exit(2)
end
local number, last = 1, nil
local file = io.open(folder .. "/1.tar")
while file do
	file:close()
	number, last = number + 1, folder .. "/" .. number .. ".tar"
	file = io.open(folder .. "/" .. number .. ".tar")
end
local made = bundle.create(folder .. "/" .. number .. ".tar", names, { since = last, referrers = true })
print(number .. ".tar", #made.images .. " images", made.blobs .. " blobs", made.bytes .. " bytes")
