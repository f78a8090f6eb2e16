-- A configuration of regsync: what is copied from where to where, and when.
local loader = require "luff.regbot.loader"
local place = require "luff.regbot.place"
local regex = require "luff.regex"
local select_tags = require "luff.select"
local template = require "luff.template"

local config = {}

-- What a step may say for itself, and defaults for all.
local own = {
	backup = true, interval = true, schedule = true, ratelimit = true, digestTags = true, referrers = true,
	fastCheck = true, includeExternal = true, mediaTypes = true, forceRecursive = "ignored", referrerSlow = "ignored",
	referrerFilters = "refused", referrerSource = "refused", referrerTarget = "refused", hooks = "refused",
}

local function with_own(more)
	for name, rule in pairs(own) do
		more[name] = rule
	end
	return more
end

local rules = { allow = true, deny = true, semverRange = true }
local known = {
	top = { version = true, creds = true, defaults = true, sync = true },
	defaults = with_own { parallel = true, blobLimit = "ignored", cacheCount = "ignored", cacheTime = "ignored",
		skipDockerConfig = "refused", userAgent = "ignored" },
	sync = with_own { source = true, target = true, type = true, tags = true, tagSets = true, repos = true,
		platform = true, platforms = true },
	tags = rules, tagSets = rules, repos = { allow = true, deny = true }, ratelimit = { min = true, retry = true },
}

local media_types = {
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
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
	local result = {}
	for i, text in ipairs(list or {}) do
		local ok, made = pcall(regex.new, tostring(text), "a")
		result[i] = ok and made or self:refuse(list, i, "%s", tostring(made))
	end
	return list and result
end

-- A function from a list of names to those that are meant.
local function selection(self, of, what)
	self:check(of, what)
	local ranges = texts(self, of, "semverRange")
	local ok, made = pcall(select_tags, { allow = expressions(self, of, "allow"), deny = expressions(self, of, "deny"),
		semver = ranges and table.concat(ranges, " || ") or nil })
	return ok and made or self:refuse(of, next(of), "%s", tostring(made))
end

-- The tags that any of a step's sets means.
local function tags(self, of)
	local sets = {}
	local one = self:get(of, "tags", "table")
	sets[1] = one and selection(self, one, "tags")
	for _, set in ipairs(self:get(of, "tagSets", "table") or {}) do
		sets[#sets + 1] = selection(self, set, "tagSets")
	end
	return #sets > 0 and function(list)
		local found, result = {}, {}
		for _, set in ipairs(sets) do
			for _, tag in ipairs(set(list)) do
				if not found[tag] then
					found[tag], result[#result + 1] = true, tag
				end
			end
		end
		return result
	end or nil
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
		backup = self:get(of, "backup", "text"),
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
	local data = { Type = step.type, Source = self:get(of, "source", "text"), Target = self:get(of, "target", "text") }
	for _, name in ipairs { "source", "target" } do
		step[name] = self:expand(of, name, { Sync = data }) or self:refuse(of, next(of), '"%s" is missing', name)
		data[name == "source" and "Source" or "Target"] = step[name]
		if step.type ~= "registry" then
			local ok, err = pcall(place, step[name])
			if not ok then
				self:refuse(of, name, "%s", tostring(err))
			end
		end
	end
	if step.backup then -- what is wrong with it is said here, not at the first copy
		step.backup = template.compile(step.backup, { functions = loader.functions, name = self.name .. ": backup" })
	end
	step.name, step.data = step.source .. " -> " .. step.target, data
	step.select = tags(self, of)
	local repos = self:get(of, "repos", "table")
	step.select_repositories = repos and selection(self, repos, "repos")
	step.platform, step.platforms = self:get(of, "platform", "text"), texts(self, of, "platforms")
	if step.platform and step.platforms then
		self:refuse(of, "platform", '"platform" takes one image out of an index, "platforms" keeps an index: say one of them')
	end
	return step
end

--- Reads a configuration's text: { hosts =, parallel =, steps = { step, … } }.
-- name: of its file, for messages; warn: hears of what is ignored.
--
-- A step: name, due, type ("registry", "repository" or "image"), source, target, select (a function from a list of tags to
-- those that are meant), select_repositories, platform, platforms, referrers, digest_tags, foreign, fast, media_types, backup (a
-- function from a table to a name), ratelimit ({ min, retry }), data (what templates call .Sync).
function config.parse(text, name, warn)
	local self, all, hosts, of = loader.bot(text, name, warn, known)
	local defaults = common(self, of)
	defaults.media_types = defaults.media_types or media_types
	local result = { hosts = hosts, steps = {}, parallel = math.max(self:get(of, "parallel", "number") or 1, 1) }
	for i, step in ipairs(self:get(all, "sync", "table") or {}) do
		result.steps[i] = new_step(self, step, defaults)
	end
	return result
end

return config
