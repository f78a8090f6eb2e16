-- The prompt: a line of Lua is run, an expression's values are printed. Also for programs that embed luff:
--	require("luff.repl").run { env = my_table }
local core = require "luff.core"
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
local function compile(text, env)
	local chunk = load("return " .. text, "=(repl)", "t", env)
	if chunk then
		return chunk
	end
	return load(text, "=(repl)", "t", env)
end

local function is_cancelled(err)
	return type(err) == "table" and err.code == "cancelled"
end

-- Where Ctrl-C cancels, as in the program, calls work again after it. SIGTERM ends the prompt as it ends anything else.
local function go_on(err)
	if core.uncancel and not core.uncancel() then
		error(err, 0)
	end
end

-- The traceback where it leads into files; of a line that was just typed it says nothing new.
local function way_of(trace)
	for line in (trace or ""):gmatch "\n%s*([^\n]+)" do
		if not line:find "^%[C%]" and not line:find "^%(repl%)" then
			return "\n" .. trace
		end
	end
	return ""
end

local function describe(err, trace)
	if type(err) == "table" and err.code and err.message then
		return ("%s [%s]"):format(terminal.printable(err.message), terminal.printable(err.code))
	elseif type(err) == "string" then
		return terminal.printable(err .. way_of(trace), "\n\t")
	end
	return pretty.format(err)
end

local Repl = {}
Repl.__index = Repl

function Repl:show(...)
	for i = 1, select("#", ...) do
		local value = select(i, ...)
		local ok, text = pcall(pretty.format, value, { width = self.columns })
		if ok then
			self.write(text, "\n")
		else
			self:complain(text)
		end
	end
end

function Repl:complain(err, trace)
	local ok, text = pcall(describe, err, trace)
	text = is_cancelled(err) and "interrupted" or ok and text or "an error that cannot be shown"
	self.warn(terminal.style("red", text, "stderr"), "\n")
end

-- Reads lines until they are a chunk. Returns it, or nil and what is wrong with it; third: the input has ended.
function Repl:read_chunk()
	local text = self.read("> ")
	if not text then
		return nil, nil, true
	end
	while true do
		local chunk, message = compile(text, self.env)
		if chunk or not is_incomplete(message) then
			return chunk, message
		end
		local line = self.read(">> ")
		if not line then
			return nil, message, true
		end
		text = text .. "\n" .. line
	end
end

-- One question and its answer; false at the end of the input.
function Repl:turn()
	local ok, chunk, message, ended = pcall(self.read_chunk, self)
	if not ok then -- Ctrl-C at the prompt drops what was typed
		if not is_cancelled(chunk) then
			error(chunk, 0)
		end
		go_on(chunk)
		return true
	elseif not chunk then
		if message then
			self:complain(message)
		end
		return not ended
	end
	local trace
	local results = table.pack(xpcall(chunk, function(err)
		trace = debug.traceback(nil, 2):gsub("\n%s*%[C%]: in function 'xpcall'.*", "")
		return err
	end))
	if not results[1] then
		self:complain(results[2], trace)
		if is_cancelled(results[2]) then
			go_on(results[2])
		end
	elseif results.n > 1 then
		self.env._ = results[2]
		self:show(table.unpack(results, 2, results.n))
	end
	return true
end

local function plain_read()
	return io.read "l"
end

-- For a terminal without libedit.
local function prompted_read(prompt)
	terminal.write(prompt)
	terminal.flush()
	return io.read "l"
end

--- Reads, runs and prints until the input ends.
-- opts, each optional: env (the globals of what is typed, _G), read(prompt) -> line or nil, write(…) for values,
-- warn(…) for errors. On a terminal lines are edited and kept in $XDG_STATE_HOME/luff/history, where libedit is installed.
function repl.run(opts)
	opts = opts or {}
	local at_terminal = not opts.read and terminal.columns "stdin" and terminal.columns "stdout"
	local edits = at_terminal and core.can_edit()
	local self = setmetatable({
		env = opts.env or _G,
		read = opts.read or edits and core.readline or at_terminal and prompted_read or plain_read,
		write = opts.write or function(...) io.stdout:write(...) end,
		warn = opts.warn or function(...) io.stderr:write(...) end,
		columns = terminal.columns "stdout",
	}, Repl)
	if at_terminal then
		self.write(require("luff")._VERSION, ", ", _VERSION, ": an expression shows its value, Ctrl-D ends\n")
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
