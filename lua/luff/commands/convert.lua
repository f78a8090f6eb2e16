-- luff convert: a configuration of regbot, regsync or skopeo sync as a script.
local loader = require "luff.regbot.loader"
local log = require "luff.log"
local options = require "luff.options"
local terminal = require "luff.terminal"

return {
	summary = "print the script that a configuration of regbot, regsync or skopeo sync amounts to",
	usage = "FILE [DESTINATION]",
	arguments = { 1, 2 },
	options = {
		{ name = "from-skopeo", help = "the file is skopeo's; DESTINATION goes in front of its names" },
	},
	help = [[
FILE is YAML, or -; what kind of configuration it is, its keys tell. The script does what luff regbot once or
luff sync once does with the file, without it, and is there to be changed. Nobody is asked for it, and no file
but FILE is read: what templates take from the environment or from files, the script takes from there.

A password or token that stands in FILE as it is does not stand in the script: that takes it from a variable
of the environment, which is told. Steps become tables of luff.mirror, with a function for what is done before
a copy (backup, ratelimit, mediaTypes, fastCheck); their schedules become comments. Scripts of regbot stay as
they are, with what they know as globals in _ENV; with the argument "server", they run when they are due.

What luff regbot and luff sync refuse or ignore is refused or told here, too, with its line. An image whose
tag a template gives is refused: write {{ env "PLACE" }}:v1.

examples
  luff convert regsync.yml
  luff convert --from-skopeo sync.yml registry.example.com/mirror
]],
	run = function(args, opts)
		if #args ~= (opts.from_skopeo and 2 or 1) then
			options.fail "usage: luff convert FILE, or luff convert --from-skopeo FILE DESTINATION"
		end
		terminal.write(require("luff.convert").script(loader.read(args[1]), args[1] == "-" and "stdin" or args[1], log.warn,
			args[2]))
		return 0
	end,
}
