-- What moves, of copies or of all calls, on stderr: on a terminal one moving line for each running blob and one for all of it,
-- elsewhere plain lines, a few; or lines of JSON. Never on stdout.
--
--	local progress <close> = require("luff.progress").new()
--	luff.copy(src, dst, { progress = progress:watch() }) -- or progress:hear(), and any calls
local core = require "luff.core"
local options = require "luff.options"
local terminal = require "luff.terminal"

local progress = {}

local shown -- the one whose lines move on the terminal

local Progress = {}
Progress.__index = Progress

local frame = 0.1 -- seconds between two pictures on a terminal
local patience = 10 -- seconds before a plain line tells that a blob is still moving
local often = 1 -- seconds between two events of a blob that is moving, as JSON
local most = 8 -- running blobs with a line of their own

local kinds = {
	{ "^application/vnd%.oci%.image%.config", "config" },
	{ "^application/vnd%.docker%.container%.image", "config" },
	{ "%.layer%.", "layer" },
	{ "%.rootfs%.", "layer" },
}

local function kind_of(media_type)
	for _, kind in ipairs(kinds) do
		if media_type and media_type:find(kind[1]) then
			return kind[2]
		end
	end
	return "blob"
end

--- What commands understand that copy, beside --quiet.
progress.option = { name = "progress", value = "HOW",
	help = "plain (lines), json (events) or none; else bars on a terminal" }

local hows = { "plain", "json", "none" }

--- As a command's options want it: nil for nothing.
function progress.of(opts)
	local how = opts.progress
	if how and not (how == "plain" or how == "json" or how == "none") then
		options.fail('--progress wants plain, json or none, not "%s"%s', how, options.suggestion(how, hows))
	elseif how == "none" or opts.quiet then
		return nil
	end
	return progress.new { columns = how and false or nil, json = how == "json" }
end

--- The same for commands that print a line for each image: elsewhere than on a terminal those lines are enough, unless somebody
-- asks for more.
function progress.beside_lines(opts)
	return (opts.progress or terminal.columns "stderr") and progress.of(opts) or nil
end

--- And for those that move something before they print what came of it: bars on a terminal, all that is asked for elsewhere.
function progress.hear(opts)
	local bars = progress.beside_lines(opts)
	return bars and bars:hear()
end

--- Before more is printed. bars: what progress.hear() gave.
function progress.settle(bars)
	if bars then
		bars:close()
	end
end

--- opts: stream (a file, stderr), columns (of the terminal; false: none), json (lines of JSON), now (clock in seconds).
function progress.new(opts)
	opts = opts or {}
	local columns = opts.columns
	if columns == nil then
		columns = terminal.columns "stderr"
	end
	local self = setmetatable({
		stream = opts.stream or io.stderr,
		now = opts.now or core.clock,
		columns = columns or nil,
		json = opts.json,
		unicode = terminal.unicode(),
		running = {}, -- blobs in the order in which they started
		found = 0, settled = 0, moving = 0, -- bytes of all blobs, of those that are there, of those that run so far
		arrived = 0, samples = {}, -- bytes that ever arrived, for the rate
		drawn = 0, -- lines of the picture on the terminal
		painted = -math.huge,
	}, Progress)
	shown = columns and self or shown
	return self
end

--- Writes a line to stderr that stays there, above what moves.
function progress.say(line)
	if shown then
		shown:paint(line)
	else
		io.stderr:write(line, "\n")
	end
end

