-- luff referrers: what refers to an image or index, one descriptor a line.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "list what refers to an image: signatures, attestations",
	usage = "[--type T] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "type", value = "T", help = "only artifacts of this type" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Prints digest, size of the manifest and type of each, in the registry's order; --json has annotations, too.
luff artifact tree also shows what refers to those.

examples
  luff referrers ghcr.io/org/app:v1
  luff referrers --type application/spdx+json oci:./mirror:v1
]],
	run = function(args, opts)
		local found, rows = luff.array {}, {}
		for one in luff.referrers(args[1], { artifact_type = opts.type, plain_http = opts.plain_http }) do
			found[#found + 1] = one
			rows[#rows + 1] = {
				terminal.printable(one.digest), terminal.size(one.size),
				terminal.printable(one.artifactType or one.mediaType or "?"),
			}
		end
		if opts.json then
			terminal.write(luff.json.encode({ name = args[1], referrers = found }, { indent = true }), "\n")
		else
			terminal.write(terminal.align(rows, { [2] = true }))
		end
	end,
}
