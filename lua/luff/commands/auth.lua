-- luff auth: what is known of a registry's user, as credential helpers tell it.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

return {
	summary = "print the login for a registry or repository",
	usage = "get [--json] REGISTRY[/REPOSITORY]",
	words = { "get" },
	arguments = { 2, 2 },
	options = {
		{ name = "json", help = "print JSON, which it does anyway" },
	},
	help = [[
It prints what credential helpers print: {"Secret":"…","Username":"…"}, with the user "<token>" where the
secret is a token in place of a password. Where nobody knows a login the exit code is 3.

examples
  luff auth get ghcr.io
  luff auth get quay.io/org/app
]],
	run = function(args)
		if args[1] ~= "get" then
			options.fail('unknown "%s"; usage: luff auth get REGISTRY[/REPOSITORY]', args[1])
		end
		local login = luff.auth(args[2])
		if not login then
			local name = terminal.printable(args[2])
			fail("not_found", "%s: there is no login for it; try: luff login %s", name, name:match "^[^/]*")
		end
		local token = login.identity_token or login.token
		terminal.write(luff.json.encode {
			Username = token and "<token>" or login.user, Secret = token or login.password,
		}, "\n")
	end,
}
