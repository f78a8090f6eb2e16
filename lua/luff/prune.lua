-- Takes from a repository or layout the tags that nobody keeps, and with them what only they stood for. What a tag that stays
-- reaches is never deleted: its manifest, what an index lists, what refers to it by its subject.
local fail = require "luff.fail"
local glob = require "luff.glob"
local luff = require "luff"
local options = require "luff.options"
local select_tags = require "luff.select"
local semver = require "luff.semver"
local time = require "luff.time"

local prune = {}

prune.MAX = 20 -- tags that one run deletes, unless it is told otherwise

local JOBS = 8
local DEPTH_MAX = 8 -- of indexes in indexes, and of what refers to referrers

local indexes = {
	["application/vnd.oci.image.index.v1+json"] = true,
	["application/vnd.docker.distribution.manifest.list.v2+json"] = true,
}

-- ---- What there is ------------------------------------------------------------------------------------------

--- The tags of a place, nothing where it is not there: { tag, digest, media_type } each. names: only those, nil is all.
function prune.list(place, opts, names)
	if not names then
		names = {}
		local ok, err = pcall(function()
			for tag in luff.tags(place, { plain_http = opts.plain_http }) do
				names[#names + 1] = tag
			end
		end)
		if not ok and not (type(err) == "table" and err.code == "not_found") then
			error(err, 0)
		end
	end
	local found = luff.map(names, { jobs = opts.jobs or JOBS }, function(tag)
		local d, err = luff.try(luff.resolve, place .. ":" .. tag, { plain_http = opts.plain_http })
		if not d and err.code ~= "not_found" then
			error(err, 0)
		end
		return { tag = tag, digest = d and d.digest, media_type = d and d.mediaType }
	end)
	local entries = {}
	for _, entry in ipairs(found) do
		entries[#entries + 1] = entry.digest and entry or nil -- one that went meanwhile
	end
	return entries
end

--- The digest that a tag is about: "sha256-<hex>" and "sha256-<hex>.sig" (cosign's, and what stands in for referrers).
function prune.about(tag)
	local algorithm, hex = tag:match "^(sha%d+)%-(%x+)"
	return hex and (#hex == 64 or #hex == 128) and algorithm .. ":" .. hex or nil
end

-- ---- What goes: a rule's word -------------------------------------------------------------------------------

local known = { "from", "tags", "group", "keep", "by", "older_than", "protect", "max", "delete", "jobs", "plain_http" }

local function check(opts)
	options.check(opts, known, "option")
	if type(opts.from) ~= "string" then
		fail("invalid", '"from" is missing: a repository or layout, without a tag')
	elseif opts.keep == nil and opts.older_than == nil then
		fail("invalid", 'say what stays: "keep" a number of tags, or only those go that are "older_than" an age')
	elseif opts.keep ~= nil and (math.type(opts.keep) ~= "integer" or opts.keep < 0) then
		fail("invalid", '"keep" is a whole number from 0 on')
	elseif opts.by ~= nil and opts.by ~= "created" and opts.by ~= "version" and type(opts.by) ~= "function" then
		fail("invalid", '"by" is "created", "version" or a function')
	end
end

-- The key of the group that a tag belongs to, nil where it belongs to none.
local function grouper(group)
	if group == nil then
		return function() return "" end
	elseif type(group) == "function" then
		return group
	end
	if not pcall(string.match, "", group) then
		fail("invalid", '"group" is a Lua pattern or a function, and "%s" is neither', tostring(group))
	end
	return function(tag)
		return tag:match(group)
	end
end

-- Tells of each entry when it was made; asks once for each digest.
local function read_ages(place, entries, opts)
	local made = require("luff.created").of
	local first = {}
	for _, entry in ipairs(entries) do
		first[entry.digest] = first[entry.digest] or entry
	end
	local list = {}
	for _, entry in pairs(first) do
		list[#list + 1] = entry
	end
	luff.map(list, { jobs = opts.jobs or JOBS }, function(entry)
		entry.created = made(luff.open(place .. "@" .. entry.digest, { plain_http = opts.plain_http }))
	end)
	for _, entry in ipairs(entries) do
		entry.created = first[entry.digest].created
	end
end

-- Newest first. Those that cannot be compared are left out: they stay.
local function sorted(entries, by)
	local list = {}
	if by == "version" then
		local named, texts = {}, {}
		for i, entry in ipairs(entries) do
			named[entry.tag], texts[i] = entry, entry.tag
		end
		for i, text in ipairs(semver.sort(texts)) do
			list[i] = named[text]
		end
		return list
	end
	local keys = {}
	for _, entry in ipairs(entries) do
		keys[entry] = by == "created" and entry.created or by ~= "created" and by(entry.tag) or nil
		list[#list + 1] = keys[entry] and entry or nil
	end
	table.sort(list, function(a, b)
		if keys[a] ~= keys[b] then
			return keys[a] > keys[b]
		end
		return a.tag > b.tag
	end)
	return list
end

-- Marks what the rule lets go.
local function choose(entries, opts)
	local named, key_of, groups, order = {}, grouper(opts.group), {}, {}
	local names, meant = {}, {}
	local protected = glob.any("protect", opts.protect)
	for _, entry in ipairs(entries) do
		named[entry.tag] = entry
		names[#names + 1] = not prune.about(entry.tag) and entry.tag or nil
	end
	for _, tag in ipairs(select_tags(opts.tags or {})(names)) do
		local key = key_of(tag)
		if protected(tag) then
			named[tag].why = "protected"
		elseif key then
			meant[#meant + 1] = named[tag]
			groups[key] = groups[key] or {}
			order[#order + 1] = #groups[key] == 0 and key or nil
			table.insert(groups[key], named[tag])
		end
	end
	local by, age = opts.by or "created", opts.older_than and time.age(opts.older_than)
	if by == "created" and opts.keep ~= 0 or age then
		read_ages(opts.from, meant, opts)
	end
	local before = age and time.now() - age
	for _, key in ipairs(order) do
		for i, entry in ipairs(opts.keep == 0 and groups[key] or opts.keep and sorted(groups[key], by) or groups[key]) do
			if i <= (opts.keep or 0) then
				entry.why = "one of the newest"
			elseif before and not entry.created then
				entry.why = "of no known age"
			elseif before and entry.created >= before then
				entry.why = "too young"
			else
				entry.goes = true
			end
		end
	end
	-- What is protected, is that under all its names.
	local digests = {}
	for _, entry in ipairs(entries) do
		digests[protected(entry.tag) and entry.digest or ""] = entry.tag
	end
	for _, entry in ipairs(entries) do
		if entry.goes and digests[entry.digest] then
			entry.goes, entry.why = nil, "the same as " .. digests[entry.digest]
		end
	end
end

-- ---- What may go ---------------------------------------------------------------------------------------------

-- Adds to `into` all that a manifest reaches by its lists. What is not there reaches nothing.
local function reach(into, place, digest, opts, depth)
	local object, err = luff.try(luff.open, place .. "@" .. digest, { plain_http = opts.plain_http })
	if not object and err.code ~= "not_found" then
		error(err, 0)
	end
	for _, entry in ipairs(object and object.index_manifest and object:index_manifest().manifests or {}) do
		if not into[entry.digest] then
			into[entry.digest] = true
			if indexes[entry.mediaType] and depth < DEPTH_MAX then
				reach(into, place, entry.digest, opts, depth + 1)
			end
		end
	end
	return object
end

-- Everything that tags which stay stand for.
local function find_kept(place, entries, opts)
	local kept, open = {}, {}
	for _, entry in ipairs(entries) do
		if not entry.goes and not kept[entry.digest] then
			kept[entry.digest] = true
			open[#open + 1] = indexes[entry.media_type] and entry.digest or nil
		end
	end
	luff.map(open, { jobs = opts.jobs or JOBS }, function(digest)
		reach(kept, place, digest, opts, 1)
	end)
	return kept
end

-- Appends what refers to a manifest that goes, those at the ends first.
local function add_referrers(list, seen, place, digest, kept, opts, depth)
	local ok, err = pcall(function()
		for one in luff.referrers(place .. "@" .. digest, { plain_http = opts.plain_http }) do
			if not kept[one.digest] and not seen[one.digest] and depth < DEPTH_MAX then
				seen[one.digest] = true
				add_referrers(list, seen, place, one.digest, kept, opts, depth + 1)
				list[#list + 1] = one.digest
			end
		end
	end)
	if not ok and not (type(err) == "table" and (err.code == "not_found" or err.code == "unsupported")) then
		error(err, 0)
	end
end

-- The manifests that go with the tags, in their order: what refers to one, it, what it lists.
local function find_manifests(place, entries, opts)
	local doomed = {}
	for _, entry in ipairs(entries) do
		doomed[#doomed + 1] = entry.goes and entry.digest or nil
	end
	if #doomed == 0 then
		return {}
	end
	local kept = find_kept(place, entries, opts)
	local list, seen = {}, {}
	for _, digest in ipairs(doomed) do
		if not kept[digest] and not seen[digest] then
			seen[digest] = true
			local below = {}
			local object = reach(below, place, digest, opts, 1)
			local manifest = object and (object.index_manifest and object:index_manifest() or object:manifest()) or {}
			local subject = type(manifest.subject) == "table" and manifest.subject.digest
			if not (subject and kept[subject]) then
				add_referrers(list, seen, place, digest, kept, opts, 1)
				list[#list + 1] = digest
				for child in pairs(below) do
					if not kept[child] and not seen[child] then
						seen[child] = true
						add_referrers(list, seen, place, child, kept, opts, 1)
						list[#list + 1] = child
					end
				end
			end
		end
	end
	return list
end

-- Tags that are about what goes follow it.
local function follow(entries, manifests)
	local gone, followers = {}, false
	for _, digest in ipairs(manifests) do
		gone[digest] = true
	end
	for _, entry in ipairs(entries) do
		local about = prune.about(entry.tag)
		if about and not entry.goes and gone[about] then
			entry.goes, entry.follows, followers = true, true, true
		end
	end
	return followers
end

--- Says of entries (prune.list) of which some have `goes` set what that means: { place, entries, manifests, count }, where
-- manifests are the digests that are deleted, and count the tags that go, followers aside.
function prune.plan(place, entries, opts)
	local count = 0
	for _, entry in ipairs(entries) do
		count = count + (entry.goes and 1 or 0)
	end
	local manifests = find_manifests(place, entries, opts)
	for _ = 1, DEPTH_MAX do
		if not follow(entries, manifests) then
			break
		end
		manifests = find_manifests(place, entries, opts)
	end
	return { place = place, entries = entries, manifests = manifests, count = count }
end

-- ---- Doing it ------------------------------------------------------------------------------------------------

-- What changed since: tags that are new or stand for something else now stay, with all that they stand for.
local function look_again(plan, opts)
	local then_was, changed = {}, false
	for _, entry in ipairs(plan.entries) do
		then_was[entry.tag] = entry
	end
	local names = {}
	for tag in luff.tags(plan.place, { plain_http = opts.plain_http }) do
		names[#names + 1] = (not then_was[tag] or then_was[tag].goes) and tag or nil
	end
	for _, entry in ipairs(prune.list(plan.place, opts, names)) do
		local before = then_was[entry.tag]
		if not before then
			table.insert(plan.entries, entry)
			entry.why, changed = "new", true
		elseif before.digest ~= entry.digest then
			before.digest, before.media_type, before.goes, before.why, changed =
				entry.digest, entry.media_type, nil, "changed", true
		end
	end
	if changed then
		plan.manifests = find_manifests(plan.place, plan.entries, opts)
	end
end

--- Deletes what a plan says, and sets each entry's status: "deleted", "kept" or "failed" with an error.
function prune.apply(plan, opts)
	look_again(plan, opts)
	local gone, failed = {}, {}
	local function delete(name)
		local _, err = luff.try(luff.delete, plan.place .. name, { plain_http = opts.plain_http })
		if err and err.code == "cancelled" then
			error(err, 0)
		end
		return err and err.code ~= "not_found" and err or nil
	end
	plan.deleted = 0
	for _, digest in ipairs(plan.manifests) do
		failed[digest] = delete("@" .. digest)
		gone[digest] = true
		plan.deleted = plan.deleted + (failed[digest] and 0 or 1)
	end
	for _, entry in ipairs(plan.entries) do
		if entry.goes then
			local err = failed[entry.digest]
			if not gone[entry.digest] then
				err = delete(":" .. entry.tag)
			end
			entry.status, entry.error = err and "failed" or "deleted", err
			if err and err.code == "unsupported" and not gone[entry.digest] then
				entry.status, entry.error, entry.why = "kept", nil, "no tag goes alone in this registry"
			end
		else
			entry.status = "kept"
		end
	end
end

--- One run.
--
--	from         a repository or layout, without a tag
--	tags         which tags it is about (luff.select); all where absent
--	group        a Lua pattern whose first capture, or a function of a tag, tells the group; no tag of none goes
--	keep         of each group so many of the newest stay
--	by           what is newest: "created" (where absent), "version", or a function of a tag to what can be compared
--	older_than   only what is older goes: seconds, or "30d". What has no known age stays
--	protect      a pattern or a list of them: they stay, whatever else is said, and all tags of the same digest
--	max          so many tags at most, else none (20)
--	delete       true: does it; else only says it
--	jobs         questions at a time (8)
--
-- The summary: { place, count, manifests, deleted, kept, failed, over, entries = { { tag, digest, created, status, why,
-- error }, … } }, where status is "deleted", "kept" or "failed"; before the deed "goes" or "kept". over: it is more than max.
function prune.run(opts)
	check(opts)
	local most = opts.max or prune.MAX
	local entries = prune.list(opts.from, opts)
	choose(entries, opts)
	local plan = prune.plan(opts.from, entries, opts)
	local summary = { place = opts.from, count = plan.count, manifests = #plan.manifests, over = plan.count > most,
		deleted = 0, kept = 0, failed = 0, entries = entries }
	if opts.delete and summary.over then
		fail("denied", "%s: %d tags are to be deleted, but one run may delete %d (max)", opts.from, plan.count, most)
	elseif opts.delete and plan.count > 0 then
		prune.apply(plan, opts)
		summary.manifests = plan.deleted
	end
	for _, entry in ipairs(entries) do
		entry.status = entry.status or entry.goes and "goes" or "kept"
		summary[entry.status] = (summary[entry.status] or 0) + 1
	end
	return summary
end

return prune
