-- What the commands that edit images have in common: NAME is opened, changed, and written under another name.
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

local command = {}

command.to = { name = "tag", short = "t", value = "DEST", help = "the name under which the result is written" }
command.quiet = { name = "quiet", short = "q", help = "no progress" }
command.progress = progress.option
command.json = { name = "json", help = "print what was written as JSON" }
command.plain_http = { name = "plain-http", help = "speak http to the registries" }
command.platform = { name = "platform", value = "P",
	help = "of an index, the image for it; this machine's by default" }
command.all_platforms = { name = "all-platforms", help = "of an index, each image; the result is an index" }

--- Raises unless there is a destination.
function command.destination(opts)
	return opts.tag or options.fail "name a destination: --tag DEST"
end

--- Writes an Image or Index under a name and prints its digest, or what luff copy --json prints.
function command.write(object, opts)
	local bars <close> = progress.of(opts)
	local result = luff.copy(object, command.destination(opts), {
		plain_http = opts.plain_http, progress = bars and bars:watch(),
	})
	if bars then
		bars:close()
		bars:sum_up(result, "")
	end
	if opts.json then
		result.mediaType, result.media_type = result.media_type, nil
		terminal.write(luff.json.encode(result, { indent = true }), "\n")
	else
		terminal.write(result.digest, "\n")
	end
end

--- What change(image, platform) makes of what a name stands for: of one image, or with --all-platforms of each.
function command.change(name, opts, change)
	if not opts.all_platforms then
		return change(luff.image(name, { platform = opts.platform, plain_http = opts.plain_http }))
	elseif opts.platform then
		options.fail "--platform and --all-platforms exclude each other"
	end
	local object = luff.open(name, { plain_http = opts.plain_http })
	return object.map and object:map(change) or change(object)
end

return command
