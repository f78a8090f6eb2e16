-- How tags are taken from a repository or layout, and with them what only they stood for. What a tag that stays reaches is never
-- deleted: its manifest, what an index lists, what refers to it by its subject.
local core = require "luff.core"
local luff = require "luff"

local removal = {}

removal.MAX = 20 -- tags that one run deletes, unless it is told otherwise

local JOBS = 8
local ALONE = "no tag goes alone in this registry"
local DEPTH_MAX = 8 -- of indexes in indexes, and of what refers to referrers

local indexes = {
	["application/vnd.oci.image.index.v1+json"] = true,
	["application/vnd.docker.distribution.manifest.list.v2+json"] = true,
}

--- The tags of a place, nothing where it is not there: { tag, digest, media_type } each. names: only those, nil is all.
function removal.list(place, opts, names)
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
function removal.about(tag)
	local algorithm, hex = tag:match "^(sha%d+)%-(%x+)"
	return hex and (#hex == 64 or #hex == 128) and algorithm .. ":" .. hex or nil
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
		local about = removal.about(entry.tag)
		if about and not entry.goes and gone[about] then
			entry.goes, entry.follows, followers = true, true, true
		end
	end
	return followers
end

-- Where a registry deletes no tag alone, one whose manifest stays, stays.
local function keep_alone(place, entries, manifests, opts)
	local gone, alone = {}, {}
	for _, digest in ipairs(manifests) do
		gone[digest] = true
	end
	for _, entry in ipairs(entries) do
		alone[#alone + 1] = entry.goes and not gone[entry.digest] and entry or nil
	end
	if #alone > 0 and not core.unnames(place, { plain_http = opts.plain_http }) then
		for _, entry in ipairs(alone) do
			entry.goes, entry.why = nil, ALONE
		end
	end
end

--- Says of entries (removal.list) of which some have `goes` set what that means: { place, entries, manifests, count }, where
-- manifests are the digests that are deleted, and count the tags that go, followers aside.
function removal.plan(place, entries, opts)
	local count = 0
	local manifests = find_manifests(place, entries, opts)
	keep_alone(place, entries, manifests, opts)
	for _, entry in ipairs(entries) do
		count = count + (entry.goes and 1 or 0)
	end
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
	for _, entry in ipairs(removal.list(plan.place, opts, names)) do
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
function removal.apply(plan, opts)
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
				entry.status, entry.error, entry.why = "kept", nil, ALONE
			end
		else
			entry.status = "kept"
		end
	end
end

return removal
