-- What there is to see of an image or a repository, as one page of HTML that stands alone.
local files = require "luff.report.files"
local history = require "luff.history"
local luff = require "luff"
local options = require "luff.options"
local page = require "luff.report.page"
local terminal = require "luff.terminal"

local report = {}

local FILES_MAX = 3000 -- that the tree shows
local PATHS_MAX = 25 -- that waste most
local LAYERS_MAX = 200
local TAGS_MAX = 1000 -- of a repository
local SHARED_MAX = 50 -- layers that several tags have
local PLATFORMS_MAX = 64 -- images of one index

local size = terminal.size

local function count(n, what)
	return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

-- "… and 12 more" where a list is longer than what is shown of it.
local function and_more(n, most, what)
	return n > most and ("… and %d more %s"):format(n - most, what) or nil
end

local function table_of(value)
	return type(value) == "table" and value or {}
end

local function text_of(value)
	return type(value) == "string" and value or nil
end

local function words_of(list)
	local out = {}
	for i, word in ipairs(table_of(list)) do
		out[i] = tostring(word)
	end
	return table.concat(out, " ")
end

local function pairs_of(map)
	local rows = {}
	for key, value in pairs(table_of(map)) do
		if type(key) == "string" then
			rows[#rows + 1] = { key, text_of(value) or "" }
		end
	end
	table.sort(rows, function(a, b) return a[1] < b[1] end)
	return rows
end

-- ---- An image ----------------------------------------------------------------------------------------------

local function layers_part(image, config, sums)
	local layers = image:layers()
	local commands, total, largest = {}, 0, 1
	for _, step in ipairs(history.steps(image, config, layers)) do
		if step.layer then
			commands[step.layer] = (step.createdBy or step.comment) and history.command(step)
		end
	end
	for _, layer in ipairs(layers) do
		total, largest = total + layer:size(), math.max(largest, layer:size())
	end
	local out = {
		page.heading("Layers", "The base first; sizes as they are stored."), '<div class="stack" aria-hidden="true">',
	}
	for i, layer in ipairs(layers) do
		if i <= LAYERS_MAX then
			out[#out + 1] = ('<i style="width:%.2f%%"></i>'):format(total > 0 and 100 * layer:size() / total or 0)
		end
	end
	out[#out + 1] = '</div>\n<ol class="layers">\n'
	for i, layer in ipairs(layers) do
		if i > LAYERS_MAX then
			break
		end
		local one = sums and sums.layers[i]
		local more = one and ("%s, %s unpacked"):format(count(one.files, "file"), size(one.bytes)) or "no files"
		if one and one.wasted > 0 then
			more = more .. (", %s wasted"):format(size(one.wasted))
		end
		out[#out + 1] = ('<li><span class="n">%d</span>%s<span class="size">%s</span>'
			.. '<p class="cmd"><code>%s</code></p>'
			.. '<span class="more">%s · <span class="mono" title="%s">%s</span></span></li>\n'):format(i,
			page.bar(layer:size(), largest), page.text(size(layer:size())),
			page.text(commands[i] or "the image does not say how"), page.text(more),
			page.text(layer:digest()), page.text(terminal.short(layer:digest())))
	end
	out[#out + 1] = "</ol>\n"
	local rest = and_more(#layers, LAYERS_MAX, "layers")
	out[#out + 1] = rest and ('<p class="note">%s</p>\n'):format(page.text(rest)) or ""
	return table.concat(out)
end

local function waste_part(sums)
	if #sums.paths == 0 then
		return page.heading("Waste", "Nothing: no layer replaces or removes what another one has.")
	end
	local rows = {}
	for i, path in ipairs(sums.paths) do
		if i > PATHS_MAX then
			break
		end
		rows[i] = { path.path, path.removed and "removed" or "replaced", tostring(path.count), size(path.wasted) }
	end
	return page.heading("Waste", "What layers hold in vain, because later ones replace or remove it.")
		.. page.table("waste", "Waste", { { title = "Path", code = true }, { title = "What happens" },
			{ title = "Layers", num = true }, { title = "Wasted", num = true } }, rows,
			and_more(#sums.paths, PATHS_MAX, "paths"))
end

local function add_node(out, node, whole, depth, alone)
	local name = page.text(node.name)
	local note = node.link and " → " .. node.link or node.layer and not node.children and " layer " .. node.layer or ""
	note = note ~= "" and ("<small>%s</small>"):format(page.text(note)) or ""
	local row = ('<span class="name">%s%s</span>%s<span class="size">%s</span>'):format(
		name .. (node.children and "/" or ""), note, page.bar(node.size, whole), page.text(size(node.size)))
	if not node.children then
		out[#out + 1] = '<li><div class="leaf">' .. row .. "</div></li>\n"
		return
	end
	-- down to where there is something to choose
	out[#out + 1] = ("<li><details%s><summary>%s</summary><ul>\n"):format(
		(depth == 0 or alone and #node.children > 0) and " open" or "", row)
	for _, child in ipairs(node.children) do
		add_node(out, child, whole, depth + 1, (alone or depth == 0) and #node.children == 1)
	end
	if node.more > 0 then
		out[#out + 1] = ('<li><div class="leaf soft"><span class="name">… and %d more</span><span></span>'
			.. '<span class="size">%s</span></div></li>\n'):format(node.more, page.text(size(node.more_size)))
	end
	out[#out + 1] = "</ul></details></li>\n"
end

local function files_part(tree)
	local root = files.build(tree:files(), FILES_MAX)
	local out = {
		page.heading("Files", ("%s, the largest first; of hard links, each name counts."):format(count(root.files, "file"))),
		page.find("files", "Search files"), '<ul class="tree" id="files">\n',
	}
	root.name = ""
	add_node(out, root, root.size, 0)
	out[#out + 1] = "</ul>\n"
	return table.concat(out)
end

local function config_part(config)
	local inner = table_of(config.config)
	local facts = {
		{ "User", text_of(inner.User), true }, { "Entrypoint", words_of(inner.Entrypoint), true },
		{ "Command", words_of(inner.Cmd), true }, { "Folder", text_of(inner.WorkingDir), true },
	}
	for _, one in ipairs(table_of(inner.Env)) do
		facts[#facts + 1] = { "Environment", tostring(one), true }
	end
	for _, pair in ipairs(pairs_of(inner.Labels)) do
		facts[#facts + 1] = { pair[1], pair[2] ~= "" and pair[2] or "-" }
	end
	for _, fact in ipairs(facts) do
		if fact[2] and fact[2] ~= "" then
			return page.heading "Configuration" .. page.facts(facts)
		end
	end
	return ""
end

local function platform_of(entry)
	local p = table_of(entry.platform)
	local words = {}
	for _, key in ipairs { "os", "architecture", "variant" } do
		words[#words + 1] = text_of(p[key])
	end
	return #words > 0 and table.concat(words, "/") or "-"
end

local function platforms_part(index)
	local rows, all = {}, table_of(index:index_manifest().manifests)
	for i, entry in ipairs(all) do
		if i > PLATFORMS_MAX then
			break
		end
		rows[i] = { platform_of(table_of(entry)), tostring(table_of(entry).digest) }
	end
	return page.heading("Platforms", "What the index lists; the rest of this page is about one of them.")
		.. page.table("platforms", "Platforms", { { title = "Platform" }, { title = "Digest", code = true } }, rows,
			and_more(#all, PLATFORMS_MAX, "entries"))
end

local function footer()
	return ("<footer>Made by %s.</footer>\n"):format(page.text(luff._VERSION))
end

--- The page of an image, or of an index and its image for a platform.
-- opts: name (what it is called), platform (of an index; the machine's), plain_http.
function report.image(found, opts)
	opts = opts or {}
	options.check(opts, { "name", "platform", "plain_http" }, "option")
	local name = opts.name or type(found) ~= "userdata" and found or nil
	if type(found) == "string" then
		found = luff.open(found, { plain_http = opts.plain_http })
	end
	local index = found.index_manifest and found
	local image = index and index:image(opts.platform and { platform = opts.platform } or nil) or found
	name = name or image:digest()
	local config = luff.try(image.config_file, image) or {}
	local tree = image:tree()
	local sums = tree:efficiency()
	local stored = 0
	for _, layer in ipairs(image:layers()) do
		stored = stored + layer:size()
	end
	local manifest = image:manifest()
	local parts = {
		("<header><h1>%s</h1>\n"):format(page.text(name)),
		page.facts {
			{ "Platform", image:platform() }, { "Created", text_of(config.created) }, { "Digest", image:digest(), true },
			{ "Index", index and index:digest(), true }, { "Config", image:config_name(), true },
			{ "Artifact", text_of(manifest.artifactType) },
		},
		"</header>\n",
		page.cards {
			{ size(stored), "stored, in layers" }, { size(sums.bytes), "unpacked" },
			{ #image:layers(), #image:layers() == 1 and "layer" or "layers" },
			{ ("%.1f %%"):format(100 * sums.score), "efficiency" }, { size(sums.wasted), "wasted" },
		},
		index and platforms_part(index) or "",
		layers_part(image, config, sums), waste_part(sums), files_part(tree), config_part(config), footer(),
	}
	return page.whole(name, parts)
end

-- ---- A repository ------------------------------------------------------------------------------------------

-- What a tag has: { tag, digest, platforms, blobs = { [digest] = size }, created }, or { tag, error }.
local function look_at(place, tag, opts)
	local one = { tag = tag, platforms = {}, blobs = {}, images = 0 }
	local function add(image, platform)
		one.images = one.images + 1
		one.blobs[image:digest()] = #image:raw_manifest()
		local config = table_of(image:manifest().config)
		if type(config.digest) == "string" and math.type(config.size) == "integer" then
			one.blobs[config.digest] = config.size
		end
		for _, layer in ipairs(image:layers()) do
			one.blobs[layer:digest()] = layer:size()
		end
		local described = luff.try(image.config_file, image)
		local created = text_of(table_of(described).created)
		if created and (not one.created or created > one.created) then
			one.created = created
		end
		platform = platform or image:platform()
		if platform ~= "unknown/unknown" and platform ~= "unknown" then
			one.platforms[#one.platforms + 1] = platform
		end
	end
	local found = luff.open(place .. ":" .. tag, { plain_http = opts.plain_http })
	one.digest = found:digest()
	if not found.index_manifest then
		add(found)
		return one
	end
	one.blobs[found:digest()] = #found:raw_manifest()
	for i, entry in ipairs(table_of(found:index_manifest().manifests)) do
		if i > PLATFORMS_MAX then
			break
		end
		local image = luff.try(found.image, found, table_of(entry).digest) -- an index within it is not followed
		if image then
			add(image, platform_of(entry))
		end
	end
	return one
end

local function sum(blobs)
	local n = 0
	for _, bytes in pairs(blobs) do
		n = n + bytes
	end
	return n
end

-- Blobs of all: { [digest] = { digest, size, tags = how many, digests = by how many different images or indexes } }
local function blobs_of(tags)
	local blobs, seen = {}, {}
	for _, one in ipairs(tags) do
		for digest, bytes in pairs(one.blobs or {}) do
			local blob = blobs[digest] or { digest = digest, size = bytes, tags = 0, owners = 0 }
			blobs[digest] = blob
			blob.tags = blob.tags + 1
			if not seen[digest .. one.digest] then
				seen[digest .. one.digest] = true
				blob.owners = blob.owners + 1
			end
		end
	end
	return blobs
end

local function tags_part(tags, blobs)
	local rows = {}
	for _, one in ipairs(tags) do
		if one.error then
			rows[#rows + 1] = { one.tag, one.error, { "", -1 }, { "", -1 }, "", "" }
		else
			local shared = 0
			for digest, bytes in pairs(one.blobs) do
				shared = shared + (blobs[digest].owners > 1 and bytes or 0)
			end
			rows[#rows + 1] = { one.tag, #one.platforms > 0 and table.concat(one.platforms, ", ") or "-",
				{ size(one.size), one.size }, { size(shared), shared }, one.created and one.created:sub(1, 10) or "-",
				terminal.short(one.digest) }
		end
	end
	return page.heading("Tags", "Sizes are of all that a tag needs; shared is what other images here have, too.")
		.. page.find("tags", "Search tags")
		.. page.table("tags", "Tags", { { title = "Tag", sort = true }, { title = "Platforms", sort = true },
			{ title = "Size", num = true, sort = true, sorted = true }, { title = "Shared", num = true, sort = true },
			{ title = "Created", sort = true }, { title = "Digest", code = true } }, rows)
end

local function shared_part(blobs)
	local list = {}
	for _, blob in pairs(blobs) do
		if blob.owners > 1 then
			list[#list + 1] = blob
		end
	end
	table.sort(list, function(a, b)
		local x, y = a.size * (a.owners - 1), b.size * (b.owners - 1)
		if x ~= y then
			return x > y
		end
		return a.digest < b.digest
	end)
	if #list == 0 then
		return page.heading("Shared", "No two images of the repository have a layer in common.")
	end
	local rows = {}
	for i, blob in ipairs(list) do
		if i > SHARED_MAX then
			break
		end
		local saved = blob.size * (blob.owners - 1)
		rows[i] = { terminal.short(blob.digest), { tostring(blob.owners), blob.owners }, { tostring(blob.tags), blob.tags },
			{ size(blob.size), blob.size }, { size(saved), saved } }
	end
	return page.heading("Shared", "What several images have in common is stored once.")
		.. page.table("shared", "Shared", { { title = "Digest", code = true }, { title = "Images", num = true, sort = true },
			{ title = "Tags", num = true, sort = true }, { title = "Size", num = true, sort = true },
			{ title = "Saved", num = true, sort = true, sorted = true } }, rows, and_more(#list, SHARED_MAX, "blobs"))
end

--- The page of a repository or layout: its tags, and what they share. A tag that cannot be read is in it with the error.
-- opts: plain_http, jobs (tags at a time, 8).
function report.repository(place, opts)
	opts = opts or {}
	options.check(opts, { "plain_http", "jobs" }, "option")
	local names = {}
	for tag in luff.tags(place, { plain_http = opts.plain_http }) do
		names[#names + 1] = tag
	end
	local some = table.move(names, 1, math.min(#names, TAGS_MAX), 1, {})
	local tags = luff.map(some, { jobs = opts.jobs or 8 }, function(tag)
		local one, err = luff.try(look_at, place, tag, opts)
		if not one and type(err) == "table" and err.code == "cancelled" then
			error(err, 0)
		end
		one = one or { tag = tag, error = tostring(err) }
		one.size = one.blobs and sum(one.blobs) or -1
		return one
	end)
	table.sort(tags, function(a, b)
		if a.size ~= b.size then
			return a.size > b.size
		end
		return a.tag < b.tag
	end)
	local blobs, digests, needed, stored, images = blobs_of(tags), {}, 0, 0, 0
	for _, one in ipairs(tags) do
		if one.digest and not digests[one.digest] then
			digests[one.digest] = true
			images = images + 1
			needed = needed + one.size
		end
	end
	for _, blob in pairs(blobs) do
		stored = stored + blob.size
	end
	return page.whole(place, {
		("<header><h1>%s</h1></header>\n"):format(page.text(place)),
		page.cards {
			{ #names, #names == 1 and "tag" or "tags" }, { images, "different images and indexes" },
			{ size(stored), "stored" }, { size(needed - stored), "saved by sharing" },
		},
		tags_part(tags, blobs),
		#names > TAGS_MAX and ('<p class="note">%s</p>\n'):format(page.text(and_more(#names, TAGS_MAX, "tags"))) or "",
		shared_part(blobs), footer(),
	})
end

return report
