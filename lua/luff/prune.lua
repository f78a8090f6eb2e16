-- Retention: the tags of a repository or layout that nobody keeps go, by number, age, version and group.
local fail = require "luff.fail"
local glob = require "luff.glob"
local luff = require "luff"
local options = require "luff.options"
local check_place = require "luff.place"
local removal = require "luff.prune.removal"
local select_tags = require "luff.select"
local semver = require "luff.semver"
local time = require "luff.time"

local prune = {}

local JOBS = 8

local known = { "from", "tags", "group", "keep", "by", "older_than", "protect", "max", "delete", "jobs", "plain_http" }

local function check(opts)
	options.check(opts, known, "option")
	if type(opts.from) ~= "string" then
		fail("invalid", '"from" is missing: a repository or layout, without a tag')
	elseif opts.keep == nil and opts.older_than == nil then
		fail("invalid", 'say what stays: "keep" a number of tags, or only those go that are "older_than" an age')
	elseif opts.keep ~= nil and (math.type(opts.keep) ~= "integer" or opts.keep < 0) then
		fail("invalid", '"keep" is a whole number from 0 on')
	end
	check_place('"from"', opts.from)
	if opts.by ~= nil and opts.by ~= "created" and opts.by ~= "version" and type(opts.by) ~= "function" then
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
		names[#names + 1] = not removal.about(entry.tag) and entry.tag or nil
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
	local most = opts.max or removal.MAX
	local entries = removal.list(opts.from, opts)
	choose(entries, opts)
	local plan = removal.plan(opts.from, entries, opts)
	local summary = { place = opts.from, count = plan.count, manifests = #plan.manifests, over = plan.count > most,
		deleted = 0, kept = 0, failed = 0, entries = entries }
	if opts.delete and summary.over then
		fail("denied", "%s: %d tags are to be deleted, but one run may delete %d (max)", opts.from, plan.count, most)
	elseif opts.delete and plan.count > 0 then
		removal.apply(plan, opts)
		summary.manifests = plan.deleted
	end
	for _, entry in ipairs(entries) do
		entry.status = entry.status or entry.goes and "goes" or "kept"
		summary[entry.status] = (summary[entry.status] or 0) + 1
	end
	return summary
end

return prune
