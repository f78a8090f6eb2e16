-- luff catalog: a registry's repositories, one a line, as they arrive.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "list the repositories of a registry",
	usage = "[--json] REGISTRY",
	arguments = { 1, 1 },
	options = {
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The order is the registry's. Docker Hub and some others do not tell what they have.

examples
  luff catalog localhost:5000
  luff catalog --json registry.example.com
]],
	run = function(args, opts)
		terminal.list(luff.catalog(args[1], { plain_http = opts.plain_http }), "repositories",
			opts.json and { registry = args[1] })
	end,
}
