-- Not under the thread sanitizer.
-- When something is due.
require "luff"
local schedule = require "luff.schedule"
local support = require "spec.support"

local function at(year, month, day, hour, min)
	return os.time { year = year, month = month, day = day, hour = hour, min = min, sec = 0 }
end

describe("luff.schedule", function()
	it("knows cron's fields", function()
		local from = at(2024, 5, 15, 10, 7) + 30 -- a Wednesday
		for text, want in pairs {
			["* * * * *"] = at(2024, 5, 15, 10, 8), ["*/15 * * * *"] = at(2024, 5, 15, 10, 15), ["5 * * * *"] = at(2024, 5, 15,
			11, 5),
			["0 2 * * *"] = at(2024, 5, 16, 2, 0), ["30 9-17/4 * * *"] = at(2024, 5, 15, 13, 30), ["0 0 1 jan *"] = at(2025, 1,
			1, 0, 0),
			["0 0 29 2 *"] = at(2028, 2, 29, 0, 0), ["0 0 * * sun"] = at(2024, 5, 19, 0, 0), ["0 0 20 * fri"] = at(2024, 5, 17,
			0, 0),
			["0 12 1,16 * ?"] = at(2024, 5, 16, 12, 0), ["@hourly"] = at(2024, 5, 15, 11, 0), ["@monthly"] = at(2024, 6, 1, 0,
			0),
			["@every 90m"] = from + 5400,
		} do
			assert.equal(want, schedule.parse(text)(from), text)
		end
		assert.is_nil(schedule.parse "0 0 31 2 *" (from))
	end)

	it("refuses what is none", function()
		for _, text in ipairs { "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
			"* * * * 7",
			"5-1 * * * *", "*/0 * * * *", "a * * * *", "1, * * * *", "@never", "@every", "@every 1", "@every 100ms",
			"1/ * * * *" } do
			assert.equal("invalid", support.fails(schedule.parse, text).code)
		end
	end)
end)
