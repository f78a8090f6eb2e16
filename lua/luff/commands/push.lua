-- luff push: images from a file to anywhere, which is luff copy in other words.
local archive = require "luff.archive"
local copy = require "luff.commands.copy"

return {
	summary = "put an image from an archive into a registry",
	usage = "[options] FILE NAME",
	arguments = { 2, 2 },
	options = archive.options,
	help = [[
Prints the digest that NAME stands for now; progress goes to stderr. FILE is what docker save, luff pull or
crane pull wrote, or "-", which is stdin. One of several images in it is FILE:IMAGE. With --format oci, FILE
is a tar of an OCI layout, with --format layout a folder.

The same as luff copy docker-archive:FILE NAME, oci-archive:FILE or oci:FOLDER, which see.

examples
  luff push app.tar registry.example.com/team/app:v1
  luff push --format layout ./build localhost:5000/app:v1
  luff push images.tar:busybox:1 localhost:5000/busybox:1
  docker save app:v1 | luff load - registry.example.com/team/app:v1
]],
	run = function(args, opts)
		args[1] = archive.place(args[1], opts.format)
		return copy.run(args, opts)
	end,
}
