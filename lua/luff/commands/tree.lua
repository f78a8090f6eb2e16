-- luff tree: layers and folders of an image with their sizes, and what layers hold in vain.
local luff = require "luff"
local terminal = require "luff.terminal"

-- The folders and files down to a depth: { name, size, folder, children = { … } }; sizes are of all that is below.
local function build(tree, top, depth)
	local root = { name = top, size = 0, folder = true, children = {} }
	local below = top == "/" and "/" or top .. "/"
	local function add(path, e)
		local node, level = root, 0
		root.size = root.size + e.size
		for name in path:gmatch "[^/]+" do
			level = level + 1
			if level > depth then
				node.more = true
				return
			end
			local child = node.children[name]
			if not child then
				child = { name = name, size = 0, children = {} }
				node.children[name] = child
				node.children[#node.children + 1] = child
			end
			child.size = child.size + e.size
			node = child
		end
		node.folder, node.link = e.type == "folder", e.link
	end
	for e in tree:files() do
		if e.path:sub(1, #below) == below then
			add(e.path:sub(#below + 1), e)
		end
	end
	return root
end

local function draw(node, indent, rows)
	for i, child in ipairs(node.children) do
		local last = i == #node.children
		rows[#rows + 1] = { terminal.size(child.size), ("%s%s%s%s%s"):format(indent, last and "`-- " or "|-- ",
			terminal.printable(child.name), child.folder and "/" or "",
			child.link and " -> " .. terminal.printable(child.link) or "") }
		draw(child, indent .. (last and "    " or "|   "), rows)
	end
	return rows
end

local function layer_rows(image, sums)
	local rows = {}
	for i, layer in ipairs(image:layers()) do
		local one = sums.layers[i]
		rows[i] = { tostring(i), terminal.short(layer:digest()), terminal.size(layer:size()), terminal.size(one.bytes),
			("%d %s"):format(one.files, one.files == 1 and "file" or "files"),
			one.wasted > 0 and terminal.size(one.wasted) .. " wasted" or "" }
	end
	return rows
end

local function waste_rows(sums, most)
	local rows = {}
	for i, path in ipairs(sums.paths) do
		if i > most then
			break
		end
		rows[i] = { terminal.size(path.wasted), path.removed and "removed" or ("in %d layers"):format(path.count),
			terminal.printable(path.path) }
	end
	return rows
end

local function to_json(image, sums)
	local layers = luff.array {}
	for i, layer in ipairs(image:layers()) do
		layers[i] = sums.layers[i]
		layers[i].digest, layers[i].size, layers[i].mediaType = layer:digest(), layer:size(), layer:media_type()
	end
	local wasted = luff.array {}
	for _, path in ipairs(sums.paths) do
		if utf8.len(path.path) then -- JSON holds no other bytes
			wasted[#wasted + 1] = path
		end
	end
	return luff.json.encode({ digest = image:digest(), layers = layers, efficiency = sums.score, bytes = sums.bytes,
		wasted = sums.wasted, wastedPaths = wasted }, { indent = true })
end

return {
	summary = "show layers and folders with their sizes, and what is wasted",
	usage = "[--depth N] [--top N] [--json] [--platform P] NAME [FOLDER]",
	arguments = { 1, 2 },
	options = {
		{ name = "depth", short = "d", value = "N", type = "integer", min = 0, max = 2000,
			help = "folders below each other (2)" },
		{ name = "top", value = "N", type = "integer", min = 0, max = 1000000,
			help = "so many of the paths that waste most (10)" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print layers and all wasted paths as JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Of each layer: its size as it is stored, the bytes and number of its files, and the bytes of those that later
layers replace or remove. The efficiency is dive's: each path counts with the smallest size that it ever had,
out of all bytes that layers have for it. FOLDER is shown in place of the whole tree.

examples
  luff tree alpine:3
  luff tree --depth 1 oci:./mirror:v1 /usr/lib
  luff tree --json alpine:3 | jq .efficiency
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		local tree = image:tree()
		local sums = tree:efficiency()
		if opts.json then
			terminal.write(to_json(image, sums), "\n")
			return
		end
		local top = args[2] and tree:stat(args[2]).path or "/"
		local root = build(tree, top, opts.depth or 2)
		terminal.write(terminal.size(root.size), "  ", terminal.printable(top), "\n",
			terminal.align(draw(root, "", {}), { true }))
		if args[2] then
			return
		end
		terminal.write("\nlayers\n", terminal.align(layer_rows(image, sums), { [3] = true, [4] = true, [5] = true }, "  "),
			("\nefficiency %.2f %%, %s of %s wasted\n"):format(100 * sums.score, terminal.size(sums.wasted),
				terminal.size(sums.bytes)),
			terminal.align(waste_rows(sums, opts.top or 10), { true }, "  "))
	end,
}
