-- What skopeo sync reads with --src yaml, as steps of luff sync.
local fail = require "luff.fail"
local loader = require "luff.regbot.loader"
local luff = require "luff"
local regex = require "luff.regex"
local select_tags = require "luff.select"

local skopeo = {}

local known = {
	host = { images = true, ["images-by-tag-regex"] = true, ["images-by-semver"] = true, credentials = true,
		["tls-verify"] = true, ["cert-dir"] = "refused" },
	credentials = { username = true, password = true },
}

-- A way to select tags, by what is said of an image.
local selections = {
	["images-by-tag-regex"] = function(text) return select_tags { allow = { regex.new(text) } } end,
	["images-by-semver"] = function(text) return select_tags { semver = (text:gsub("%s*,%s*", " ")) } end,
}

local function host_of(self, of)
	local login = self:get(of, "credentials", "table")
	if login then
		self:check(login, "credentials")
	end
	return { insecure = self:get(of, "tls-verify", "boolean") == false or nil, user = login and self:get(login, "username",
		"text"), password = login and self:get(login, "password", "text") }
end

-- As skopeo does without --scoped: the last part of the name behind the destination.
local function new_step(host, name, to, more)
	more.source = host .. "/" .. name
	more.target = to .. "/" .. name:match "[^/]+$"
	more.type = more.type or "repository"
	more.name, more.data = more.source .. " -> " .. more.target, {}
	return more
end

local function check_name(self, of, name)
	if type(name) ~= "string" then
		self:refuse(of, name, "an image is named by a text: put it in quotation marks")
	end
end

local function add_images(self, steps, host, of, to)
	local images = self:get(of, "images", "table") or {}
	for name, list in pairs(images) do
		check_name(self, images, name)
		if list == luff.null or type(list) == "table" and #list == 0 then
			steps[#steps + 1] = new_step(host, name, to, {})
		elseif type(list) ~= "table" then
			self:refuse(images, name, "an image has a list of tags")
		end
		for i, tag in ipairs(list ~= luff.null and list or {}) do
			if type(tag) ~= "string" then
				self:refuse(list, i, "a tag is a text: put it in quotation marks")
			end
			steps[#steps + 1] = new_step(host, name, to, { type = "image", tags = { tag } })
		end
	end
end

local function add_selected(self, steps, host, of, to)
	for key, selection in pairs(selections) do
		local images = self:get(of, key, "table") or {}
		for name in pairs(images) do
			check_name(self, images, name)
			local ok, made = pcall(selection, self:get(images, name, "text") or "")
			if not ok then
				self:refuse(images, name, "%s", tostring(made))
			end
			steps[#steps + 1] = new_step(host, name, to, { select = made })
		end
	end
end

--- Reads a configuration's text; the rest is as in luff.sync.config. to: what goes in front of the names.
function skopeo.parse(text, name, warn, to)
	local self, all = loader.open(text, name, warn, known)
	local result = { hosts = {}, steps = {}, parallel = 1 }
	for host in pairs(all) do
		if type(host) ~= "string" then
			fail("invalid", "%s: registries are named by texts", name)
		end
		local of = self:get(all, host, "table") or {}
		self:check(of, "host")
		result.hosts[host] = host_of(self, of)
		add_images(self, result.steps, host, of, to)
		add_selected(self, result.steps, host, of, to)
	end
	table.sort(result.steps, function(a, b) return a.name .. (a.tags or { "" })[1] < b.name .. (b.tags or { "" })[1] end)
	return result
end

return skopeo
