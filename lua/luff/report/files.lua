-- The files of an image as a tree of a limited size, whatever there is: of each folder the largest, and of all the largest.
local files = {}

local FOLDER_MAX = 100 -- of one folder
local DEPTH_MAX = 48 -- folders below each other

-- What is dropped counts at the folder that it was in.
local function drop(parent, node)
	parent.more, parent.more_size = parent.more + 1, parent.more_size + node.size
end

local function larger(a, b)
	if a.size ~= b.size then
		return a.size > b.size
	end
	return a.name < b.name
end

local function count(node)
	local n = 1
	for _, child in ipairs(node.children or {}) do
		n = n + count(child)
	end
	return n
end

-- Keeps those children for which f says yes; folders that are still open stay, as does the first level.
local function filter(node, depth, keeps)
	local kept = {}
	for _, child in ipairs(node.children or {}) do
		if child.open or depth == 0 or keeps(child) then
			kept[#kept + 1] = child
			filter(child, depth + 1, keeps)
		else
			drop(node, child)
		end
	end
	node.children = node.children and kept
end

-- A folder is as large as what is in it: without the smallest, the rest is a tree.
local function prune(root, most)
	local sizes = {}
	local function collect(node)
		for _, child in ipairs(node.children or {}) do
			sizes[#sizes + 1] = child.size
			collect(child)
		end
	end
	collect(root)
	if #sizes <= most then
		return
	end
	table.sort(sizes, function(a, b) return a > b end)
	local least = sizes[most]
	filter(root, 0, function(node) return node.size >= least end)
	if count(root) > most * 1.25 then
		filter(root, 0, function(node) return node.size > least end)
	end
end

-- The largest of a folder, and what is still open in it.
local function cap(node)
	table.sort(node.children, function(a, b)
		if a.open or b.open then
			return a.open and not b.open or false
		end
		return larger(a, b)
	end)
	while #node.children > FOLDER_MAX do
		drop(node, table.remove(node.children))
	end
end

local function new_folder(name)
	return { name = name, size = 0, files = 0, children = {}, more = 0, more_size = 0, open = true }
end

--- The tree: { name, size, files, children, more, more_size, layer, link } each; children are sorted, the largest first, `more`
-- and `more_size` tell of those that are left out. entries: an iterator as luff.Tree:files gives it, each
-- folder before what is in it and at one piece; most: so many in all, more or less.
function files.build(entries, most)
	local root = new_folder "/"
	local path = { root } -- the open folders
	local names = {} -- their names
	local alive = 0

	local function close()
		local node = table.remove(path)
		names[#path] = nil
		node.open = nil
		alive = alive - #node.children
		cap(node)
		alive = alive + #node.children
		local parent = path[#path]
		if parent then
			parent.size, parent.files = parent.size + node.size, parent.files + node.files
		end
	end

	local function open(name)
		local node = new_folder(name)
		table.insert(path[#path].children, node)
		path[#path + 1] = node
		names[#path - 1] = name
		alive = alive + 1
		return node
	end

	for e in entries do
		local parts = {}
		for part in e.path:gmatch "[^/]+" do
			parts[#parts + 1] = part
		end
		local folders = e.type == "folder" and #parts or #parts - 1
		local same = 0
		while same < folders and names[same + 1] == parts[same + 1] do
			same = same + 1
		end
		while #path - 1 > math.min(same, DEPTH_MAX) do
			close()
		end
		for i = #path, math.min(folders, DEPTH_MAX) do
			open(parts[i])
		end
		if e.type ~= "folder" then
			local node = path[#path]
			node.size, node.files = node.size + e.size, node.files + 1
			if folders > DEPTH_MAX then
				drop(node, e)
			else
				table.insert(node.children, { name = parts[#parts], size = e.size, layer = e.layer, link = e.link, type = e.type })
				alive = alive + 1
			end
		else
			path[#path].layer = e.layer
		end
		if alive > most * 4 then
			for _, node in ipairs(path) do
				cap(node)
			end
			prune(root, most)
			alive = count(root)
		end
	end
	while #path > 0 do
		close()
	end
	prune(root, most)
	return root
end

return files
