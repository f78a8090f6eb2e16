-- Which tags of many are meant. luff.select{} gives a function from a list of tags to those that it selects:
--
--	allow     a pattern (luff.glob), a regular expression (luff.regex) or a list of them: one has to match. A pattern matches
--	          the whole tag, a regular expression what it finds: regex.new "^v\\d+$"
--	deny      the same: none may match
--	suffix    a text that ends the tags ("-alpine"); versions are read without it
--	semver    a range of versions (luff.semver): the tags that are in it
--	per       "major", "minor" or "patch": of versions, the newest of each such line
--	newest    a number: so many of the newest versions
--
-- All that is said has to hold. With semver, per or newest, tags that spell no version are left out, and the rest comes newest
-- first; without them the order stays.
local fail = require "luff.fail"
local glob = require "luff.glob"
local options = require "luff.options"
local semver = require "luff.semver"

local known = { "allow", "deny", "suffix", "semver", "per", "newest" }

local function check(rules)
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
	local sorted = rules.per and semver.newest(bare, rules.per) or semver.sort(bare)
	local list = table.move(sorted, 1, math.min(#sorted, rules.newest or #sorted), 1, {})
	for i, text in ipairs(list) do
		list[i] = whole[text]
	end
	return list
end

return function(rules)
	check(rules)
	local allow = rules.allow and glob.any("allow", rules.allow)
	local deny = rules.deny and glob.any("deny", rules.deny)
	local inside = rules.semver and semver.range(rules.semver)
	local suffix = rules.suffix or ""
	return function(tags)
		local list = {}
		for _, tag in ipairs(tags) do
			if (not allow or allow(tag)) and not (deny and deny(tag)) and #tag > #suffix
				and tag:sub(#tag - #suffix + 1) == suffix then
				list[#list + 1] = tag
			end
		end
		return (inside or rules.per or rules.newest) and versions(list, rules, inside) or list
	end
end
