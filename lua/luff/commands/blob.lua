-- luff blob: the bytes of one blob, as they come.
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

return {
	summary = "write a blob to stdout",
	usage = "NAME@DIGEST",
	arguments = { 1, 1 },
	options = {
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Layers and configs are blobs, whose digests the manifest names. The bytes are checked while they are written:
what does not match its digest ends with exit code 6.

examples
  luff blob alpine@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef | tar -tz
]],
	run = function(args, opts)
		if terminal.columns "stdout" then
			options.fail "a blob may be anything, and stdout is a terminal; send it to a file or a program"
		end
		local reader <close> = luff.blob(args[1], { plain_http = opts.plain_http })
		for bytes in function() return reader:read(1 << 16) end do
			terminal.write(bytes)
		end
	end,
}
