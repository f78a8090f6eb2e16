-- What luff pull and luff push share: files by their format in place of names.
local copy = require "luff.commands.copy"
local options = require "luff.options"

local archive = {}

local schemes = { docker = "docker-archive:", oci = "oci-archive:", layout = "oci:" }

--- The options of luff copy, and which kind of file it is.
archive.options = { { name = "format", value = "KIND", help = "the file is docker (as without this), oci or layout" } }
table.move(copy.options, 1, #copy.options, 2, archive.options)

--- The name of a file in that format.
function archive.place(file, format)
	local scheme = schemes[format or "docker"]
		or options.fail('--format wants docker, oci or layout, not "%s"', format)
	return scheme .. file
end

return archive
