-- The luff program: a script, a line of code, the REPL, or one of the commands in lua/luff/commands.
local core = require "luff.core"
local options = require "luff.options"
local terminal = require "luff.terminal"
local traces = require "luff.traces"

local cli = {}

--- The commands in the order in which `luff help` shows them.
cli.commands = {
	"digest",
	"manifest",
	"config",
	"inspect",
	"size",
	"history",
	"tree",
	"files",
	"cat",
	"export",
	"extract",
	"diff",
	"report",
	"validate",
	"artifact",
	"ls",
	"catalog",
	"referrers",
	"blob",
	"copy",
	"pull",
	"push",
	"mirror",
	"bundle",
	"promote",
	"find",
	"prune",
	"mutate",
	"append",
	"rebase",
	"flatten",
	"index",
	"apply",
	"tag",
	"delete",
	"ping",
	"ratelimit",
	"login",
	"logout",
	"auth",
	"serve",
	"run",
	"repl",
	"regbot",
	"sync",
	"convert",
	"gc", "daemon",
	"completion",
	"version",
	"help",
}

cli.aliases = { cp = "copy", rm = "delete", save = "pull", load = "push" }

--- Exit codes of errors by their code; 1 for any other.
cli.exit_codes = {
	usage = 2, invalid = 2, invalid_name = 2,
	not_found = 3,
	unauthorized = 4, denied = 4,
	network = 5, timeout = 5, rate_limited = 5, http = 5,
	bad_format = 6, digest_mismatch = 6, size_mismatch = 6, too_large = 6,
	cancelled = 130,
}

--- What the program itself understands.
cli.options = {
	{ name = "execute", short = "e", value = "CODE", type = "list",
		help = "run the code; words after it are its arguments" },
	{ name = "interactive", short = "i", help = "go on with the REPL after the script or the code" },
	{ name = "dry-run", short = "n", help = "write nothing, and show what would be written" },
	{ name = "plan", value = "DIR", help = "dry, and keep the plan there for luff apply" },
	{ name = "verbose", short = "v", help = "show each request on stderr" },
	{ name = "version", help = "show luff's version" },
	{ name = "help", short = "h", help = "show this" },
}

-- What each command understands beside its own.
local common = {
	{ name = "verbose", short = "v", help = "show each request on stderr" },
	{ name = "cache", value = "DIR", help = "keep in this folder what comes from registries" },
	{ name = "help", short = "h", help = "show this" },
}

local function complain(text)
	io.stderr:write("luff: ", text, "\n")
end

local function is_error(err)
	return type(err) == "table" and type(err.code) == "string" and type(err.message) == "string"
end

--- Says on stderr what went wrong; returns the exit code.
-- traceback: where a script was, for those who wrote it.
function cli.report(err, traceback)
	if is_error(err) and err.code == "closed" then
		return 141 -- as SIGPIPE would have ended it, as silently
	elseif is_error(err) then
		complain(terminal.printable(err.message))
	elseif type(err) == "string" then
		complain(terminal.printable(err, "\n\t"))
	else
		complain("error: " .. require("luff.pretty").format(err))
	end
	if is_error(err) and err.code == "cancelled" then
		return core.interrupted and core.interrupted() or cli.exit_codes.cancelled
	end
	traceback = traces.of(err, traceback)
	if traceback then
		io.stderr:write(terminal.printable(traceback, "\n\t"), "\n")
	end
	return is_error(err) and cli.exit_codes[err.code] or 1
end

-- ---- Commands ----------------------------------------------------------------------------------------------

local function is_command(word)
	for _, name in ipairs(cli.commands) do
		if word == name or cli.aliases[word] == name then
			return true
		end
	end
end

