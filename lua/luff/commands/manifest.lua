-- luff manifest: the document as its digest was made of it, byte by byte.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "print a manifest or index, byte by byte",
	usage = "[--platform P] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "platform", value = "P", help = "of an index, the manifest of the image for it (linux/arm64)" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The bytes are those that the digest stands for; on a terminal, control characters show as escapes and a
newline follows.

examples
  luff manifest alpine:3
  luff manifest --platform linux/arm64 alpine:3 | sha256sum
]],
	run = function(args, opts)
		local found
		if opts.platform then
			found = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		else
			found = luff.open(args[1], { plain_http = opts.plain_http })
		end
		terminal.write_document(found:raw_manifest())
	end,
}
