-- Not under the thread sanitizer.
-- The REPL: what is typed and what comes back.
local luff = require "luff"
local pretty = require "luff.pretty"
local repl = require "luff.repl"
local support = require "spec.support"

-- Types the lines; returns what was printed, the errors, and the prompts.
local function talk(lines, env)
	local out, errors, prompts = {}, {}, {}
	local i = 0
	repl.run {
		env = env or setmetatable({}, { __index = _G }),
		input = function(prompt)
			i = i + 1
			prompts[i] = prompt
			local line = lines[i]
			if type(line) == "table" then
				error(line, 0)
			end
			return line
		end,
		output = function(text) out[#out + 1] = text end,
		errors = function(text) errors[#errors + 1] = text end,
	}
	return table.concat(out), table.concat(errors), table.concat(prompts)
end

describe("The REPL", function()
	it("prints the values of an expression", function()
		assert.equal('2\n"a"\nnil\n', (talk { "1 + 1", '"a", nil' }))
	end)

	it("prints nothing for a statement, an empty line or a function without results", function()
		assert.equal("", (talk { "x = 1", "", "   ", "local y = 2", "(function() end)()", "-- a comment" }))
	end)

	it("keeps the last value in _", function()
		assert.equal("4\n8\n", (talk { "4", "x = 5", "_ * 2" }))
	end)

	it("reads on until a statement is complete", function()
		local out, errors, prompts = talk { "for i = 1, 2 do", "x = i", "end", "x", "[[a", "b]]", "(1 +", "2)" }
		assert.equal('2\n"a\\nb"\n3\n', out)
		assert.equal("", errors)
		assert.equal("> >> >> > > >> > >> > ", prompts)
	end)

	it("goes on after errors of every kind", function()
		local out, errors = talk { "x =", "]", "1 +* 2", 'error "boom"', "error { a = 1 }", "error()", "nil + 1",
			"require('luff').image 'UPPER'", "setmetatable({}, { __tostring = error })", "42" }
		assert.truthy(out:find "42\n$", out)
		assert.truthy(errors:find("(repl):1: boom\n", 1, true), errors)
		assert.truthy(errors:find("{ a = 1 }\n", 1, true), errors)
		assert.truthy(errors:find("[invalid_name]\n", 1, true), errors)
		assert.is_nil(errors:find("traceback", 1, true), errors)
	end)

	it("says what is missing where the input ends in the middle", function()
		local out, errors = talk { "f(", nil }
		assert.equal("", out)
		assert.truthy(errors:find("near <eof>", 1, true), errors)
	end)

	it("shows the way through the files where an error came from one", function()
		local path = support.write(support.scratch() .. "/deep.lua", "return function() error 'deep' end")
		local _, errors = talk { ("dofile(%q)()"):format(path) }
		assert.truthy(errors:find("deep.lua:1: deep\nstack traceback:", 1, true), errors)
	end)

	it("drops the line at Ctrl-C and goes on", function()
		local cancelled = { code = "cancelled", message = "interrupted" }
		local out, errors = talk { cancelled, "x = (", cancelled, "7" }
		assert.equal("7\n", out)
		assert.equal("", errors)
	end)

	it("leaves no globals but what is typed and _", function()
		local env = { print = print }
		talk({ "x = 1", "x", "y = help ~= nil" }, env)
		assert.same({ print = print, x = 1, y = true, _ = 1 }, env)
		env = { help = print }
		talk({ "x = help" }, env)
		assert.same({ help = print, x = print }, env)
	end)

	it("says in which of several lines something failed", function()
		local _, errors = talk { "do", "local x = 1", "require('luff').image 'UPPER'", "end" }
		assert.truthy(errors:find("^%(repl%):3: [^\n]*UPPER[^\n]* %[invalid_name%]\n$"), errors)
	end)

	it("tells about functions, objects, modules and names", function()
		local image = support.make_image "memory:help:v1"
		local env = setmetatable({ img = image, luff = luff }, { __index = _G })
		for line, found in pairs {
			["help(luff.copy)"] = "^luff%.copy%(src, dst, opts%)\n", ["help(img.append)"] = "^Image:append%(sources%)\n",
			["help(img)"] = "^luff%.Image\n", ["help(luff)"] = "^luff\n", ["help 'img:append'"] = "^Image:append%(sources%)\n",
			["help 'names'"] = "oci:DIR", ["help 'luff.semver'"] = "semver%.range%(text%)",
			["help(require 'luff.glob')"] = "^luff%.glob\n", ["help(string.rep)"] = "^string%.rep is Lua's own: https://",
			["help {}"] = "^table: 0x%x+: nothing is said about it\n$", ["help '\\27'"] = "^no help on \\e\n$",
			["help 'luff.cpoy'"] = '^no help on luff%.cpoy %(did you mean "luff%.copy"%?%)\n$', ["help()"] = "\n:edit ",
		} do
			local out, errors = talk({ line }, env)
			assert.truthy(out:find(found), line .. "\n" .. out)
			assert.equal("", errors)
		end
	end)

	it("shows the name that an image was opened by", function()
		support.make_image "memory:named:v1"
		local out = talk { "require('luff').image 'memory:named:v1'" }
		assert.truthy(out:find "\n  name +memory:named:v1\n", out)
		assert.is_nil(pretty.format(luff.image "memory:named:v1"):find "\n  name ")
	end)

	it("leaves luff's functions as they were", function()
		local before = { luff.image, luff.index, luff.open, luff.copy }
		talk { "x = require('luff').image", "error 'x'" }
		assert.same(before, { luff.image, luff.index, luff.open, luff.copy })
	end)

	it("reads from and writes to files, and refuses other options", function()
		local dir = support.scratch()
		local input <close> = assert(io.open(support.write(dir .. "/in", "1 + 1\nerror 'x'\n3\n")))
		local output <close> = assert(io.open(dir .. "/out", "w"))
		repl.run { input = input, output = output, env = {} }
		output:flush()
		assert.equal("2\n(repl):1: attempt to call a nil value (global 'error')\n3\n", support.read(dir .. "/out"))
		assert.truthy(support.fails(repl.run, { imput = input }).message:find 'did you mean "input"')
		assert.equal("invalid", support.fails(repl.run, { input = "1 + 1" }).code)
	end)

	it("runs inside of a coroutine that its input yields from", function()
		local shown = {}
		local session = coroutine.wrap(function()
			repl.run { input = coroutine.yield, output = function(text) shown[#shown + 1] = text end, env = {} }
			return "ended"
		end)
		assert.equal("> ", session())
		assert.equal("> ", session "6 * 7")
		assert.same({ "42\n" }, shown)
		assert.equal(">> ", session "(1")
		assert.equal("> ", session "+ 1)")
		assert.equal("ended", session(nil))
	end)

	it("times, edits and saves", function()
		local dir = support.scratch()
		local editor = support.write(dir .. "/editor", "#!/bin/sh\ncp \"$1\" '" .. dir .. "/seen'\necho 'x = 5' >\"$1\"\n"
			.. "echo 'return x * 2' >>\"$1\"\n")
		support.must { "chmod", "+x", editor }
		local script = dir .. "/saved.lua"
		local result = support.luff({ "-i" }, { env = { EDITOR = editor, VISUAL = false }, stdin = table.concat({
			":time 6 * 7", "y = 1", "error 'no'", ":edit", ":save " .. script, ":save " .. script, ":save",
			":svae x", "::here::",
		}, "\n") .. "\n" })
		assert.equal(0, result.code)
		local out = result.stdout
		assert.truthy(out:find "^42\n%d+%.%d%d%d s\nx = 5\nreturn x %* 2\n10\n3 pieces in [^\n]+\n$", out)
		assert.equal("error 'no'\n", support.read(dir .. "/seen"))
		assert.equal('#!/usr/bin/env luff\nlocal luff = require "luff"\nlocal _\nsetmetatable(_G, nil)\n\n'
			.. '_ = require("luff.repl").show(6 * 7)\ny = 1\n'
			.. '_ = require("luff.repl").show((function(...)\nx = 5\nreturn x * 2\nend)(...))\n', support.read(script))
		assert.equal("42\n10\n", support.must { support.program, script })
		local lines = {}
		for line in result.stderr:gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		assert.equal(4, #lines, result.stderr)
		assert.truthy(lines[2]:find "saved.lua is there: choose another name %[exists%]")
		assert.truthy(lines[3]:find "^say where: :save FILE")
		assert.truthy(lines[4]:find "^no :svae %(did you mean :save%?%)")
	end)

	it("saves scripts that do what the sitting did", function()
		local script = support.scratch() .. "/saved.lua"
		local lines = { "1 + 1", "_ * 21 -- all", "'a', nil", "f = print", "(f)('b')", "{ _ };", "x = 1",
			"local x = 2 -- gone", "x", "function g() new = _ end", "g()", "undefined", "luff.null", "return 1, 2",
			"for _, v in ipairs { 3 } do print(v) end" }
		local talked = support.luff({ "-i" }, { stdin = table.concat(lines, "\n") .. "\n:save " .. script .. "\n" })
		assert.equal("", talked.stderr)
		local shown = talked.stdout:gsub("%d+ pieces in [^\n]*\n$", "")
		assert.equal('2\n42\n"a"\nnil\nb\n{ "a" }\n1\nnil\nnull\n1\n2\n3\n', shown)
		assert.same({ code = 0, stdout = shown, stderr = "" }, support.luff(script))
	end)

	it("says that an editor failed", function()
		local result = support.luff({ "-i" }, { env = { EDITOR = "false", VISUAL = false }, stdin = ":edit\n1\n" })
		assert.equal("1\n", result.stdout)
		assert.truthy(result.stderr:find "^the editor failed: ", result.stderr)
	end)

	it("makes what comes from outside printable", function()
		local out, errors = talk { '"\\27[2J"', 'error "\\27[2J"', 'error { code = "x", message = "\\27[2J" }' }
		assert.equal('"\\e[2J"\n', out)
		assert.is_nil(errors:find "\27")
	end)
end)

describe("The REPL of the program", function()
	it("reads from a pipe without prompts", function()
		local result = support.luff({ "-i" }, { stdin = "1 + 1\nluff._VERSION\nprint(_)\nerror 'x'\n3" })
		assert.equal(('2\n"%s"\n%s\n3\n'):format(luff._VERSION, luff._VERSION), result.stdout)
		assert.equal("(repl):1: x\n", result.stderr)
		assert.equal(0, result.code)
	end)

	it("is a command, too", function()
		local result = support.luff({ "repl" }, { stdin = "luff._VERSION\n_\n" })
		assert.same({ code = 0, stdout = ('"%s"\n'):format(luff._VERSION):rep(2), stderr = "" }, result)
	end)

	it("goes on after a script and after a line of code", function()
		local result = support.luff({ "-i", "-e", "x = 6" }, { stdin = "x * 7\n" })
		assert.equal("42\n", result.stdout)
		local script = support.write(support.scratch() .. "/s.lua", "y = arg[1]")
		result = support.luff({ "-i", script, "word" }, { stdin = "y\n" })
		assert.equal('"word"\n', result.stdout)
	end)

	describe("on a terminal", function()
		-- The program behind a pseudo-terminal, made by util-linux's script(1). Instead of its shell, not below it: libedit
		-- passes SIGTERM on to the whole process group.
		local function on_terminal(state, library_path, locale)
			if not support.peer "script" then
				pending "script is not installed"
			end
			local fifo = support.scratch() .. "/keys"
			assert(os.execute("mkfifo " .. fifo))
			local program = support.start({ "sh", "-c", ('exec script -qfec "exec $LUFF" /dev/null <%s'):format(fifo) },
				{ env = { LUFF = support.program, XDG_STATE_HOME = state, TERM = "xterm", NO_COLOR = "1",
					LD_LIBRARY_PATH = library_path, LC_ALL = locale } })
			local keys = assert(io.open(fifo, "r+"))
			keys:setvbuf "no"
			local tty, seen = { program = program }, 0
			--- Waits for the text in what was not looked at yet.
			function tty.expect(text)
				support.eventually(function()
					local _, last = program:stdout():find(text, seen + 1, true)
					seen = last or seen
					return last
				end, 20, text .. " in " .. program:stdout())
			end
			function tty.type(text)
				keys:write(text)
			end
			-- more than once: a terminal that is just leaving its cooked mode loses a Ctrl-D, or leaves something of it in the
			-- line, which Ctrl-U empties
			function tty.close()
				local ended = pcall(support.eventually, function()
					keys:write "\21\4"
					return not program:running()
				end, 60)
				assert(ended, ("no end at Ctrl-D in %q"):format(program:stdout()))
				keys:close()
				return program:wait()
			end
			tty.expect(luff._VERSION)
			tty.expect "> "
			return tty
		end

		it("greets, prompts, and ends at Ctrl-D", function()
			local tty = on_terminal(support.scratch())
			tty.type "40 + 2\n"
			tty.expect "\n42\r\n"
			tty.expect "> "
			assert.equal(0, tty.close())
		end)

		-- The prompt and luff's calls are as they were.
		local function goes_on(tty)
			tty.type "6 * 7\n"
			tty.expect "\n42\r\n"
			tty.expect "> "
			tty.type "luff.digest 'x' == luff.digest 'x'\n"
			tty.expect "\ntrue\r\n"
			tty.expect "> "
			assert.equal(0, tty.close())
		end

		it("goes on after Ctrl-C, at the prompt and in a loop", function()
			local tty = on_terminal(support.scratch())
			tty.type "1 + \3"
			tty.expect "> "
			-- the call: under the thread sanitizer signals arrive at calls alone
			tty.type "print 'loop' while true do tostring {} end\n"
			tty.expect "loop\r\n"
			tty.type "\3"
			tty.expect "interrupted"
			tty.expect "> "
			goes_on(tty)
		end)

		it("goes on after Ctrl-C in coroutines and pcall", function()
			local tty = on_terminal(support.scratch())
			for _, line in ipairs {
				"coroutine.wrap(function() print('lo' .. 'op') while true do tostring {} end end)()",
				"pcall(function() print('lo' .. 'op') while true do tostring {} end end) print 'went on'",
				"pcall(function() print('lo' .. 'op') luff.copy('random:layers=4,size=400000000,seed=4', 'memory:big:2') end)",
			} do
				tty.type(line .. "\n")
				tty.expect "loop\r\n"
				tty.type "\3"
				tty.expect "interrupted"
				tty.expect "> "
			end
			assert.is_nil(tty.program:stdout():find("\nwent on", 1, true))
			goes_on(tty)
		end)

		it("begins a line at Ctrl-C", function()
			local tty = on_terminal(support.scratch())
			tty.type "\3"
			tty.expect "> "
			assert.truthy(tty.program:stdout():find("> %^?C?\r\n> "), tty.program:stdout())
			assert.equal(0, tty.close())
		end)

		it("ends at SIGTERM, at the prompt and in a loop", function()
			for _, line in ipairs { "", "while true do tostring {} end" } do
				local tty = on_terminal(support.scratch())
				tty.type "'pid ' .. io.open '/proc/self/stat':read 'n'\n"
				tty.expect '"pid '
				tty.expect "> "
				tty.type(line .. (line ~= "" and "\n" or ""))
				support.sleep(0.3)
				assert(os.execute("kill -TERM " .. tty.program:stdout():match '"pid (%d+)'))
				assert.equal(143, tty.program:wait())
			end
		end)

		it("reads and completes what is not ASCII, whatever the locale", function()
			for _, locale in ipairs { "C", "C.UTF-8" } do
				local state = support.scratch()
				local tty = on_terminal(state, nil, locale)
				tty.type "u = '日本ü'\n"
				tty.expect "\n"
				tty.expect "> "
				tty.type "#u, '日本' .. u\n"
				tty.expect '\n8\r\n'
				tty.expect '"日本日本ü"\r\n'
				tty.expect "> "
				tty.type "'日本', luff.dige\t'x'\n"
				tty.expect '"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"\r\n'
				tty.expect "> "
				-- scripts do not notice
				tty.type "('Ü'):lower() == 'Ü', os.setlocale(nil, 'ctype')\n"
				tty.expect '\ntrue\r\n"C"\r\n'
				tty.expect "> "
				tty.type "'日本ü'\n"
				tty.expect '"日本ü"\r\n'
				tty.expect "> "
				assert.equal(0, tty.close())
				tty = on_terminal(state, nil, locale)
				tty.type "\27[A"
				tty.expect "日本ü"
				tty.type "\n"
				tty.expect '"日本ü"\r\n'
				tty.expect "> "
				assert.equal(0, tty.close())
			end
		end)

		it("prompts without libedit, too", function()
			local dir = support.scratch()
			support.write(dir .. "/libedit.so.2", "no library")
			local tty = on_terminal(dir, dir)
			tty.type "40 + 2\n"
			tty.expect "\n42\r\n> "
			tty.type "1 + \3"
			tty.expect "> "
			tty.type "6 * 8\n"
			tty.expect "\n48\r\n> "
			assert.equal(0, tty.close())
		end)

		it("keeps its history between sittings, for nobody else to read", function()
			local state = support.scratch()
			for _, line in ipairs { "first = 1", "second = 2" } do
				local tty = on_terminal(state)
				tty.type(line .. "\n")
				tty.expect "\n> "
				tty.close()
			end
			local history = support.read(state .. "/luff/history")
			assert.truthy(history:find("first", 1, true), history)
			assert.truthy(history:find("second", 1, true), history)
			assert.equal("-rw-------", support.sh("ls -l " .. state .. "/luff/history"):sub(1, 10))
			local tty = on_terminal(state)
			tty.type "\27[A"
			tty.expect "second = 2"
			tty.type "\n"
			tty.expect "\n> "
			tty.close()
		end)
	end)
end)

describe("A pretty printed value", function()
	it("is the value itself where that is short", function()
		for text, value in pairs {
			["nil"] = "nil", ["true"] = true, ["1"] = 1, ["1.5"] = 1.5, ['"a"'] = "a", ["{}"] = {},
			["{ 1, 2 }"] = { 1, 2 }, ["{ a = 1 }"] = { a = 1 }, ['{ ["a b"] = 1, ["end"] = 2 }'] = { ["a b"] = 1, ["end"] = 2 },
			["{ [1] = 1, [9] = 3 }"] = { 1, [9] = 3 }, ["{ 1, nil, 3 }"] = { 1, nil, 3 }, ["{ { 1 }, {} }"] = { { 1 }, {} },
		} do
			assert.equal(text, pretty.format(value ~= "nil" and value or nil))
		end
	end)

	it("is indented and sorted where it is long", function()
		local text = pretty.format { zeta = ("z"):rep(60), alpha = { ("a"):rep(30), ("b"):rep(30) }, [1] = 1 }
		assert.equal(([[
{
  [1] = 1,
  alpha = { "%s", "%s" },
  zeta = "%s"
}]]):format(("a"):rep(30), ("b"):rep(30), ("z"):rep(60)), text)
	end)

	it("fills lines with the short items of a list", function()
		local list = {}
		for i = 1, 60 do
			list[i] = i
		end
		local text = pretty.format(list, { width = 60 })
		assert.truthy(text:find("^{\n  1, 2, 3, "), text)
		assert.truthy(text:find("59,%s+60\n}$"), text)
		local lines = 0
		for line in text:gmatch "[^\n]+" do
			assert.is_true(#line <= 60)
			lines = lines + 1
		end
		assert.is_true(lines < 10)
		list[30] = ("o"):rep(30)
		assert.truthy(pretty.format(list):find('\n  29,\n  "ooo', 1, true))
	end)

	it("says which function it is, and what a reference is made of", function()
		assert.equal("luff.copy(src, dst, opts): a function, of which help() tells", pretty.format(luff.copy))
		assert.truthy(pretty.format(print):find "^function: ")
		assert.truthy(pretty.format(luff.ref "alpine:3"):find(
			"^docker.io/library/alpine:3\n  registry +docker.io\n  repository +library/alpine\n  tag +3$"))
	end)

	it("shows null as what it is", function()
		assert.equal("null", pretty.format(luff.null))
		assert.equal("{ null }", pretty.format { luff.null })
		assert.equal("null\n", support.must { support.program, "-e", "print(luff.null)" })
	end)

	it("ends where a table is deep, long or in itself", function()
		local deep, long, own = {}, {}, {}
		for _ = 1, 50 do
			deep = { deep }
		end
		for i = 1, 1000 do
			long[i] = i
		end
		own.own = own
		assert.truthy(pretty.format(deep):find("{…}", 1, true))
		assert.truthy(pretty.format(long):find("… 900 more", 1, true))
		assert.equal("{ own = <the table around it> }", pretty.format(own))
		local shared = { 1 }
		assert.equal("{ { 1 }, { 1 } }", pretty.format { shared, shared })
	end)

	it("escapes what no terminal should get, and cuts long strings", function()
		assert.equal([["a\n\t\\\"\0"]], (pretty.format('a\n\t\\"\0'):gsub("\\x00", "\\0")))
		assert.equal([["ü\xff\xc3(\u{202e}\u{9b}"]], pretty.format "ü\xff\xc3(\u{202e}\u{9b}")
		local text = pretty.format(("ü"):rep(5000))
		assert.truthy(text:find('ü"… (10000 bytes)', 1, true), text)
		assert.is_nil(text:find("\\x", 1, true))
	end)

	it("calls no metamethods but __tostring", function()
		local refuse = function() error "called" end
		assert.equal("{ 1 }", pretty.format(setmetatable({ 1 }, { __len = refuse, __index = refuse, __pairs = refuse })))
		assert.equal("text\\e", pretty.format(setmetatable({}, { __tostring = function() return "text\27" end })))
	end)

	it("shows what is in an image, an index and a layer", function()
		local name = "memory:pretty:v1"
		local index = support.make_index(name, { "linux/amd64", "linux/arm64" })
		local image = luff.image(name, { platform = "linux/arm64" })
		local text = pretty.format(image)
		assert.truthy(text:find("^luff.Image<"), text)
		assert.truthy(text:find("platform +linux/arm64\n"), text)
		for _, layer in ipairs(image:layers()) do
			assert.truthy(text:find(layer:digest():sub(1, 19), 1, true), text)
			assert.truthy(pretty.format(image, { width = 200 }):find(layer:digest(), 1, true))
			assert.truthy(pretty.format(layer):find(layer:digest(), 1, true))
		end
		text = pretty.format(index)
		assert.truthy(text:find("^luff.Index<"), text)
		assert.truthy(text:find("linux/arm64 +" .. image:digest()), text)
		assert.is_nil(text:find "\n$")
	end)
end)
