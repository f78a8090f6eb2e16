-- luff mirror: keeps a repository or layout like another.
local luff = require "luff"
local mirror = require "luff.mirror"
local terminal = require "luff.terminal"

-- A line for each tag, as it is done; what failed goes to stderr.
local function show(entry)
	local name = terminal.printable(entry.tag or entry.target)
	if entry.target ~= (entry.tag or entry.target) then
		name = name .. " -> " .. terminal.printable(entry.target)
	end
	if entry.error then
		io.stderr:write("luff: ", name, ": ", terminal.printable(tostring(entry.error)), "\n")
	else
		terminal.write(entry.status, "\t", name, entry.digest and "\t" .. entry.digest or "", "\n")
	end
end

local function to_json(summary)
	local entries = luff.array {}
	for i, entry in ipairs(summary.entries) do
		entries[i] = { tag = entry.tag, target = entry.target, status = entry.status, digest = entry.digest,
			error = entry.error and tostring(entry.error) }
	end
	summary.entries = entries
	return luff.json.encode(summary, { indent = true })
end

return {
	summary = "keep a repository or layout like another",
	usage = "[options] FROM TO",
	arguments = { 2, 2 },
	options = {
		{ name = "allow", value = "GLOB", type = "list", help = "tags that match; may be given again" },
		{ name = "deny", value = "GLOB", type = "list", help = "not those that match; may be given again" },
		{ name = "semver", value = "RANGE", help = 'versions in it: "^1.25", ">=1.2 <2"' },
		{ name = "suffix", value = "TEXT", help = 'tags that end so; versions are read without it: "-alpine"' },
		{ name = "per", value = "LINE", help = "the newest of each major, minor or patch line" },
		{ name = "newest", value = "N", type = "integer", min = 1, max = 1000000, help = "so many of the newest versions" },
		{ name = "platform", value = "P", help = "of an index, only the image for it (linux/arm64)" },
		{ name = "referrers", help = "also what refers to it: signatures, attestations" },
		{ name = "foreign", help = "also layers that may not be distributed, from their URLs if need be" },
		{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64, help = "tags at a time (8)" },
		{ name = "prune", help = "delete the tags of TO that are not meant, if all others arrived" },
		{ name = "keep", value = "GLOB", type = "list", help = "but never those that match" },
		{ name = "prune-max", value = "N", type = "integer", min = 0, max = 1000000,
			help = "if that would be more than N tags, delete none (20)" },
		{ name = "dry-run", short = "n", help = "say what would be done" },
		{ name = "json", help = "print what was done as JSON" },
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
Prints a line for each tag: copied, unchanged or deleted. What fails is told and the rest goes on; the exit
code is 1 then. Run again, it goes on where it stopped.

examples
  luff mirror --semver '>=1.25' --newest 5 docker.io/library/nginx registry.example.com/mirror/nginx
  luff mirror --allow '3.*' --prune --keep latest alpine oci:./alpine
  luff mirror --dry-run --per minor --suffix -slim python registry.example.com/python
]],
	run = function(args, opts)
		local summary = mirror.run {
			from = args[1], to = args[2],
			tags = { allow = opts.allow, deny = opts.deny, semver = opts.semver, suffix = opts.suffix, per = opts.per,
				newest = opts.newest },
			platform = opts.platform, referrers = opts.referrers, foreign = opts.foreign, jobs = opts.jobs, prune = opts.prune,
			keep = opts.keep, prune_max = opts.prune_max, dry_run = opts.dry_run, plain_http = opts.plain_http,
			each = not opts.json and show or nil,
		}
		if opts.json then
			terminal.write(to_json(summary), "\n")
		else
			io.stderr:write(("%s%d copied (%s), %d unchanged, %d deleted, %d failed\n"):format(
				opts.dry_run and "would be: " or "", summary.copied, terminal.size(summary.bytes), summary.unchanged,
				summary.deleted, summary.failed))
		end
		return summary.failed > 0 and 1 or 0
	end,
}
