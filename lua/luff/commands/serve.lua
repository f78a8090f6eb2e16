-- luff serve: a registry on this machine, until Ctrl-C.
local luff = require "luff"
local terminal = require "luff.terminal"

return {
	summary = "run a registry over a folder or in memory",
	usage = "[OPTIONS] [FOLDER]",
	arguments = { 0, 1 },
	options = {
		{ name = "listen", value = "ADDRESS", help = "127.0.0.1:5000 by default; port 0 picks a free one" },
		{ name = "cert", value = "FILE", help = "speak TLS, with the certificate (and its chain) in this PEM file" },
		{ name = "key", value = "FILE", help = "the certificate's key" },
		{ name = "htpasswd", value = "FILE", help = "let in only who is in this file, as htpasswd -B writes it" },
		{ name = "read-only", help = "take nothing, delete nothing" },
	},
	help = [[
Without a folder the registry holds its content in memory. With one, each repository in it is an OCI layout.
Its address is printed once it answers. Without --htpasswd whoever can reach the address
can read, write and delete. A script decides about more by luff.serve's authorize, on_push and on_pull.

examples
  luff serve ./store
  luff serve --listen 127.0.0.1:0
  luff serve --listen :5000 --cert server.crt --key server.key ./store
]],
	run = function(args, opts)
		local server <close> = luff.serve {
			root = args[1],
			listen = opts.listen or "127.0.0.1:5000",
			cert = opts.cert,
			key = opts.key,
			htpasswd = opts.htpasswd,
			read_only = opts.read_only,
		}
		local ok, err = pcall(function()
			terminal.write(server:address(), "\n")
			terminal.flush()
			server:wait()
		end)
		-- Ctrl-C is how it is meant to end.
		if not ok and err.code ~= "cancelled" then
			error(err, 0)
		end
	end,
}
