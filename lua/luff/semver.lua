-- Versions as tags spell them, compared after Semantic Versioning 2.0.0 (section 11), but with any number of numbers: "v1.27",
-- "1.27.3-rc.1", "8.0.36.1". And ranges of them, as npm and Cargo spell those.
local fail = require "luff.fail"
local want = require "luff.want"

local semver = {}

local Version = {}
Version.__index = Version

local NUMBERS_MAX = 8 -- of one version

local function compare_numbers(a, b)
	for i = 1, math.max(#a, #b) do
		local x, y = a[i] or 0, b[i] or 0
		if x ~= y then
			return x < y and -1 or 1
		end
	end
	return 0
end

local function compare_identifiers(x, y)
	local m, n = math.tointeger(tonumber(x:match "^%d+$")), math.tointeger(tonumber(y:match "^%d+$"))
	if m and n then
		return m == n and 0 or m < n and -1 or 1
	elseif m or n then
		return m and -1 or 1 -- numbers before words
	end
	return x == y and 0 or x < y and -1 or 1
end

-- What is a pre-release comes before what is none.
local function compare_prereleases(a, b)
	if not a or not b then
		return a and -1 or b and 1 or 0
	end
	local next_a, next_b = a:gmatch "[^.]+", b:gmatch "[^.]+"
	while true do
		local x, y = next_a(), next_b()
		if not x or not y then
			return x and 1 or y and -1 or 0
		end
		local order = compare_identifiers(x, y)
		if order ~= 0 then
			return order
		end
	end
end

local function compare(a, b)
	local order = compare_numbers(a, b)
	return order ~= 0 and order or compare_prereleases(a.prerelease, b.prerelease)
end

function Version.__eq(a, b)
	return compare(a, b) == 0
end

function Version.__lt(a, b)
	return compare(a, b) < 0
end

function Version.__le(a, b)
	return compare(a, b) <= 0
end

function Version:__tostring()
	return self.text
end

-- The numbers of "1.27.3", nil where it is something else.
local function numbers(text)
	local list = {}
	for part in (text .. "."):gmatch "([^.]*)%." do
		local n = part:find "^%d+$" and #part <= 18 and math.tointeger(tonumber(part))
		if not n or #list == NUMBERS_MAX then
			return nil
		end
		list[#list + 1] = n
	end
	return list
end

--- The version that a text spells, nil where it spells none.
function semver.parse(text)
	want.text(text, "a version")
	local body, build = text:match "^([^+]*)%+([%w.-]+)$"
	body = (body or text):gsub("^[vV](%d)", "%1")
	local core, prerelease = body:match "^([%d.]+)%-([%w.-]+)$"
	local version = numbers(core or body)
	if not version or prerelease and ("." .. prerelease .. "."):find("..", 1, true) then
		return nil
	end
	version.text, version.prerelease, version.build = text, prerelease, build
	version.major, version.minor, version.patch = version[1], version[2] or 0, version[3] or 0
	return setmetatable(version, Version)
end

-- The smallest version of which this one's first n numbers are not a prefix: the end of "1.2.x" is 1.3.
local function after(version, n)
	local list = { table.unpack(version, 1, n) }
	list[n] = list[n] + 1
	return setmetatable(list, Version)
end

local tests = {
	[">"] = function(v, limit) return compare(v, limit) > 0 end,
	[">="] = function(v, limit) return compare(v, limit) >= 0 end,
	["<"] = function(v, limit) return compare(v, limit) < 0 end,
	["<="] = function(v, limit) return compare(v, limit) <= 0 end,
	["="] = function(v, limit) return compare(v, limit) == 0 end,
	["!="] = function(v, limit, upper)
		return upper and (compare(v, limit) < 0 or compare(v, upper) >= 0) or not upper and compare(v, limit) ~= 0
	end,
}

-- How many numbers a caret keeps: up to the first that is not zero.
local function caret(version)
	for i = 1, #version do
		if version[i] ~= 0 then
			return i
		end
	end
	return #version
end

-- One comparator to a list of { operator, version } that all have to hold; "!=" may have the end of what it excludes.
local function comparators(range, operator, spelled)
	local wild = spelled:gsub("%.[xX*]$", ""):gsub("%.[xX*]$", "")
	if wild:find "^[xX*]$" then
		if operator == "<" or operator == ">" or operator == "!=" then
			fail("invalid", '"%s%s" leaves nothing (in the range "%s")', operator, spelled, range)
		end
		return {}
	end
	local version = semver.parse(wild) or fail("invalid", '"%s" is no version (in the range "%s")', spelled, range)
	if operator == "^" then
		return { { ">=", version }, { "<", after(version, caret(version)) } }
	elseif operator == "~" then
		return { { ">=", version }, { "<", after(version, math.min(#version, 2)) } }
	elseif operator == "" or operator == "=" then
		-- "1.2" is all of 1.2, as is "1.2.x"; three numbers or a pre-release mean that one version.
		if wild == spelled and (#version > 2 or version.prerelease) then
			return { { "=", version } }
		end
		return { { ">=", version }, { "<", after(version, #version) } }
	elseif operator == "!=" and #version < 3 and not version.prerelease then
		return { { "!=", version, after(version, #version) } }
	elseif operator == ">" and #version < 3 and not version.prerelease then
		return { { ">=", after(version, #version) } }
	elseif operator == "<=" and #version < 3 and not version.prerelease then
		return { { "<", after(version, #version) } }
	end
	return { { operator, version } }
end

-- One alternative of a range: comparators with spaces or commas between, or "1.2 - 1.5", both ends included.
local function alternative(range, text)
	local list, from = {}, 1
	local low, high = text:match "^%s*([^%s<>=!~^]+)%s+%-%s+([^%s<>=!~^]+)%s*$"
	if low then
		text = (">=%s <=%s"):format(low, high)
	end
	while true do
		from = text:find("[^%s,]", from)
		if not from then
			break
		end
		local operator, spelled, to = text:match("^([<>=!~^]*)%s*([^%s,<>=!~^|]+)()", from)
		if not operator or operator ~= "" and operator ~= "^" and operator ~= "~" and not tests[operator] then
			fail("invalid", '"%s" is no range of versions: at "%s"', range, text:sub(from))
		end
		table.move(comparators(range, operator, spelled), 1, NUMBERS_MAX, #list + 1, list)
		from = to
	end
	return list
end

-- A pre-release is in a range only where the range speaks of a pre-release of the same numbers: ">=1.2" does not mean 2.0-rc1.
local function holds(list, version)
	local spoken = not version.prerelease
	for _, comparator in ipairs(list) do
		local operator, limit = comparator[1], comparator[2]
		if not tests[operator](version, limit, comparator[3]) then
			return false
		end
		spoken = spoken or limit.prerelease and compare_numbers(version, limit) == 0
	end
	return spoken
end

--- A function that says whether a version, or a text that spells one, is in the range: "^1.25", "~1.2", ">=1.25 <2", "1.x",
-- "1.2 - 1.5", "1.2 || 3". A text that spells no version is in no range.
function semver.range(text)
	want.text(text, "a range of versions")
	local alternatives = {}
	for part in (text .. "||"):gmatch "(.-)||" do
		if not part:find "%S" then
			fail("invalid", '"%s" is no range of versions: "*" means all', text)
		end
		alternatives[#alternatives + 1] = alternative(text, part)
	end
	return function(version)
		version = type(version) == "string" and semver.parse(version) or version
		if type(version) ~= "table" then
			return false
		end
		for _, list in ipairs(alternatives) do
			if holds(list, version) then
				return true
			end
		end
		return false
	end
end

--- The texts of a list that spell versions, newest first. Those that are equal stay in their order.
function semver.sort(list)
	local versions = {}
	for i, text in ipairs(list) do
		local version = semver.parse(text)
		if version then
			versions[#versions + 1] = { version = version, at = i }
		end
	end
	table.sort(versions, function(a, b)
		local order = compare(a.version, b.version)
		return order > 0 or order == 0 and a.at < b.at
	end)
	for i, item in ipairs(versions) do
		versions[i] = item.version.text
	end
	return versions
end

--- The newest of each "major", "minor" or "patch" line, newest first. Pre-releases count only where a line has nothing else.
function semver.newest(list, per)
	local depth = ({ major = 1, minor = 2, patch = 3 })[per]
		or fail("invalid", '"%s" is not "major", "minor" or "patch"', tostring(per))
	local lines, best = {}, {}
	for _, text in ipairs(semver.sort(list)) do
		local version = semver.parse(text)
		local key = {}
		for i = 1, depth do
			key[i] = version[i] or 0
		end
		key = table.concat(key, ".")
		local held = best[key]
		if not held then
			lines[#lines + 1] = key
			best[key] = version
		elseif held.prerelease and not version.prerelease then
			best[key] = version
		end
	end
	for i, key in ipairs(lines) do
		lines[i] = best[key].text
	end
	return lines
end

return semver
