-- The steps that made an image, as its config has them, with the layers that they left.
local history = {}

local function text(value)
	return type(value) == "string" and value or nil
end

--- The steps: { created, createdBy, author, comment, empty, layer (its number), digest, size } each. Each that is no empty one
-- has the next layer; layers that no step names come in the end. config and layers: what the image says, where they are at hand.
function history.steps(image, config, layers)
	config, layers = config or image:config_file(), layers or image:layers()
	local steps, next_layer = require("luff").array {}, 1
	local function take(step)
		local layer = layers[next_layer]
		if layer then
			step.layer, step.digest, step.size = next_layer, layer:digest(), layer:size()
			next_layer = next_layer + 1
		end
		steps[#steps + 1] = step
	end
	for _, h in ipairs(type(config.history) == "table" and config.history or {}) do
		h = type(h) == "table" and h or {}
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

--- A step as people wrote it in their Dockerfile, as far as that can be told; not made printable.
function history.command(step)
	local words = step.createdBy or step.comment or "?"
	words = words:gsub("^/bin/sh %-c #%(nop%)%s+", ""):gsub("^/bin/sh %-c ", "RUN "):gsub("%s+", " ")
	return (words:gsub(" # buildkit$", ""))
end

return history
