-- luff history: the steps that made an image, with the layers that they left.
local luff = require "luff"
local terminal = require "luff.terminal"

local function text(value)
	return type(value) == "string" and value or nil
end

-- The steps of the config; each that is no empty one has the next layer. Layers that no step names come in the end.
local function steps_of(image)
	local config, layers = image:config_file(), image:layers()
	local steps, next_layer = luff.array {}, 1
	local function take(step)
		local layer = layers[next_layer]
		if layer then
			step.layer, step.digest, step.size = next_layer, layer:digest(), layer:size()
			next_layer = next_layer + 1
		end
		steps[#steps + 1] = step
	end
	for _, h in ipairs(type(config.history) == "table" and config.history or {}) do
		local step = { created = text(h.created), createdBy = text(h.created_by), author = text(h.author),
			comment = text(h.comment), empty = h.empty_layer == true }
		if step.empty then
			steps[#steps + 1] = step
		else
			take(step)
		end
	end
	while layers[next_layer] do
		take { empty = false }
	end
	return steps
end

-- As people wrote it in their Dockerfile, as far as that can be told.
local function command(step)
	local words = step.createdBy or step.comment or "?"
	words = words:gsub("^/bin/sh %-c #%(nop%)%s+", ""):gsub("^/bin/sh %-c ", "RUN "):gsub("%s+", " ")
	return (words:gsub(" # buildkit$", ""))
end

return {
	summary = "show the steps that made an image, and the size of each",
	usage = "[--full] [--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "full", help = "commands to their end" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON, sizes in bytes" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
The first step first, as the config has them; "-" in place of a number is a step without a layer. Sizes are
those of the layers as they are stored.

examples
  luff history alpine:3
  luff history --full --platform linux/arm64 oci:./mirror:v1
  luff history --json alpine:3 | jq -r '.[].createdBy'
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		local steps = steps_of(image)
		if opts.json then
			terminal.write(luff.json.encode(steps, { indent = true }), "\n")
			return
		end
		local rows = {}
		for i, step in ipairs(steps) do
			local words = terminal.printable(command(step))
			if not opts.full and utf8.len(words) > 70 then
				words = words:sub(1, utf8.offset(words, 70) - 1) .. "…"
			end
			rows[i] = { step.layer and tostring(step.layer) or "-", step.created and step.created:sub(1, 19) or "-",
				step.size and terminal.size(step.size) or "-", words }
		end
		terminal.write(terminal.align(rows, { true, [3] = true }))
	end,
}
