-- luff delete: a tag and nothing else, or a manifest or a blob by its digest.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "delete a tag, a manifest or a blob",
	usage = "[--force] [--blob] [--annotation KEY=VALUE] [--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "force", short = "f", help = "where a tag cannot go alone, delete its manifest with all its tags" },
		{ name = "blob", help = "the digest is that of a blob" },
		{ name = "annotation", value = "KEY=VALUE", help = "all entries of a layout that have it" },
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
A name with a tag loses the tag, and what it stands for stays; a name with a digest loses the manifest and all
its tags. Some registries can delete no tag alone: then nothing happens, and the message says what else would
have to go. A registry frees the room of what is deleted when it collects its garbage. In a docker-daemon: an
image goes with its last name.

With --annotation NAME is a layout or an archive of one: the entries of its index.json go that have the
annotation, and what they stand for stays until luff gc.

examples
  luff delete registry.example.com/app:old
  luff delete --force registry.example.com/app:old
  luff delete registry.example.com/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  luff rm oci:./mirror:old
  luff rm --annotation com.example.stage=test oci:./mirror
]],
	run = function(args, opts)
		if opts.annotation then
			local n = luff.delete(args[1], { annotation = opts.annotation, force = opts.force, blob = opts.blob })
			if opts.json then
				terminal.write(luff.json.encode({ name = args[1], deleted = "entries", count = n }, { indent = true }), "\n")
			else
				terminal.write(("deleted %d %s\n"):format(n, n == 1 and "entry" or "entries"))
			end
			return
		end
		local digest = luff.delete(args[1], { force = opts.force, blob = opts.blob, plain_http = opts.plain_http })
		if opts.json then
			local what = not digest and "tag" or opts.blob and "blob" or "manifest"
			terminal.write(luff.json.encode({ name = args[1], deleted = what, digest = digest }, { indent = true }), "\n")
		else
			terminal.write("deleted ", digest or terminal.printable(args[1]), "\n")
		end
	end,
}
