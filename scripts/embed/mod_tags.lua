-- A module for Prosody, a server in Lua 5.4: GET /tags/REPOSITORY gives the tags of a repository as JSON, while the server goes
-- on.
-- In prosody.cfg.lua: plugin_paths = { "/path/to/scripts/embed" }, and "http" and "tags" among modules_enabled; luff.so is found
-- on package.cpath.
local json = require "util.json"
local luff = require "luff"
local server = require "net.server"

module:depends "http"

local watch = server.watchfd(luff.fd(), function()
	luff.step()
end)

local function answer(response, status, value)
	response.status_code = status
	response.headers.content_type = "application/json"
	response:send(json.encode(value))
end

module:provides("http", {
	route = {
		["GET /*"] = function(event, repository)
			luff.spawn(function()
				local tags = {}
				local ok, err = pcall(function()
					for tag in luff.tags(repository) do
						tags[#tags + 1] = tag
					end
				end)
				answer(event.response, ok and 200 or err.code == "not_found" and 404 or 502, ok and tags or tostring(err))
			end)
			return true -- it will be answered
		end,
	},
})

function module.unload()
	watch:close()
end
