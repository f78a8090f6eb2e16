-- Reads configurations in YAML as regbot and regsync have them, checked by name and line, into plain descriptions: what is done
-- with them, and what luff convert prints, is made of the same.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local schedule = require "luff.schedule"
local time = require "luff.time"
local values = require "luff.regbot.value"
local yaml = require "luff.yaml"

local loader = {}

local CONFIG_MAX = 4 << 20

local creds = {
	registry = true, user = true, pass = true, token = true, tls = true, mirrors = true, priority = true,
	pathPrefix = true,
	blobChunk = true, reqPerSec = true, reqConcurrent = true, repoAuth = "ignored", blobMax = "ignored",
	credExpire = "ignored", hostname = true, credHelper = true, credHost = true, regcert = true, clientCert = true,
	clientKey = true, apiOpts = "refused",
}

local Loader = {}
Loader.__index = Loader

function Loader:refuse(of, key, format, ...)
	local line = self.lines[of] and self.lines[of][key]
	fail("invalid", "%s%s: %s", self.name, line and ", line " .. line or "", format:format(...))
end

-- A member of the wanted type; nil where it is absent, null or empty.
function Loader:get(of, key, wanted)
	local value = of[key]
	if value == nil or value == luff.null or value == "" then
		return nil
	elseif wanted == "text" and type(value) == "number" then
		return tostring(value)
	elseif type(value) ~= (wanted == "text" and "string" or wanted) then
		self:refuse(of, key, '"%s" is a %s, not a %s', key, wanted, type(value))
	end
	return value
end

