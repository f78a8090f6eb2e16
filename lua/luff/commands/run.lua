-- luff run: a script within limits, and in a sandbox.
local core = require "luff.core"
local options = require "luff.options"

local MEMORY, SECONDS = 512 << 20, 600 -- in the sandbox, where nothing else is said

local units = { [""] = 1, K = 1 << 10, M = 1 << 20, G = 1 << 30 }

local function size(text)
	local n, unit = text:match "^(%d+)([KMG]?)i?B?$"
	if not n or #n > 9 or tonumber(n) == 0 then
		options.fail('--memory wants a size as 64M or 2G, not "%s"', text)
	end
	return tonumber(n) * units[unit]
end

-- The words of lists as one: --read a,b --read c
local function places(lists)
	local all = {}
	for _, list in ipairs(lists or {}) do
		for place in list:gmatch "[^,]+" do
			all[#all + 1] = place
		end
	end
	return all
end

-- What a script raised, as text that needs nothing of the script's to be shown.
local function plain(err)
	if type(err) == "table" then
		local code, message = rawget(err, "code"), rawget(err, "message")
		if type(code) == "string" and type(message) == "string" then
			return { code = code, message = message }
		end
	end
	return type(err) == "string" and err or ("error: a %s"):format(type(err))
end

return {
	summary = "run a script within limits, or in a sandbox",
	usage = "[--sandbox] [--read PLACES] [--write PLACES] [--memory N] [--timeout T] FILE.lua [ARGUMENTS]",
	arguments = { 1, math.huge },
	words_are_others = true,
	options = {
		{ name = "sandbox", help = "for a script that somebody else wrote: see below" },
		{ name = "read", value = "PLACES", type = "list",
			help = "in the sandbox: what it may read, ghcr.io,docker.io/library or *" },
		{ name = "write", value = "PLACES", type = "list", help = "in the sandbox: what it may read and write" },
		{ name = "memory", value = "N", help = "of Lua at most, as 64M; 512M in the sandbox" },
		{ name = "timeout", value = "T", type = "age", help = "at most so long, as 30s or 10m; 10m in the sandbox" },
		{ name = "instructions", value = "N", type = "integer", min = 1, max = 1 << 53, help = "of Lua at most" },
	},
	help = [[
The script runs as "luff FILE.lua" runs it, and a limit that is used up ends it, whatever it does: exit code 5
for the time, 6 for instructions, 1 where memory ran out and the script did not mind.

In the sandbox it has no files, no environment, no programs, no bytecode, no modules but luff's own safe ones,
and of luff what reads and writes registries: no settings, no logins, no servers, no layouts or archives. It
reaches only the registries and repositories that --read and --write name, with the logins that the user has
for them; "docker.io/library/nginx" is meant by "docker.io", by "docker.io/library" and by itself.

examples
  luff run --timeout 5m nightly.lua
  luff run --sandbox --read docker.io --write registry.example:5000/mirror theirs.lua nginx
]],

	run = function(args, opts)
		local cli = require "luff.cli"
		local script = table.remove(args, 1)
		if not opts.sandbox and (opts.read or opts.write) then
			options.fail "--read and --write go with --sandbox"
		end
		local limits = {
			memory = opts.memory and size(opts.memory) or opts.sandbox and MEMORY or nil,
			seconds = opts.timeout or opts.sandbox and SECONDS or nil,
			instructions = opts.instructions,
		}
		local env = opts.sandbox and {} or _G
		local chunk, message = cli.load_script(script, env)
		if not chunk then
			return cli.report(message)
		end
		local report, strict = cli.report, require "luff.strict"
		env.luff, env.print = require "luff", cli.print
		env.arg = table.move(args, 1, #args, 1, { [0] = script })
		if opts.sandbox then
			require("luff.sandbox").close(env, places(opts.read), places(opts.write))
		end
		strict.guard(env)(script == "-" and "=stdin" or "@" .. script)
		local ok, err, trace = core.limited(limits, chunk, table.unpack(args))
		if ok then
			return 0
		end
		err = plain(err)
		if type(err) == "table" and (err.code == "timeout" or err.code == "too_large") then
			trace = nil
		end
		return report(err, trace)
	end,
}
