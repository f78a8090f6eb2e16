-- luff files: what is in an image, one file a line.
local luff = require "luff"
local terminal = require "luff.terminal"

local kinds = { file = "-", folder = "d", symlink = "l", char = "c", block = "b", fifo = "p" }

-- As ls has it: "-rwsr-xr-x"
local function permissions(e)
	local text = { kinds[e.type] }
	for i = 2, 0, -1 do
		local bits = e.mode >> 3 * i
		text[#text + 1] = bits & 4 ~= 0 and "r" or "-"
		text[#text + 1] = bits & 2 ~= 0 and "w" or "-"
		local special = e.mode & (512 << i) ~= 0 and (i == 0 and "t" or "s")
		text[#text + 1] = special and (bits & 1 ~= 0 and special or special:upper()) or bits & 1 ~= 0 and "x" or "-"
	end
	return table.concat(text)
end

local function fields(e)
	local t = {}
	for key, value in pairs(e) do
		t[key] = value
	end
	t.xattrs = nil -- any bytes, which JSON cannot hold
	return t
end

return {
	summary = "list the files of an image",
	usage = "[--long] [--json] [--platform P] NAME [PATTERN]",
	arguments = { 1, 2 },
	options = {
		{ name = "long", short = "l", help = "also show permissions, owner, size, time, layer and links" },
		{ name = "platform", value = "P", help = "of an index, the image for it (linux/arm64)" },
		{ name = "json", help = "print JSON, one object a line" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
These are the files as all layers together leave them. In a pattern "*", "?" and "[a-z]" stand for parts of a
name, "**" for any number of folders. --long and --json say which layer a file comes from; 1 is the base.

examples
  luff files alpine:3
  luff files -l oci:./mirror:v1 '/usr/lib/**/*.so*'
  luff files --json alpine:3 '/etc/*' | jq -r .path
]],
	run = function(args, opts)
		local image = luff.image(args[1], { platform = opts.platform, plain_http = opts.plain_http })
		for e in image:files(args[2]) do
			local path = terminal.printable(e.path)
			if opts.json then
				terminal.write(luff.json.encode(fields(e)), "\n")
			elseif opts.long then
				terminal.write(("%s %3s %5d %5d %10d %s %s%s\n"):format(permissions(e), e.layer or "-", e.uid, e.gid, e.size,
					os.date("!%Y-%m-%d %H:%M", e.mtime), path, e.link and " -> " .. terminal.printable(e.link) or ""))
			else
				terminal.write(path, "\n")
			end
		end
	end,
}
