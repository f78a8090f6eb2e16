-- luff size: how large an image is, as a registry stores it. Reads manifests alone.
local luff = require "luff"
local terminal = require "luff.terminal"

-- An image with its blobs, each counted once.
local function of_image(image)
	local manifest = image:manifest()
	local total, seen = #image:raw_manifest() + manifest.config.size, {}
	local layers = luff.array {}
	for i, layer in ipairs(image:layers()) do
		layers[i] = { digest = layer:digest(), size = layer:size(), mediaType = layer:media_type() }
		if not seen[layer:digest()] then
			seen[layer:digest()] = true
			total = total + layer:size()
		end
	end
	return { digest = image:digest(), size = total, config = manifest.config.size, manifest = #image:raw_manifest(),
		layers = layers }
end

local function platform_of(entry)
	local p = type(entry.platform) == "table" and entry.platform or {}
	local words = {}
	for _, key in ipairs { "os", "architecture", "variant" } do
		if type(p[key]) == "string" and p[key] ~= "" then
			words[#words + 1] = p[key]
		end
	end
	return #words > 0 and table.concat(words, "/") or "-"
end

-- All that an index lists; a blob that several of its images have is stored once.
local function of_index(index)
	local out = { digest = index:digest(), manifest = #index:raw_manifest(), images = luff.array {} }
	local seen, total = {}, out.manifest
	local function count(digest, size)
		if not seen[digest] then
			seen[digest] = true
			total = total + size
		end
	end
	local function walk(one)
		for _, entry in ipairs(one:index_manifest().manifests) do
			if entry.mediaType:find "index" or entry.mediaType:find "manifest%.list" then
				if not seen[entry.digest] then
					count(entry.digest, entry.size)
					walk(one:image_index(entry.digest))
				end
			else
				local image = one:image(entry.digest)
				local facts = of_image(image)
				facts.platform = platform_of(entry)
				out.images[#out.images + 1] = facts
				count(facts.digest, facts.manifest)
				count(image:config_name(), facts.config)
				for _, layer in ipairs(facts.layers) do
					count(layer.digest, layer.size)
				end
			end
		end
	end
	walk(index)
	out.size = total
	return out
end

return {
	summary = "show how large an image or index is, layer by layer",
	usage = "[--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "platform", value = "P", help = "of an index, only the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON, sizes in bytes" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Sizes as they are stored and moved: manifests, configs and layers, each blob once. Of an index: all that it
lists, and each image. What layers unpack to, and waste, shows luff tree.

examples
  luff size alpine:3
  luff size --platform linux/arm64 alpine:3
  luff size --json alpine:3 | jq .size
]],
	run = function(args, opts)
		local where = { platform = opts.platform, plain_http = opts.plain_http }
		local found = opts.platform and luff.image(args[1], where) or luff.open(args[1], { plain_http = opts.plain_http })
		local facts = found.layers and of_image(found) or of_index(found)
		if opts.json then
			terminal.write(luff.json.encode(facts, { indent = true }), "\n")
			return
		end
		local rows = {}
		for i, layer in ipairs(facts.layers or {}) do
			rows[i] = { terminal.size(layer.size), terminal.printable(layer.digest), terminal.printable(layer.mediaType) }
		end
		for i, image in ipairs(facts.images or {}) do
			rows[i] = { terminal.size(image.size), terminal.printable(image.digest), terminal.printable(image.platform) }
		end
		terminal.write(terminal.size(facts.size), "  ", facts.digest, "\n", terminal.align(rows, { true }, "  "))
	end,
}
