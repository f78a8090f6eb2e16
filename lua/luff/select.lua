-- Which tags of many are meant. luff.select{} gives a function from a list of tags to those that it selects:
--
--	allow       a pattern (luff.glob), a regular expression (luff.regex) or a list of them: one has to match. A pattern matches
--	            the whole tag, a regular expression what it finds: regex.new "^v\\d+$"
--	deny        the same: none may match
--	suffix      a text that ends the tags ("-alpine"); versions are read without it
--	semver      a range of versions (luff.semver): the tags that are in it
--	per         "major", "minor" or "patch": of versions, the newest of each such line
--	newer_than  an age ("90d", luff.time): what was made since
--	older_than  an age: what was made before
--	newest      a number: so many of the newest of what is left
--	by          what is newest: "version" (where absent) or "created"
--
-- All that is said has to hold. With semver, per or newest, tags that spell no version are left out, and the rest comes newest
-- first; without them the order stays. Where times matter, the function wants another one as its second argument: from a list of
-- tags to a table of their times, an instant of luff.time by tag (ages of luff.created).
-- What has none is left out.
local fail = require "luff.fail"
local glob = require "luff.glob"
local options = require "luff.options"
local semver = require "luff.semver"
local time = require "luff.time"
local want = require "luff.want"

local known = { "allow", "deny", "suffix", "semver", "per", "newest", "newer_than", "older_than", "by" }

local function check(rules)
	want.table(rules, "rules of tags")
	options.check(rules, known, "rule")
	if rules.newest ~= nil and (math.type(rules.newest) ~= "integer" or rules.newest < 1) then
		fail("invalid", '"newest" is a whole number from 1 on')
	end
	if rules.suffix ~= nil and type(rules.suffix) ~= "string" then
		fail("invalid", '"suffix" is a text')
	end
	if rules.per then
		semver.newest({}, rules.per)
	end
	if rules.by ~= nil and rules.by ~= "version" and rules.by ~= "created" then
		fail("invalid", '"by" is "version" or "created"')
	end
	for _, name in ipairs { "newer_than", "older_than" } do
		if rules[name] ~= nil then
			time.age(rules[name])
		end
	end
end

-- The versions among them, by what they were spelled as without the suffix.
local function versions(tags, rules, inside)
	local suffix, bare, whole = rules.suffix or "", {}, {}
	for _, tag in ipairs(tags) do
		local text = tag:sub(1, #tag - #suffix)
		if not whole[text] and (not inside or inside(text)) then
			bare[#bare + 1] = text
			whole[text] = tag
		end
	end
	local list = rules.per and semver.newest(bare, rules.per) or semver.sort(bare)
	for i, text in ipairs(list) do
		list[i] = whole[text]
	end
	return list
end

-- Those of the right age, newest first where that is asked for.
local function by_age(tags, rules, ages)
	if not ages then
		fail("invalid", "rules of times want to know the times of tags")
	end
	local times, list = ages(tags), {}
	local since = rules.newer_than and time.ago(rules.newer_than) or -math.huge
	local before = rules.older_than and time.ago(rules.older_than) or math.huge
	for _, tag in ipairs(tags) do
		local made = times[tag]
		list[#list + 1] = made and made >= since and made < before and tag or nil
	end
	if rules.by == "created" then
		table.sort(list, function(a, b)
			if times[a] ~= times[b] then
				return times[a] > times[b]
			end
			return a > b
		end)
	end
	return list
end

return function(rules)
	check(rules)
	local allow = rules.allow and glob.any("allow", rules.allow)
	local deny = rules.deny and glob.any("deny", rules.deny)
	local inside = rules.semver and semver.range(rules.semver)
	local suffix = rules.suffix or ""
	local timed = rules.by == "created" or rules.newer_than or rules.older_than
	return function(tags, ages)
		local list = {}
		for _, tag in ipairs(tags) do
			if (not allow or allow(tag)) and not (deny and deny(tag)) and #tag > #suffix
				and tag:sub(#tag - #suffix + 1) == suffix then
				list[#list + 1] = tag
			end
		end
		if inside or rules.per or rules.newest and rules.by ~= "created" then
			list = versions(list, rules, inside)
		end
		if timed then
			list = by_age(list, rules, ages)
		end
		return rules.newest and table.move(list, 1, math.min(#list, rules.newest), 1, {}) or list
	end
end
