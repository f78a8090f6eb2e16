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
		local found = luff.array {}
		for repository in luff.catalog(args[1], { plain_http = opts.plain_http }) do
			if opts.json then
				found[#found + 1] = repository
			else
				terminal.write(terminal.printable(repository), "\n")
			end
		end
		if opts.json then
			terminal.write(luff.json.encode({ registry = args[1], repositories = found }, { indent = true }), "\n")
		end
	end,
}
