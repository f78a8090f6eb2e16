-- luff promote: more names for an image, after it was looked at.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local promote = require "luff.promote"
local terminal = require "luff.terminal"

-- { "a=b", "c" } as { a = "b", c = true }
local function wanted(list)
	local found
	for _, text in ipairs(list or {}) do
		local key, value = text:match "^([^=]+)=(.*)$"
		found = found or {}
		found[key or text] = value or true
	end
	return found
end

return {
	summary = "give an image more names, after it was checked",
	usage = "[options] NAME DESTINATION...",
	arguments = { 2, 1000 },
	options = {
		{ name = "annotation", value = "K[=V]", type = "list", help = "it has to have this one; may be given again" },
		{ name = "label", value = "K[=V]", type = "list", help = "its config, of an index each, has to have it" },
		{ name = "signed", help = "a signature has to refer to it; whose it is, is not looked at" },
		{ name = "artifact", value = "TYPE", help = "an artifact of this type has to refer to it" },
		{ name = "validate", help = "luff validate has to find it sound" },
		{ name = "older-than", value = "AGE", type = "age", help = "it has to be as old as that: 1d" },
		{ name = "newer-than", value = "AGE", type = "age", help = "it may not be older" },
		{ name = "check", value = "FILE", help = "Lua that returns a function of the image: true, or false and why" },
		{ name = "json", help = "print JSON" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registries" },
	},
	help = [[
What was checked is what is named, whatever NAME stands for by then. A destination is a name, or ":TAG" in the
same place; to other places, signatures and whatever else refers to the image come along. Where something is
wrong, all of it is told, nothing is named, and the exit code is 4. luff --dry-run promote only checks.

examples
  luff promote registry.example.com/app:rc3 :v1.2.3 :stable
  luff promote --signed --annotation stage=tested ghcr.io/org/app:rc3 registry.example.com/app:v1
  luff promote --validate --older-than 1d --check gate.lua oci:./build:app registry.example.com/app:v1
]],
	run = function(args, opts)
		if opts.signed and opts.artifact then
			options.fail "say one of --signed and --artifact"
		end
		local from = table.remove(args, 1)
		local bars <close> = progress.beside_lines(opts)
		local done, err = luff.try(promote.run, {
			from = from, to = args, annotations = wanted(opts.annotation), labels = wanted(opts.label),
			signed = opts.artifact or opts.signed, validate = opts.validate, older_than = opts.older_than,
			newer_than = opts.newer_than, plain_http = opts.plain_http,
			progress = bars and function() return bars:watch() end,
			check = opts.check and options.file(opts.check, "function", "no function of an image"),
		})
		if bars then
			bars:close()
		end
		if not done then
			for i = 1, #(err.detail or {}) - 1 do
				io.stderr:write("luff: ", terminal.printable(err.detail[i]), "\n")
			end
			if err.detail then
				fail(err.code, "%s: %s", from, err.detail[#err.detail])
			end
			error(err, 0)
		elseif opts.json then
			luff.array(done.names)
			terminal.write(luff.json.encode(done, { indent = true }), "\n")
		else
			for _, name in ipairs(done.names) do
				terminal.write(done.digest, "\t", terminal.printable(name), "\n")
			end
		end
	end,
}
