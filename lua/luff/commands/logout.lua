-- luff logout: forgets what luff login and docker login have kept.
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

return {
	summary = "log out of a registry",
	usage = "[--all] [REGISTRY]",
	arguments = { 0, 1 },
	options = {
		{ name = "all", help = "of all registries" },
	},
	help = [[
Without a registry it is docker.io. The login goes from docker's config.json and from the credential helper
that this file names; what podman and skopeo keep in files of their own stays.

examples
  luff logout ghcr.io
  luff logout --all
]],
	run = function(args, opts)
		if opts.all and args[1] then
			options.fail "--all leaves no registry to name"
		end
		local registry = args[1] or "docker.io"
		local any = luff.logout { registry = not opts.all and registry or nil, all = opts.all }
		local what = opts.all and "all registries" or terminal.printable(registry)
		if any then
			terminal.write("logged out of ", what, "\n")
		else
			io.stderr:write("luff: there was no login for ", what, "\n")
		end
	end,
}
