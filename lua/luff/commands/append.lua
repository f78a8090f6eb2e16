-- luff append: tars as new layers on top of an image, or of nothing.
local command = require "luff.edit.command"
local documents = require "luff.edit.documents"
local luff = require "luff"
local options = require "luff.options"

return {
	summary = "put tars on an image as new layers",
	usage = "[options] [BASE] -f FILE -t DEST",
	arguments = { 0, 1 },
	options = {
		command.to,
		{ name = "file", short = "f", value = "FILE", type = "list", help = "a tar; - is stdin" },
		{ name = "set-base-image-annotations", help = "say in annotations what the base is, for luff rebase" },
		command.platform, command.all_platforms, command.json, command.quiet, command.progress, command.plain_http,
	},
	help = [[
Each FILE becomes a layer, the first one the lowest, with an entry in the history. Tars that are gzip or zstd
stay as they are, others become gzip. Without BASE they are all that is in the image, which is for --platform
or this machine. Prints the digest. The history has the time that $SOURCE_DATE_EPOCH says, or 1970's.

examples
  luff append alpine:3 -f app.tar -t registry.example.com/app:v1
  luff append -f rootfs.tar.gz -t oci:./out:base
  luff append --all-platforms base:v1 -f config.tar -f certificates.tar -t base:v2
]],
	run = function(args, opts)
		command.destination(opts)
		local files = opts.file or options.fail "name a tar: --file FILE"
		local layers = {}
		for i, file in ipairs(files) do
			layers[i] = luff.layer(file)
		end
		if not args[1] then
			command.write(luff.empty { platform = opts.platform }:append(layers), opts)
			return
		end
		command.write(command.change(args[1], opts, function(base)
			local image = base:append(layers)
			return opts.set_base_image_annotations and image:annotate {
				["org.opencontainers.image.base.name"] = documents.registry_name(args[1]),
				["org.opencontainers.image.base.digest"] = base:digest(),
			} or image
		end), opts)
	end,
}
