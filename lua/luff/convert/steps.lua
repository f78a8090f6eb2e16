-- Steps of regsync and skopeo sync as a script: a table of luff.mirror's for each, and functions for what is done before a copy.
local expression = require "luff.convert.expression"
local fail = require "luff.fail"
local steps = require "luff.sync.steps"
local value = require "luff.regbot.value"
local writer = require "luff.convert.writer"

-- ---- Names -------------------------------------------------------------------------------------------------

-- A text of which only the tail is known: what is in front of its tag, and the tag.
local function split_tag(of)
	local head, tail = of.text:match "^(.*}})(.-)$"
	local rest, digest = tail:match "^(.-)@(sha%d+:%x+)$"
	local front, tag = (rest or tail):match "^(.*):([%w_][%w._-]*)$"
	if (rest or tail) == "" then
		fail("invalid", "%s: the tag comes from a template; write it behind: {{ … }}:v1", of.place)
	end
	return head .. (front or rest or tail), digest or tag or "latest"
end

-- Lua of a source or target without its tag, and the tag (of an image).
local function named(of, type, data, known, needs)
	local text = of:fixed { Sync = data }
	if text and type == "registry" then
		return writer.text(text), nil, text
	elseif text then
		local place = steps.place(of, text)
		return writer.text(place.place), place.its_digest or place.its_tag or "latest", text
	end
	local head, tag = of.text, nil
	if type == "image" then
		head, tag = split_tag(of)
	end
	local lua_data = ("{ Sync = { Source = %s, Target = %s, Type = %s } }"):format(known[".Sync.Source"]
		or writer.text(data.Source), writer.text(data.Target), writer.text(data.Type))
	return expression.of_text(head:gsub("^ocidir://", "oci:"), function(part)
		return value.new(part, of.place):fixed { Sync = data }
	end, known, lua_data, needs), tag
end

-- ---- Rules -------------------------------------------------------------------------------------------------

local function expressions(list, part, needs)
	local items = {}
	for i, text in ipairs(list or {}) do
		if not part and text:find "^[%w_-]+$" then
			items[i] = writer.text(text)
		else
			needs.regex = true
			items[i] = ("regex.new(%s%s)"):format(writer.text(text), part and "" or ', "a"')
		end
	end
	return list and writer.table(items, 3, 10)
end

local function rules(of, needs)
	return writer.table({ { "allow", expressions(of.allow, of.part, needs) },
		{ "deny", expressions(of.deny, of.part, needs) }, { "semver", of.semver and writer.text(of.semver) } }, 2, 10)
end

-- ---- What is done before a copy ----------------------------------------------------------------------------

