-- luff history: the steps that made an image, with the layers that they left.
local history = require "luff.history"
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "show the steps that made an image, and the size of each",
	usage = "[--full] [--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "full", help = "commands to their end" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON, sizes in bytes" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The first step first, as the config has them; "-" in place of a number is a step without a layer. Sizes are
those of the layers as they are stored.

examples
  luff history alpine:3
  luff history --full --platform linux/arm64 oci:./mirror:v1
  luff history --json alpine:3 | jq -r '.[].createdBy'
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		local steps = history.steps(image)
		if opts.json then
			terminal.write(luff.json.encode(steps, { indent = true }), "\n")
			return
		end
		local rows = {}
		for i, step in ipairs(steps) do
			local words = terminal.printable(history.command(step))
			words = opts.full and words or terminal.cut(words, 70)
			rows[i] = { step.layer and tostring(step.layer) or "-", step.created and step.created:sub(1, 19) or "-",
				step.size and terminal.size(step.size) or "-", words }
		end
		terminal.write(terminal.align(rows, { true, [3] = true }))
	end,
}
