-- Small texts with places to fill in, in the way of Go's text/template, which users of docker, skopeo and regclient know:
--	template.render("{{ .repository }}:{{ .tag | upper }}", { repository = "app", tag = "v1" })
--
-- Between {{ and }} (with "-" inside of them also the blanks outside go) stand
--	.  .a.b  $.a                a value of what is given, a field of it, the same from the outermost
--	"text"  `text`  12  true    values
--	f x y | g                   functions; what is on the left of | is the last argument of what is on its right
--	if x … else if y … else … end, with x … else … end, range list … else … end, /* a comment */
--	$t := x                     a name for a value, up to the end of its block
--
-- Functions read no file and no environment; who compiles may give more of them.
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"
local values = require "luff.template.values"
local want = require "luff.want"

local template = {}

local DEPTH_MAX = 100
local OUTPUT_MAX = 4 << 20

-- ---- Reading -----------------------------------------------------------------------------------------------

local Parser = {}
Parser.__index = Parser

function Parser:refuse(format, ...)
	local _, line = self.text:sub(1, self.at):gsub("\n", "")
	fail("bad_format", "%s, line %d: %s", self.name, line + 1, format:format(...))
end

-- Pieces of text and of code: { text = }, { code =, at = }.
function Parser:split()
	local pieces, at, trim = {}, 1, false
	while true do
		local open = self.text:find("{{", at, true)
		local text = self.text:sub(at, open and open - 1)
		if trim then
			text = text:gsub("^%s+", "")
		end
		if open and self.text:find("^{{%-%s", open) then
			text = text:gsub("%s+$", "")
		end
		pieces[#pieces + 1] = { text = text }
		if not open then
			return pieces
		end
		self.at = open
		local from = open + (self.text:find("^{{%-%s", open) and 3 or 2)
		local tail = self.text:find("^%s*/%*", from) and self.text:find("*/", from, true)
		local close = self:find_close(tail and tail + 2 or from)
		local code = self.text:sub(from, close - 1)
		trim = code:find "%s%-$" ~= nil
		pieces[#pieces + 1] = { code = tail and "" or code:gsub("%s%-$", ""), at = from, comment = tail and true }
		at = close + 2
	end
end

-- The }} that is in no text.
function Parser:find_close(at)
	while at <= #self.text do
		local c = self.text:sub(at, at)
		if c == '"' or c == "`" then
			local _, to
			if c == "`" then
				_, to = self.text:find("`", at + 1, true)
			else
				to = at + 1
				while self.text:find('^[^"\n]', to) do
					to = to + (self.text:sub(to, to) == "\\" and 2 or 1)
				end
			end
			at = to and to + 1 or #self.text + 1
		elseif self.text:find("^}}", at) then
			return at
		else
			at = at + 1
		end
	end
	self:refuse "a {{ is not closed"
end

local escapes = { n = "\n", t = "\t", r = "\r", ["\\"] = "\\", ['"'] = '"' }

