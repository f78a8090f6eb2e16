-- Not under the thread sanitizer.
-- Progress: what a terminal shows after a copy's events, and what a file gets.
require "luff"
local progress = require "luff.progress"
local terminal = require "luff.terminal"

local layer = "application/vnd.oci.image.layer.v1.tar+gzip"
local config = "application/vnd.oci.image.config.v1+json"

local function digest(letter)
	return "sha256:" .. letter:rep(64)
end

-- A Progress on a screen (or a file, where columns is false) with a clock that the test moves.
local function start(columns, json)
	local at = { text = "", now = 100 }
	function at:write(...)
		self.text = self.text .. table.concat { ... }
		return self
	end
	function at:flush() end
	at.progress = progress.new { stream = at, columns = columns, json = json, now = function() return at.now end }
	at.watch = at.progress:watch()
	return at
end

-- What the lines of a terminal are after the text: only what Progress uses is understood.
local function screen(text)
	local lines, row = {}, 1
	while text ~= "" do
		local up = text:match "^\27%[(%d+)A\r"
		if up then
			row = row - tonumber(up)
			assert.is_true(row >= 1)
			text = text:gsub("^\27%[%d+A\r", "")
		elseif text:find "^\27%[J" then
			for i = row, #lines do
				lines[i] = nil
			end
			text = text:sub(4)
		else
			local line = text:match "^([^\27\n]*)\27%[K\n"
			assert.truthy(line, ("not understood: %q"):format(text))
			lines[row] = line
			row = row + 1
			text = text:sub(#line + 5)
		end
	end
	return lines
end

describe("Progress in a file", function()
	it("is a line for each blob that is settled", function()
		local at = start(false)
		at.watch { kind = "skipped", digest = digest "a", size = 1234, media_type = config, total = 1234 }
		at.watch { kind = "start", digest = digest "b", size = 29300000, media_type = layer, total = 29301234 }
		at.watch { kind = "bytes", digest = digest "b", size = 29300000, media_type = layer, bytes = 29300000,
			total = 29301234 }
		at.watch { kind = "done", digest = digest "b", size = 29300000, media_type = layer, total = 29301234 }
		at.watch { kind = "mounted", digest = digest "c", size = 0, media_type = "text/plain", total = 29301234 }
		at.progress:close()
		assert.equal("sha256:aaaaaaaaaaaa config      1.2 kB  was there\n"
			.. "sha256:bbbbbbbbbbbb layer      29.3 MB  copied\n"
			.. "sha256:cccccccccccc blob           0 B  mounted\n", at.text)
	end)

	it("tells now and then that a large blob is still moving", function()
		local at = start(false)
		at.watch { kind = "start", digest = digest "a", size = 10 ^ 9 // 1, media_type = layer, total = 10 ^ 9 // 1 }
		for _ = 1, 50 do
			at.now = at.now + 0.5
			at.watch { kind = "bytes", digest = digest "a", size = 10 ^ 9 // 1, media_type = layer, bytes = 10 ^ 6 // 1,
				total = 10 ^ 9 // 1 }
		end
		assert.equal("sha256:aaaaaaaaaaaa layer      20.0 MB  of 1.0 GB\n"
			.. "sha256:aaaaaaaaaaaa layer      40.0 MB  of 1.0 GB\n", at.text)
	end)

	it("has no control characters, whatever a registry says", function()
		local at = start(false)
		at.watch { kind = "skipped", digest = "sha256:\27]0;title\7\nfoo", size = 1, media_type = "\27[2J", total = 1 }
		at.progress:close()
		assert.is_nil(at.text:gsub("\n$", ""):find "%c")
	end)
end)

describe("Progress as JSON", function()
	it("is an event in each line, of a moving blob one a second, and one in the end", function()
		local at = start(false, true)
		at.watch { kind = "skipped", digest = digest "a", size = 1000, media_type = config, total = 1000 }
		at.watch { kind = "start", digest = digest "b", size = 1000000, media_type = "\27[2J", total = 1001000 }
		for _ = 1, 20 do
			at.now = at.now + 0.25
			at.watch { kind = "bytes", digest = digest "b", size = 1000000, media_type = layer, bytes = 25000,
				total = 1001000 }
		end
		at.watch { kind = "done", digest = digest "b", size = 1000000, media_type = layer, total = 1001000 }
		at.progress:close()
		at.progress:sum_up({ digest = digest "c", copied = 1, skipped = 1, bytes = 1000000 }, "not this")
		local kinds, events = {}, {}
		for line in at.text:gmatch "([^\n]*)\n" do
			events[#events + 1] = require("luff").json.decode(line)
			kinds[#kinds + 1] = events[#events].event
		end
		assert.equal("skipped start bytes bytes bytes bytes bytes done end", table.concat(kinds, " "))
		local moving = events[4]
		assert.equal(digest "b", moving.digest)
		assert.same({ 1000000, 200000 }, { moving.size, moving.bytes })
		assert.is_true(moving.rate > 90000 and moving.rate < 110000, moving.rate)
		assert.same({ 201000, 1001000 }, { moving.all.bytes, moving.all.size })
		assert.is_true(moving.all.left > 7 and moving.all.left < 9, moving.all.left)
		assert.same({ event = "end", digest = digest "c", copied = 1, skipped = 1, bytes = 1000000 }, events[9])
		assert.is_nil(at.text:find "\27")
	end)
end)

describe("Progress on a terminal", function()
	local function moved(at, letter, bytes, size)
		at.watch { kind = "bytes", digest = digest(letter), size = size, media_type = layer, bytes = bytes, total = 3000000 }
	end

	it("has a line for each running blob and one for all", function()
		local at = start(100)
		at.watch { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 3000000 }
		at.watch { kind = "start", digest = digest "b", size = 2000000, media_type = layer, total = 3000000 }
		for _ = 1, 4 do
			at.now = at.now + 0.25
			moved(at, "a", 100000, 1000000)
			moved(at, "b", 200000, 2000000)
		end
		at.now = at.now + 0.25
		moved(at, "a", 0, 1000000)
		local lines = screen(at.text)
		assert.equal(3, #lines)
		assert.truthy(lines[1]:find("^sha256:aaaaaaaaaaaa layer .* 400.0 kB of 1.0 MB .* kB/s"), lines[1])
		assert.truthy(lines[2]:find("^sha256:bbbbbbbbbbbb layer .* 800.0 kB of 2.0 MB .* kB/s"), lines[2])
		assert.truthy(lines[3]:find("^all, 2 s left .* 1.2 MB of 3.0 MB .* kB/s"), lines[3])
		assert.truthy(lines[1]:find " 2 s$", lines[1])
		local full = terminal.unicode() and "━" or "#"
		assert.equal(select(2, lines[1]:gsub(full, "")), select(2, lines[2]:gsub(full, "")))
	end)

	it("counts what was kept of an earlier copy, but not as speed", function()
		local at = start(100)
		at.watch { kind = "start", digest = digest "a", size = 2000000, media_type = layer, total = 3000000 }
		at.watch { kind = "kept", digest = digest "a", bytes = 1500000, size = 2000000, media_type = layer, total = 3000000 }
		for _ = 1, 4 do
			at.now = at.now + 0.25
			moved(at, "a", 100000, 2000000)
		end
		local lines = screen(at.text)
		assert.truthy(lines[1]:find("1.9 MB of 2.0 MB .* 400.0 kB/s"), lines[1])
		assert.truthy(lines[2]:find("^all, 3 s left .* 1.9 MB of 3.0 MB .* 400.0 kB/s"), lines[2])
	end)

	it("leaves a line for what is done, and no moving line at its end", function()
		local at = start(100)
		at.watch { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 3000000 }
		at.watch { kind = "start", digest = digest "b", size = 2000000, media_type = layer, total = 3000000 }
		moved(at, "a", 1000000, 1000000)
		at.watch { kind = "done", digest = digest "a", size = 1000000, media_type = layer, total = 3000000 }
		local lines = screen(at.text)
		assert.equal(3, #lines)
		assert.equal("sha256:aaaaaaaaaaaa layer       1.0 MB  copied", lines[1])
		assert.truthy(lines[3]:find "^all.* 1.0 MB of 3.0 MB")
		at.progress:close()
		assert.same({ lines[1] }, screen(at.text))
	end)

	it("is drawn at most ten times a second", function()
		local at = start(100)
		at.watch { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 3000000 }
		local _, before = at.text:gsub("\27%[J", "")
		for _ = 1, 1000 do
			at.now = at.now + 0.001
			moved(at, "a", 1000, 1000000)
		end
		local _, after = at.text:gsub("\27%[J", "")
		assert.is_true(after - before >= 8 and after - before <= 11, after - before)
	end)

	it("is never wider than the terminal", function()
		for _, columns in ipairs { 20, 40, 60, 80, 81, 120, 300 } do
			local at = start(columns)
			for i = 1, 12 do
				at.watch { kind = "start", digest = digest(("%x"):format(i)), size = 10 ^ 12 // 1, media_type = layer,
					total = 12 * 10 ^ 12 // 1 }
			end
			at.now = at.now + 1
			moved(at, "1", 10 ^ 11 // 1, 10 ^ 12 // 1)
			local lines = screen(at.text)
			assert.equal(10, #lines)
			assert.equal("and 4 more", lines[9])
			for _, line in ipairs(lines) do
				assert.is_true(utf8.len(line) < columns, line)
			end
		end
	end)

	it("adds up several copies, even of the same blob", function()
		local at = start(100)
		local other = at.progress:watch()
		local event = { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 1000000 }
		at.watch(event)
		other(event)
		at.now = at.now + 1
		other { kind = "bytes", digest = digest "a", size = 1000000, media_type = layer, bytes = 500000, total = 1000000 }
		local lines = screen(at.text)
		assert.equal(3, #lines)
		assert.truthy(lines[1]:find " 0 B of 1.0 MB")
		assert.truthy(lines[2]:find "500.0 kB of 1.0 MB")
		assert.truthy(lines[3]:find "500.0 kB of 2.0 MB")
		other { kind = "done", digest = digest "a", size = 1000000, media_type = layer, total = 1000000 }
		assert.truthy(screen(at.text)[2]:find "0 B of 1.0 MB")
		assert.truthy(screen(at.text)[3]:find "1.0 MB of 2.0 MB")
	end)

	it("makes room for what is written elsewhere", function()
		local at = start(100)
		at.watch { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 1000000 }
		assert.equal(2, #screen(at.text))
		local seen
		at.progress:aside(function(word)
			seen = word
			-- the picture is gone
			assert.truthy(at.text:find "\27%[2A\r\27%[J$")
			at.text = ""
		end, "x")
		assert.equal("x", seen)
		assert.equal(2, #screen(at.text))
	end)

	it("counts a blob that begins again once", function()
		local at = start(100)
		local event = { kind = "start", digest = digest "a", size = 1000000, media_type = layer, total = 1000000 }
		at.watch(event)
		moved(at, "a", 900000, 1000000)
		at.now = at.now + 1
		at.watch(event)
		assert.truthy(screen(at.text)[2]:find "^all.* 0 B of")
	end)
end)
