-- The prompt: a line of Lua is run, an expression's values are printed. Also for programs that embed luff:
--	require("luff.repl").run { input = read_line, output = show_text, env = my_table }
local core = require "luff.core"
local fail = require "luff.fail"
local notes = require "luff.prompt.notes"
local options = require "luff.options"
local pretty = require "luff.pretty"
local terminal = require "luff.terminal"

local repl = {}

-- Lines of history stay between sittings where the XDG base directory specification puts state.
local function history_file()
	local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
	if state and state:sub(1, 1) == "/" then
		return state .. "/luff/history"
	end
	return home and home ~= "" and home .. "/.local/state/luff/history" or nil
end

local function is_incomplete(message)
	return message:find "<eof>$" ~= nil
end

-- A chunk of the lines so far: an expression if they are one. nil and the message where they are neither.
-- Third: whether it is an expression.
local function compile(text, env)
	local chunk = load("return " .. text, "=(repl)", "t", env)
	if chunk then
		return chunk, nil, text:find "%S" ~= nil
	end
	return load(text, "=(repl)", "t", env)
end

local function is_cancelled(err)
	return type(err) == "table" and err.code == "cancelled"
end

-- Where Ctrl-C cancels, as in the program, calls work again after it. SIGTERM ends the prompt as it ends anything else.
local function go_on(err)
	if core.uncancel and not core.uncancel() then
		error(err or { code = "cancelled", message = "cancelled" }, 0)
	end
end

-- The traceback where it leads into files; of a line that was just typed it says nothing new.
local function way_of(trace)
	trace = trace and trace:gsub("\n%s*[^\n]*luff[/.]prompt[/.]%l+%.lua:[^\n]*", "")
	for line in (trace or ""):gmatch "\n%s*([^\n]+)" do
		if not (line:find "^%[C%]" or line:find "^%(repl%)" or line:find "^%(%.%.%.") then
			return "\n" .. trace
		end
	end
	return ""
end

-- Where in the lines that were typed it happened, where there are several.
local function line_of(trace, text)
	return text and text:find("\n", 1, true) and (trace or ""):match "%(repl%):%d+: " or ""
end

local function describe(err, trace, text)
	if type(err) == "table" and err.code and err.message then
		return ("%s%s [%s]%s"):format(line_of(trace, text), terminal.printable(err.message), terminal.printable(err.code),
			terminal.printable(way_of(trace), "\n\t"))
	elseif type(err) == "string" then
		return terminal.printable(err .. way_of(trace), "\n\t")
	end
	return pretty.format(err)
end

-- What was typed as a part of a script (:save), where its locals are gone behind it as at the prompt. shown: it gave values.
local function as_statement(text, shown)
	local comment = text:find("--", 1, true) and "\n" or ""
	if shown then
		local show = '_ = require("luff.repl").show(%s)'
		local line = show:format(text .. comment)
		if load(line) then
			return line
		end
		return show:format(("(function(...)\n%s\nend)(...)"):format(load("return " .. text) and "return " .. text or text))
	elseif text:find "%f[%w_]local%f[^%w_]" then
		return ("do %s%send"):format(text, comment ~= "" and comment or " ")
	end
	return (text:find "^%s*%(" and ";" or "") .. text
end

--- Prints values as the prompt does, and returns the first: what :save writes calls it.
function repl.show(...)
	for i = 1, select("#", ...) do
		print(pretty.format((select(i, ...)), { width = terminal.columns "stdout" }))
	end
	return (...)
end

local Repl = {}
Repl.__index = Repl

function Repl:show(...)
	for i = 1, select("#", ...) do
		local value = select(i, ...)
		local ok, text = pcall(pretty.format, value, { width = self.columns, name = value and self.notes.by_object[value] })
		if ok then
			self.write(text, "\n")
		else
			self:complain(text)
		end
	end
end

function Repl:complain(err, trace, text)
	local ok, words = pcall(describe, err, trace, text)
	words = is_cancelled(err) and "interrupted" or ok and words or "an error that cannot be shown"
	self.warn(self.at_terminal and terminal.style("red", words, "stderr") or words, "\n")
	if is_cancelled(err) then
		go_on(err)
	end
end

--- Tells about a value, or about what has the name that a string is.
function Repl:help(...)
	local manual = require "luff.manual"
	local value = ...
	if select("#", ...) == 0 then
		require("luff.prompt.colon").run(self, ":help")
		return
	end
	local name, page = value, nil
	if type(value) ~= "string" then
		name, page = manual.name_of(value)
	end
	if page then
		self.write(name, " is Lua's own: ", page, "\n")
	elseif not name then
		self.write(("%s: nothing is said about it\n"):format(terminal.printable(tostring(value))))
	else
		local text, hint = manual.page(name, self.columns)
		if not text then
			local cli = require "luff.cli"
			local known, found = pcall(cli.help_of, name)
			text = known and found or nil
		end
		self.write(text or ("no help on %s%s\n"):format(terminal.printable(name), hint))
	end
end

