-- Steps that luff.sync does, of what luff.sync.config and luff.sync.skopeo describe.
local fail = require "luff.fail"
local place = require "luff.regbot.place"
local regex = require "luff.regex"
local select_tags = require "luff.select"

local steps = {}

--- What is copied where nothing else is said.
steps.media_types = {
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
}

local function expressions(list, part)
	local result = {}
	for i, text in ipairs(list or {}) do
		result[i] = regex.new(text, not part and "a" or nil)
	end
	return list and result
end

--- A function from a list of names to those that rules mean.
function steps.select(rules)
	return select_tags { allow = expressions(rules.allow, rules.part), deny = expressions(rules.deny, rules.part),
		semver = rules.semver }
end

-- The names that any of the sets means.
local function select_any(sets)
	local selections = {}
	for i, rules in ipairs(sets) do
		selections[i] = steps.select(rules)
	end
	return function(list)
		local found, result = {}, {}
		for _, select in ipairs(selections) do
			for _, name in ipairs(select(list)) do
				if not found[name] then
					found[name], result[#result + 1] = true, name
				end
			end
		end
		return result
	end
end

--- What templates call .Sync: the texts of a step as they are, filled in one after the other.
function steps.data(of)
	return { Type = of.type, Source = of.source.text, Target = of.target.text, Backup = of.backup and of.backup.text }
end

--- The parts of a filled source or target that names an image or a repository (luff.regbot.place).
function steps.place(value, text)
	local ok, found = pcall(place, text)
	return ok and found or fail("invalid", "%s: %s", value.place, tostring(found))
end

-- A step as luff.sync wants it: what is described, with name and data (.Sync of templates), texts in place of values, select and
-- select_repositories (functions) in place of rules, and backup a function from a table to a name.
local function new_step(of)
	local step = {}
	for name, member in pairs(of) do
		step[name] = member
	end
	step.data = steps.data(of)
	step.source = of.source:fill { Sync = step.data }
	step.data.Source = step.source
	step.target = of.target:fill { Sync = step.data }
	step.data.Target = step.target
	if step.type ~= "registry" then
		steps.place(of.source, step.source)
		steps.place(of.target, step.target)
	end
	step.name = step.source .. " -> " .. step.target
	step.select = of.tags and select_any(of.tags)
	step.select_repositories = of.repositories and steps.select(of.repositories)
	step.backup = of.backup and of.backup:filler()
	step.media_types = of.media_types or steps.media_types
	return step
end

--- { steps, parallel } for luff.sync, of a description.
function steps.make(description)
	local result = { steps = {}, parallel = description.parallel }
	for i, of in ipairs(description.steps) do
		result.steps[i] = new_step(of)
	end
	return result
end

return steps
