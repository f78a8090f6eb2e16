#!/usr/bin/env luff
-- A medium of one's own: images in a flat folder, blobs cut into pieces, for sticks and services that take no large files.
--
--	luff scripts/pieces.lua alpine:3 pieces:/media/stick:alpine
--	luff scripts/pieces.lua pieces:/media/stick:alpine localhost:5000/alpine:3
--
-- With `dofile "…/pieces.lua"` in ~/.config/luff/config.lua every command knows pieces:FOLDER:TAG.
local luff = require "luff"

local SIZE = tonumber(os.getenv "PIECES_SIZE") or 64 << 20 -- bytes of a piece
local CHUNK = 256 * 1024

-- A blob's pieces are "sha256-….1" and so on; it is there when the first one is, which comes last.
local function path(folder, digest, i)
	return ("%s/%s.%d"):format(folder, digest:gsub(":", "-"), i)
end

local function open(folder, digest, i)
	return io.open(path(folder, digest, i), "rb")
end

-- names.json holds { [tag] = descriptor }.
local function names(folder)
	local file = io.open(folder .. "/names.json", "rb")
	if not file then
		return {}
	end
	local text = file:read "a"
	file:close()
	return luff.json.decode(text)
end

-- A file that gets its name when all of it is there: what others see is the old one or the new one.
local function new_file(name)
	local temporary = ("%s.%x"):format(name, math.random(0, 1 << 48))
	local file = assert(io.open(temporary, "wb"))
	return {
		write = function(_, bytes) return file:write(bytes) end,
		finish = function()
			assert(file:close())
			assert(os.rename(temporary, name))
		end,
	}
end

local function change_names(folder, change)
	local list = names(folder)
	local result = change(list)
	local file = new_file(folder .. "/names.json")
	assert(file:write(luff.json.encode(list, { indent = true })))
	file:finish()
	return result
end

local function size_of(folder, digest)
	local size, i, file = 0, 1, open(folder, digest, 1)
	while file do
		size, i = size + file:seek "end", i + 1
		file:close()
		file = open(folder, digest, i)
	end
	return i > 1 and size or nil
end

luff.medium {
	scheme = "pieces",

	resolve = function(folder, name)
		if not name.digest then
			return names(folder)[name.tag]
		end
		for _, descriptor in pairs(names(folder)) do
			if descriptor.digest == name.digest then
				return descriptor
			end
		end
		-- within an index: without a type, luff looks into it
		local size = size_of(folder, name.digest)
		return size and { digest = name.digest, size = size }
	end,

	fetch = function(folder, descriptor, offset)
		local i, file = 1, open(folder, descriptor.digest, 1)
		if not file then
			return nil
		end
		local reader = {}
		function reader:close()
			if file then
				file:close()
			end
		end
		function reader:read(n)
			while file do
				local bytes = file:read(n)
				if bytes then
					return bytes
				end
				i = i + 1
				file:close()
				file = open(folder, descriptor.digest, i)
			end
		end
		-- a copy that goes on where it broke off
		while file and offset > file:seek "end" do
			offset, i = offset - file:seek "end", i + 1
			file:close()
			file = open(folder, descriptor.digest, i)
		end
		if file then
			file:seek("set", offset)
		end
		return reader
	end,

	exists = function(folder, descriptor)
		return size_of(folder, descriptor.digest) == descriptor.size
	end,

	-- Raises in the middle where the bytes are not what they should be: nothing has its name yet.
	push = function(folder, descriptor, reader)
		local files, left = {}, 0
		repeat
			local bytes = reader:read(math.min(left > 0 and left or SIZE, CHUNK))
			if left == 0 and (bytes or #files == 0) then
				files[#files + 1] = new_file(path(folder, descriptor.digest, #files + 1))
				left = SIZE
			end
			if bytes then
				assert(files[#files]:write(bytes))
				left = left - #bytes
			end
		until not bytes
		for i = #files, 1, -1 do
			files[i]:finish()
		end
	end,

	tag = function(folder, descriptor, tag)
		change_names(folder, function(list)
			list[tag] = descriptor
		end)
	end,

	tags = function(folder)
		local tags = {}
		for tag in pairs(names(folder)) do
			tags[#tags + 1] = tag
		end
		table.sort(tags)
		return tags
	end,

	remove = function(folder, name)
		return change_names(folder, function(list)
			if name.digest or not list[name.tag] then
				return nil
			end
			list[name.tag] = nil
			return true
		end)
	end,

	stat = size_of,
}

local from, to = ...
if from and to then
	print(luff.copy(from, to).digest)
end
