-- What commands, progress and the REPL know about the terminal, and text that is fit for one.
local core = require "luff.core"
local fail = require "luff.fail"

local terminal = {}

local numbers = { stdin = 0, stdout = 1, stderr = 2 }

--- Columns of the terminal behind "stdin", "stdout" or "stderr", nil where there is none.
function terminal.columns(stream)
	return core.terminal(numbers[stream])
end

--- Whether the terminal shows more than ASCII.
function terminal.unicode()
	for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
		local value = os.getenv(name)
		if value and value ~= "" then
			return value:upper():find("UTF%-?8") ~= nil
		end
	end
	return false
end

local styles = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- The text in a style (bold, dim, red, green, yellow, cyan) where the stream is a terminal and NO_COLOR is not set.
function terminal.style(style, text, stream)
	local plain = os.getenv "NO_COLOR"
	if plain and plain ~= "" or os.getenv "TERM" == "dumb" or not terminal.columns(stream or "stdout") then
		return text
	end
	return ("\27[%sm%s\27[0m"):format(styles[style], text)
end

local named = { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r", ["\27"] = "\\e" }

local function escape_bytes(bytes)
	return (bytes:gsub(".", function(c)
		return ("\\x%02x"):format(c:byte())
	end))
end

-- C1 controls, and what reorders or hides the text around it (bidirectional controls, line and paragraph separators).
local function is_hidden(code)
	return code >= 0x80 and code <= 0x9f or code >= 0x200b and code <= 0x200f or code >= 0x2028 and code <= 0x202e
		or code >= 0x2060 and code <= 0x206f or code == 0xfeff
end

--- Text from outside, made fit for a terminal: control characters and bytes that are no UTF-8 show as escapes.
-- keep: a pattern class of control characters that may stay, such as "\n\t".
function terminal.printable(text, keep)
	text = tostring(text)
	text = text:gsub("%c", function(c)
		if keep and c:find("[" .. keep .. "]") then
			return c
		end
		return named[c] or ("\\x%02x"):format(c:byte())
	end)
	if not text:find("[\128-\255]") then
		return text
	end
	local parts, at = {}, 1
	while at <= #text do
		local bad = select(2, utf8.len(text, at))
		for _, code in utf8.codes(text:sub(at, bad and bad - 1)) do
			parts[#parts + 1] = is_hidden(code) and ("\\u{%x}"):format(code) or utf8.char(code)
		end
		if not bad then
			break
		end
		parts[#parts + 1] = escape_bytes(text:sub(bad, bad))
		at = bad + 1
	end
	return table.concat(parts)
end

local broken_pipe = 32 -- EPIPE, on every system that luff runs on

local function check_write(written, message, number)
	if not written then
		fail(number == broken_pipe and "closed" or "io", "cannot write the output: %s", message)
	end
end

--- Writes to stdout, or raises what is wrong: code "closed" where its reader has gone, else "io".
function terminal.write(...)
	check_write(io.stdout:write(...))
end

--- Writes what was kept back so far, or raises as write does.
function terminal.flush()
	check_write(io.stdout:flush())
end

--- Writes a document to stdout: byte by byte, but on a terminal with escapes and a newline at its end.
function terminal.write_document(bytes)
	if terminal.columns "stdout" then
		bytes = terminal.printable(bytes, "\n\t"):gsub("\n?$", "\n", 1)
	end
	terminal.write(bytes)
end

--- "1.2 kB", "29.3 MB": decimal units, as registries and disks count.
function terminal.size(bytes)
	local units = { "B", "kB", "MB", "GB", "TB", "PB", "EB" }
	local n, i = bytes + 0.0, 1
	while n >= 999.95 and i < #units do
		n, i = n / 1000, i + 1
	end
	return (i == 1 and "%.0f %s" or "%.1f %s"):format(n, units[i])
end

--- "sha256:ab12cd34ef56": enough of a digest to recognise it.
function terminal.short(digest)
	digest = terminal.printable(digest)
	return digest:match("^%w+:%x%x%x%x%x%x%x%x%x%x%x%x") or digest
end

--- Printable text of at most so many characters, with … where it was cut.
function terminal.cut(text, most)
	local length = utf8.len(text)
	return length and length > most and text:sub(1, utf8.offset(text, math.max(most, 1)) - 1) .. "…" or text
end

--- Asks for a line on the terminal, where nobody sees it; nil where there is no terminal.
function terminal.secret(prompt)
	return core.secret(prompt)
end

--- Rows as lines, columns aligned; right = { [3] = true } aligns the third to the right. Cells are printable.
function terminal.align(rows, right, indent)
	local widths = {}
	for _, row in ipairs(rows) do
		for i, cell in ipairs(row) do
			widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell)
		end
	end
	local lines = {}
	for r, row in ipairs(rows) do
		local cells = {}
		for i, cell in ipairs(row) do
			local pad = (" "):rep(widths[i] - (utf8.len(cell) or #cell))
			cells[i] = right and right[i] and pad .. cell or cell .. pad
		end
		lines[r] = (indent or "") .. table.concat(cells, "  "):gsub(" +$", "") .. "\n"
	end
	return table.concat(lines)
end

--- Writes what an iterator yields, a line each; or, where a document is given, that as JSON with all of it as document[key].
function terminal.list(iterator, key, document)
	local found = document and core.array {}
	for text in iterator do
		if found then
			found[#found + 1] = text
		else
			terminal.write(terminal.printable(text), "\n")
		end
	end
	if document then
		document[key] = found
		terminal.write(core.encode(document, { indent = true }), "\n")
	end
end

return terminal
