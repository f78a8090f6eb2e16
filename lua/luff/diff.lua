-- What is different between two images: configs, histories, layers, files; and the lines of texts.
local luff = require "luff"
local options = require "luff.options"

local diff = {}

local EDITS_MAX = 1000 -- what is more different than that is all of it

-- The way from list a to list b with the fewest steps, by Myers ("An O(ND) Difference Algorithm and Its Variations", 1986):
-- the furthest point of each diagonal, kept for each number of edits. Nil where it takes more than EDITS_MAX.
local function shortest(a, first_a, last_a, b, first_b, last_b)
	local n, m = last_a - first_a + 1, last_b - first_b + 1
	local furthest, trail = { [1] = 0 }, {}
	for edits = 0, math.min(n + m, EDITS_MAX) do
		trail[edits] = {}
		for k = -edits, edits do
			trail[edits][k] = furthest[k]
		end
		for k = -edits, edits, 2 do
			local down = k == -edits or k ~= edits and furthest[k - 1] < furthest[k + 1]
			local x = down and furthest[k + 1] or furthest[k - 1] + 1
			local y = x - k
			while x < n and y < m and a[first_a + x] == b[first_b + y] do
				x, y = x + 1, y + 1
			end
			furthest[k] = x
			if x >= n and y >= m then
				return trail, edits
			end
		end
	end
end

