-- luff cat: a file of an image.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "print a file of an image",
	usage = "[--platform P] NAME PATH",
	arguments = { 2, 2 },
	options = {
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Links lead where they lead in the image. Layers are read from the top, and only as many as it takes.
Of layers in eStargz or zstd:chunked, only the table of contents and the file are moved; of others in a
registry, about the file alone once they were read: what that takes is kept in ~/.cache/luff/layers.
The content goes out as it is, whatever it is.

examples
  luff cat alpine:3 /etc/os-release
  luff cat --platform linux/arm64 oci:./mirror:v1 /bin/busybox | sha256sum
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		local content <close> = image:open(args[2])
		for piece in function() return content:read(65536) end do
			terminal.write(piece)
		end
	end,
}
