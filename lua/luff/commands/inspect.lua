-- luff inspect: what an image or index is and what is in it.
local facts = require "luff.facts"
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "show what an image or index is and what is in it",
	usage = "[--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
An image's size is that of its layers, config and manifest as they are stored; shared layers count.

examples
  luff inspect alpine:3
  luff inspect --platform linux/arm64 alpine:3
  luff inspect --json oci:./mirror:v1
]],
	run = function(args, opts)
		local found
		if opts.platform then
			found = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		else
			found = luff.open(args[1], { plain_http = opts.plain_http })
		end
		local about = facts.of(found)
		about.name = args[1]
		terminal.write(opts.json and luff.json.encode(about, { indent = true }) .. "\n" or facts.format(about))
	end,
}
