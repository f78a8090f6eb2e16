-- luff validate: whether an image or index is what it says to be.
local luff = require "luff"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

local function count(n, one, many)
	return ("%d %s"):format(n, n == 1 and one or many)
end

return {
	summary = "check that an image or index is sound",
	usage = "[--fast] [--platform P] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "fast", help = "read no layer: only what manifests and configs say, and that blobs are there" },
		{ name = "platform", value = "P", help = "of an index, only the image for it (linux/arm64)" },
		{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64,
			help = "blobs at a time (4)" },
		{ name = "json", help = "print JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Checks digests, sizes, media types and diff IDs, what config, manifest and index say of each other, and that
layers are tars which can be unpacked on each other. Prints a line for each thing that is wrong, as

  CODE: PLACE: THING: WHAT

and the exit code is 6 then. What could not be looked at (a network, a login) is a failure, and no finding.

examples
  luff validate alpine:3
  luff validate --fast registry.example.com/app:v1
  luff validate --json oci:./mirror:v1 | jq -r '.findings[].what'
]],
	run = function(args, opts)
		local bars <close> = progress.hear(opts)
		local findings, seen = luff.validate(args[1],
			{ fast = opts.fast, platform = opts.platform, jobs = opts.jobs, plain_http = opts.plain_http })
		progress.settle(bars)
		if opts.json then
			seen.findings = luff.array(findings)
			terminal.write(luff.json.encode(seen, { indent = true }), "\n")
		else
			for _, f in ipairs(findings) do
				terminal.write(f.code, ": ", terminal.printable(f.place), ": ", f.thing, ": ", terminal.printable(f.what), "\n")
			end
			io.stderr:write(("%s: %s%s, %s, %s read\n"):format(
				#findings == 0 and "sound" or count(#findings, "finding", "findings"),
				seen.indexes > 0 and count(seen.indexes, "index", "indexes") .. ", " or "",
				count(seen.images, "image", "images"), count(seen.blobs, "blob", "blobs"), terminal.size(seen.bytes)))
		end
		return #findings > 0 and 6 or 0
	end,
}
