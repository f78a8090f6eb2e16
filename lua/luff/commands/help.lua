-- luff help: what there is, or all about one command or topic.
local cli = require "luff.cli"
local terminal = require "luff.terminal"

return {
	summary = "show what there is, or all about a command or topic",
	usage = "[COMMAND|TOPIC]",
	arguments = { 0, 1 },
	help = [[
examples
  luff help
  luff help copy
  luff help names
]],
	run = function(args)
		terminal.write(args[1] and cli.help_of(args[1]) or cli.help())
	end,
}
