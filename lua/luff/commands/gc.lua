-- luff gc: frees the room of what no tag reaches any more.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "remove from a folder of layouts what no tag reaches",
	usage = "[--dry-run] [--grace AGE] [--json] FOLDER",
	arguments = { 1, 1 },
	options = {
		{ name = "dry-run", help = "only say what would go" },
		{ name = "grace", value = "AGE", type = "age",
			help = "keep what came or was asked for within this time, as 30m or 2d; 1h by default" },
		{ name = "json", help = "print JSON" },
	},
	help = [[
The folder is an OCI layout, or what a registry serves: a layout for each repository. What tags and indexes
reach stays, and what refers to it by its subject (signatures and the like); manifests that have only a
digest go. Safe while luff serves the folder or copies to it; nobody else may write to it who reuses blobs
that no tag reaches. With --grace 0 nobody may write at all.

examples
  luff gc --dry-run ./store
  luff gc --grace 2d oci-layout/
]],
	run = function(args, opts)
		local result = luff.gc(args[1], { grace = opts.grace, dry_run = opts.dry_run })
		if opts.json then
			result.dry_run = opts.dry_run == true
			terminal.write(luff.json.encode(result, { indent = true }), "\n")
			return
		end
		terminal.write(("%s %d blobs and %d uploads, %d bytes; %d blobs stay in %d %s\n"):format(
			opts.dry_run and "would remove" or "removed", result.removed, result.uploads, result.bytes, result.kept,
			result.repositories, result.repositories == 1 and "repository" or "repositories"))
	end,
}
