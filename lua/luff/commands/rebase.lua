-- luff rebase: an image on another base.
local command = require "luff.edit.command"

return {
	summary = "put an image on another base",
	usage = "[options] NAME -t DEST",
	arguments = { 1, 1 },
	options = {
		command.to,
		{ name = "old-base", value = "NAME", help = "what it stands on; what its annotations say by default" },
		{ name = "new-base", value = "NAME", help = "what it shall stand on; likewise, the same name anew by default" },
		command.platform, command.all_platforms, command.json, command.quiet, command.progress, command.plain_http,
	},
	help = [[
The layers of the old base, which have to be the image's first ones, give way to those of the new one; nothing
is unpacked or built. The config stays, but for the platform; the history becomes that of the new base and
what came after the old one; the annotations org.opencontainers.image.base.name and .digest say what the base
is now. Whether the rest runs on the new base is for you to know.

examples
  luff rebase app:v1 --old-base alpine:3.20.2 --new-base alpine:3.20.3 -t app:v1-patched
  luff rebase --all-platforms app:v1 -t app:v1
]],
	run = function(args, opts)
		command.destination(opts)
		local on = { plain_http = opts.plain_http }
		command.write(command.change(args[1], opts, function(image)
			return image:rebase(opts.old_base, opts.new_base, on)
		end), opts)
	end,
}