-- Media types that a step leaves out, of those that luff copies.
local function check_media_types(of, needs)
	local meant, complete = {}, true
	for _, media_type in ipairs(of.media_types or steps.media_types) do
		meant[media_type] = true
	end
	local items = {}
	for _, media_type in ipairs(steps.media_types) do
		complete = complete and meant[media_type]
		items[#items + 1] = meant[media_type] and { media_type, "true" } or nil
	end
	if complete then
		return ""
	end
	needs.resolve = needs.resolve or of.platform
	return ("\tlocal meant = %s\n\tif not meant[%s] then\n\t\treturn false\n\tend\n"):format(writer.table(items, 1, 14),
		of.platform and 'luff.resolve(entry.from .. ":" .. entry.tag).mediaType' or "object:media_type()")
end

-- The name under which what the target has is kept.
local function backup_name(of, data, needs)
	local known = { [".Ref.Tag"] = "entry.target", [".Ref.Digest"] = "old",
		[".Ref.Registry"] = "luff.ref(entry.to).registry", [".Ref.Repository"] = "luff.ref(entry.to).repository",
		[".Ref.Reference"] = 'entry.to .. ":" .. entry.target' }
	data = { Source = data.Source, Target = data.Target, Type = data.Type }
	local sync = writer.table({ { "Source", writer.text(data.Source) }, { "Target", writer.text(data.Target) },
		{ "Type", writer.text(data.Type) } }, 3)
	local lua_data = writer.block({ { "Ref", "{ Registry = luff.ref(entry.to).registry, "
		.. "Repository = luff.ref(entry.to).repository,\n\t\t\t\tTag = entry.target, Digest = old, "
		.. 'Reference = entry.to .. ":" .. entry.target }' }, { "Sync", sync } }, 2)
	local code = expression.of_text(of.text:gsub("^ocidir://", "oci:"), function(part)
		return not part:find("Ref", 1, true) and value.new(part, of.place):fixed { Sync = data } or nil
	end, known, lua_data, needs)
	local sample = of:sample { Sync = data, Step = data, Ref = { Registry = "r.example", Repository = "r", Tag = "t",
		Digest = "sha256:0", Reference = "r.example/r:t" } }
	return sample:find "[:/]" and code or 'entry.to .. ' .. (code:find '^"' and '":' .. code:sub(2) or '":" .. ' .. code)
end

-- Lua of the body of a filter; nil where a step has none.
local function filter(of, data, tag, needs)
	local types = check_media_types(of, needs)
	local rate = of.ratelimit and not data.Source:find "^ocidir:" and of.ratelimit
	local backup = of.backup and not (tag and tag:find(":", 1, true)) and of.backup
	local fast = of.fast and (of.referrers or of.digest_tags or of.deep)
	if types == "" and not rate and not backup and not fast then
		return nil
	end
	local parts = { types }
	if rate or backup or fast then
		needs.digest_there = true
		parts[#parts + 1] = ("\tlocal old = digest_there(entry)\n\tif old == object:digest() then\n\t\treturn %s\n\tend\n")
			:format(fast and "false -- as it was: nothing below it is looked at" or "true")
	end
	if rate then
		needs.wait_for_rate = true
		parts[#parts + 1] = ("\twait_for_rate(object, entry, %.14g, %.14g)\n"):format(rate.min, rate.retry)
	end
	if backup then
		parts[#parts + 1] = ('\tif old then\n\t\tluff.copy(entry.to .. "@" .. old, %s)\n\tend\n'):format(
			backup_name(backup, data, needs))
	end
	parts[#parts + 1] = "\treturn true\n"
	return table.concat(parts)
end

local definitions = {
	{ "digest_there", [[
-- What a tag of the target stands for; nil where it stands for nothing.
local function digest_there(entry)
	local there, err = luff.try(luff.resolve, entry.to .. ":" .. entry.target)
	if not there and err.code ~= "not_found" and err.code ~= "bad_format" then
		error(err, 0)
	end
	return there and there.digest
end
]] },
	{ "wait_for_rate", [[
-- Waits until the registry of the source lets so many requests through; asks again after so many seconds.
local function wait_for_rate(object, entry, least, seconds)
	local registry = luff.ref(entry.from).registry
	while true do
		local rate = luff.rate_limit(registry)
		if not rate or not rate.remaining or rate.remaining >= least then
			return
		end
		time.sleep(seconds)
		luff.resolve(entry.from .. "@" .. object:digest())
	end
end
]] },
}

-- ---- The script --------------------------------------------------------------------------------------------

local function flag(on)
	return on and "true" or nil
end

-- Lua of one step, and of more of them where several sets of rules mean its tags.
local function add_step(items, of, filters, needs)
	local data, known = steps.data(of), {}
	local from, tag, source = named(of.source, of.type, data, {}, needs)
	if source then
		data.Source = source
	else
		known[".Sync.Source"] = from .. (tag and " .. " .. writer.text(":" .. tag) or "")
	end
	local to, target, whole = named(of.target, of.type, data, known, needs)
	data.Target = whole or data.Target
	local before = filter(of, data, of.type == "image" and not of.names and target, needs)
	if before and not filters[before] then
		filters[#filters + 1] = before
		filters[before] = "before" .. (#filters > 1 and "_" .. #filters or "")
	end
	if of.type ~= "image" then
		tag, target = nil, nil
	end
	for _, set in ipairs(of.tags or { false }) do
		local names = of.names or tag and { tag }
		local tags = writer.list(names, 2, 10) or set and rules(set, needs)
		items[#items + 1] = writer.comment(of.source.place .. (of.due and "; as a server " .. of.due or "")) .. "\t"
			.. writer.block({
				{ "from", from }, { "to", to },
				{ "repositories", of.type == "registry"
					and (of.repositories and rules(of.repositories, needs) or writer.text "**") or nil },
				{ "tags", tags },
				{ "rename", not of.names and target ~= tag and ("function() return %s end"):format(writer.text(target))
					or nil },
				{ "platform", of.platform and writer.text(of.platform) }, { "platforms", writer.list(of.platforms, 2, 10) },
				{ "sparse", flag(of.platforms) }, { "referrers", flag(of.referrers) },
				{ "digest_tags", flag(of.digest_tags) }, { "foreign", flag(of.foreign) }, { "deep", flag(of.deep) },
				{ "filter", before and filters[before] },
			}, 1)
	end
end

local run = [[
local failed = 0

local function report(entry)
	if entry.status == "failed" then
		failed = failed + 1
		io.stderr:write(entry.to, ": ", entry.target or "", " ", tostring(entry.error), "\n")
	else
		print(entry.status, entry.to, entry.target, entry.digest)
	end
end

luff.map(steps, { jobs = %d }, function(step)
	step.each, step.jobs = report, 1
	local _, err = luff.try(mirror.run, step)
	if err then
		report { to = step.to, status = "failed", error = err }
	end
	return true
end)
os.exit(failed == 0 and 0 or 1)
]]

--- The parts of a script, in their order. needs: as luff.convert.expression tells it, and which modules it requires.
return function(description, needs)
	local items, filters = {}, {}
	for _, of in ipairs(description.steps) do
		add_step(items, of, filters, needs)
	end
	local parts = {}
	for _, one in ipairs(definitions) do
		parts[#parts + 1] = needs[one[1]] and one[2] or nil
	end
	needs.mirror, needs.time = true, needs.wait_for_rate
	for _, body in ipairs(filters) do
		parts[#parts + 1] = ("local function %s(object, entry)\n%send\n"):format(filters[body], body)
	end
	parts[#parts + 1] = "local steps = " .. (#items == 0 and "{}" or writer.block(items, 0)) .. "\n"
	parts[#parts + 1] = run:format(description.parallel)
	return parts
end
