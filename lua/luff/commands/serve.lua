-- luff serve: a registry on this machine, until Ctrl-C.
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

-- A whole number of an option; nil where it is absent.
local function number(opts, name, unit)
	local text = opts[name]
	if text and not text:find "^[1-9]%d*$" or #(text or "") > 9 then
		options.fail('--%s takes a whole number, not "%s"', (name:gsub("_", "-")), text)
	end
	return text and math.tointeger(text * (unit or 1))
end

return {
	summary = "run a registry over a folder or in memory",
	usage = "[OPTIONS] [FOLDER]",
	arguments = { 0, 1 },
	options = {
		{ name = "listen", value = "ADDRESS", help = "127.0.0.1:5000 by default; port 0 picks a free one" },
		{ name = "cert", value = "FILE", help = "speak TLS, with the certificate (and its chain) in this PEM file" },
		{ name = "key", value = "FILE", help = "the certificate's key" },
		{ name = "self-signed", value = "FILE",
			help = "speak TLS with a certificate made now, in this file for clients to trust" },
		{ name = "htpasswd", value = "FILE", help = "let in only who is in this file, as htpasswd -B writes it" },
		{ name = "read-only", help = "take nothing, delete nothing" },
		{ name = "proxy", value = "URL", help = "be a mirror of that registry: fetch what is asked for, and keep it" },
		{ name = "proxy-max", value = "MB", help = "keep so much of it; what is used least goes" },
		{ name = "upload-max", value = "MB", help = "refuse larger blobs" },
		{ name = "connections", value = "N", help = "at a time; 512 by default" },
		{ name = "access-log", value = "FILE", help = "add a line of JSON for each request; - is stdout" },
		{ name = "metrics", help = "answer GET /metrics for Prometheus" },
		{ name = "gc", value = "AGE", type = "age",
			help = "once an hour remove what no tag reaches and is older than this, as 1h or 2d" },
	},
	help = [[
Without a folder the registry holds its content in memory. With one, each repository in it is an OCI layout;
a folder that is a layout itself is served as one repository of its name. Its address is printed once it
answers. Without --htpasswd whoever can reach the address can read, write and delete. A script decides about
more by luff.serve's authorize, on_push and on_pull. Ctrl-C and SIGTERM end it when the requests that run
are over, after 30 seconds at the latest.

examples
  luff serve ./store
  luff serve --listen 127.0.0.1:0
  luff serve --listen :5000 --cert server.crt --key server.key ./store
  luff serve --listen :5000 --self-signed ca.crt ./store
  luff serve --proxy https://registry-1.docker.io --proxy-max 50000 ./hub
]],
	run = function(args, opts)
		local server <close> = luff.serve {
			root = args[1],
			listen = opts.listen or "127.0.0.1:5000",
			cert = opts.cert,
			key = opts.key,
			self_signed = opts.self_signed,
			htpasswd = opts.htpasswd,
			read_only = opts.read_only,
			proxy = opts.proxy,
			proxy_max = number(opts, "proxy_max", 1e6),
			upload_max = number(opts, "upload_max", 1e6),
			connections = number(opts, "connections"),
			access_log = opts.access_log,
			metrics = opts.metrics,
			gc = opts.gc,
		}
		local ok, err = pcall(function()
			terminal.write(server:address(), "\n")
			terminal.flush()
			server:wait()
		end)
		-- Ctrl-C and SIGTERM are how it is meant to end: what runs may run to its end.
		if not ok and (type(err) ~= "table" or err.code ~= "cancelled") then
			error(err, 0)
		end
		server:drain(30)
	end,
}
