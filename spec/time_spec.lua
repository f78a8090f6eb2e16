-- Not under the thread sanitizer.
-- Instants and ages.
local luff = require "luff"
local support = require "spec.support"
local time = require "luff.time"

describe("luff.time", function()
	it("reads RFC 3339", function()
		for text, seconds in pairs {
			["1970-01-01T00:00:00Z"] = 0, ["2024-02-29T12:30:05Z"] = 1709209805, ["2024-02-29T13:30:05+01:00"] = 1709209805,
			["2024-02-29t07:00:05-05:30"] = 1709209805, ["2024-02-29 12:30:05.000z"] = 1709209805,
			["2024-02-29T12:30:05.5Z"] = 1709209805.5, ["0001-01-01T00:00:00Z"] = -62135596800,
			["9999-12-31T23:59:59Z"] = 253402300799, ["2016-12-31T23:59:60Z"] = 1483228800,
		} do
			assert.equal(seconds, time.parse(text), text)
		end
		assert.equal("integer", math.type(time.parse "2024-02-29T12:30:05.000000000Z"))
	end)

	it("writes what it reads", function()
		for _, text in ipairs { "1970-01-01T00:00:00Z", "2024-02-29T12:30:05Z", "2000-12-31T23:59:59.25Z",
			"1969-12-31T23:59:59.5Z", "0000-03-01T00:00:00Z", "9999-12-31T23:59:59Z" } do
			assert.equal(text, time.format(time.parse(text)))
		end
		assert.equal("1970-01-01T00:00:02Z", time.format(1.9999999))
		assert.equal("1970-01-01T00:00:01Z", time.format(1.0))
	end)

	it("agrees with the C library about dates", function()
		for day = -200000, 200000, 997 do
			assert.equal(os.date("!%Y-%m-%dT%H:%M:%SZ", day * 86400 + 7), time.format(day * 86400 + 7))
		end
	end)

	it("refuses what is none", function()
		for _, text in ipairs { "", "yesterday", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z",
			"2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-01T24:00:00Z",
			"2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00",
			"2024-01-01", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+0100",
			"2024-01-01T00:00:00Zx", "2021-02-03 04:05:06 +0000 UTC" } do
			assert.equal("bad_format", support.fails(time.parse, text).code)
		end
		for _, value in ipairs { 0 / 0, math.huge, 253402300800, "now" } do
			assert.equal("invalid", support.fails(time.format, value).code)
		end
	end)

	it("reads ages", function()
		for text, seconds in pairs { ["90s"] = 90, ["30m"] = 1800, ["12h"] = 43200, ["30d"] = 2592000, ["2w"] = 1209600,
			["1h30m"] = 5400, ["1.5h"] = 5400, ["250ms"] = 0.25, [7] = 7 } do
			assert.equal(seconds, time.age(text))
		end
		assert.equal("integer", math.type(time.age "1.5h"))
		for _, text in ipairs { "", "30", "d", "1y", "-1d", "1d ", "1 d", "9999999999999d", -1, true } do
			assert.equal("invalid", support.fails(time.age, text).code)
		end
	end)

	it("waits, and lets other tasks go on", function()
		if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
			pending "tasks of Lua 5.1 run one after the other"
		end
		local order = {}
		luff.map({ 0.2, 0.01 }, function(seconds)
			time.sleep(seconds)
			order[#order + 1] = seconds
		end)
		assert.same({ 0.01, 0.2 }, order)
	end)

	it("compares instants with ages", function()
		local now = time.parse "2024-03-01T00:00:00Z"
		assert.equal("2024-02-29T00:00:00Z", time.format(time.ago("1d", now)))
		assert.is_true(time.older("2024-01-01T00:00:00Z", "30d", now))
		assert.is_false(time.older("2024-02-20T00:00:00Z", "30d", "2024-03-01T00:00:00Z"))
		assert.is_true(time.older(0, "30d"))
		assert.is_true(math.abs(time.now() - os.time()) < 60)
	end)
end)
