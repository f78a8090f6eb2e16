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
		terminal.list(luff.tags(args[1], { plain_http = opts.plain_http }), "tags", opts.json and { name = args[1] })
	end,
}