--- The command of that name or alias, as its file returns it, and its name. Raises usage errors; others: a list of words
-- that would have done as well.
function cli.command(name, others)
	local real = cli.aliases[name] or name
	for _, known in ipairs(cli.commands) do
		if known == real then
			return require("luff.commands." .. real), real
		end
	end
	local names = { table.unpack(cli.commands) }
	for alias in pairs(cli.aliases) do
		names[#names + 1] = alias
	end
	table.move(others or {}, 1, #(others or {}), #names + 1, names)
	options.fail('unknown command "%s"%s; see: luff help', name, options.suggestion(name, names))
end

function cli.command_options(command)
	local all = { before = cli.options, table.unpack(command.options or {}) }
	return table.move(common, 1, #common, #all + 1, all)
end

-- The page of a command or topic comes first, then that of what Lua has under the name.
local function page_of(name)
	local topics = require "luff.topics"
	if topics.find(name) then
		return topics.find(name).text
	end
	local manual = require "luff.manual"
	local page = not is_command(name) and manual.page(name, 100)
	if page then
		return page
	end
	return nil, table.move(manual.names(), 1, #manual.names(), #topics.names() + 1, topics.names())
end

--- The help text of a command, a topic, or one of luff's functions, methods, classes and modules.
function cli.help_of(name)
	local page, others = page_of(name)
	if page then
		return page
	end
	local command, real = cli.command(name, others)
	local parts = {
		command.summary, "\n\nusage: luff ", real, " ", command.usage, "\n\n",
		options.describe(cli.command_options(command)),
	}
	for alias, target in pairs(cli.aliases) do
		if target == real then
			parts[#parts + 1] = "\nalso: luff " .. alias .. "\n"
		end
	end
	parts[#parts + 1] = "\n" .. command.help
	return table.concat(parts)
end

--- The help text of the program.
function cli.help()
	local rows = {}
	for i, name in ipairs(cli.commands) do
		local command = require("luff.commands." .. name)
		rows[i] = { name, command.summary }
	end
	local topics = require "luff.topics"
	local about = {}
	for i, topic in ipairs(topics.list) do
		about[i] = { topic.name, topic.summary }
	end
	return ([[
luff: container images, scripted in Lua

usage: luff FILE.lua [ARGUMENTS]     run a script (- is stdin)
       luff -e CODE [ARGUMENTS]      run a line of code
       luff COMMAND [ARGUMENTS]      run a command
       luff                          the REPL

%s
commands (luff help COMMAND says more)
%s
topics (luff help TOPIC)
%s
Lua (luff help luff.copy, luff help Image, luff help img:append)
  luff, with all its functions; Image, Index, Layer, Tree, Entry, Reader, Server, Task, with all their methods

names
%s
exit codes
%s]]):format(options.describe(cli.options), terminal.align(rows, nil, "  "), terminal.align(about, nil, "  "),
		topics.places, topics.exit_codes)
end

local function run_command(name, words)
	local command, real = cli.command(name)
	require("luff.config").load()
	local opts, args = options.parse(cli.command_options(command), words, 1, command.words_are_others)
	if opts.help then
		terminal.write(cli.help_of(real))
		return 0
	end
	if opts.verbose then
		core.trace(true)
	end
	if opts.cache then
		require("luff.config").apply { cache = { dir = opts.cache } }
	end
	local least, most = table.unpack(command.arguments)
	if #args < least or #args > most then
		options.fail("%s; usage: luff %s %s", #args < least and "too few arguments" or "too many arguments", real,
			command.usage)
	end
	return command.run(args, opts) or 0
end

-- ---- Scripts -----------------------------------------------------------------------------------------------

-- As lua.c has it: arg[0] is the script, the words before it have negative indices, those after it positive ones.
local function set_arg(program, words, script, args)
	local list = table.move(args, 1, #args, 1, {})
	local before = script and #words - #args - 1 or 0
	list[0] = script or program
	for i = 1, before do
		list[i - before - 1] = words[i]
	end
	list[-before - 1] = script and program or nil
	rawset(_G, "arg", list)
end

-- As Lua's own, each line at once, but what cannot be written ends the script.
local function print_checked(...)
	local words = table.pack(...)
	for i = 1, words.n do
		words[i] = tostring(words[i])
	end
	terminal.write(table.concat(words, "\t"), "\n")
	terminal.flush()
end

cli.print = print_checked

-- Runs a chunk with the arguments; returns the exit code, 0 where it ended well.
local function run_chunk(chunk, message, args)
	if not chunk then
		return cli.report(message)
	end
	local trace
	local ok, err = xpcall(chunk, function(err)
		trace = debug.traceback(nil, 2)
		return err
	end, table.unpack(args))
	if not ok then
		return cli.report(err, trace)
	end
	return core.interrupted and core.interrupted() or 0 -- also where nothing had to wait, and the script was at its end
end

-- Commands come before files of the same name; a script says that it is one by a slash or its suffix.
local function is_script(word)
	if word == "-" or word:find("/", 1, true) or word:find "%.lua$" then
		return true
	end
	local file = not is_command(word) and io.open(word, "r")
	return file and file:close()
end

local function load_script(name, env)
	env = env or _G
	if name == "-" then
		-- As loadfile does it: without a byte order mark and a first line with #.
		return load((io.read("a"):gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")), "=stdin", "t", env)
	end
	return loadfile(name, "t", env)
end

cli.load_script = load_script

local function warn(registry, text)
	local line = ("luff: %s warns: %s"):format(terminal.printable(registry), terminal.printable(text))
	require("luff.progress").say(line)
end

-- A script, code, a command or the REPL, whatever the words behind the program's own options are.
local function go(program, words, opts, args)
	local script = not opts.execute and table.remove(args, 1) or nil
	if script and not is_script(script) then
		return run_command(script, args)
	end
	local at_terminal = not script and not opts.execute and terminal.columns "stdin"
	rawset(_G, "luff", require "luff")
	rawset(_G, "print", print_checked)
	require("luff.config").load()
	set_arg(program, words, script, args)
	local watch = require("luff.strict").guard(_G)
	local code = 0
	for _, text in ipairs(opts.execute or {}) do
		watch "=(command line)"
		local chunk, message = load(text, "=(command line)", "t")
		code = run_chunk(chunk, message, args)
		if code ~= 0 then
			break
		end
	end
	if script or not opts.execute and not opts.interactive and not at_terminal then
		watch(script and script ~= "-" and "@" .. script or "=stdin")
		local chunk, message = load_script(script or "-")
		code = run_chunk(chunk, message, args)
	end
	if (opts.interactive or at_terminal) and (not core.uncancel or core.uncancel()) then
		require("luff.repl").run()
	end
	return code
end

local function run(program, words)
	core.on_warning(warn)
	local opts, args = options.parse(cli.options, words, 1, true)
	if opts.help then
		terminal.write(cli.help())
		return 0
	elseif opts.version then
		return run_command("version", {})
	end
	if opts.verbose then
		core.trace(true)
	end
	if opts.dry_run or opts.plan then
		return require("luff.plan").run(opts.plan, go, program, words, opts, args)
	end
	return go(program, words, opts, args)
end

--- Runs the program. argv: its words as lua.c has them, argv[0] its name. Returns the exit code.
function cli.main(argv)
	local trace
	local ok, result = xpcall(run, function(err)
		-- A table has been raised on purpose; anything else is a fault, of luff's own or of a file that it was given.
		trace = not is_error(err) and debug.traceback(nil, 2) or nil
		return err
	end, argv[0], table.move(argv, 1, #argv, 1, {}))
	local code = ok and result or cli.report(result, trace)
	local written, why = pcall(terminal.flush)
	if not written and code == 0 then
		code = cli.report(why)
	end
	return code
end

return cli
