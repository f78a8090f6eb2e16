-- Keeps places like others: of repositories the tags that are meant, in other repositories or layouts.
local fail = require "luff.fail"
local jobs = require "luff.mirror.jobs"
local luff = require "luff"
local move = require "luff.mirror.move"
local options = require "luff.options"
local removal = require "luff.prune.removal"

local mirror = {}

local known = { "from", "to", "repositories", "rename_repository", "tags", "platform", "platforms", "sparse",
	"referrers", "digest_tags", "foreign", "deep", "jobs", "rename", "filter", "transform", "verify", "prune", "keep",
	"prune_max", "dry_run", "plain_http", "each", "progress" }

-- ---- What is meant no more ----------------------------------------------------------------------------------

-- The destinations of which all came: { to, jobs } each.
local function destinations(list)
	local found, order = {}, {}
	for _, job in ipairs(list) do
		local one = found[job.to]
		if not one then
			one = { to = job.to, jobs = {}, complete = true }
			found[job.to], order[#order + 1] = one, one
		end
		table.insert(one.jobs, job)
		one.complete = one.complete and job.complete and job.prune
	end
	local complete = {}
	for _, one in ipairs(order) do
		complete[#complete + 1] = one.complete and one or nil
	end
	return complete
end

local function is_meant(tag, list)
	for _, job in ipairs(list) do
		if job.meant[tag] or job.spares(tag) then
			return true
		end
	end
	return false
end

-- The plan of what goes at a destination, nil where nothing does.
local function find_stale(one, opts)
	local names, stale = {}, false
	local ok, err = pcall(function()
		for tag in luff.tags(one.to, { plain_http = opts.plain_http }) do
			names[#names + 1] = tag
			stale = stale or not is_meant(tag, one.jobs) and not removal.about(tag)
		end
	end)
	if not ok and not (type(err) == "table" and err.code == "not_found") then
		error(err, 0)
	elseif not stale then
		return nil
	end
	local entries = removal.list(one.to, opts, names)
	for _, entry in ipairs(entries) do
		entry.goes = not is_meant(entry.tag, one.jobs) and not removal.about(entry.tag) or nil
		entry.stale = entry.goes
	end
	return removal.plan(one.to, entries, opts)
end

local function apply(plan, opts, report)
	if not opts.dry_run then
		removal.apply(plan, opts)
	end
	for _, entry in ipairs(plan.entries) do
		local status = opts.dry_run and (entry.goes and "deleted" or "kept") or entry.status
		if status == "deleted" or status == "failed" or status == "kept" and entry.stale then
			report { to = plan.place, target = entry.tag, digest = entry.digest, status = status, error = entry.error,
				why = entry.why }
		end
	end
end

local function prune_all(list, opts, report)
	local plans, count, most = {}, 0, opts.prune_max or removal.MAX
	for _, one in ipairs(destinations(list)) do
		local plan, err = luff.try(function() return find_stale(one, opts) or false end)
		if plan then
			plans[#plans + 1] = plan
			count = count + plan.count
		elseif err then
			report { to = one.to, status = "failed", error = err }
		end
	end
	if count > most then
		local _, err = luff.try(fail, "denied", "%s: %d tags are to be deleted, but one run may delete %d (prune_max)",
			plans[1].place .. (#plans > 1 and " and others" or ""), count, most)
		report { to = plans[1].place, status = "failed", error = err }
		return
	end
	for _, plan in ipairs(plans) do
		local _, err = luff.try(apply, plan, opts, report)
		if err then
			report { to = plan.place, status = "failed", error = err }
		end
	end
end

-- ---- The run ------------------------------------------------------------------------------------------------

-- What each job has to do; a repository that fails is left out.
local function plan(list, opts, report)
	local planned = luff.map(list, { jobs = opts.jobs or 8 }, function(job)
		local _, err = luff.try(jobs.plan, job)
		if err and (err.code == "cancelled" or #list == 1) then
			error(err, 0)
		elseif err then
			report { from = job.from, to = job.to, status = "failed", error = err }
		end
		return err and false or job
	end)
	local entries, good = {}, {}
	for _, job in ipairs(planned) do
		good[#good + 1] = job or nil
	end
	jobs.check_names(good)
	for _, job in ipairs(good) do
		job.meant, job.complete = {}, true
		for _, entry in ipairs(job.entries) do
			entries[#entries + 1] = { job, entry }
		end
	end
	return entries, good
end

--- One run. What fails is in the summary, and the rest goes on; only what makes all of it senseless raises.
--
--	from, to      where from and where to, without tags
--	repositories  many of them: a list of tables with what is said here of from, to, tags and all up to keep, for each on its
--	              own, and of patterns or { allow =, deny = } (luff.select): then from is a registry that lists what it has, and to
--	              what goes in front of a name
--	rename_repository  function(name) to the name at the destination, of those that patterns found
--	tags          which (luff.select); all of them where absent. A list names tags and digests, which are not looked for
--	platform      of indexes, only the image for it
--	platforms     of indexes, only the images for these: a new index
--	sparse        with platforms: the index as it is, without the other images, where the destination takes that ("unsupported"
--	              elsewhere, as in luff.serve)
--	referrers     signatures and attestations, too
--	digest_tags   tags about what is copied (cosign's sha256-<hex>.sig), and else none of these
--	foreign       layers that may not be distributed, too (luff.copy)
--	deep          looks below what is there already, too (luff.copy)
--	rename        function(tag) to the tag at the destination, or { pattern, replacement } as string.gsub has them
--	filter        function(image or index, entry): only what it says yes to
--	transform     function(image or index, entry) to the one that goes there in its place, or false
--	verify        true: only what luff.validate finds sound; or function(image or index, entry) to true, or false and why.
--	              What it saw is what is copied
--	prune         true: what the destination has and is not meant is deleted (luff.prune), if all that is meant came
--	keep          a pattern or a list of them: never deleted
--	prune_max     so many tags at most in a run, else none (20)
--	jobs          tags at a time (8)
--	dry_run       true: says what would be done
--	each          function(entry), for each tag as it is done
--	progress      function() that gives what luff.copy takes under that name, for each copy
--
-- Versions are copied newest first. The summary: { copied, unchanged, left_out, deleted, kept, failed: numbers; bytes; entries =
-- { { from, to, tag, target, status, digest, followers, why, error }, … } }, where status is one of these words; an entry without
-- a tag is of a repository that failed as a whole. kept: what was to be deleted and is not, and why.
function mirror.run(opts)
	options.check(opts, known, "option")
	local summary = { copied = 0, unchanged = 0, left_out = 0, deleted = 0, kept = 0, failed = 0, bytes = 0, entries = {} }
	local function report(entry)
		summary[entry.status] = summary[entry.status] + 1
		summary.bytes = summary.bytes + (entry.bytes or 0)
		summary.entries[#summary.entries + 1] = entry
		if opts.each then
			opts.each(entry)
		end
	end
	local entries, list = plan(jobs.list(opts), opts, report)
	luff.map(entries, { jobs = opts.jobs or 8 }, function(pair)
		local job, entry = table.unpack(pair)
		move(job, entry)
		job.complete = job.complete and entry.status ~= "failed"
		job.meant[entry.target] = entry.status ~= "left_out" or nil
		for _, tag in ipairs(entry.followers) do
			job.meant[tag] = true
		end
		report(entry)
	end)
	prune_all(list, opts, report)
	return summary
end

return mirror
