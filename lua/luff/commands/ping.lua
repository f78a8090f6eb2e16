-- luff ping: whether a registry answers, speaks its protocol and takes the login.
local core = require "luff.core"
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "ask whether a registry answers and takes the login",
	usage = "[--json] REGISTRY",
	arguments = { 1, 1 },
	options = {
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Exit code 4: it wants another login; 5: nobody answers, or no registry does.

examples
  luff ping ghcr.io
  luff ping localhost:5000
]],
	run = function(args, opts)
		local began = core.clock()
		local answer = luff.ping(args[1], { plain_http = opts.plain_http })
		answer.registry, answer.seconds = args[1], core.clock() - began
		if opts.json then
			terminal.write(luff.json.encode(answer, { indent = true }), "\n")
		else
			terminal.write(("%s answers at %s in %.3f s\n"):format(args[1], answer.url, answer.seconds))
		end
	end,
}