-- Runs a chunk of these lines, shows its values, and keeps them where it ran well.
function Repl:go(chunk, text)
	local trace
	self.last = text
	local results = table.pack(xpcall(chunk, function(err)
		trace = debug.traceback(nil, 2):gsub("\n%s*%[C%]: in function 'xpcall'.*", "")
		return err
	end))
	self.notes:rest()
	if not results[1] then
		self:complain(results[2], trace, text)
		return
	end
	if not text:find "^%s*help%f[%W]" then
		self.log[#self.log + 1] = as_statement(text, results.n > 1)
	end
	if results.n > 1 then
		self.env._ = results[2]
		self:show(table.unpack(results, 2, results.n))
	end
end

--- Runs these lines as if they had been typed.
function Repl:evaluate(text)
	local chunk, message = compile(text, self.env)
	if chunk then
		self:go(chunk, text)
	else
		self:complain(message)
	end
end

-- Reads lines until they are a chunk. Returns it and its text, or nil and what is wrong with it; third: the input has ended.
function Repl:read_chunk()
	local text = self.read "> "
	if not text then
		return nil, nil, true
	elseif text:find "^%s*:%a" then
		require("luff.prompt.colon").run(self, text)
		return nil
	end
	while true do
		local chunk, message = compile(text, self.env)
		if chunk then
			return chunk, text
		elseif not is_incomplete(message) then
			return nil, message
		end
		local line = self.read ">> "
		if not line then
			return nil, message, true
		end
		text = text .. "\n" .. line
	end
end

-- One question and its answer; false at the end of the input.
function Repl:turn()
	local ok, chunk, text, ended = pcall(self.read_chunk, self)
	if not ok and is_cancelled(chunk) then -- Ctrl-C at the prompt drops what was typed
		if self.at_terminal then
			self.write "\n"
		end
		go_on(chunk)
	elseif not ok and type(chunk) == "table" and chunk.code then
		self:complain(chunk)
	elseif not ok then
		error(chunk, 0)
	elseif chunk then
		self:go(chunk, text)
	elseif text then
		self:complain(text)
	end
	if core.interrupted and core.interrupted() then -- and nothing told
		go_on()
	end
	return not ended
end

-- What TAB offers, as core.readline wants it: what may stand from `start` (bytes of the line) on.
function Repl:complete(line, start)
	local word, list = require("luff.prompt.candidates").of(line, {
		env = self.env, names = self.notes.names, words = require("luff.prompt.colon").names,
	})
	local from = #line - #word
	for i, text in ipairs(list) do
		list[i] = line:sub(start + 1, from) .. text:sub(math.max(start - from, 0) + 1)
	end
	return list
end

-- ---- Where lines come from and go to -----------------------------------------------------------------------

local function plain_read()
	return io.read "l"
end

-- For a terminal without libedit.
local function prompted_read(prompt)
	terminal.write(prompt)
	terminal.flush()
	return io.read "l"
end

-- A function of what may be a function or a file; nil of nil.
local function reader_of(input)
	if input == nil or type(input) == "function" then
		return input
	end
	return type(input) ~= "string" and function() return input:read "l" end
		or fail("invalid", "input is a function or a file")
end

local function writer_of(output)
	if output == nil then
		return nil
	elseif type(output) == "function" then
		return function(...) output(table.concat { ... }) end
	end
	return type(output) ~= "string" and function(...) output:write(...) end
		or fail("invalid", "output is a function or a file")
end

-- A global that is there until this is closed, where nothing else has its name.
local function lend(env, name, value)
	if rawget(env, name) ~= nil then
		return nil
	end
	env[name] = value
	return setmetatable({}, { __close = function()
		if rawget(env, name) == value then
			env[name] = nil
		end
	end })
end

local greeting = "%s, %s: :help tells what there is, TAB completes, Ctrl-D ends\n"

--- Reads, runs and prints until the input ends; lua/luff/meta.lua says what there is to choose.
-- On the program's terminal lines are edited and kept in $XDG_STATE_HOME/luff/history, where libedit is installed.
function repl.run(opts)
	opts = opts or {}
	options.check(opts, { "input", "output", "errors", "env", "columns" }, "option")
	local read, write, warn = reader_of(opts.input), writer_of(opts.output), writer_of(opts.errors)
	local at_terminal = not (read or write) and terminal.columns "stdin" and terminal.columns "stdout" or nil
	-- in somebody else's program the terminal is theirs
	local edits = at_terminal and core.uncancel and core.can_edit()
	local noted <close> = notes.start(at_terminal and terminal.columns "stderr") -- luacheck: ignore
	local self = setmetatable({
		env = opts.env or _G, at_terminal = at_terminal, notes = noted, log = {},
		write = write or function(...) io.stdout:write(...) end,
		warn = warn or write or function(...) io.stderr:write(...) end,
		columns = opts.columns or at_terminal or terminal.columns "stdout",
	}, Repl)
	local function complete(...)
		return self:complete(...)
	end
	self.read = read or edits and function(prompt) return core.readline(prompt, complete) end
		or at_terminal and prompted_read or plain_read
	local lent <close> = lend(self.env, "help", function(...) self:help(...) end) -- luacheck: ignore
	if at_terminal then
		self.write(greeting:format(require("luff")._VERSION, _VERSION))
		local file = edits and history_file()
		if file then
			core.history(file)
		end
	end
	repeat
		io.stdout:flush()
	until not self:turn()
	if at_terminal then
		self.write "\n"
	end
end

return repl
