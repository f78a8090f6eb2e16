-- luff login: a user and a password that the registry takes, kept where docker keeps them.
local luff = require "luff"
local options = require "luff.options"
local terminal = require "luff.terminal"

local function read_user()
	if not terminal.columns "stdin" then
		options.fail "there is no terminal to ask for a user; say who with --user"
	end
	io.stderr:write "user: "
	return io.read "l" or options.fail "there is no user"
end

local function read_password(opts, user)
	if opts.password_stdin then
		return (io.read "a":gsub("\r?\n$", ""))
	elseif opts.password then
		io.stderr:write "luff: others can see a password on the command line; --password-stdin keeps it from them\n"
		return opts.password
	end
	return terminal.secret(("password of %s: "):format(terminal.printable(user)))
		or options.fail "there is no terminal to ask for the password; see --password-stdin"
end

-- What podman keeps comes before what docker keeps: then the login that was just made is not the one that is used.
local function warn_of_another(registry, user, password)
	local known = luff.try(luff.auth, registry)
	if known and (known.identity_token or known.token or known.user ~= user or known.password ~= password) then
		io.stderr:write("luff: another login for ", terminal.printable(registry), " comes before this one: it is in ",
			"podman's auth.json or in $DOCKER_AUTH_CONFIG\n")
	end
end

return {
	summary = "log in to a registry",
	usage = "[-u USER] [--password-stdin] [REGISTRY]",
	arguments = { 0, 1 },
	options = {
		{ name = "user", short = "u", value = "USER", help = "asked for on the terminal without it" },
		{ name = "password", short = "p", value = "PASSWORD", help = "where others can see it; better on the terminal" },
		{ name = "password-stdin", help = "read the password from stdin" },
		{ name = "plain-http", help = "speak http to the registry" },
	},
	help = [[
Without a registry it is docker.io. The registry is asked first. What it takes is kept in docker's
config.json, or in the credential helper that this file names; docker, crane, skopeo and podman find it there.

examples
  luff login ghcr.io
  luff login -u me --password-stdin localhost:5000
]],
	run = function(args, opts)
		if opts.password and opts.password_stdin then
			options.fail "--password and --password-stdin are one too many"
		elseif opts.password_stdin and not opts.user then
			options.fail "--password-stdin wants --user"
		end
		local registry = args[1] or "docker.io"
		local user = opts.user or read_user()
		local password = read_password(opts, user)
		luff.login { registry = registry, user = user, password = password, plain_http = opts.plain_http }
		warn_of_another(registry, user, password)
		terminal.write("logged in to ", terminal.printable(registry), "\n")
	end,
}