--- The steps from list a to list b: { { "=", value }, { "-", value }, { "+", value }, … }.
function diff.lists(a, b)
	local first, last_a, last_b = 1, #a, #b
	while first <= last_a and first <= last_b and a[first] == b[first] do
		first = first + 1
	end
	while last_a >= first and last_b >= first and a[last_a] == b[last_b] do
		last_a, last_b = last_a - 1, last_b - 1
	end
	local middle = {} -- from the end
	local x, y = last_a - first + 1, last_b - first + 1
	local trail, edits = shortest(a, first, last_a, b, first, last_b)
	if trail then
		for d = edits, 1, -1 do
			local k, furthest = x - y, trail[d]
			local down = k == -d or k ~= d and furthest[k - 1] < furthest[k + 1]
			local from = down and k + 1 or k - 1
			local to_x = furthest[from]
			local to_y = to_x - from
			while x > to_x and y > to_y and (x > (down and to_x or to_x + 1) or y > (down and to_y + 1 or to_y)) do
				middle[#middle + 1] = { "=", a[first + x - 1] }
				x, y = x - 1, y - 1
			end
			middle[#middle + 1] = down and { "+", b[first + y - 1] } or { "-", a[first + x - 1] }
			x, y = to_x, to_y
		end
		for i = x, 1, -1 do
			middle[#middle + 1] = { "=", a[first + i - 1] }
		end
	else
		for i = last_b, first, -1 do
			middle[#middle + 1] = { "+", b[i] }
		end
		for i = last_a, first, -1 do
			middle[#middle + 1] = { "-", a[i] }
		end
	end
	local steps = {}
	for i = 1, first - 1 do
		steps[i] = { "=", a[i] }
	end
	for i = #middle, 1, -1 do
		steps[#steps + 1] = middle[i]
	end
	for i = last_a + 1, #a do
		steps[#steps + 1] = { "=", a[i] }
	end
	return steps
end

local function lines_of(text)
	local lines = {}
	for line, ending in text:gmatch "([^\n]*)(\n?)" do
		if line ~= "" or ending ~= "" then
			lines[#lines + 1] = ending ~= "" and line or line .. "\n\\ no newline at the end"
		end
	end
	return lines
end

--- Whether bytes are a text that can be shown line by line.
function diff.is_text(bytes)
	return utf8.len(bytes) ~= nil and not bytes:find "[\1-\8\14-\26\28-\31]" and not bytes:find("\0", 1, true)
end

--- The hunks of a unified diff with three lines around each change: lines with " ", "-", "+" or "@@" in front. "" where
-- nothing is different.
function diff.texts(a, b)
	local steps, out = diff.lists(lines_of(a), lines_of(b)), {}
	local near = {}
	for i, step in ipairs(steps) do
		if step[1] ~= "=" then
			for k = math.max(i - 3, 1), math.min(i + 3, #steps) do
				near[k] = true
			end
		end
	end
	local line_a, line_b, header, count_a, count_b = 1, 1, nil, 0, 0
	local function finish()
		if header then
			out[header] = out[header]:format(count_a, count_b)
		end
		header, count_a, count_b = nil, 0, 0
	end
	for i, step in ipairs(steps) do
		local in_a, in_b = step[1] ~= "+" and 1 or 0, step[1] ~= "-" and 1 or 0
		if near[i] then
			if not header then
				out[#out + 1] = ("@@ -%d,%%d +%d,%%d @@"):format(line_a, line_b)
				header = #out
			end
			out[#out + 1] = (step[1] == "=" and " " or step[1]) .. step[2]
			count_a, count_b = count_a + in_a, count_b + in_b
		else
			finish()
		end
		line_a, line_b = line_a + in_a, line_b + in_b
	end
	finish()
	return #out > 0 and table.concat(out, "\n") .. "\n" or ""
end

-- ---- configs ------------------------------------------------------------------------------------------------------

local function is_list(value)
	return type(value) == "table" and (value[1] ~= nil or luff.json.encode(value) == "[]")
end

local function all_plain(list)
	for _, value in ipairs(list) do
		if type(value) == "table" then
			return false
		end
	end
	return true
end

local function same(a, b)
	return a == b or type(a) == "table" and type(b) == "table" and luff.json.encode(a) == luff.json.encode(b)
end

local function keys_of(a, b)
	local keys, seen = {}, {}
	for _, t in ipairs { a, b } do
		for key in pairs(t) do
			if not seen[key] then
				seen[key] = true
				keys[#keys + 1] = key
			end
		end
	end
	table.sort(keys)
	return keys
end

-- Members that are different: { path, from, to }; of lists of plain values what went and what came, each on its own.
local function compare_values(out, path, a, b)
	if same(a, b) then
		return
	elseif is_list(a) and is_list(b) and all_plain(a) and all_plain(b) then
		for _, step in ipairs(diff.lists(a, b)) do
			if step[1] ~= "=" then
				out[#out + 1] = { path = path, [step[1] == "-" and "from" or "to"] = step[2] }
			end
		end
	elseif type(a) == "table" and type(b) == "table" and not is_list(a) and not is_list(b) then
		for _, key in ipairs(keys_of(a, b)) do
			compare_values(out, path == "" and key or path .. "." .. key, a[key], b[key])
		end
	else
		out[#out + 1] = { path = path, from = a, to = b }
	end
end

-- What is looked at apart, or differs with the rest.
local apart = { rootfs = true, history = true }

local function compare_configs(a, b)
	local x, y, out = {}, {}, luff.array {}
	for _, side in ipairs { { a, x }, { b, y } } do
		for key, value in pairs(side[1]) do
			side[2][key] = not apart[key] and value or nil
		end
	end
	compare_values(out, "", x, y)
	return out
end

-- ---- images -------------------------------------------------------------------------------------------------------

local function history_of(config)
	local steps = {}
	for i, step in ipairs(type(config.history) == "table" and config.history or {}) do
		local words = type(step) == "table" and (step.created_by or step.comment)
		steps[i] = type(words) == "string" and words or "?"
	end
	return steps
end

local function layer_facts(layer)
	return { digest = layer:digest(), diffId = layer:diff_id(), size = layer:size(), mediaType = layer:media_type() }
end

-- By diff ID: a layer that is only compressed otherwise is no other one.
local function compare_layers(a, b)
	local out, ids, layers = luff.array {}, { {}, {} }, { a:layers(), b:layers() }
	for side = 1, 2 do
		for i, layer in ipairs(layers[side]) do
			ids[side][i] = layer:diff_id()
		end
	end
	local at, to, names = 0, 0, { ["="] = "same", ["-"] = "removed", ["+"] = "added" }
	for _, step in ipairs(diff.lists(ids[1], ids[2])) do
		at, to = at + (step[1] ~= "+" and 1 or 0), to + (step[1] ~= "-" and 1 or 0)
		local entry = { kind = names[step[1]] }
		entry.from = step[1] ~= "+" and layer_facts(layers[1][at]) or nil
		entry.to = step[1] ~= "-" and layer_facts(layers[2][to]) or nil
		if step[1] == "=" and entry.from.digest ~= entry.to.digest then
			entry.kind = "recompressed"
		end
		out[#out + 1] = entry
	end
	return out
end

--- What is different between two Images.
--
--	pattern    only files whose path fits it (luff.Image:files)
--	times      true: files that only have another time are different, too
--	contents   true: changed files of at most 64 KiB have from_content and to_content
--
-- { same = whether they have one digest, config = { { path, from, to }, … }, history = steps (diff.lists), layers = { { kind,
-- from, to }, … } with kind "same", "recompressed", "added" or "removed", files = as luff.Tree:diff }.
function diff.images(a, b, opts)
	opts = opts or {}
	options.check(opts, { "pattern", "times", "contents" }, "option")
	if a:digest() == b:digest() then
		return { same = true, config = luff.array {}, history = luff.array {}, layers = luff.array {}, files = luff.array {} }
	end
	local configs = { a:config_file(), b:config_file() }
	local history = luff.array {}
	for i, step in ipairs(diff.lists(history_of(configs[1]), history_of(configs[2]))) do
		history[i] = step
	end
	return {
		same = false,
		config = compare_configs(configs[1], configs[2]),
		history = history,
		layers = compare_layers(a, b),
		files = luff.array(a:tree():diff(b:tree(), opts)),
	}
end

return diff
