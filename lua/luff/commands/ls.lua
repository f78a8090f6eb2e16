-- luff ls: a repository's tags, one a line, as they arrive.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "list the tags of a repository or layout, the images of a daemon",
	usage = "[--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The order is the registry's. Archives and daemons list whole names of images.

examples
  luff ls alpine
  luff ls oci:./mirror
  luff ls docker-daemon:
]],
	run = function(args, opts)
		local found = luff.array {}
		for tag in luff.tags(args[1], { plain_http = opts.plain_http }) do
			if opts.json then
				found[#found + 1] = tag
			else
				terminal.write(terminal.printable(tag), "\n")
			end
		end
		if opts.json then
			terminal.write(luff.json.encode({ name = args[1], tags = found }, { indent = true }), "\n")
		end
	end,
}
