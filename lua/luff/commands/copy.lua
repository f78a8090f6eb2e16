-- luff copy: an image or index from one place to another, digests unchanged.
local core = require "luff.core"
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

local function count(n, what)
	return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

local function sum_up(result, seconds)
	local what = core.plan_is_on() and "would have copied" or "copied"
	local parts = { ("%s %s (%s)"):format(what, count(result.copied, "blob"), terminal.size(result.bytes)) }
	if result.kept > 0 then
		parts[#parts + 1] = ("%s had come before"):format(terminal.size(result.kept))
	end
	if result.mounted > 0 then
		parts[#parts + 1] = ("mounted %d"):format(result.mounted)
	end
	if result.skipped > 0 then
		parts[#parts + 1] = ("%d %s there"):format(result.skipped, result.skipped == 1 and "was" or "were")
	end
	parts[#parts + 1] = count(result.manifests, "manifest")
	return ("%s in %.1f s\n"):format(table.concat(parts, ", "), seconds)
end

-- The archive itself goes there.
local function to_stdout(name)
	return name:find "^%l+%-archive:%-$" or name:find "^%l+%-archive:%-[:@]"
end

return {
	summary = "copy images or indexes from one place to another",
	usage = "[options] SOURCE... DESTINATION",
	arguments = { 2, 10001 },
	options = {
		{ name = "platform", value = "P", help = "of an index, only the image for it (linux/arm64)" },
		{ name = "jobs", short = "j", value = "N", type = "integer", min = 1, max = 64,
			help = "blobs at a time (4)" },
		{ name = "referrers", help = "also what refers to it: signatures, attestations" },
		{ name = "foreign", help = "also layers that may not be distributed, from their URLs if need be" },
		{ name = "compress", value = "KIND", help = "layers that are plain tars: gzip, zstd or none" },
		{ name = "json", help = "print what was done as JSON" },
		{ name = "quiet", short = "q", help = "no progress" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
Prints the digest that the destination's name stands for now; progress goes to stderr. Without a tag in the
destination, the source's is taken. What the destination has already is not moved: a copy that was
interrupted goes on where it stopped.

With --progress json each event is a line of JSON on stderr: what happened to which blob, how much of it has
come and of all together, at which rate, and in how many seconds the rest may have come; the last one sums up.

Several sources keep their names, which are set together when all content is there; an archive is
written once.

Layers in a docker-archive: or docker-daemon: are plain tars. Elsewhere they go as gzip unless --compress says
otherwise, which changes the image's digest; with --compress none it stays.

Layers that may not be distributed (foreign, as in old images of Windows) stay where they are, unless
--foreign asks for them. What the source lacks then comes from the URLs in the manifest: without a login, and
never from a private address, unless the settings name its host.

examples
  luff copy alpine:3 oci:./mirror:alpine
  luff copy --platform linux/arm64 alpine:3 localhost:5000/alpine:3
  docker save app:v1 | luff copy docker-archive:- localhost:5000/app:v1
  luff copy alpine:3 busybox:1 docker-archive:images.tar
  luff copy oci:./mirror:alpine registry.example.com/base/alpine:3
  luff copy docker-daemon:app:v1 registry.example.com/team/app:v1
]],
	run = function(args, opts)
		local destination = table.remove(args)
		if opts.json and to_stdout(destination) then
			options.fail "--json and an archive cannot both go to stdout"
		end
		local bars <close> = progress.of(opts)
		local before = core.clock()
		local result = luff.copy(#args == 1 and args[1] or args, destination, {
			platform = opts.platform,
			jobs = opts.jobs,
			referrers = opts.referrers,
			foreign = opts.foreign,
			compress = opts.compress,
			plain_http = opts.plain_http,
			progress = bars and bars:watch(),
		})
		if bars then
			bars:close()
			bars:sum_up(result, sum_up(result, core.clock() - before))
		end
		local roots = result.images or { result }
		if opts.json then
			for _, root in ipairs(roots) do
				root.mediaType, root.media_type = root.media_type, nil
			end
			terminal.write(luff.json.encode(result, { indent = true }), "\n")
			return
		end
		for _, root in ipairs(roots) do
			if to_stdout(destination) then
				io.stderr:write(root.digest, "\n")
			else
				terminal.write(root.digest, "\n")
			end
		end
	end,
}
