-- luff index: indexes from images, with more or fewer images, and what is in them.
local command = require "luff.edit.command"
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

local function open(name, opts)
	return luff.open(name, { plain_http = opts.plain_http })
end

local function open_index(name, opts)
	return luff.index(name, { plain_http = opts.plain_http })
end

local function open_all(names, first, opts)
	local list = {}
	for i = first, #names do
		list[#list + 1] = open(names[i], opts)
	end
	return list
end

local function platform_of(entry)
	local p = type(entry.platform) == "table" and entry.platform or {}
	local text = p.os and ("%s/%s"):format(p.os, tostring(p.architecture)) or "unknown"
	return text .. (p.variant and p.variant ~= "" and "/" .. p.variant or "")
end

local function list(args, opts)
	local entries = open_index(args[2], opts):index_manifest().manifests
	if opts.json then
		terminal.write(luff.json.encode(entries, { indent = true }), "\n")
		return
	end
	local rows = {}
	for i, entry in ipairs(entries) do
		rows[i] = { platform_of(entry), entry.digest, entry.mediaType }
		for k, cell in ipairs(rows[i]) do
			rows[i][k] = terminal.printable(cell)
		end
	end
	terminal.write(terminal.align(rows))
end

-- What follows the word: how many names at least and at most, and what it does.
local actions = {
	create = { 1, math.huge, function(args, opts)
		command.write(luff.index_of(open_all(args, 2, opts)), opts)
	end },
	append = { 2, math.huge, function(args, opts)
		command.write(open_index(args[2], opts):append(open_all(args, 3, opts)), opts)
	end },
	remove = { 2, math.huge, function(args, opts)
		command.write(open_index(args[2], opts):remove(table.move(args, 3, #args, 1, {})), opts)
	end },
	filter = { 1, 1, function(args, opts)
		local platforms = opts.platform or options.fail "name what stays: --platform P"
		command.write(open_index(args[2], opts):filter { platform = platforms }, opts)
	end },
	list = { 1, 1, list },
}

return {
	summary = "make and change indexes of images",
	usage = "list|create|append|remove|filter [options] NAME …",
	words = { "list", "create", "append", "remove", "filter" },
	arguments = { 1, 1000 },
	options = {
		command.to,
		{ name = "platform", value = "P", type = "list", help = "with filter: what stays; may be given again" },
		{ name = "json", help = "print JSON" },
		command.quiet, command.progress, command.plain_http,
	},
	help = [[
list shows what an index has. The others write an index under the name DEST and print its digest: create one
of images and indexes, append images to one, remove those of some digests from one, filter one by platforms.
Images may come from anywhere, and move to where DEST is. What BuildKit lists about an image (attestations)
goes with it.

examples
  luff index list alpine:3
  luff index create app:amd64 app:arm64 -t registry.example.com/app:v1
  luff index append app:v1 oci:./out:riscv64 -t app:v1
  luff index filter alpine:3 --platform linux/amd64 --platform linux/arm64 -t localhost:5000/alpine:3
  luff index remove app:v1 sha256:4b7ce07002c69e8f3d704a9c5d6fd3053be500b7f1c69fc0d80990c2ad8dd412 -t app:v1
]],
	run = function(args, opts)
		local names = {}
		for name in pairs(actions) do
			names[#names + 1] = name
		end
		local action = actions[args[1]]
			or options.fail('luff index knows no "%s"%s', args[1], options.suggestion(args[1], names))
		if #args - 1 < action[1] or #args - 1 > action[2] then
			options.fail("%s names for luff index %s", #args - 1 < action[1] and "too few" or "too many", args[1])
		end
		if args[1] ~= "list" then
			command.destination(opts)
		end
		action[3](args, opts)
	end,
}
