-- luff bundle: many images in one file, to where there is no network.
local bundle = require "luff.bundle"
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

-- The names of a file, one a line; # begins a comment.
local function read_list(path)
	local file, message = io.open(path, "r")
	if not file then
		fail("not_found", "%s", message)
	end
	local names = {}
	for line in file:lines() do
		names[#names + 1] = line:gsub("#.*", ""):match "%S+"
	end
	file:close()
	return names
end

local verbs = {}

function verbs.create(args, opts)
	local names = opts.file and read_list(opts.file) or {}
	table.move(args, 2, #args, #names + 1, names)
	if not opts.output then
		options.fail "say which file it becomes: luff bundle create -o FILE IMAGE..."
	end
	local to_stdout = opts.output == "-"
	if to_stdout and (opts.json or terminal.columns "stdout") then
		options.fail(opts.json and "--json and the bundle cannot both go to stdout"
			or "a bundle is not for the terminal: -o FILE")
	end
	local bars <close> = progress.beside_lines(opts)
	local done = bundle.create(opts.output, names, { since = opts.since, referrers = opts.referrers,
		platform = opts.platform, plain_http = opts.plain_http, progress = bars and bars:watch() })
	if bars then
		bars:close()
	end
	if opts.json then
		terminal.write(luff.json.encode(done, { indent = true }), "\n")
		return
	end
	for _, image in ipairs(done.images) do
		local write = to_stdout and function(...) io.stderr:write(...) end or terminal.write
		write(image.digest, "\t", terminal.printable(image.name), "\n")
	end
	io.stderr:write(("%d images, %d blobs (%s)\n"):format(#done.images, done.blobs, terminal.size(done.bytes)))
end

local function show(entry)
	local name = terminal.printable(entry.to)
	if entry.error then
		io.stderr:write("luff: ", name, ": ", terminal.printable(tostring(entry.error)), "\n")
	else
		terminal.write(entry.status, "\t", name, "\t", entry.digest, "\n")
	end
end

function verbs.load(args, opts)
	if not opts.to then
		options.fail "say where to: luff bundle load FILE --to REGISTRY"
	end
	local bars <close> = progress.beside_lines(opts)
	local each = bars and function(entry) bars:aside(show, entry) end or show
	local summary = bundle.load(args[2], opts.to, { plain_http = opts.plain_http, each = not opts.json and each or nil,
		progress = bars and function() return bars:watch() end })
	if bars then
		bars:close()
	end
	if opts.json then
		for _, entry in ipairs(luff.array(summary.entries)) do
			entry.error = entry.error and tostring(entry.error)
		end
		terminal.write(luff.json.encode(summary, { indent = true }), "\n")
	else
		io.stderr:write(("%d copied (%s), %d unchanged, %d failed\n"):format(summary.copied, terminal.size(summary.bytes),
			summary.unchanged, summary.failed))
	end
	return summary.failed > 0 and 1 or 0
end

function verbs.ls(args, opts)
	local list = bundle.list(args[2])
	if opts.json then
		luff.array(list.images)
		luff.array(list.blobs)
		for i, blob in ipairs(list.blobs) do
			list.blobs[i] = { digest = blob.digest, size = blob.size }
		end
		terminal.write(luff.json.encode(list, { indent = true }), "\n")
		return
	end
	for _, image in ipairs(list.images) do
		terminal.write(terminal.printable(image.digest), "\t", terminal.printable(image.name), "\n")
	end
end

-- How many arguments each takes, and which options beside --json.
local rules = {
	create = { 1, math.huge, progress = true, output = true, file = true, since = true, referrers = true, platform = true,
		plain_http = true },
	load = { 2, 2, progress = true, to = true, plain_http = true },
	ls = { 2, 2 },
}

return {
	summary = "carry many images in one file to where there is no network",
	usage = "create|load|ls [options] [FILE] [IMAGE...]",
	arguments = { 1, 10001 },
	words = { "create", "load", "ls" },
	options = {
		{ name = "output", short = "o", value = "FILE", help = "create: the bundle; - is stdout" },
		{ name = "file", short = "f", value = "LIST", help = "create: a file of names, one a line" },
		{ name = "since", value = "OLD", help = "create: only what this bundle, or ls --json of it, has not" },
		{ name = "referrers", help = "create: also what refers to the images: signatures, attestations" },
		{ name = "platform", value = "P", help = "create: of an index, only the image for it" },
		{ name = "to", value = "PLACE", help = "load: a registry, with a prefix perhaps, or oci:FOLDER" },
		{ name = "json", help = "print JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
A bundle is an oci-archive in which each image has its whole name, for skopeo and others, too. With --since it
is a delta: it holds what the bundle before it has not, and is loaded after that one.

create keeps what has come in FILE.unfinished, a folder, until all is there: after a run that broke off, the
next one goes on from there.

load copies docker.io/library/alpine:3 to PLACE/library/alpine:3. What is there does not move: a load that
broke off goes on. What fails is told, the rest goes on, and the exit code is 1 then.

examples
  luff bundle create -o week1.tar alpine:3 ghcr.io/org/app:v1
  luff bundle create -o week2.tar --since week1.tar -f images.txt
  luff bundle ls week2.tar
  luff bundle load week1.tar --to registry.example.com/mirror
]],
	run = function(args, opts)
		local verb = args[1]
		local rule = rules[verb]
			or options.fail('unknown "%s"%s; want create, load or ls', verb,
				options.suggestion(verb, { "create", "load", "ls" }))
		if #args < rule[1] or #args > rule[2] then
			options.fail("too %s arguments for %s", #args < rule[1] and "few" or "many", verb)
		end
		for _, name in ipairs { "output", "file", "since", "referrers", "platform", "to", "progress", "plain_http" } do
			if opts[name] and not rule[name] then
				options.fail("%s takes no --%s", verb, (name:gsub("_", "-")))
			end
		end
		return verbs[verb](args, opts)
	end,
}
