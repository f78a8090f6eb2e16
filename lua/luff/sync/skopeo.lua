-- What skopeo sync reads with --src yaml, described as luff.sync.config describes regsync's.
local fail = require "luff.fail"
local loader = require "luff.regbot.loader"
local luff = require "luff"
local steps = require "luff.sync.steps"
local value = require "luff.regbot.value"

local skopeo = {}

local known = {
	host = { images = true, ["images-by-tag-regex"] = true, ["images-by-semver"] = true, credentials = true,
		["tls-verify"] = true, ["cert-dir"] = true },
	credentials = { username = true, password = true },
}

-- Rules for tags, by what is said of an image.
local selections = {
	["images-by-tag-regex"] = function(text) return { allow = { text }, part = true } end,
	["images-by-semver"] = function(text) return { semver = (text:gsub("%s*,%s*", " ")) } end,
}

local function host_of(self, all, name, of)
	local login = self:get(of, "credentials", "table")
	if login then
		self:check(login, "credentials")
	end
	return { name = value.new(name, self:place(all, name), true),
		certs = self:get(of, "cert-dir", "text"), insecure = self:get(of, "tls-verify", "boolean") == false or nil,
		user = login and self:value(login, "username", true), password = login and self:value(login, "password", true) }
end

-- As skopeo does without --scoped: the last part of the name behind the destination.
local function new_step(self, of, host, name, to, more)
	local place = self:place(of, name)
	more.source = value.new(host .. "/" .. name, place, true)
	more.target = value.new(to .. "/" .. name:match "[^/]+$", place, true)
	more.type = more.names and "image" or "repository"
	return more
end

local function check_name(self, of, name)
	if type(name) ~= "string" then
		self:refuse(of, name, "an image is named by a text: put it in quotation marks")
	end
end

local function add_images(self, list, host, of, to)
	local images = self:get(of, "images", "table") or {}
	for name, tags in pairs(images) do
		check_name(self, images, name)
		tags = tags ~= luff.null and tags or {}
		if type(tags) ~= "table" then
			self:refuse(images, name, "an image has a list of tags")
		end
		for i, tag in ipairs(tags) do
			if type(tag) ~= "string" then
				self:refuse(tags, i, "a tag is a text: put it in quotation marks")
			end
		end
		list[#list + 1] = new_step(self, images, host, name, to, { names = #tags > 0 and tags or nil })
	end
end

local function add_selected(self, list, host, of, to)
	for key, selection in pairs(selections) do
		local images = self:get(of, key, "table") or {}
		for name in pairs(images) do
			check_name(self, images, name)
			local rules = selection(self:get(images, name, "text") or "")
			local ok, err = pcall(steps.select, rules)
			if not ok then
				self:refuse(images, name, "%s", tostring(err))
			end
			list[#list + 1] = new_step(self, images, host, name, to, { tags = { rules } })
		end
	end
end

--- Reads a configuration's text; the rest is as in luff.sync.config. to: what goes in front of the names.
function skopeo.parse(text, name, warn, to)
	local self, all = loader.open(text, name, warn, known)
	local result = { hosts = {}, steps = {}, parallel = 1 }
	local names = {}
	for host in pairs(all) do
		if type(host) ~= "string" then
			fail("invalid", "%s: registries are named by texts", name)
		end
		names[#names + 1] = host
	end
	table.sort(names)
	for i, host in ipairs(names) do
		local of = self:get(all, host, "table") or {}
		self:check(of, "host")
		result.hosts[i] = host_of(self, all, host, of)
		add_images(self, result.steps, host, of, to)
		add_selected(self, result.steps, host, of, to)
	end
	table.sort(result.steps, function(a, b)
		if a.source.text ~= b.source.text then
			return a.source.text < b.source.text
		end
		return a.source.place < b.source.place
	end)
	return result
end

return skopeo
