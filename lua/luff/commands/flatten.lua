-- luff flatten: an image with all its layers as one, or the last of them.
local command = require "luff.edit.command"

return {
	summary = "make one layer of all layers of an image",
	usage = "[options] NAME -t DEST",
	arguments = { 1, 1 },
	options = {
		command.to,
		{ name = "last", value = "N", type = "integer", min = 1, max = 10000, help = "only the last N layers" },
		command.platform, command.all_platforms, command.json, command.quiet, command.progress, command.plain_http,
	},
	help = [[
What the image has in the end stays, with owners, times, links and extended attributes; what upper layers took
away or wrote over is gone. With --last, the layers below stay as they are. The same image gives the same
layer.

examples
  luff flatten app:v1 -t app:flat
  luff flatten --last 3 --all-platforms app:v1 -t registry.example.com/app:v1
]],
	run = function(args, opts)
		command.destination(opts)
		command.write(command.change(args[1], opts, function(image)
			return opts.last and image:squash(math.min(opts.last, #image:layers())) or image:flatten()
		end), opts)
	end,
}
