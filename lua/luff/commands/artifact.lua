-- luff artifact: files in registries and layouts, as oras has them.
local artifact = require "luff.artifact"
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

-- "FILE" or "FILE:TYPE", as oras's users write it; what is there under the whole word is a file.
local function parse_file(word)
	local path, kind = word:match "^(.+):([%w.+_-]+/[%w.+_;=-]+)$"
	local there = path and io.open(word, "rb")
	if there then
		there:close()
	elseif path then
		return { path = path, type = kind }
	end
	return { path = word }
end

local function parse_annotations(list)
	local annotations
	for _, word in ipairs(list or {}) do
		local key, value = word:match "^([^=]+)=(.*)$"
		if not key then
			options.fail('--annotation wants KEY=VALUE, not "%s"', word)
		end
		annotations = annotations or {}
		annotations[key] = value
	end
	return annotations
end

-- What both push and attach do.
local function store(verb, args, opts)
	local bars <close> = progress.hear(opts)
	local files = {}
	for i = 3, #args do
		files[#files + 1] = parse_file(args[i])
	end
	local image = artifact[verb](args[2], {
		files = files, type = opts.type, subject = opts.subject, annotations = parse_annotations(opts.annotation),
		plain_http = opts.plain_http,
	})
	local digest = image:digest()
	progress.settle(bars)
	terminal.write(opts.json and luff.json.encode { digest = digest, manifest = image:manifest() } or digest, "\n")
end

local verbs = {}

function verbs.push(args, opts)
	store("push", args, opts)
end

function verbs.attach(args, opts)
	if #args < 3 and not opts.annotation then
		options.fail "attach wants files, or --annotation"
	end
	store("attach", args, opts)
end

function verbs.pull(args, opts)
	local bars <close> = progress.hear(opts)
	local done = artifact.pull(args[2], { folder = opts.output, platform = opts.platform, plain_http = opts.plain_http })
	progress.settle(bars)
	if opts.json then
		terminal.write(luff.json.encode(done), "\n")
		return
	end
	for _, title in ipairs(done.files) do
		terminal.write(terminal.printable(title), "\n")
	end
	io.stderr:write(("%d %s, %s%s\n"):format(#done.files, #done.files == 1 and "file" or "files",
		terminal.size(done.bytes), done.skipped > 0 and (", %d without a title passed over"):format(done.skipped) or ""))
end

local function draw(node, indent)
	for i, child in ipairs(node.referrers) do
		local last = i == #node.referrers
		local made = child.annotations and child.annotations["org.opencontainers.image.created"]
		local kind = terminal.printable(child.artifactType or child.mediaType or "?")
		terminal.write(indent, last and "`-- " or "|-- ", kind, "  ", terminal.printable(child.digest),
			made and "  " .. terminal.printable(made) or "", "\n")
		draw(child, indent .. (last and "    " or "|   "))
	end
end

function verbs.tree(args, opts)
	local root = artifact.tree(args[2], { type = opts.type, plain_http = opts.plain_http })
	if opts.json then
		terminal.write(luff.json.encode(root, { indent = true }), "\n")
		return
	end
	terminal.write(terminal.printable(args[2]), "  ", root.digest, "\n")
	draw(root, "")
end

-- How many arguments each takes, and which options beside those that all take.
local rules = {
	push = { 2, math.huge, progress = true, type = true, subject = true, annotation = true },
	attach = { 2, math.huge, progress = true, type = true, annotation = true },
	pull = { 2, 2, progress = true, output = true, platform = true },
	tree = { 2, 2, type = true },
}

return {
	summary = "push and pull files, attach them to images",
	usage = "push|pull|attach|tree [options] NAME [FILE[:TYPE]…]",
	words = { "push", "pull", "attach", "tree" },
	arguments = { 2, 10000 },
	options = {
		{ name = "type", value = "T", help = "push, attach: what the artifact is; tree: only such" },
		{ name = "subject", value = "NAME", help = "push: what it refers to, in the same place" },
		{ name = "annotation", short = "a", value = "K=V", type = "list",
			help = "push, attach: of the manifest; again for more" },
		{ name = "output", short = "o", value = "DIR", help = "pull: into this folder (the current one)" },
		{ name = "platform", value = "P", help = "pull: of an index, the artifact for it" },
		{ name = "json", help = "print JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
push stores files under NAME, attach gives files to what NAME stands for, and both print the digest of what
they made. Files keep the names by which they were said; a folder goes as a tar.gz. oras pulls what luff
pushed, and the other way round. TYPE is the media type of a file.

pull checks everything, and then puts each file in its place: one that was there is replaced, a folder with
something in it is not. No name leads out of DIR.

tree shows what refers to NAME (signatures, attestations, what was attached), and to that, and so on.

examples
  luff artifact push ghcr.io/org/models:v1 model.bin:application/vnd.example.model docs/
  luff artifact attach --type application/spdx+json ghcr.io/org/app:v1 sbom.json
  luff artifact pull -o ./models ghcr.io/org/models:v1
  luff artifact tree ghcr.io/org/app:v1
]],
	run = function(args, opts)
		local verb = args[1]
		local rule = rules[verb]
			or options.fail('unknown "%s"%s; want push, pull, attach or tree', verb,
				options.suggestion(verb, { "push", "pull", "attach", "tree" }))
		if #args > rule[2] then
			options.fail("too many arguments for %s", verb)
		end
		for _, name in ipairs { "type", "subject", "annotation", "output", "platform", "progress" } do
			if opts[name] and not rule[name] then
				options.fail("%s takes no --%s", verb, name)
			end
		end
		return verbs[verb](args, opts)
	end,
}
