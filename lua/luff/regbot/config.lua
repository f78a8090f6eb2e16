-- A configuration of regbot: its scripts, and what holds for all of them.
local loader = require "luff.regbot.loader"

local config = {}

local known = {
	top = { version = true, creds = true, defaults = true, scripts = true },
	defaults = { interval = true, schedule = true, timeout = true, parallel = true, blobLimit = "ignored",
		skipDockerConfig = true, userAgent = "ignored" },
	scripts = { name = true, script = true, interval = true, schedule = true, timeout = true },
}

--- Reads a configuration's text: { hosts, logins (luff.regbot.hosts takes them), parallel, scripts = { { name, script, due,
-- timeout, place }, … } }.
-- name: of its file, for messages; warn: hears of what is ignored.
function config.parse(text, name, warn)
	local self, all, hosts, defaults = loader.bot(text, name, warn, known)
	local due, timeout = self:due(defaults), self:age(defaults, "timeout")
	local result = { hosts = hosts, logins = self:logins(defaults), scripts = {},
		parallel = self:parallel(defaults) }
	for i, of in ipairs(self:get(all, "scripts", "table") or {}) do
		self:check(of, "scripts")
		result.scripts[i] = {
			name = self:get(of, "name", "text") or "script " .. i, script = self:get(of, "script", "text") or "",
			due = self:due(of) or due, timeout = self:age(of, "timeout") or timeout, place = self:place(of, "script"),
		}
	end
	return result
end

return config
