-- luff help: what there is, or all about one command.
local cli = require "luff.cli"
local terminal = require "luff.terminal"

return {
	summary = "show what there is, or all about a command",
	usage = "[COMMAND]",
	arguments = { 0, 1 },
	help = [[
examples
  luff help
  luff help copy
]],
	run = function(args)
		terminal.write(args[1] and cli.help_of(args[1]) or cli.help())
	end,
}
