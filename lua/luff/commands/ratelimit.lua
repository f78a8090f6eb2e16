-- luff ratelimit: what a registry says of the requests that it still allows, asked in the way that costs least.
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

local function sentence(limit)
	local parts = {}
	local function add(format, ...)
		parts[#parts + 1] = format:format(...)
	end
	if limit.remaining then
		add("%d requests left", limit.remaining)
	end
	if limit.limit then
		add(limit.remaining and "of %d" or "%d requests", limit.limit)
	end
	if limit.window then
		add("in %d s", limit.window)
	end
	if limit.reset then
		add("(as many again in %d s)", limit.reset)
	end
	if limit.source then
		add("for %s", terminal.printable(limit.source))
	end
	return table.concat(parts, " ")
end

return {
	summary = "show how many requests a registry still allows",
	usage = "[--json] NAME",
	arguments = { 1, 1 },
	options = {
		{ name = "json", help = "print JSON" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Asks for the manifest of the name by a HEAD request, which Docker Hub does not count, and shows what the
registry says with its answer.

examples
  luff ratelimit alpine
  luff ratelimit --json docker.io/library/alpine
]],
	run = function(args, opts)
		local name = args[1]:gsub("^docker://", "")
		if name:find "^oci:" or name:find "^memory:" then
			options.fail("%s is in no registry", args[1])
		end
		local registry = luff.ref(name).registry
		luff.resolve(name, { plain_http = opts.plain_http })
		local limit = luff.rate_limit(registry, { plain_http = opts.plain_http })
		if opts.json then
			local answer = limit or {}
			answer.registry = registry
			terminal.write(luff.json.encode(answer, { indent = true }), "\n")
		else
			terminal.write(registry, ": ", limit and sentence(limit) or "it says nothing of a limit", "\n")
		end
	end,
}
