-- luff find: which tags are the same, so old, or have something inside.
local find = require "luff.find"
local luff = require "luff"
local terminal = require "luff.terminal"
local time = require "luff.time"

local function show(entry)
	local line = { terminal.printable(entry.tag), entry.digest }
	line[#line + 1] = entry.created and time.format(entry.created) or nil
	for _, text in ipairs { entry.label or false, entry.file or false, entry.version or false } do
		line[#line + 1] = text and terminal.printable(text) or nil
	end
	terminal.write(table.concat(line, "\t"), "\n")
end

return {
	summary = "find tags: the same image, so old, with a file or package",
	usage = "[options] PLACE",
	arguments = { 1, 1 },
	options = {
		{ name = "same", value = "NAME", help = "what stands for the same as this name, or for this digest" },
		{ name = "older-than", value = "AGE", type = "age", help = "made before: 90d" },
		{ name = "newer-than", value = "AGE", type = "age", help = "made since" },
		{ name = "label", value = "K[=V]", help = "with this label in the config" },
		{ name = "file", value = "GLOB", help = "with such a path in it; without wildcards it is found sooner" },
		{ name = "package", value = "NAME", help = "with this package of Debian or Alpine" },
		{ name = "platform", value = "P", help = "look into this image of an index; the first one by default" },
		{ name = "allow", value = "GLOB", type = "list", help = "only tags that match; may be given again" },
		{ name = "deny", value = "GLOB", type = "list", help = "not those that match" },
		{ name = "semver", value = "RANGE", help = "versions in it" },
		{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64, help = "images at a time (4)" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Prints tag and digest of each, then when it was made, and what was found in it: the label, the path, the
version of the package. All that is asked for has to hold. Each image is looked into once, however many tags
it has; what has no known age is neither old nor new. The exit code is 0, also where nothing is found.

examples
  luff find --same docker.io/library/alpine:latest docker.io/library/alpine
  luff find --older-than 365d registry.example.com/team/app
  luff find --package openssl --allow 'v*' registry.example.com/team/app
  luff find --file '/usr/lib/**/libssl*' oci:./mirror
]],
	run = function(args, opts)
		local found = find.run {
			from = args[1], digest = opts.same, older_than = opts.older_than, newer_than = opts.newer_than,
			label = opts.label, file = opts.file, package = opts.package, platform = opts.platform, jobs = opts.jobs,
			tags = { allow = opts.allow, deny = opts.deny, semver = opts.semver }, plain_http = opts.plain_http,
			each = not opts.json and show or nil,
		}
		if opts.json then
			terminal.write(luff.json.encode({ place = args[1], found = luff.array(found) }, { indent = true }), "\n")
		end
	end,
}
