-- luff completion: a script that teaches a shell luff's commands and options.
local options = require "luff.options"
local terminal = require "luff.terminal"

local shells = { "bash", "zsh", "fish" }

return {
	summary = "print a script with which a shell completes luff's words",
	usage = "bash|zsh|fish",
	arguments = { 1, 1 },
	words = shells,
	help = [[
The shell then completes commands and options; behind oci:DIR: and REGISTRY/REPOSITORY: tags, and behind
REGISTRY/ repositories, for which it asks luff ls and luff catalog, for five seconds at most.

  bash   source <(luff completion bash)   in ~/.bashrc
  zsh    to a file _luff in a folder of $fpath
  fish   to ~/.config/fish/completions/luff.fish

examples
  luff completion bash
  luff completion fish | tee ~/.config/fish/completions/luff.fish
]],
	run = function(args)
		for _, shell in ipairs(shells) do
			if args[1] == shell then
				terminal.write(require("luff.completion")[shell]())
				return
			end
		end
		options.fail('no completion for "%s"%s; want bash, zsh or fish', args[1], options.suggestion(args[1], shells))
	end,
}