-- Rate over the last seconds: a line through the first and last of some samples.
local function rate_of(samples)
	local first, last = samples[1], samples[#samples]
	if not first or last.at - first.at < 0.2 then
		return nil
	end
	return (last.bytes - first.bytes) / (last.at - first.at)
end

local function sample(samples, at, bytes)
	local last = samples[#samples]
	if not last or at - last.at >= 0.2 then
		samples[#samples + 1] = { at = at, bytes = bytes }
		if #samples > 20 then
			table.remove(samples, 1)
		end
	end
end

local function duration(seconds)
	seconds = math.ceil(seconds)
	if seconds < 60 then
		return ("%d s"):format(seconds)
	elseif seconds < 3600 then
		return ("%d min %02d s"):format(seconds // 60, seconds % 60)
	end
	return ("%d h %02d min"):format(seconds // 3600, seconds % 3600 // 60)
end

function Progress:bar(part, width)
	local full, empty = self.unicode and "━" or "#", self.unicode and "─" or "-"
	local n = math.floor(math.max(0, math.min(1, part)) * width)
	return full:rep(n) .. empty:rep(width - n)
end

-- Seconds until the rest has come, nil where nobody can say.
local function time_left(rate, rest)
	return rate and rate > 0 and rest > 0 and rest / rate or nil
end

-- "sha256:ab12cd34ef56 layer   ━━━━━━────── 12.3 MB of 29.3 MB  10.2 MB/s  2 s": as wide as the terminal, never wider.
function Progress:line(label, bytes, size, rate, left)
	local tail = ("%9s of %-9s"):format(terminal.size(bytes), terminal.size(size))
	tail = tail .. ("%12s"):format(rate and terminal.size(rate) .. "/s" or "")
	if self.columns >= 100 then
		tail = tail .. ("%13s"):format(left and duration(left) or "")
	end
	local width = math.min(40, self.columns - 1 - 29 - 2 - #tail)
	if width < 8 then
		return (("%-28s %s"):format(label, tail)):sub(1, self.columns - 1)
	end
	return ("%-28s %s %s"):format(label, self:bar(size > 0 and bytes / size or 1, width), tail)
end

function Progress:picture()
	local lines = {}
	for i, blob in ipairs(self.running) do
		if i > most then
			lines[#lines + 1] = ("and %d more"):format(#self.running - most)
			break
		end
		local rate = rate_of(blob.samples)
		lines[#lines + 1] = self:line(blob.label, blob.bytes, blob.size, rate, time_left(rate, blob.size - blob.bytes))
	end
	if #self.running > 0 then
		local rate = rate_of(self.samples)
		local have = self.settled + self.moving
		local left = time_left(rate, self.found - have)
		lines[#lines + 1] = self:line("all" .. (left and (", %s left"):format(duration(left)) or ""), have,
			math.max(self.found, have), rate)
	end
	return lines
end

-- Replaces the picture by lines that stay and a new picture below them, in one write.
function Progress:paint(...)
	local out = { self.drawn > 0 and ("\27[%dA\r"):format(self.drawn) or "" }
	for _, line in ipairs { ... } do
		out[#out + 1] = line .. "\27[K\n"
	end
	local lines = self:picture()
	for _, line in ipairs(lines) do
		out[#out + 1] = line .. "\27[K\n"
	end
	out[#out + 1] = "\27[J"
	self.drawn, self.painted = #lines, self.now()
	self.stream:write(table.concat(out))
	self.stream:flush()
end

local words = { done = "copied", skipped = "was there", mounted = "mounted", read = "read" }

-- A line of JSON: what happened to a blob, and how far all of it is. Rates are bytes and times are seconds.
function Progress:emit(event, blob)
	local rate = rate_of(self.samples)
	local have = self.settled + self.moving
	local line = core.encode {
		event = event, digest = blob.digest, mediaType = blob.media_type, size = blob.size, bytes = blob.bytes,
		rate = rate_of(blob.samples), all = { bytes = have, size = math.max(self.found, have), rate = rate,
			left = time_left(rate, self.found - have) },
	}
	self.stream:write(line, "\n")
end

--- What came of it in the end: as JSON, else as the text.
function Progress:sum_up(result, text)
	if self.json then
		self.stream:write(core.encode { event = "end", digest = result.digest, copied = result.copied,
			skipped = result.skipped, mounted = result.mounted, bytes = result.bytes, kept = result.kept,
			manifests = result.manifests }, "\n")
	else
		self.stream:write(text)
	end
end

function Progress:tell(blob, word)
	local line = ("%-28s %9s  %s"):format(blob.label, terminal.size(blob.size), word)
	if self.columns then
		self:paint(line)
	else
		self.stream:write(line, "\n")
	end
end

function Progress:find(copy, digest)
	for i, blob in ipairs(self.running) do
		if blob.copy == copy and blob.digest == digest then
			return blob, i
		end
	end
end

function Progress:start(blob, now)
	table.insert(self.running, blob)
	sample(blob.samples, now, 0)
	sample(self.samples, now, self.arrived)
end

function Progress:advance(blob, bytes, now)
	blob.bytes, self.moving, self.arrived = blob.bytes + bytes, self.moving + bytes, self.arrived + bytes
	sample(blob.samples, now, blob.bytes)
	sample(self.samples, now, self.arrived)
	if self.json then
		if now - blob.told >= often then
			blob.told = now
			self:emit("bytes", blob)
		end
	elseif not self.columns and now - blob.told >= patience then
		blob.told = now
		self.stream:write(("%-28s %9s  of %s\n"):format(blob.label, terminal.size(blob.bytes), terminal.size(blob.size)))
	end
end

function Progress:event(copy, event)
	local now = self.now()
	local blob, at = self:find(copy, event.digest)
	if event.total and event.total > copy.total then
		self.found, copy.total = self.found + event.total - copy.total, event.total
	end
	if at and event.kind ~= "bytes" and event.kind ~= "kept" then
		-- It is there, or it begins again.
		table.remove(self.running, at)
		self.moving = self.moving - blob.bytes
	end
	if event.total == 0 and (event.kind == "start" or event.kind == "left") then
		self.found = self.found + (event.kind == "start" and event.size or -event.size)
	end
	if not at or event.kind == "start" then
		blob = {
			copy = copy, digest = event.digest, size = event.size, bytes = 0, samples = {}, told = now,
			media_type = event.media_type,
			label = terminal.short(event.digest) .. " " .. kind_of(event.media_type),
		}
	end
	if event.kind == "start" then
		if event.total == 0 and #self.running == 0 then
			self.painted = math.max(self.painted, now) -- what was read at once needs no picture
		end
		self:start(blob, now)
	elseif event.kind == "kept" and at then
		blob.bytes, self.moving, blob.samples = blob.bytes + event.bytes, self.moving + event.bytes, {}
		sample(blob.samples, now, blob.bytes)
	elseif event.kind == "bytes" and at then
		self:advance(blob, event.bytes, now)
	elseif words[event.kind] then
		self.settled = self.settled + blob.size
		-- what is read stays nowhere: on a terminal no line of it does
		if not self.json and not (self.columns and event.kind == "read") then
			self:tell(blob, words[event.kind])
		end
	end
	if self.json and event.kind ~= "bytes" then
		self:emit(event.kind, blob)
	end
	if self.columns and now - self.painted >= frame then
		self:paint()
	end
end

--- Calls f, which writes elsewhere, while nothing of the picture is on the terminal.
function Progress:aside(f, ...)
	if self.drawn > 0 then
		self.stream:write(("\27[%dA\r\27[J"):format(self.drawn))
		self.stream:flush()
		self.drawn = 0
	end
	f(...)
	if self.columns then
		self:paint()
	end
end

--- The function that one luff.copy calls; several copies may share the picture, each with a function of its own.
function Progress:watch()
	local copy = { total = 0 }
	return function(event)
		self:event(copy, event)
	end
end

--- Until it is closed, it shows what any call moves.
function Progress:hear()
	self.hears, self.before = true, core.on_progress(self:watch())
	return self
end

--- Takes the moving lines away; what stays are the lines of the blobs that are done.
function Progress:close()
	if self.hears then
		core.on_progress(self.before)
		self.hears = nil
	end
	self.running = {}
	shown = shown ~= self and shown or nil
	if self.drawn > 0 then
		self:paint()
	end
end
Progress.__close = Progress.close

return progress
