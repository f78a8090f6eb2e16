-- luff extract: an image's files as a folder.
local luff = require "luff"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

return {
	summary = "unpack the files of an image into a folder",
	usage = "[--platform P] [--no-owner] [--json] NAME FOLDER",
	arguments = { 2, 2 },
	options = {
		{ name = "no-owner", help = "files are yours, also where you are root" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The folder is made where it is missing, and has to be empty else. Nothing outside of it is touched, whatever
the image holds. For root, files belong to whom the image says; for others they are theirs, without setuid,
and devices are left out.

examples
  luff extract alpine:3 ./rootfs
  luff extract --platform linux/arm64 oci:./mirror:v1 ./arm64
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		local bars <close> = progress.hear(opts)
		local done = image:extract(args[2], opts.no_owner and { keep_owner = false } or nil)
		progress.settle(bars)
		if opts.json then
			terminal.write(luff.json.encode(done, { indent = true }), "\n")
		elseif done.skipped > 0 then
			io.stderr:write(("luff: %d devices or extended attributes could not be made here\n"):format(done.skipped))
		end
	end,
}
