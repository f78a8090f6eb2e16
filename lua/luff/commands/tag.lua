-- luff tag: one more name for what is there.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "give what a name stands for one more tag",
	usage = "[--json] NAME TAG",
	arguments = { 2, 2 },
	options = {
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The tag is one of the same repository or layout. Prints the digest of what it names now.

examples
  luff tag registry.example.com/app:v1.2.3 v1.2
  luff tag oci:./mirror:nginx stable
]],
	run = function(args, opts)
		local named = luff.tag(args[1], args[2], { plain_http = opts.plain_http })
		if opts.json then
			named.name, named.tag = args[1], args[2]
			terminal.write(luff.json.encode(named, { indent = true }), "\n")
		else
			terminal.write(named.digest, "\n")
		end
	end,
}
