-- A picker over the tags of a repository, in Neovim, which goes on meanwhile:
--	:luafile scripts/embed/nvim.lua
--	:Tags docker.io/library/alpine
-- The tag that is picked opens its config, as JSON, in a new buffer. LUA_CPATH (or package.cpath) says where luff.so is, the one
-- that was built with LUA_VERSION=luajit.
local luff = require "luff"

local poll = vim.loop.new_poll(luff.fd())
poll:start("r", vim.schedule_wrap(function()
	luff.step()
end))

-- f as a task; what it raises is shown.
local function run(f, ...)
	luff.spawn(function(...)
		local ok, err = pcall(f, ...)
		if not ok then
			vim.notify(tostring(err), vim.log.levels.ERROR)
		end
	end, ...)
end

local function show(name)
	local config = luff.image(name):config_file()
	vim.cmd "enew"
	vim.api.nvim_buf_set_lines(0, 0, -1, true, vim.split(luff.json.encode(config, { indent = true }), "\n"))
	vim.bo.filetype, vim.bo.modified = "json", false
end

local function pick(repository)
	local tags = {}
	for tag in luff.tags(repository) do
		tags[#tags + 1] = tag
	end
	vim.ui.select(tags, { prompt = repository }, function(tag)
		if tag then
			run(show, repository .. ":" .. tag)
		end
	end)
end

vim.api.nvim_create_user_command("Tags", function(command)
	run(pick, command.args)
end, { nargs = 1 })
