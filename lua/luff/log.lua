-- Lines on stderr of what a script does: log.info("copied", { tag = "v1" }). Levels are debug, info, warn and error; what is
-- below the level that was set (info at first) is not written.
--	2024-05-01T12:00:00Z INFO copied tag=v1                                     format = "text"
--	{"level":"info","msg":"copied","tag":"v1","time":"2024-05-01T12:00:00Z"}     format = "json"
local core = require "luff.core"
local fail = require "luff.fail"
local options = require "luff.options"
local terminal = require "luff.terminal"
local time = require "luff.time"
local want = require "luff.want"

local log = {}

local levels = { debug = 1, info = 2, warn = 3, error = 4 }
local names = { "debug", "info", "warn", "error" }
local settings = { level = "info", format = "text", write = require("luff.progress").say }

--- How lines are written from now on: level, format ("text" or "json"), write (a function of a line).
function log.set(opts)
	options.check(opts, { "level", "format", "write" }, "option")
	if opts.level ~= nil and not levels[opts.level] then
		fail("invalid", 'no level of a log: "%s"%s', tostring(opts.level), options.suggestion(opts.level, names))
	elseif opts.format ~= nil and opts.format ~= "text" and opts.format ~= "json" then
		fail("invalid", 'a log is "text" or "json", not "%s"', tostring(opts.format))
	elseif opts.write ~= nil and type(opts.write) ~= "function" then
		fail("invalid", "write is a function of a line")
	end
	for name, value in pairs(opts) do
		settings[name] = value
	end
end

local function sorted(fields)
	local list = {}
	for name in pairs(fields) do
		list[#list + 1] = tostring(name)
	end
	table.sort(list)
	return list
end

-- What JSON holds as it is, anything else as its text.
local function plain(value)
	local ok, text = pcall(core.encode, value)
	return ok and core.decode(text) or (tostring(value):gsub("[\128-\255]", "?"))
end

local function text_of(value)
	local text = terminal.printable(tostring(value))
	return (text == "" or text:find '[%s"=]') and '"' .. text:gsub('[\\"]', "\\%0") .. '"' or text
end

local function write(level, message, fields)
	fields = want.table(fields == nil and {} or fields, "fields of a log")
	if levels[level] < levels[settings.level] then
		return
	end
	local now = time.format(time.now())
	if settings.format == "json" then
		local line = {}
		for name, value in pairs(fields) do
			line[tostring(name)] = plain(value)
		end
		line.time, line.level, line.msg = now, level, plain(tostring(message))
		return settings.write(core.encode(line))
	end
	local parts = { now, level:upper(), terminal.printable(tostring(message)) }
	for _, name in ipairs(sorted(fields)) do
		parts[#parts + 1] = terminal.printable(name) .. "=" .. text_of(fields[name])
	end
	settings.write(table.concat(parts, " "))
end

--- Write a line: log.warn("not there", { tag = tag }).
function log.debug(message, fields) write("debug", message, fields) end
function log.info(message, fields) write("info", message, fields) end
function log.warn(message, fields) write("warn", message, fields) end
function log.error(message, fields) write("error", message, fields) end

return log
