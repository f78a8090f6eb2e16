-- luff repl: the prompt, as luff alone starts it on a terminal.
local luff = require "luff"

return {
	summary = "start the prompt, as luff alone does on a terminal",
	usage = "",
	arguments = { 0, 0 },
	help = [[
A line of Lua is run, and the values of an expression are shown; _ is the last one. TAB completes, help(x)
tells about anything, :help about the prompt. Lines that were typed are kept in $XDG_STATE_HOME/luff/history.

examples
  luff repl
  echo 'luff.resolve "alpine:3"' | luff repl
]],
	run = function()
		rawset(_G, "luff", luff)
		require("luff.repl").run()
	end,
}
