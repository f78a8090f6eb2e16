-- luff config: an image's config, byte by byte.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "print an image's config, byte by byte",
	usage = "[--platform P] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "platform", value = "P", help = "of an index, the image for it; this machine's by default" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The bytes are those that the digest stands for; on a terminal, control characters show as escapes and a
newline follows.

examples
  luff config alpine:3
  luff config --platform linux/arm64 oci:./mirror:v1
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		terminal.write_document(image:raw_config_file())
	end,
}
