-- luff pull: images from anywhere into one file, which is luff copy in other words.
local archive = require "luff.archive"
local copy = require "luff.commands.copy"

return {
	summary = "put images into an archive, as docker save writes it",
	usage = "[options] NAME... FILE",
	arguments = { 2, 10001 },
	options = archive.options,
	help = [[
Prints the digest that the image has in FILE; progress goes to stderr. FILE may be "-", which is stdout.
Images are added to a file that is there. With --format oci, FILE is a tar of an OCI layout, with --format
layout a folder.

The same as luff copy NAME... docker-archive:FILE, oci-archive:FILE or oci:FOLDER, which see.

examples
  luff pull alpine:3 alpine.tar
  luff pull --platform linux/arm64 --format oci alpine:3 alpine.tar
  luff save alpine:3 busybox:1 images.tar
  luff pull -q alpine:3 - | docker load
]],
	run = function(args, opts)
		args[#args] = archive.place(args[#args], opts.format)
		return copy.run(args, opts)
	end,
}
