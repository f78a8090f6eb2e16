-- What a mirror is about: from which repository to which, and which of its tags under which names.
local fail = require "luff.fail"
local glob = require "luff.glob"
local check_place = require "luff.place"
local core = require "luff.core"
local luff = require "luff"
local options = require "luff.options"
local removal = require "luff.prune.removal"
local select_tags = require "luff.select"

local jobs = {}

-- What holds for one repository; said for all of them, and again for one.
local own = { "from", "to", "tags", "platform", "platforms", "sparse", "referrers", "digest_tags", "foreign", "deep",
	"rename", "filter", "transform", "verify", "prune", "keep" }

local functions = { "filter", "transform" }

-- The tags and digests that are named one by one, where `tags` is a list and no rules.
local function named(tags)
	for _, tag in ipairs(tags or {}) do
		if type(tag) ~= "string" or next(tags, #tags) then
			fail("invalid", '"tags" is a list of tags and digests, or has rules: { semver = "^1" }')
		end
	end
	return tags and #tags > 0 and tags or nil
end

-- "linux/amd64,linux/arm64" is two of them.
local function check_platforms(platforms)
	local list = {}
	for _, text in ipairs(type(platforms) == "table" and platforms or { platforms }) do
		for one in (type(text) == "string" and text or ""):gmatch "[^,]+" do
			core.platform_match(one, "linux/amd64") -- raises what is wrong
			list[#list + 1] = one
		end
	end
	if #list == 0 then
		fail("invalid", '"platforms" is a list of platforms: { "linux/amd64" }')
	end
	return list
end

local function check(job)
	for _, name in ipairs { "from", "to" } do
		if type(job[name]) ~= "string" then
			fail("invalid", '"%s" is missing: a repository or layout, without a tag', name)
		end
		check_place(('"%s"'):format(name) .. (name == "to" and " of " .. job.from or ""), job[name])
	end
	if job.platform then
		core.platform_match(job.platform, "linux/amd64")
	end
	for _, name in ipairs(functions) do
		if job[name] ~= nil and type(job[name]) ~= "function" then
			fail("invalid", '"%s" is a function', name)
		end
	end
	if job.verify ~= nil and type(job.verify) ~= "boolean" and type(job.verify) ~= "function" then
		fail("invalid", '"verify" is true, or a function')
	end
	job.platforms = job.platforms and check_platforms(job.platforms)
	if job.platforms and job.platform then
		fail("invalid", '"platform" takes one image out of an index, "platforms" keeps an index: say one of them')
	elseif job.sparse and (not job.platforms or job.transform) then
		fail("invalid", '"sparse" wants "platforms", and no "transform"')
	end
	job.names = named(job.tags)
	job.select = select_tags(not job.names and job.tags or {})
	job.spares = glob.any("keep", job.keep)
	return job
end

-- A job with what all have and what it has of its own.
local function new_job(opts, special)
	local job = { dry_run = opts.dry_run, plain_http = opts.plain_http, jobs = opts.jobs,
		progress = opts.progress }
	for _, name in ipairs(own) do
		job[name] = special[name]
		if job[name] == nil then
			job[name] = opts[name]
		end
	end
	return check(job)
end

-- Of patterns, or of rules as tags have them.
local function selection_of_repositories(patterns)
	if patterns.allow or patterns.deny then
		return select_tags(patterns)
	end
	return select_tags { allow = patterns }
end

local function from_catalog(list, opts, patterns)
	local wanted, names = selection_of_repositories(patterns), {}
	if type(opts.from) ~= "string" or type(opts.to) ~= "string" then
		fail("invalid", 'patterns of repositories want "from", a registry, and "to", what goes in front of their names')
	end
	for name in luff.catalog(opts.from, { plain_http = opts.plain_http }) do
		names[#names + 1] = name
	end
	for _, name in ipairs(wanted(names)) do
		local target = opts.rename_repository and opts.rename_repository(name) or name
		list[#list + 1] = new_job(opts, { from = opts.from .. "/" .. name, to = opts.to .. "/" .. target })
	end
end

--- The name of a tag, or a digest, in a place.
function jobs.name(place, tag)
	return place .. (tag:find(":", 1, true) and "@" or ":") .. tag
end

--- The list of jobs that the options of mirror.run mean.
function jobs.list(opts)
	if opts.repositories == nil then
		return { new_job(opts, {}) }
	end
	local list, patterns = {}, {}
	local repositories = type(opts.repositories) == "string" and { opts.repositories } or opts.repositories
	if repositories.allow or repositories.deny then
		from_catalog(list, opts, repositories)
		return list
	end
	for _, one in ipairs(repositories) do
		if type(one) == "table" then
			options.check(one, own, "option of a repository")
			list[#list + 1] = new_job(opts, one)
		else
			patterns[#patterns + 1] = one
		end
	end
	if #patterns > 0 then
		from_catalog(list, opts, patterns)
	end
	return list
end

-- Newest versions first, then the rest as it came.
local function ordered(tags)
	local list, seen = {}, {}
	for _, tag in ipairs(require("luff.semver").sort(tags)) do
		list[#list + 1], seen[tag] = tag, true
	end
	for _, tag in ipairs(tags) do
		list[#list + 1] = not seen[tag] and tag or nil
	end
	return list
end

local function rename(job, tag)
	if type(job.rename) == "table" then
		return (tag:gsub(job.rename[1], job.rename[2]))
	end
	return job.rename and job.rename(tag) or tag
end

-- The tags that are meant, in the order in which they are copied.
local function wanted(job, tags)
	local selected = job.select(tags, require("luff.created").ages(job.from, job))
	return (job.tags or {}).by == "created" and selected or ordered(selected)
end

--- Reads the source's tags, unless those that are meant are named: sets job.entries, { tag, target } each, and job.followers,
-- which tags are about which digest.
function jobs.plan(job)
	local tags = {}
	job.entries, job.followers = {}, {}
	if not job.names or job.digest_tags then
		for tag in luff.tags(job.from, { plain_http = job.plain_http }) do
			local about = job.digest_tags and removal.about(tag)
			if about then
				job.followers[tag] = about
			else
				tags[#tags + 1] = tag
			end
		end
	end
	for i, tag in ipairs(job.names or wanted(job, tags)) do
		job.entries[i] = { from = job.from, to = job.to, tag = tag, target = rename(job, tag) }
	end
end

--- No two tags may have one name at the destination, also of several sources: they would overwrite each other.
function jobs.check_names(list)
	local taken = {}
	for _, job in ipairs(list) do
		taken[job.to] = taken[job.to] or {}
		for _, entry in ipairs(job.entries) do
			local other = taken[job.to][entry.target]
			if other then
				fail("invalid", 'both "%s" and "%s" would be "%s" of %s', other, entry.tag, entry.target, job.to)
			end
			taken[job.to][entry.target] = entry.tag
		end
	end
end

return jobs
