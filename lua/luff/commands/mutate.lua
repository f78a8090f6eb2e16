-- luff mutate: an image with another config or other annotations.
local command = require "luff.edit.command"
local luff = require "luff"
local options = require "luff.options"

-- "NAME=VALUE" apart.
local function pair(option, text)
	local name, value = text:match "^([^=]+)=(.*)$"
	if not name then
		options.fail('--%s wants NAME=VALUE, not "%s"', option, text)
	end
	return name, value
end

-- Words of a command line: a JSON list, or words between commas, as crane has them. Given again, they follow.
local function words(texts)
	local list = luff.array()
	for _, text in ipairs(texts) do
		if text:find "^%s*%[" then
			local ok, more = pcall(luff.json.decode, text)
			for _, word in ipairs(ok and more or { false }) do
				list[#list + 1] = type(word) == "string" and word or options.fail("no JSON list of words: %s", text)
			end
		else
			for word in (text .. ","):gmatch "([^,]*)," do
				list[#list + 1] = word
			end
		end
	end
	return list
end

-- Environments are lists of "NAME=VALUE".
local function set_env(config, name, value)
	local list = luff.array()
	local found = false
	for _, text in ipairs(config.Env or {}) do
		if text:match "^[^=]*" ~= name then
			list[#list + 1] = text
		elseif value and not found then
			list[#list + 1], found = name .. "=" .. value, true
		end
	end
	if value and not found then
		list[#list + 1] = name .. "=" .. value
	end
	config.Env = #list > 0 and list or nil
end

-- A member of an object of the config, which goes with its last member.
local function set_member(config, key, name, value)
	local object = type(config[key]) == "table" and config[key] or {}
	object[name] = value
	config[key] = next(object) ~= nil and object or nil
end

local members = { label = "Labels", port = "ExposedPorts", volume = "Volumes" }
local single = { cmd = "Cmd", entrypoint = "Entrypoint", user = "User", workdir = "WorkingDir" }

-- What the options say, as functions of the config's "config".
local function steps_of(opts)
	local steps = {}
	local function step(f)
		steps[#steps + 1] = f
	end
	for _, text in ipairs(opts.unset or {}) do
		local kind, name = text:match "^(%l+)%.(.+)$"
		if single[text] then
			step(function(config) config[single[text]] = nil end)
		elseif kind == "env" then
			step(function(config) set_env(config, name, nil) end)
		elseif members[kind] then
			step(function(config) set_member(config, members[kind], name, nil) end)
		elseif kind ~= "annotation" then
			options.fail('--unset knows no "%s": env.NAME, label.NAME, annotation.NAME, port.NAME, volume.NAME, cmd, '
				.. "entrypoint, user or workdir", text)
		end
	end
	for _, text in ipairs(opts.env or {}) do
		local name, value = pair("env", text)
		step(function(config) set_env(config, name, value) end)
	end
	for _, text in ipairs(opts.label or {}) do
		local name, value = pair("label", text)
		step(function(config) set_member(config, "Labels", name, value) end)
	end
	for option, key in pairs { exposed_ports = "ExposedPorts", volume = "Volumes" } do
		for _, name in ipairs(words(opts[option] or {})) do
			step(function(config) set_member(config, key, name, {}) end)
		end
	end
	if opts.entrypoint then
		-- what was there to be given to the old one is not for the new one
		local list = words(opts.entrypoint)
		step(function(config) config.Entrypoint, config.Cmd = list, nil end)
	end
	if opts.cmd then
		local list = words(opts.cmd)
		step(function(config) config.Cmd = list end)
	end
	step(function(config)
		config.User = opts.user or config.User
		config.WorkingDir = opts.workdir or config.WorkingDir
	end)
	return steps
end

local function annotations_of(opts)
	local annotations = {}
	for _, text in ipairs(opts.unset or {}) do
		local name = text:match "^annotation%.(.+)$"
		if name then
			annotations[name] = false
		end
	end
	for _, text in ipairs(opts.annotation or {}) do
		local name, value = pair("annotation", text)
		annotations[name] = value
	end
	return annotations
end

return {
	summary = "change an image's config and annotations",
	usage = "[options] NAME -t DEST",
	arguments = { 1, 1 },
	options = {
		command.to,
		{ name = "env", short = "e", value = "NAME=VALUE", type = "list", help = "a variable of the environment" },
		{ name = "label", short = "l", value = "NAME=VALUE", type = "list", help = "a label" },
		{ name = "annotation", short = "a", value = "NAME=VALUE", type = "list", help = "an annotation of the manifest" },
		{ name = "cmd", value = "WORDS", type = "list", help = "the command: words between commas, or a JSON list" },
		{ name = "entrypoint", value = "WORDS", type = "list", help = "the entrypoint; takes the old command away" },
		{ name = "user", short = "u", value = "USER", help = "the user" },
		{ name = "workdir", short = "w", value = "PATH", help = "the working directory" },
		{ name = "exposed-ports", value = "PORTS", type = "list", help = "more ports: 80/tcp,53/udp" },
		{ name = "volume", value = "PATHS", type = "list", help = "more volumes: /data,/log" },
		{ name = "unset", value = "WHAT", type = "list",
			help = "take away env.NAME, label.NAME, port.80/tcp, cmd, …" },
		command.platform, command.all_platforms, command.json, command.quiet, command.progress, command.plain_http,
	},
	help = [[
Writes the image under the name DEST and prints its digest. Nothing else of it changes: layers stay as they
are, and move by a mount where both names are in one registry. --unset takes away env.NAME, label.NAME,
annotation.NAME, port.NAME, volume.NAME, cmd, entrypoint, user or workdir, before the rest is set.

examples
  luff mutate app:v1 -t app:v2 --env MODE=production --label org.example.team=web --unset env.DEBUG
  luff mutate app:v1 -t app:nobody --all-platforms --user nobody --entrypoint '["/bin/app","-p","80"]'
  luff mutate oci:./out:app -t registry.example.com/app:v1 --annotation org.opencontainers.image.version=1.0
]],
	run = function(args, opts)
		command.destination(opts)
		local steps, annotations = steps_of(opts), annotations_of(opts)
		command.write(command.change(args[1], opts, function(image)
			return image:annotate(annotations):configure(function(config)
				for _, step in ipairs(steps) do
					step(config.config)
				end
			end)
		end), opts)
	end,
}
