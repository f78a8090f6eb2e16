-- luff help: what there is, or all about one command or topic.
local cli = require "luff.cli"
local terminal = require "luff.terminal"

return {
	summary = "show what there is, or all about a command, a topic or a function",
	usage = "[COMMAND|TOPIC|NAME]",
	arguments = { 0, 1 },
	help = [[
NAME is what a script writes: luff.copy, Image:append (or img:append), Image, luff.semver. Its page is what
help(luff.copy) shows at the prompt, and what editors show.

examples
  luff help
  luff help copy
  luff help names
  luff help luff.copy
]],
	run = function(args)
		terminal.write(args[1] and cli.help_of(args[1]) or cli.help())
	end,
}
