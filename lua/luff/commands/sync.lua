-- luff sync: the steps of a configuration of regclient's regsync, or of skopeo sync.
local hosts = require "luff.regbot.hosts"
local lines = require "luff.mirror.lines"
local loader = require "luff.regbot.loader"
local log = require "luff.log"
local luff = require "luff"
local options = require "luff.options"
local steps = require "luff.sync.steps"
local sync = require "luff.sync"
local terminal = require "luff.terminal"

local actions = { "once", "server", "check" }

local function check(args, opts)
	local known = false
	for _, action in ipairs(actions) do
		known = known or action == args[1]
	end
	if not known then
		options.fail('"%s" is none of once, server and check%s', args[1], options.suggestion(args[1], actions))
	elseif not opts.config then
		options.fail "the configuration is missing: -c FILE"
	elseif #args ~= (opts.from_skopeo and 2 or 1) then
		options.fail "usage: luff sync once|server|check -c FILE, with --from-skopeo also DESTINATION"
	elseif opts.missing and args[1] ~= "once" then
		options.fail "--missing is for once"
	elseif opts.from_skopeo and args[1] == "server" or opts.json and args[1] == "server" then
		options.fail("%s is for once and check", opts.json and "--json" or "--from-skopeo")
	end
end

return {
	summary = "copy what a configuration of regsync or skopeo sync says",
	usage = "once|server|check -c FILE [DESTINATION]",
	words = { "once", "server", "check" },
	arguments = { 1, 2 },
	options = {
		{ name = "config", short = "c", value = "FILE", help = "the configuration, or -" },
		{ name = "missing", help = "once: only tags that the target does not have" },
		{ name = "abort-on-error", help = "end at the first failure" },
		{ name = "from-skopeo", help = "the file is skopeo's; DESTINATION goes in front of its names" },
		{ name = "json", help = "print what was done as JSON" },
		{ name = "level", value = "LEVEL", help = "of the log: debug, info, warn or error (info)" },
		{ name = "logopt", value = "FORMAT", help = "of the log: text or json" },
	},
	help = [[
once copies what each step says, server copies what is missing and then runs steps when their schedule or
interval says, check only tells. Prints a line for each tag: copied, unchanged or left_out, and of a check
missing or differs. What fails is told and the rest goes on; the exit code is 1 then.

What is different from regsync: a key that nobody knows is told with its line. hooks (which regsync reads and
never runs), referrerFilters, referrerSource, referrerTarget and what luff regbot refuses of creds are
refused. referrerSlow, blobLimit, cacheCount, cacheTime and userAgent change nothing. A step has platform or
platforms, not both. A step that waits for a rate limit is one of the parallel ones meanwhile. Regular
expressions are PCRE2's. A pre-release is in a semverRange only where the range names one. A backup is written
only where the target is another image.

Of skopeo's file names go behind DESTINATION by their last part, as without --scoped, and
tls-verify: false is https whose certificates nobody looks at, not http.

examples
  luff sync check -c regsync.yml
  luff sync once --missing -c regsync.yml
  luff sync server -c regsync.yml --logopt json
  luff sync once --from-skopeo -c sync.yml registry.example.com/mirror
]],
	run = function(args, opts)
		check(args, opts)
		log.set { level = opts.level, format = opts.logopt }
		local reader = require(opts.from_skopeo and "luff.sync.skopeo" or "luff.sync.config")
		local config = reader.parse(loader.read(opts.config), opts.config, log.warn, args[2])
		luff.config(hosts(config))
		config = steps.make(config)
		local summary = { failed = 0, entries = {} }
		local aborted = {}
		local function report(entry)
			if not opts.json then
				lines.show(entry, true)
			end
			if args[1] ~= "server" then
				summary.entries[#summary.entries + 1] = entry
			end
			if entry.status == "failed" then
				summary.failed = summary.failed + 1
				if opts.abort_on_error then
					error(aborted, 0)
				end
			end
		end
		local ok, err
		if args[1] == "server" then
			io.stdout:setvbuf "line"
			ok, err = pcall(sync.serve, config, report)
		else
			ok, err = pcall(sync.once, config, args[1] == "check" and "check" or opts.missing and "missing" or "all", report)
		end
		if not ok and err ~= aborted then
			error(err, 0)
		end
		if opts.json then
			terminal.write(lines.json(summary), "\n")
		end
		return summary.failed > 0 and 1 or 0
	end,
}