-- The words of a piece of code: { kind, value }.
function Parser:words(code, start)
	local words, at = {}, 1
	local function take(pattern)
		local from, to, value = code:find("^" .. pattern, at)
		if from then
			at = to + 1
			return value or code:sub(from, to)
		end
	end
	while true do
		take "%s+"
		self.at = start + at - 1
		if at > #code then
			return words
		end
		local value = take "`([^`]*)`"
		local kind = value and "value"
		if not value and code:sub(at, at) == '"' then
			local from = at + 1
			at = from
			while code:find('^[^"]', at) do
				at = at + (code:sub(at, at) == "\\" and 2 or 1)
			end
			value, kind = code:sub(from, at - 1):gsub("\\(.)", function(c)
				return escapes[c] or self:refuse('no escape "\\%s"', c)
			end), "value"
			at = at + 1
		end
		if not kind then
			value = take "(%-?%d+%.?%d*)"
			kind, value = value and "value", tonumber(value)
		end
		if not kind then
			value = take "(%$?[%a_]?[%w_]*%.[%w_.]*)" or take "(%$[%w_]*)"
			kind = value and "path"
		end
		if not kind then
			value = take "([%a_][%w_]*)"
			kind = value and "name"
		end
		if not kind then
			value = take "([|()])" or take "(:=)"
			kind = value
		end
		if not kind then
			self:refuse('"%s" has no place here', code:sub(at, at))
		end
		-- ".a" right behind ")" is a field of what is in the parentheses
		local last = words[#words]
		if kind == "path" and value:sub(1,
			1) == "." and last and last.kind == ")" and last.ends == start + at - 1 - #value then
			kind = "field"
		end
		words[#words + 1] = { kind = kind, value = value, ends = start + at - 1 }
	end
end

-- ---- Expressions: functions of a scope { dot =, root =, named = } ------------------------------------------

-- A scope of its own inside of another one.
local function within(scope, dot)
	return { dot = dot, root = scope.root, named = setmetatable({}, { __index = scope.named }) }
end

local function field(value, name, parser)
	if value == nil or value == core.null then
		return nil
	elseif type(value) ~= "table" then
		parser:refuse("a %s has no field .%s", type(value), name)
	end
	local found = value[name]
	if type(found) == "function" then
		return found, value
	end
	return found
end

function Parser:path(word)
	local base, rest = word.value:match "^(%$?[%a_]?[%w_]*)(.*)$"
	local names, at = {}, self.at
	for name in rest:gmatch "[%w_]+" do
		names[#names + 1] = name
	end
	local from
	local named = base:find "^%$." and base
	if named and not self.named[named] then
		self:refuse('no variable "%s"', named)
	elseif base ~= "" and base ~= "$" and not named then
		from = self:call(base, {})
	end
	return function(scope, ...)
		local value, rest_args = scope.dot, table.pack(...)
		if base == "$" then
			value = scope.root
		elseif named then
			value = scope.named[named]
		elseif from then
			value = from(scope)
		end
		for i, name in ipairs(names) do
			local this
			self.at = at
			value, this = field(value, name, self)
			if this and i == #names then
				value = value(this, table.unpack(rest_args, 1, rest_args.n))
			elseif this then
				value = value(this)
			elseif i == #names and rest_args.n > 0 then
				self:refuse(".%s takes no arguments", name)
			end
		end
		return value
	end
end

-- A function's name with arguments that are expressions.
function Parser:call(name, args)
	local f, at = self.functions[name], self.at
	if not f then
		local known = {}
		for one in pairs(self.functions) do
			known[#known + 1] = one
		end
		table.sort(known)
		self:refuse('no function "%s"%s', name, options.suggestion(name, known))
	end
	return function(scope, ...)
		local given = { n = #args }
		for i, arg in ipairs(args) do
			given[i] = arg(scope)
		end
		for i = 1, select("#", ...) do
			given.n = given.n + 1
			given[given.n] = (select(i, ...))
		end
		self.at = at
		local ok, result = pcall(f, table.unpack(given, 1, given.n))
		if not ok then
			if type(result) == "table" and result.code then
				error(result, 0)
			end
			self:refuse("%s: %s", name, (tostring(result):gsub("^[^:]*:%d+: ", "")))
		end
		return result
	end
end

local constants = { ["true"] = true, ["false"] = false }

function Parser:operand(words, i)
	local word = words[i]
	if word.kind == "(" then
		local inner, after = self:pipeline(words, i + 1)
		if not words[after] or words[after].kind ~= ")" then
			self:refuse "a ( is not closed"
		end
		after = after + 1
		if words[after] and words[after].kind == "field" then
			local path = self:path { value = words[after].value }
			return function(scope, ...) return path(within(scope, inner(scope)), ...) end, after + 1, true
		end
		return inner, after
	elseif word.kind == "value" then
		return function() return word.value end, i + 1
	elseif word.kind == "path" then
		return self:path(word), i + 1, true
	elseif word.kind == "name" and constants[word.value] ~= nil then
		return function() return constants[word.value] end, i + 1
	elseif word.kind == "name" and word.value == "nil" then
		return function() return nil end, i + 1
	elseif word.kind == "name" then
		return self:call(word.value, {}), i + 1, true
	end
	self:refuse('"%s" has no place here', tostring(word.value))
end

-- f x y
function Parser:command(words, i)
	local first = words[i]
	if not first or first.kind == "|" or first.kind == ")" then
		self:refuse "a value is missing"
	end
	local head, after, callable = self:operand(words, i)
	local args = {}
	while words[after] and words[after].kind ~= "|" and words[after].kind ~= ")" do
		args[#args + 1], after = self:operand(words, after)
	end
	if #args > 0 and not callable then
		self:refuse "what is no function takes no arguments"
	end
	if first.kind == "name" and callable then
		return self:call(first.value, args), after, true
	end
	return function(scope)
		local given = {}
		for k, arg in ipairs(args) do
			given[k] = arg(scope)
		end
		return head(scope, table.unpack(given, 1, #args))
	end, after, first.kind == "name" and callable
end

function Parser:pipeline(words, i)
	self.depth = self.depth + 1
	if self.depth > DEPTH_MAX then
		self:refuse "nested too deep"
	end
	local value, after = self:command(words, i)
	while words[after] and words[after].kind == "|" do
		local before = value
		local f, callable
		f, after, callable = self:command(words, after + 1)
		if not callable then
			self:refuse "behind | stands a function"
		end
		value = function(scope) return f(scope, before(scope)) end
	end
	self.depth = self.depth - 1
	return value, after
end

function Parser:expression(words, i)
	local value, after = self:pipeline(words, i)
	if words[after] then
		self:refuse('"%s" has no place here', tostring(words[after].value))
	end
	return value
end

-- ---- Blocks: functions of a scope that call put(text) ------------------------------------------------------

local function range(value, body, otherwise, scope, put)
	local keys = {}
	for key in pairs(type(value) == "table" and value or {}) do
		keys[#keys + 1] = key
	end
	table.sort(keys, function(a, b)
		if type(a) == type(b) then
			return a < b
		end
		return type(a) == "number"
	end)
	for _, key in ipairs(keys) do
		body(within(scope, value[key]), put)
	end
	if #keys == 0 then
		otherwise(scope, put)
	end
end

-- Up to end or else; which of them ended it, and its words.
function Parser:block(inside)
	local steps, outer = {}, self.named
	self.named = setmetatable({}, { __index = outer })
	self.depth = self.depth + 1
	if self.depth > DEPTH_MAX then
		self:refuse "nested too deep"
	end
	while true do
		local piece = self.pieces[self.piece]
		if not piece then
			if inside then
				self:refuse("%s has no end", inside)
			end
			break
		end
		self.piece = self.piece + 1
		if piece.text then
			steps[#steps + 1] = function(_, put) put(piece.text) end
		elseif not piece.comment then
			local words = self:words(piece.code, piece.at)
			local word = words[1] and words[1].kind == "name" and words[1].value
			if word == "end" or word == "else" then
				if not inside then
					self:refuse("%s without an if, with or range", word)
				end
				self.depth, self.named = self.depth - 1, outer
				return self:sequence(steps), words
			end
			steps[#steps + 1] = self:step(word, words)
		end
	end
	self.depth = self.depth - 1
	return self:sequence(steps)
end

function Parser:sequence(steps)
	return function(scope, put)
		for _, step in ipairs(steps) do
			step(scope, put)
		end
	end
end

function Parser:step(word, words)
	if word == "if" or word == "with" or word == "range" then
		return self:branch(word, self:expression(words, 2))
	elseif word == "template" or word == "define" or word == "block" or word == "break" or word == "continue" then
		self:refuse("%s is not supported", word)
	elseif words[2] and words[2].kind == ":=" and words[1].value:find "^%$%a[%w_]*$" then
		local name, value = words[1].value, self:expression(words, 3)
		self.named[name] = true
		return function(scope) scope.named[name] = value(scope) end
	end
	local at, value = self.at, self:expression(words, 1)
	return function(scope, put)
		local result = value(scope)
		if result == nil then
			self.at = at
			self:refuse("there is no value for {{ %s }}", self:source(at))
		end
		put(values.text(result))
	end
end

function Parser:source(at)
	local open = 1
	for _, piece in ipairs(self.pieces) do
		if piece.code and piece.at <= at then
			open = piece.code
		end
	end
	return tostring(open):gsub("^%s+", ""):gsub("%s+$", ""):sub(1, 60)
end

function Parser:branch(word, value)
	local body, words = self:block(word)
	local otherwise = function() end
	if words[1].value == "else" then
		if words[2] and words[2].value == "if" and word == "if" then
			otherwise = self:branch("if", self:expression(words, 3))
		elseif words[2] then
			self:refuse "else stands alone, or before if"
		else
			local last
			otherwise, last = self:block(word)
			if last[1].value ~= "end" then
				self:refuse "a second else"
			end
		end
	end
	return function(scope, put)
		local result = value(scope)
		if word == "range" then
			range(result, body, otherwise, scope, put)
		elseif values.is_empty(result) then
			otherwise(scope, put)
		else
			body(within(scope, word == "with" and result or scope.dot), put)
		end
	end
end

--- A function from a table to the text. opts: functions (more of them by name), name (of the template, for messages).
function template.compile(text, opts)
	want.text(text, "a template")
	opts = opts or {}
	options.check(opts, { "functions", "name" }, "option")
	local known = {}
	for name, f in pairs(values.functions) do
		known[name] = f
	end
	for name, f in pairs(opts.functions or {}) do
		known[name] = f
	end
	local parser = setmetatable({ text = text, at = 1, depth = 0, piece = 1, named = {}, functions = known,
		name = opts.name or "template" }, Parser)
	parser.pieces = parser:split()
	local body = parser:block()
	return function(data)
		local parts, size = {}, 0
		body({ dot = data, root = data, named = {} }, function(piece)
			size = size + #piece
			if size > OUTPUT_MAX then
				fail("too_large", "%s: gives more than %d bytes", parser.name, OUTPUT_MAX)
			end
			parts[#parts + 1] = piece
		end)
		return table.concat(parts)
	end
end

--- The text of a template with a table's values.
function template.render(text, data, opts)
	return template.compile(text, opts)(data)
end

return template
