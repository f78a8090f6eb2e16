-- Is this image allowed? It must come from a registry that $ADMIT lists ("ghcr.io registry.example:5000") and not run as root.
-- For servers whose Lua waits by a function of theirs: nginx.lua and haproxy.lua beside this file.
local luff = require "luff"

local function check(name)
	local ref = luff.ref(name)
	local registries = " " .. (os.getenv "ADMIT" or "") .. " "
	if not registries:find(" " .. ref.registry .. " ", 1, true) then
		return false, ref.registry .. " is not a registry of ours"
	end
	local user = (luff.image(ref, { platform = "linux/amd64" }):config_file().config or {}).User or ""
	if user == "" or user:find "^root" or user:find "^0" then
		return false, "it runs as root"
	end
	return true, "allowed"
end

--- Whether it is, and why. sleep: waits for so many seconds while the server goes on with other requests.
return function(name, sleep)
	local task, pause = luff.spawn(check, name), 0.001
	while not task:done() do
		sleep(pause)
		pause = math.min(pause * 2, 0.02)
		luff.step()
	end
	local ok, allowed, why = pcall(task.wait, task)
	if ok then
		return allowed, why
	end
	return false, tostring(allowed)
end
