-- luff export: an image's files as one tar.
local luff = require "luff"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

return {
	summary = "write the files of an image as one tar",
	usage = "[--platform P] [-o FILE] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "output", short = "o", value = "FILE", help = "write there; - and the default are the standard output" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The tar holds what all layers together leave, without whiteouts. The same image gives the same tar, byte by
byte.

examples
  luff export alpine:3 -o alpine.tar
  luff export alpine:3 | tar -x -p --delay-directory-restore -C ./rootfs
]],
	run = function(args, opts)
		local target = opts.output or "-"
		if target == "-" and terminal.columns "stdout" then
			error({ code = "invalid", message = "a tar is nothing for a terminal: name a file with -o" }, 0)
		end
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		terminal.flush()
		local _ <close> = progress.hear(opts)
		image:export(target)
	end,
}
