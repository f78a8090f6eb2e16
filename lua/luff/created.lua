-- When an image was made, whatever machine asks: its annotation says so, else its config does; of an index, the newest of what
-- it lists. All of it comes from outside, and what is no time is none.
local KEY = "org.opencontainers.image.created"
local DEPTH_MAX = 4 -- of indexes in indexes

local image_types = {
	["application/vnd.oci.image.manifest.v1+json"] = "image",
	["application/vnd.docker.distribution.manifest.v2+json"] = "image",
	["application/vnd.oci.image.index.v1+json"] = "index",
	["application/vnd.docker.distribution.manifest.list.v2+json"] = "index",
}

-- Days since 1970 of a date in the Gregorian calendar, by counting years from March on.
local function days(year, month, day)
	if month < 3 then
		year, month = year - 1, month + 12
	end
	return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
end

-- Seconds since 1970 of an RFC 3339 text; nil where it is none.
local function seconds(text)
	if type(text) ~= "string" or #text > 64 then
		return nil
	end
	local y, mo, d, h, mi, s, rest = text:match "^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(.*)$"
	local zone = rest and rest:gsub("^%.%d+", "")
	local sign, zh, zm = (zone or ""):match "^([+-])(%d%d):(%d%d)$"
	if not zone or not sign and zone:upper() ~= "Z" then
		return nil
	end
	local time = days(tonumber(y), tonumber(mo), tonumber(d)) * 86400 + h * 3600 + mi * 60 + s
	local offset = sign and (zh * 3600 + zm * 60) * (sign == "-" and -1 or 1) or 0
	return math.tointeger(time - offset)
end

local function member(value, ...)
	for _, key in ipairs { ... } do
		value = type(value) == "table" and value[key] or nil
	end
	return value
end

-- Of what an artifact has in the place of a config, nothing is expected.
local function of_image(image)
	local time = seconds(member(image:manifest(), "annotations", KEY))
	if time then
		return time
	end
	local ok, config = pcall(image.config_file, image)
	if not ok then
		if type(config) == "table" and config.code == "bad_format" then
			return nil
		end
		error(config, 0)
	end
	-- A label may be the base image's.
	return seconds(member(config, "created")) or seconds(member(config, "config", "Labels", KEY))
end

local function of_index(index, depth)
	local time = seconds(member(index:index_manifest(), "annotations", KEY))
	if time then
		return time
	end
	local newest
	for _, entry in ipairs(index:index_manifest().manifests) do
		local kind = image_types[entry.mediaType]
		local found
		if kind == "index" and depth < DEPTH_MAX then
			found = of_index(index:image_index(entry.digest), depth + 1)
		elseif kind == "image" and not member(entry, "annotations", "vnd.docker.reference.digest") then
			found = of_image(index:image(entry.digest))
		end
		newest = found and (not newest or found > newest) and found or newest
	end
	return newest
end

--- Seconds since 1970 of an Image or Index; nil where nothing tells.
return function(object)
	return object.index_manifest and of_index(object, 1) or not object.index_manifest and of_image(object) or nil
end
