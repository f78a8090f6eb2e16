-- luff apply: does what a plan says that a dry run made.
local luff = require "luff"
local plan = require "luff.plan"
local terminal = require "luff.terminal"

return {
	summary = "do what a dry run planned",
	usage = "[--show] [--json] PLAN",
	arguments = { 1, 1 },
	options = {
		{ name = "show", help = "only show the plan" },
		{ name = "json", help = "print its steps as JSON" },
	},
	help = [[
PLAN is the folder that luff --dry-run --plan PLAN … made. Nothing is done where a tag stands for something
else now than when the plan was made, or where one that is new or has changed needs what would be deleted: the
exit code is 4, and the message says which. A plan that broke off is applied once more. luff help plans says
what a dry run covers.

examples
  luff --dry-run --plan ./plan mirror.lua
  luff apply --show ./plan
  luff apply ./plan
]],
	run = function(args, opts)
		local steps = plan.read(args[1])
		if not opts.show then
			plan.apply(args[1])
		end
		if opts.json then
			terminal.write(luff.json.encode({ applied = not opts.show, steps = luff.array(steps) }, { indent = true }), "\n")
		else
			terminal.write(plan.describe(steps))
		end
	end,
}
