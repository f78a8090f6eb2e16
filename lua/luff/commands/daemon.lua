-- luff daemon: what a daemon does itself.
local daemon = require "luff.daemon"
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

-- Its words on stderr: on a terminal one line that moves, elsewhere what is new of each layer.
local function watch()
	local columns, said = terminal.columns "stderr", {}
	local function show(event)
		local line = (event.id and event.id .. ": " or "") .. event.status
		if columns and event.total then
			line = ("%s %s of %s"):format(line, terminal.size(event.bytes or 0), terminal.size(event.total))
		end
		if columns then
			io.stderr:write("\r\27[K", line:sub(1, columns - 1))
		elseif not said[line] then
			said[line] = true
			io.stderr:write(line, "\n")
		end
	end
	return show, function()
		if columns then
			io.stderr:write "\r\27[K"
		end
	end
end

local function move(verb, args, opts)
	for i = 2, #args do
		local show, stop = watch()
		local ok, err = pcall(daemon[verb], args[i],
			{ platform = verb == "pull" and opts.platform or nil, progress = not opts.quiet and show or nil })
		stop()
		if not ok then
			error(err, 0)
		end
		if opts.json then
			terminal.write(luff.json.encode { name = args[i] }, "\n")
		end
	end
end

local verbs = {}

function verbs.pull(args, opts)
	move("pull", args, opts)
end

function verbs.push(args, opts)
	if opts.platform then
		options.fail "--platform is one of luff daemon pull"
	end
	move("push", args, opts)
end

function verbs.prune(args, opts)
	if #args > 1 then
		options.fail "prune takes no names"
	end
	local done = daemon.prune { all = opts.all }
	terminal.write(opts.json and luff.json.encode(done, { indent = true })
		or ("removed %d images with %d names, %s"):format(done.images, done.names, terminal.size(done.bytes)), "\n")
end

return {
	summary = "have Docker or Podman pull, push or prune",
	usage = "pull|push NAME… | prune [--all]",
	words = { "pull", "push", "prune" },
	arguments = { 1, math.huge },
	options = {
		{ name = "platform", value = "P", help = "pull: of an image of several, this one" },
		{ name = "all", help = "prune: also what has a name, where no container uses it" },
		{ name = "quiet", short = "q", help = "say nothing of what goes on" },
		{ name = "json", help = "print JSON" },
	},
	help = [[
The daemon moves the images itself, with the login that luff has for their registry; luff copy moves them past
its network. What is there, luff ls docker-daemon: lists, and luff delete docker-daemon:NAME removes one.

examples
  luff daemon pull --platform linux/arm64 nginx:1.27
  luff daemon push registry.local:5000/team/app:v1
  luff daemon prune
]],
	run = function(args, opts)
		local verb = verbs[args[1]]
		if not verb then
			options.fail('unknown "%s": pull, push or prune', args[1])
		elseif #args < 2 and args[1] ~= "prune" then
			options.fail("%s wants the name of an image", args[1])
		end
		verb(args, opts)
	end,
}
