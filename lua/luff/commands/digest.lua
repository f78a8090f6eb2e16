-- luff digest: what a name stands for now, asked with a single HEAD request where nothing more is needed.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "print the digest of an image or index",
	usage = "[--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON, with media type and size" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
examples
  luff digest alpine:3
  luff digest --platform linux/arm64 alpine:3
  luff digest oci:./mirror:v1
]],
	run = function(args, opts)
		local found
		if opts.platform then
			local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
			found = { digest = image:digest(), mediaType = image:media_type(), size = image:size() }
		else
			found = luff.resolve(args[1], { plain_http = opts.plain_http })
		end
		if opts.json then
			found.name = args[1]
			terminal.write(luff.json.encode(found, { indent = true }), "\n")
		else
			terminal.write(found.digest, "\n")
		end
	end,
}
