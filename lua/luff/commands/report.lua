-- luff report: a page about an image or a repository, to be looked at.
local core = require "luff.core"
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local progress = require "luff.progress"
local report = require "luff.report"
local terminal = require "luff.terminal"

-- The file is there when it is whole; into what is none (a pipe, a device) the page goes as it is.
local function write_file(path, text)
	if core.plan_is_on() then
		fail("denied", "a dry run does not write files")
	end
	local real, is_file = core.real_path(path)
	local new = is_file and real .. ".new" or real
	local file, message = io.open(new, "wb")
	local ok = file
	if file then
		ok, message = file:write(text)
		local closed, why = file:close()
		ok, message = ok and closed, message or why
	end
	if ok and is_file then
		ok, message = os.rename(new, real)
	end
	if not ok then
		os.remove(is_file and new or "")
		fail("io", "cannot write %s: %s", path, tostring(message):gsub("^.*: ", ""))
	end
end

return {
	summary = "make a page (HTML) about an image or a repository",
	usage = "[--repository] [--platform P] [-o FILE] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "output", short = "o", value = "FILE", help = "write it there; else to stdout" },
		{ name = "repository", help = "NAME is a repository or layout: the page is about all its tags" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		progress.option,
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
One file that needs no network: layers with their sizes and the commands that made them, what they hold in
vain, and the files as a tree to open and search. Of a repository: its tags with digests, platforms, sizes and
dates, and the layers that they share. Of very many files or tags the largest or first are shown, and how many
more there are. The numbers are those of luff tree --json.

examples
  luff report -o alpine.html alpine:3
  luff report --platform linux/arm64 -o app.html oci:./mirror:v1
  luff report --repository -o app.html registry.example.com/team/app
]],
	run = function(args, opts)
		if not opts.output and terminal.columns "stdout" then
			options.fail "a page is not for the terminal: -o FILE"
		elseif opts.repository and opts.platform then
			options.fail "--platform is for one image: leave --repository out"
		end
		local bars <close> = progress.hear(opts)
		local text
		if opts.repository then
			text = report.repository(args[1], { plain_http = opts.plain_http })
		else
			text = report.image(luff.open(args[1], { plain_http = opts.plain_http }), { name = args[1],
				platform = opts.platform })
		end
		progress.settle(bars)
		if opts.output and opts.output ~= "-" then
			write_file(opts.output, text)
		else
			terminal.write(text)
		end
	end,
}
