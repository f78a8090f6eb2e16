-- Images on another base, and with fewer layers.
local core = require "luff.core"
local documents = require "luff.edit.documents"
local fail = require "luff.fail"
local layers = require "luff.edit.layers"
local options = require "luff.options"
local time = require "luff.edit.time"

local rebase = {}

local NAME, DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

--- How many layers the base has, which are the image's first ones by content; raises where they are not.
function rebase.check_base(image, base)
	local own, below = image:layers(), base:layers()
	for i, layer in ipairs(below) do
		if not own[i] or own[i] ~= layer and own[i]:diff_id() ~= layer:diff_id() then
			fail("invalid", "the image %s is not based on %s: %s", image:digest(), base:digest(),
				own[i] and ("layer %d is another"):format(i) or ("it has only %d layers of %d"):format(#own, #below))
		end
	end
	return #below
end

local function same_entry(a, b)
	return core.encode(a) == core.encode(b)
end

-- Where in an image's history what its base did ends: behind what is the base's own history, else behind its last layer.
local function end_of_base(history, base_history, n)
	local same = #base_history <= #history
	for i, entry in ipairs(base_history) do
		same = same and same_entry(entry, history[i])
	end
	if same then
		return #base_history
	end
	local seen = 0
	for i, entry in ipairs(history) do
		if seen == n then
			return i - 1
		end
		seen = seen + (entry.empty_layer == true and 0 or 1)
	end
	return #history
end

-- An Image that is given, or that a name means, for the image's platform; and the name as an annotation has it.
local function base_of(value, image, opts)
	if getmetatable(value) == "luff.Image" then
		return value
	elseif type(value) ~= "string" and getmetatable(value) ~= "luff.Ref" then
		fail("invalid", "a base is an Image or a name, not a %s", type(value))
	end
	local base = core.image(value, { platform = image:platform(), plain_http = opts.plain_http })
	return base, documents.registry_name(value)
end

local platform_members = { "architecture", "os", "variant", "os.version", "os.features" }

function rebase.rebase(image, old_base, new_base, opts)
	opts = opts or {}
	options.check(opts, { "plain_http" }, "option")
	local annotations = image:annotations()
	if not old_base then
		old_base = annotations[DIGEST] and annotations[NAME] and annotations[NAME]:gsub("@.*$",
			"") .. "@" .. annotations[DIGEST]
			or fail("invalid", "the image does not say what its base is (%s): name the old base", DIGEST)
	end
	new_base = new_base or annotations[NAME]
		or fail("invalid", "the image does not say what its base is called (%s): name the new base", NAME)
	local old = base_of(old_base, image, opts)
	local new, name = base_of(new_base, image, opts)
	local n = rebase.check_base(image, old)
	local own, below = layers.list_of(image), new:layers()
	local list = {}
	for i, layer in ipairs(below) do
		local descriptor = new:manifest().layers[i]
		list[i] = { layer = layer, annotations = type(descriptor.annotations) == "table" and descriptor.annotations or nil }
	end
	table.move(own, n + 1, #own, #list + 1, list)
	local before, base_config, old_config = image:config_file(), new:config_file(), old:config_file()
	local history = layers.history_of(before, #own)
	local upper = end_of_base(history, layers.history_of(old_config, n), n)
	local new_history = layers.history_of(base_config, #below)
	return layers.with_layers(image, list, function(config, manifest)
		for _, member in ipairs(platform_members) do
			config[member] = base_config[member]
		end
		config.history = table.move(history, upper + 1, #history, #new_history + 1, new_history)
		local all = type(manifest.annotations) == "table" and manifest.annotations or {}
		all[NAME], all[DIGEST] = name, new:digest()
		manifest.annotations = all
	end)
end

-- ---- Fewer layers ------------------------------------------------------------------------------------------

local function one_entry(what)
	return { created = time.text(time.now()), created_by = what }
end

--- All layers as one; what the image has in the end stays, and what it had is gone.
function rebase.flatten(image)
	local layer = core.squash(image, 0)
	return layers.with_layers(image, { { layer = layer } }, function(config)
		if config.rootfs then
			config.history = core.array { one_entry("luff flatten " .. image:digest()) }
		end
	end)
end

--- The last n layers as one.
function rebase.squash(image, n)
	local list = layers.list_of(image)
	if math.type(n) ~= "integer" or n < 1 or n > #list then
		fail("invalid", "the last layers to squash are 1 to %d", #list)
	elseif n == 1 then
		return image
	end
	local first = #list - n
	local layer = core.squash(image, first)
	list = table.move(list, 1, first, 1, {})
	list[first + 1] = { layer = layer, history = one_entry(("luff squash %d layers of %s"):format(n, image:digest())) }
	return layers.with_layers(image, list)
end

--- Without one layer: its number, its digest, or a Layer.
function rebase.remove_layer(image, which)
	local digest = type(which) == "string" and which or getmetatable(which) == "luff.Layer" and which:digest()
	local list, found = {}, false
	for _, item in ipairs(layers.list_of(image)) do
		if not found and (item.was == which or item.layer:digest() == digest) then
			found = true
		else
			list[#list + 1] = item
		end
	end
	if not found then
		fail("not_found", "the image has no layer %s", tostring(digest or which))
	end
	return layers.with_layers(image, list)
end

return rebase
