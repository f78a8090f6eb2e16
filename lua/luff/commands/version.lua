-- luff version: luff's, and with -v those of everything it stands on.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "show luff's version; with -v that of each library",
	usage = "[-v] [--json]",
	arguments = { 0, 0 },
	options = { { name = "json", help = "print JSON" } },
	help = [[
examples
  luff version
  luff version -v
]],
	run = function(_, opts)
		local version = luff.version { libraries = opts.verbose }
		if opts.json then
			terminal.write(luff.json.encode(version, { indent = true }), "\n")
			return
		end
		terminal.write("luff ", version.luff, "\n")
		if opts.verbose then
			local rows = {}
			for name, text in pairs(version) do
				if name ~= "luff" then
					rows[#rows + 1] = { name, terminal.printable(text) }
				end
			end
			table.sort(rows, function(a, b) return a[1] < b[1] end)
			terminal.write(terminal.align(rows, nil, "  "))
		end
	end,
}
