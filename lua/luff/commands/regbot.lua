-- luff regbot: the scripts of a configuration of regclient's regbot.
local hosts = require "luff.regbot.hosts"
local loader = require "luff.regbot.loader"
local log = require "luff.log"
local luff = require "luff"
local options = require "luff.options"

return {
	summary = "run the scripts of a configuration of regbot",
	usage = "once|server|check -c FILE [--dry-run]",
	words = { "once", "server", "check" },
	arguments = { 1, 1 },
	options = {
		{ name = "config", short = "c", value = "FILE", help = "the configuration, or -" },
		{ name = "dry-run", short = "n", help = "write nothing anywhere; say what would be written" },
		{ name = "level", value = "LEVEL", help = "of the log: debug, info, warn or error (info)" },
		{ name = "logopt", value = "FORMAT", help = "of the log: text or json" },
	},
	help = [[
once runs each script, server runs them when their schedule or interval says, check only reads the
configuration. The exit code is 1 where a script failed; the others run. A script that is over its timeout
ends, whatever it does.

What is different from regbot: a key that nobody knows is told with its line. apiOpts of creds and a
pathPrefix of what is no mirror are refused; a credHelper is docker-credential-NAME, on PATH. Where two names
have one hostname, certificates are those of the name that is the same, else of either. skipDockerConfig holds
for podman's logins, too, and not for certs.d. A registry on this machine is spoken to by http unless tls says
otherwise. blobLimit, blobMax, credExpire, repoAuth and userAgent change nothing. --dry-run holds for every
write. parallel is how many scripts run at a time. Scripts are Lua 5.4: 10 / 2 is 5.0, there is no setfenv.
Times are RFC 3339. An edited field is stored by export() under either of its names. image.copy with platforms
writes an index of those alone. blob.get keeps no connection. No module json or semver comes along.

examples
  luff regbot once -c regbot.yml --dry-run
  luff regbot server -c regbot.yml --logopt json
]],
	run = function(args, opts)
		local action = args[1]
		if action ~= "once" and action ~= "server" and action ~= "check" then
			options.fail('"%s" is none of once, server and check%s', action,
				options.suggestion(action, { "once", "server", "check" }))
		elseif not opts.config then
			options.fail "the configuration is missing: -c FILE"
		end
		log.set { level = opts.level, format = opts.logopt }
		local config = require("luff.regbot.config").parse(loader.read(opts.config), opts.config, log.warn)
		luff.config(hosts(config))
		local bot = require "luff.regbot.bot"
		if action == "once" then
			return bot.once(config, opts.dry_run) > 0 and 1 or 0
		elseif action == "server" then
			bot.serve(config, opts.dry_run)
		end
		return 0
	end,
}