function Loader:check(of, what)
	if type(of) ~= "table" or of == luff.null then
		fail("invalid", '%s: what stands in "%s" is a map, not a %s', self.name, what, type(of))
	end
	local names = {}
	for name in pairs(self.known[what]) do
		names[#names + 1] = name
	end
	table.sort(names)
	for key, value in pairs(of) do
		local rule = self.known[what][key]
		if rule == "refused" and value ~= luff.null and value ~= "" and value ~= false then
			self:refuse(of, key, 'luff does not support "%s"', tostring(key))
		elseif rule == "ignored" then
			self.warn(("%s, line %s: \"%s\" makes no difference to luff"):format(self.name, self.lines[of][key], key))
		elseif not rule and not (what == "top" and tostring(key):find "^x%-") then
			self.warn(("%s, line %s: unknown key \"%s\" is ignored%s"):format(self.name, self.lines[of][key], tostring(key),
				options.suggestion(key, names)))
		end
	end
end

-- Where a member stands.
function Loader:place(of, key)
	return ("%s, line %s"):format(self.name, self.lines[of] and self.lines[of][key] or "?")
end

--- A text that may be a template (luff.regbot.value); nil where it is absent.
function Loader:value(of, key, literal)
	local text = self:get(of, key, "text")
	return text and values.new(text, self:place(of, key), literal)
end

local schemes = { enabled = "https", insecure = "https", disabled = "http" }

local function positive(n)
	return n and n > 0 and n or nil
end

-- NAME of docker-credential-NAME.
function Loader:helper(of)
	local program = self:get(of, "credHelper", "text")
	return program and (program:match "^docker%-credential%-([%w._-]+)$"
		or self:refuse(of, "credHelper", 'a credHelper is docker-credential-NAME, and on PATH, not "%s"', program))
end

function Loader:host(of)
	local tls, helper = self:get(of, "tls", "text"), self:helper(of)
	if tls and not schemes[tls] then
		self:refuse(of, "tls", 'tls is enabled, insecure or disabled, not "%s"', tls)
	elseif self:get(of, "credHost", "text") and not helper then
		self:refuse(of, "credHost", '"credHost" is for a credHelper')
	end
	return {
		address = self:get(of, "hostname", "text"), ca = self:value(of, "regcert"), cert = self:value(of, "clientCert"),
		key = self:value(of, "clientKey"), helper = helper, helper_server = self:get(of, "credHost", "text"),
		name = self:value(of, "registry"), scheme = schemes[tls], insecure = tls == "insecure" or nil,
		user = self:value(of, "user"), password = self:value(of, "pass"), token = self:value(of, "token"),
		chunk_size = positive(self:get(of, "blobChunk", "number")), rate = positive(self:get(of, "reqPerSec", "number")),
		requests = positive(self:get(of, "reqConcurrent", "number")),
	}
end

-- The mirrors of a host, that with the smallest priority first. of_name: what is said of them.
function Loader:mirrors(of, of_name)
	local mirrors = {}
	for i, mirror in ipairs(self:get(of, "mirrors", "table") or {}) do
		local its = of_name[mirror] or {}
		local prefix = self:get(its, "pathPrefix", "text")
		mirrors[i] = { name = mirror .. (prefix and "/" .. prefix or ""), i = i,
			rank = self:get(its, "priority", "number") or 0 }
	end
	table.sort(mirrors, function(a, b)
		if a.rank ~= b.rank then
			return a.rank < b.rank
		end
		return a.i < b.i
	end)
	for i, mirror in ipairs(mirrors) do
		mirrors[i] = mirror.name
	end
	return #mirrors > 0 and mirrors or nil
end

--- Descriptions of hosts: { name, user, password, token, ca, cert, key (values), address, helper, helper_server, certs, scheme,
-- insecure, mirrors, chunk_size, rate, requests } each.
function Loader:hosts(list)
	local hosts, of_name, used = {}, {}, {}
	for i, of in ipairs(list) do
		self:check(of, "creds")
		hosts[i] = self:host(of)
		if not hosts[i].name then
			self:refuse(of, next(of), '"registry" is missing')
		end
		of_name[hosts[i].name.text] = of
	end
	for i, of in ipairs(list) do
		hosts[i].mirrors = self:mirrors(of, of_name)
		for _, mirror in ipairs(self:get(of, "mirrors", "table") or {}) do
			used[mirror] = true
		end
	end
	for name, of in pairs(of_name) do
		if self:get(of, "pathPrefix", "text") and not used[name] then
			self:refuse(of, "pathPrefix", "luff supports a pathPrefix of mirrors alone")
		end
	end
	return hosts
end

-- interval and schedule of one level: the schedule, as text.
function Loader:due(of)
	local text, key = self:get(of, "schedule", "text"), "schedule"
	if not text then
		local interval = self:get(of, "interval", "text")
		text, key = interval and "@every " .. interval, "interval"
	end
	local ok, err = pcall(schedule.parse, text or "@hourly")
	if not ok then
		self:refuse(of, key, "%s", tostring(err))
	end
	return text
end

function Loader:age(of, key)
	local text = self:get(of, key, "text")
	local ok, seconds = pcall(time.age, text or 0)
	if not ok then
		self:refuse(of, key, "%s", tostring(seconds))
	end
	return text and seconds > 0 and seconds or nil
end

--- A reader of a configuration's text, and what the text holds. known: what each table may hold, true where luff heeds it,
-- "ignored" where it makes no difference or has no use here, "refused" where the result would be another one.
-- name: of its file, for messages; warn: hears of what is ignored.
function loader.open(text, name, warn, known)
	local all, lines = yaml.decode(text, { lines = true, name = name })
	if type(all) ~= "table" or getmetatable(all) then
		fail("invalid", "%s: a configuration is a map", name)
	end
	known.creds = known.creds or creds
	return setmetatable({ name = name, lines = lines, warn = warn, known = known }, Loader), all
end

--- The same, and what regbot's and regsync's have in common: also the descriptions of hosts and the table of defaults.
function loader.bot(text, name, warn, known)
	local self, all = loader.open(text, name, warn, known)
	self:check(all, "top")
	local version = self:get(all, "version", "number") or 1
	if version ~= 0 and version ~= 1 then
		self:refuse(all, "version", "luff knows version 1, not %s", tostring(version))
	end
	local defaults = self:get(all, "defaults", "table") or {}
	self:check(defaults, "defaults")
	return self, all, self:hosts(self:get(all, "creds", "table") or {}), defaults
end

--- How many scripts or steps at a time, of a table of defaults.
function Loader:parallel(defaults)
	local n = self:get(defaults, "parallel", "number") or 1
	return math.max(math.tointeger(n) or self:refuse(defaults, "parallel", "parallel is a whole number, not %s", n), 1)
end

--- What luff.config takes as `logins`, of a table of defaults.
function Loader:logins(defaults)
	if self:get(defaults, "skipDockerConfig", "boolean") then
		return false
	end
end

--- The text of a configuration's file; "-" is stdin.
function loader.read(path)
	local file, why = io.stdin, nil
	if path ~= "-" then
		file, why = io.open(path, "rb")
	end
	if not file then
		fail("not_found", "%s", why)
	end
	local text = file:read(CONFIG_MAX + 1) or ""
	if path ~= "-" then
		file:close()
	end
	return text
end

return loader
