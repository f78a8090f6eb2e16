-- Keeps one place like another: the tags of a repository that are meant, in a second repository or layout.
local fail = require "luff.fail"
local glob = require "luff.glob"
local luff = require "luff"
local options = require "luff.options"
local select_tags = require "luff.select"

local mirror = {}

local PRUNE_MAX = 20 -- tags that one run deletes, unless it is told otherwise

local known = { "from", "to", "tags", "platform", "referrers", "foreign", "jobs", "rename", "prune", "keep",
	"prune_max", "dry_run", "plain_http", "each" }

local function check(opts)
	options.check(opts, known, "option")
	for _, name in ipairs { "from", "to" } do
		if type(opts[name]) ~= "string" then
			fail("invalid", '"%s" is missing: a repository or layout, without a tag', name)
		end
	end
end

local function list_tags(place, opts)
	local tags = {}
	for tag in luff.tags(place, { plain_http = opts.plain_http }) do
		tags[#tags + 1] = tag
	end
	return tags
end

-- Every tag of the source that is meant, with the name that it gets: two of one name would overwrite each other.
local function plan(opts)
	local entries, taken = {}, {}
	for i, tag in ipairs(select_tags(opts.tags or {})(list_tags(opts.from, opts))) do
		local target = opts.rename and opts.rename(tag) or tag
		if taken[target] then
			fail("invalid", 'both "%s" and "%s" would be "%s"', taken[target], tag, target)
		end
		taken[target] = tag
		entries[i] = { tag = tag, target = target }
	end
	return entries, taken
end

-- What is at the destination and is meant no more, patterns of `keep` spared.
local function find_stale(opts, taken)
	local ok, there = pcall(list_tags, opts.to, opts)
	if not ok then
		if type(there) == "table" and there.code == "not_found" then
			return {}
		end
		error(there, 0)
	end
	local keep, stale = {}, {}
	for i, pattern in ipairs(type(opts.keep) == "string" and { opts.keep } or opts.keep or {}) do
		keep[i] = glob.matcher(pattern)
	end
	for _, tag in ipairs(there) do
		local spared = taken[tag]
		for _, matches in ipairs(keep) do
			spared = spared or matches(tag)
		end
		if not spared then
			stale[#stale + 1] = tag
		end
	end
	return stale
end

local function prune(opts, taken, report)
	local stale, most = find_stale(opts, taken), opts.prune_max or PRUNE_MAX
	if #stale > most then
		fail("denied", "%s: %d tags are to be deleted, but one run may delete %d (prune_max)", opts.to, #stale, most)
	end
	for _, tag in ipairs(stale) do
		local entry = { target = tag, status = "deleted" }
		if not opts.dry_run then
			local _, err = luff.try(luff.delete, opts.to .. ":" .. tag, { plain_http = opts.plain_http })
			if err then
				entry.status, entry.error = "failed", err
			end
		end
		report(entry)
	end
end

--- One run. What fails is in the summary, and the rest goes on; only what makes all of it senseless raises.
--
--	from, to      where from and where to, without tags
--	tags          which (luff.select); all of them where absent
--	platform      of indexes, only the image for it
--	referrers     signatures and attestations, too
--	foreign       layers that may not be distributed, too (luff.copy)
--	jobs          tags at a time (8)
--	rename        function(tag) to the tag at the destination
--	prune         true: tags at the destination that are not meant are deleted, after all others arrived, and if they did
--	keep          a pattern or a list of them: never deleted
--	prune_max     so many deletions at most, else none (20)
--	dry_run       true: says what would be done
--	each          function(entry), for each tag as it is done
--
-- The summary: { copied, unchanged, deleted, failed: numbers; bytes; entries = { { tag, target, status, digest, error }, … } },
-- where status is "copied", "unchanged", "deleted" or "failed".
function mirror.run(opts)
	check(opts)
	local summary = { copied = 0, unchanged = 0, deleted = 0, failed = 0, bytes = 0, entries = {} }
	local function report(entry)
		summary[entry.status] = summary[entry.status] + 1
		summary.entries[#summary.entries + 1] = entry
		if opts.each then
			opts.each(entry)
		end
	end

	local entries, taken = plan(opts)
	luff.map(entries, { jobs = opts.jobs or 8 }, function(entry)
		local from, to = opts.from .. ":" .. entry.tag, opts.to .. ":" .. entry.target
		local done, err
		if opts.dry_run then
			done, err = luff.try(mirror.compare, from, to, opts)
		else
			done, err = luff.try(luff.copy, from, to,
				{ platform = opts.platform, referrers = opts.referrers, foreign = opts.foreign, plain_http = opts.plain_http })
		end
		if not done and err.code == "cancelled" then
			error(err, 0)
		end
		if done then
			entry.digest = done.digest
			entry.status = done.copied + done.manifests + done.mounted > 0 and "copied" or "unchanged"
			summary.bytes = summary.bytes + done.bytes
		else
			entry.status, entry.error = "failed", err
		end
		report(entry)
	end)
	if opts.prune and summary.failed == 0 then
		prune(opts, taken, report)
	end
	return summary
end

-- What a copy would do, as far as digests tell: as luff.copy's result.
function mirror.compare(from, to, opts)
	local digest = opts.platform and luff.image(from, { platform = opts.platform, plain_http = opts.plain_http }):digest()
		or luff.resolve(from, { plain_http = opts.plain_http }).digest
	local there, err = luff.try(luff.resolve, to, { plain_http = opts.plain_http })
	if not there and err.code ~= "not_found" then
		error(err, 0)
	end
	local same = there and there.digest == digest
	return { digest = digest, copied = 0, mounted = 0, manifests = same and 0 or 1, bytes = 0 }
end

return mirror
