-- A configuration of regsync: what is copied from where to where, and when.
local loader = require "luff.regbot.loader"
local regex = require "luff.regex"
local steps = require "luff.sync.steps"

local config = {}

-- What a step may say for itself, and defaults for all.
local own = {
	backup = true, interval = true, schedule = true, ratelimit = true, digestTags = true, referrers = true,
	fastCheck = true, includeExternal = true, mediaTypes = true, forceRecursive = true, referrerSlow = "ignored",
	referrerFilters = "refused", referrerSource = "refused", referrerTarget = "refused", hooks = "refused",
}

local function with_own(more)
	for name, rule in pairs(own) do
		more[name] = rule
	end
	return more
end

local filters = { allow = true, deny = true, semverRange = true }
local known = {
	top = { version = true, creds = true, defaults = true, sync = true },
	defaults = with_own { parallel = true, blobLimit = "ignored", cacheCount = "ignored", cacheTime = "ignored",
		skipDockerConfig = true, userAgent = "ignored" },
	sync = with_own { source = true, target = true, type = true, tags = true, tagSets = true, repos = true,
		platform = true, platforms = true },
	tags = filters, tagSets = filters, repos = { allow = true, deny = true }, ratelimit = { min = true, retry = true },
}

local RETRY_MIN = 5 * 60 -- between two questions for what a registry has left, as regsync has it

-- A list of texts; nil where it is absent or empty.
local function texts(self, of, key)
	local list = self:get(of, key, "table")
	for i, text in ipairs(list or {}) do
		if type(text) ~= "string" and type(text) ~= "number" then
			self:refuse(list, i, '"%s" is a list of texts', key)
		end
	end
	return list and #list > 0 and list or nil
end

-- Regular expressions that have to match a whole name.
local function expressions(self, of, key)
	local list = texts(self, of, key)
	for i, text in ipairs(list or {}) do
		local ok, err = pcall(regex.new, tostring(text), "a")
		list[i] = ok and tostring(text) or self:refuse(list, i, "%s", tostring(err))
	end
	return list
end

-- Which of many names are meant.
local function rules(self, of, what)
	self:check(of, what)
	local ranges = texts(self, of, "semverRange")
	local result = { allow = expressions(self, of, "allow"), deny = expressions(self, of, "deny"),
		semver = ranges and table.concat(ranges, " || ") or nil }
	local ok, err = pcall(steps.select, result)
	return ok and result or self:refuse(of, next(of), "%s", tostring(err))
end

-- The sets of rules for tags, of which one has to hold.
local function sets(self, of)
	local list = {}
	local one = self:get(of, "tags", "table")
	list[1] = one and rules(self, one, "tags")
	for _, set in ipairs(self:get(of, "tagSets", "table") or {}) do
		list[#list + 1] = rules(self, set, "tagSets")
	end
	return #list > 0 and list or nil
end

local function ratelimit(self, of)
	local limit = self:get(of, "ratelimit", "table")
	if not limit then
		return nil
	end
	self:check(limit, "ratelimit")
	return { min = self:get(limit, "min", "number") or 0, retry = math.max(self:age(limit, "retry") or 0, RETRY_MIN) }
end

-- What a step and the defaults may both say.
local function common(self, of)
	return {
		due = self:due(of), ratelimit = ratelimit(self, of), digest_tags = self:get(of, "digestTags", "boolean"),
		referrers = self:get(of, "referrers", "boolean"), fast = self:get(of, "fastCheck", "boolean"),
		foreign = self:get(of, "includeExternal", "boolean"), media_types = texts(self, of, "mediaTypes"),
		deep = self:get(of, "forceRecursive", "boolean"), backup = self:value(of, "backup"),
	}
end

local types = { registry = true, repository = true, image = true }

local function new_step(self, of, defaults)
	self:check(of, "sync")
	local step = common(self, of)
	for name, value in pairs(defaults) do
		if step[name] == nil then
			step[name] = value
		end
	end
	step.type = self:get(of, "type", "text")
		or self:refuse(of, "source", '"type" is missing: registry, repository or image')
	if not types[step.type] then
		self:refuse(of, "type", 'type is registry, repository or image, not "%s"', step.type)
	end
	step.source = self:value(of, "source") or self:refuse(of, next(of), '"source" is missing')
	step.target = self:value(of, "target") or self:refuse(of, next(of), '"target" is missing')
	step.tags = sets(self, of)
	local repos = self:get(of, "repos", "table")
	step.repositories = repos and rules(self, repos, "repos")
	step.platform, step.platforms = self:get(of, "platform", "text"), texts(self, of, "platforms")
	if step.platform and step.platforms then
		self:refuse(of, "platform", '"platform" takes one image out of an index, "platforms" keeps an index: say one of them')
	end
	return step
end

--- Reads a configuration's text: { hosts, logins (luff.regbot.hosts takes them), parallel, steps }.
-- name: of its file, for messages; warn: hears of what is ignored.
--
-- A step: type ("registry", "repository" or "image"), source, target, backup (values: luff.regbot.value), names (a list of tags
-- and digests) or tags (a list of rules, of which one has to hold), repositories (rules), due, platform, platforms, referrers,
-- digest_tags, foreign, fast, deep, media_types, ratelimit ({ min, retry }). Rules: { allow, deny (regular expressions), semver,
-- part (they need not match a whole name) }.
function config.parse(text, name, warn)
	local self, all, hosts, of = loader.bot(text, name, warn, known)
	local defaults = common(self, of)
	local result = { hosts = hosts, logins = self:logins(of), steps = {},
		parallel = self:parallel(of) }
	for i, step in ipairs(self:get(all, "sync", "table") or {}) do
		result.steps[i] = new_step(self, step, defaults)
	end
	return result
end

return config
