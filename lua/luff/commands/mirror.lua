-- luff mirror: keeps repositories or layouts like others.
local core = require "luff.core"
local lines = require "luff.mirror.lines"
local mirror = require "luff.mirror"
local options = require "luff.options"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

local function split_rename(text)
	local pattern, replacement = (text or ""):match "^(.-)=(.*)$"
	if text and (not pattern or not pcall(string.gsub, "", pattern, replacement)) then
		options.fail('--rename wants PATTERN=REPLACEMENT as string.gsub has them, not "%s"', text)
	end
	return pattern and { pattern, replacement }
end

-- What the command line says goes before what the file says.
local function settings_of(args, opts)
	local settings = opts.config and options.file(opts.config, "table", "no table: return { from = …, to = … }") or {}
	if #args ~= (opts.config and 0 or 2) then
		options.fail "usage: luff mirror [options] FROM TO, or luff mirror -c FILE"
	end
	settings.from, settings.to = args[1] or settings.from, args[2] or settings.to
	local tags
	for _, name in ipairs { "allow", "deny", "semver", "suffix", "per", "newest", "newer_than", "older_than", "by" } do
		if opts[name] then
			tags = tags or {}
			tags[name] = opts[name]
		end
	end
	settings.tags = tags or settings.tags
	for _, name in ipairs { "repositories", "platform", "platforms", "sparse", "referrers", "digest_tags", "foreign",
		"jobs", "prune", "keep", "prune_max", "dry_run", "plain_http" } do
		settings[name] = opts[name] == nil and settings[name] or opts[name]
	end
	settings.verify = opts.validate or settings.verify
	settings.rename = split_rename(opts.rename) or settings.rename
	return settings
end

return {
	summary = "keep repositories or layouts like others",
	usage = "[options] FROM TO | -c FILE",
	arguments = { 0, 2 },
	options = {
		{ name = "config", short = "c", value = "FILE", help = "Lua that returns what luff.mirror takes" },
		{ name = "repositories", value = "GLOB", type = "list",
			help = "FROM is a registry, TO a prefix: all repositories that match" },
		{ name = "allow", value = "GLOB", type = "list", help = "tags that match; may be given again" },
		{ name = "deny", value = "GLOB", type = "list", help = "not those that match; may be given again" },
		{ name = "semver", value = "RANGE", help = 'versions in it: "^1.25", ">=1.2 <2"' },
		{ name = "suffix", value = "TEXT", help = 'tags that end so; versions are read without it: "-alpine"' },
		{ name = "per", value = "LINE", help = "the newest of each major, minor or patch line" },
		{ name = "newer-than", value = "AGE", type = "age", help = "what was made since: 90d" },
		{ name = "older-than", value = "AGE", type = "age", help = "what was made before" },
		{ name = "newest", value = "N", type = "integer", min = 1, max = 1000000, help = "so many of the newest of these" },
		{ name = "by", value = "WHAT", help = "what is newest: version (that is the default) or created" },
		{ name = "rename", value = "PATTERN=TEXT", help = "another tag at the destination, as string.gsub makes it" },
		{ name = "platform", value = "P", help = "of an index, only the image for it (linux/arm64)" },
		{ name = "platforms", value = "P", type = "list", help = "of an index, the images for these (P,P), as a new one" },
		{ name = "sparse", help = "the index as it is, without the other images; not every registry takes it" },
		{ name = "referrers", help = "also what refers to it: signatures, attestations" },
		{ name = "digest-tags", help = "of tags as cosign makes them, only those about what is copied" },
		{ name = "validate", help = "copy only what luff validate finds sound" },
		{ name = "foreign", help = "also layers that may not be distributed, from their URLs if need be" },
		{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64, help = "tags at a time (8)" },
		{ name = "prune", help = "delete the tags of TO that are not meant, if all others arrived" },
		{ name = "keep", value = "GLOB", type = "list", help = "but never those that match" },
		{ name = "prune-max", value = "N", type = "integer", min = 0, max = 1000000,
			help = "if that would be more than N tags, delete none (20)" },
		{ name = "dry-run", short = "n", help = "say what would be done" },
		{ name = "json", help = "print what was done as JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
Prints a line for each tag: copied, unchanged, left_out, deleted, or kept where it was to be deleted and could
not be. What fails is told and the rest goes on; the exit code is 1 then. Run again, it goes on where it
stopped. A registry may refuse an index of which images are missing (--sparse): luff serve does, and so does
the distribution project's, unless its validation of manifests is switched off; a layout takes it.
lua/luff/mirror.lua says what the file may hold, filters and changes on the way among that:

  return {
    to = "registry.example.com/mirror", platforms = { "linux/amd64", "linux/arm64" }, prune = true,
    repositories = {
      { from = "alpine", to = "registry.example.com/alpine", tags = { semver = ">=3.20", per = "minor" } },
      { from = "nginx", to = "registry.example.com/nginx", tags = { newer_than = "90d" },
        filter = function(image) return image:annotations()["stage"] ~= "test" end },
    },
  }

examples
  luff mirror --semver '>=1.25' --newest 5 docker.io/library/nginx registry.example.com/mirror/nginx
  luff mirror --allow '3.*' --prune --keep latest alpine oci:./alpine
  luff mirror --repositories 'team/*' --newer-than 90d registry.example.com mirror.example.com/copy
  luff mirror --dry-run -c mirror.lua
]],
	run = function(args, opts)
		local settings = settings_of(args, opts)
		local many = settings.repositories ~= nil
		local bars <close> = progress.beside_lines(opts)
		settings.progress = bars and function() return bars:watch() end
		settings.each = not opts.json and function(entry)
			if bars then
				bars:aside(lines.show, entry, many)
			else
				lines.show(entry, many)
			end
		end or nil
		local summary = mirror.run(settings)
		if bars then
			bars:close()
		end
		if opts.json then
			terminal.write(lines.json(summary), "\n")
		else
			local dry = opts.dry_run or core.plan_is_on()
			io.stderr:write(("%s%d copied (%s), %d unchanged, %s%d deleted, %s%d failed\n"):format(
				dry and "would be: " or "", summary.copied, terminal.size(summary.bytes), summary.unchanged,
				summary.left_out > 0 and summary.left_out .. " left out, " or "", summary.deleted,
				summary.kept > 0 and summary.kept .. " kept, " or "", summary.failed))
		end
		return summary.failed > 0 and 1 or 0
	end,
}
