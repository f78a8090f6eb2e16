-- Copies what steps (luff.sync.steps) say, or tells what there would be to copy.
local jobs = require "luff.mirror.jobs"
local log = require "luff.log"
local luff = require "luff"
local move = require "luff.mirror.move"
local place = require "luff.regbot.place"
local serve = require "luff.regbot.serve"
local time = require "luff.time"

local sync = {}

-- ---- What there is to do -----------------------------------------------------------------------------------

local name_of = jobs.name

local function new_job(step, from, to, more)
	local job = { from = from, to = to, platform = step.platform, platforms = step.platforms,
		sparse = step.platforms and true, referrers = step.referrers, digest_tags = step.digest_tags,
		foreign = step.foreign, deep = step.deep }
	for name, value in pairs(more or {}) do
		job[name] = value
	end
	return jobs.list(job)[1]
end

-- Images that are named: by their tags or digests, or the one under the target's tag or digest.
local function image_job(step)
	local from, to = place(step.source), place(step.target)
	local tag = from.its_digest or from.its_tag or "latest"
	local job = new_job(step, from.place, to.place, step.names and { tags = step.names } or { tags = { tag },
		rename = function() return to.its_digest or to.its_tag or "latest" end })
	jobs.plan(job)
	return job
end

local function repository_job(step, source, target)
	local job = new_job(step, place(source).place, place(target).place)
	job.select = step.select or job.select
	jobs.plan(job)
	return job
end

-- Calls f(job) for each repository of a step; what fails is reported.
local function each_job(step, report, f)
	local function refuse(err, from, to)
		if type(err) == "table" and err.code == "cancelled" then
			error(err, 0)
		end
		report { from = from, to = to, status = "failed", error = err }
	end
	local function try(make, from, to, ...)
		local job, err = luff.try(make, step, ...)
		if not job then
			return refuse(err, from, to)
		end
		f(job)
	end
	if step.type == "image" then
		return try(image_job, step.source, step.target)
	elseif step.type == "repository" then
		return try(repository_job, step.source, step.target, step.source, step.target)
	end
	local names, err = luff.try(function()
		local list = {}
		for name in luff.catalog(step.source) do
			list[#list + 1] = name
		end
		return step.select_repositories and step.select_repositories(list) or list
	end)
	if not names then
		return refuse(err, step.source, step.target)
	end
	for _, name in ipairs(names) do
		local from, to = step.source .. "/" .. name, step.target .. "/" .. name
		try(repository_job, from, to, from, to)
	end
end

-- ---- One tag -----------------------------------------------------------------------------------------------

-- What a name stands for; nil where it stands for nothing.
local function look(name)
	local found, err = luff.try(luff.resolve, name)
	if not found and err.code ~= "not_found" and err.code ~= "bad_format" then
		error(err, 0)
	end
	return found
end

local function is_among(list, value)
	for _, one in ipairs(list or { value }) do
		if one == value then
			return true
		end
	end
	return false
end

-- "left_out", "missing", "differs" or "unchanged", and what both sides have.
local function compare(step, entry)
	local from, there = luff.resolve(name_of(entry.from, entry.tag)), look(name_of(entry.to, entry.target))
	if not is_among(step.media_types, from.mediaType) then
		return "left_out", from, there
	elseif not there then
		return "missing", from, there
	end
	local digest = from.digest
	if step.platform and there.digest ~= digest then
		digest = luff.image(name_of(entry.from, entry.tag), { platform = step.platform }):digest()
	end
	return digest == there.digest and "unchanged" or "differs", from, there
end

-- Waits until the source lets enough requests through.
local function wait_for_rate(step, entry)
	local limit = step.ratelimit
	local registry = limit and not entry.from:find "^oci:" and entry.from:match "^[^/]+"
	while registry do
		local rate = luff.rate_limit(registry)
		if not rate or not rate.remaining or rate.remaining >= limit.min then
			return
		end
		log.info("waiting for the rate limit", { source = entry.from, remaining = rate.remaining })
		time.sleep(limit.retry)
		luff.resolve(name_of(entry.from, entry.tag))
	end
end

-- Keeps what the target has, under the name that the step says.
local function keep_old(step, entry, there)
	local registry, repository = "", entry.to:match "^oci:(.*)$"
	if not repository then
		registry, repository = entry.to:match "^([^/]*)/(.*)$"
	end
	local name = step.backup { Step = step.data, Sync = step.data, Ref = { Registry = registry, Repository = repository,
		Tag = entry.target, Digest = there.digest, Reference = name_of(entry.to, entry.target) } }
	if name:find "[:/]" then
		local to = place(name)
		name = name_of(to.place, to.its_tag or "latest")
	else
		name = name_of(entry.to, name)
	end
	luff.copy(entry.to .. "@" .. there.digest, name)
end

-- Sets status, digest and error of an entry. action: "check", "missing" or "all".
local function handle(step, job, entry, action)
	local ok, err = pcall(function()
		local status, from, there = compare(step, entry)
		entry.status, entry.digest = status, from.digest
		local more = (step.referrers or step.digest_tags or step.deep) and not step.fast
		local done = status == "left_out" or status == "unchanged" and not more
		if done or action == "check" then
			return
		elseif action == "missing" and there then
			entry.status = "left_out"
			return
		end
		wait_for_rate(step, entry)
		if step.backup and status == "differs" then
			keep_old(step, entry, there)
		end
		move(job, entry)
	end)
	if not ok and type(err) == "table" and err.code == "cancelled" then
		error(err, 0)
	elseif not ok then
		entry.status, entry.error = "failed", err
	end
end

--- Does one step. action: "check" (says only what differs), "missing" (copies what the target has no tag for) or "all".
-- report(entry): hears of each tag, as mirror.run's entries are, with the status "missing" or "differs", too, of a check; an
-- entry without a tag is of a repository that failed as a whole.
function sync.step(step, action, report)
	each_job(step, report, function(job)
		for _, entry in ipairs(job.entries) do
			handle(step, job, entry, action)
			report(entry)
		end
	end)
end

--- Each step once, so many at a time as the configuration says.
function sync.once(config, action, report)
	luff.map(config.steps, { jobs = config.parallel }, function(step)
		sync.step(step, action, report)
		return true
	end)
end

--- What is missing at once, then each step when it is due, until it is interrupted.
function sync.serve(config, report)
	sync.once(config, "missing", report)
	serve(config.steps, config.parallel, "step", function(step) sync.step(step, "all", report) end)
end

return sync
