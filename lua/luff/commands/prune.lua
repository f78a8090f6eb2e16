-- luff prune: takes from a repository or layout the tags that nobody keeps.
local core = require "luff.core"
local luff = require "luff"
local prune = require "luff.prune"
local terminal = require "luff.terminal"
local time = require "luff.time"

local function show(entry)
	local line = { entry.status, terminal.printable(entry.tag), terminal.short(entry.digest) }
	if entry.created then
		line[#line + 1] = time.format(entry.created):sub(1, 10)
	end
	line[#line + 1] = entry.why and terminal.printable(entry.why)
	if entry.error then
		io.stderr:write("luff: ", terminal.printable(entry.tag), ": ", terminal.printable(tostring(entry.error)), "\n")
	end
	terminal.write(table.concat(line, "\t"), "\n")
end

local function to_json(summaries)
	for _, summary in ipairs(summaries) do
		luff.array(summary.entries)
		for i, entry in ipairs(summary.entries) do
			summary.entries[i] = { tag = entry.tag, digest = entry.digest, status = entry.status, why = entry.why,
				created = entry.created, error = entry.error and tostring(entry.error) }
		end
	end
	return luff.json.encode(luff.array(summaries), { indent = true })
end

return {
	summary = "delete tags that nobody keeps, and what only they stood for",
	usage = "[options] PLACE...",
	arguments = { 1, 1000 },
	options = {
		{ name = "allow", value = "GLOB", type = "list", help = "only tags that match; may be given again" },
		{ name = "deny", value = "GLOB", type = "list", help = "not those that match; may be given again" },
		{ name = "semver", value = "RANGE", help = 'versions in it: "<1.25"' },
		{ name = "suffix", value = "TEXT", help = 'tags that end so: "-alpine"' },
		{ name = "group", value = "PATTERN", help = "a Lua pattern; tags with the same first capture are one group" },
		{ name = "keep", short = "k", value = "N", type = "integer", min = 0, max = 1000000,
			help = "so many of the newest of each group stay" },
		{ name = "by", value = "WHAT", help = "what is newest: created (that is the default) or version" },
		{ name = "older-than", value = "AGE", type = "age", help = "only what is older goes: 12h, 90d" },
		{ name = "protect", value = "GLOB", type = "list", help = "never those that match, nor what is the same" },
		{ name = "max", value = "N", type = "integer", min = 0, max = 1000000,
			help = "if that would be more than N tags in a place, delete none there (20)" },
		{ name = "yes", short = "y", help = "do it; without it, nothing is deleted" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
Prints what would be done with each tag, and does it with --yes. A manifest goes when its last tag does,
unless another that stays lists it; so do its signatures and whatever else refers to it. When an image was
made, its annotation org.opencontainers.image.created tells, else its config, for an index the newest of its
images; tags of no known age stay. Some registries delete no tag alone: there one stays whose manifest does.
luff asks for that by deleting a tag that is not there (not under luff --dry-run). In a layout, luff gc frees
the room.

The exit code is 1 where something failed, 4 where it would be more than --max.

examples
  luff prune --keep 5 --protect latest registry.example.com/team/app
  luff prune --allow 'ci-*' --older-than 30d --max 500 --yes registry.example.com/team/app
  luff prune --group '^backup%-(.+)%-%d+$' --keep 3 oci:./backups
  luff prune --by version --keep 10 --semver '*' registry.example.com/team/app
]],
	run = function(args, opts)
		local code, summaries = 0, {}
		for i, place in ipairs(args) do
			local summary = prune.run {
				from = place, keep = opts.keep, by = opts.by, group = opts.group, older_than = opts.older_than,
				tags = { allow = opts.allow, deny = opts.deny, semver = opts.semver, suffix = opts.suffix },
				protect = opts.protect, max = opts.max, delete = opts.yes, plain_http = opts.plain_http,
			}
			summaries[i] = summary
			code = summary.failed > 0 and 1 or code
			if not opts.json then
				for _, entry in ipairs(summary.entries) do
					show(entry)
				end
				io.stderr:write(("%s: %s %d tags and %d manifests, kept %d tags%s\n"):format(terminal.printable(place),
					opts.yes and not core.plan_is_on() and "deleted" or "would delete", opts.yes and summary.deleted or summary.count,
					summary.manifests, summary.kept, summary.over and "; that is more than --max" or ""))
			end
		end
		if opts.json then
			terminal.write(to_json(summaries), "\n")
		end
		return code
	end,
}
