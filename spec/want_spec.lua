-- What functions say that were given something else than they want.
require "luff"
local support = require "spec.support"

describe("Arguments of the wrong type", function()
	it("are refused in a line that says what is wanted", function()
		local glob, log, semver = require "luff.glob", require "luff.log", require "luff.semver"
		local select, template = require "luff.select", require "luff.template"
		for message, call in pairs {
			["a version: a text is wanted, not nothing"] = { semver.parse, nil },
			["a range of versions: a text is wanted, not nothing"] = { semver.range, nil },
			["a template: a text is wanted, not nothing"] = { template.render, nil, {} },
			["rules of tags: a table is wanted, not nothing"] = { select, nil },
			["rules of tags: a table is wanted, not a number"] = { select, 5 },
			["fields of a log: a table is wanted, not a number"] = { log.info, "x", 5 },
			['a pattern of "x": a text is wanted, not a number'] = { glob.any, "x", { 5 } },
			["a pattern: a text is wanted, not nothing"] = { glob.matcher, nil },
		} do
			local err = support.fails(table.unpack(call, 1, 3))
			assert.equal("invalid", err.code)
			assert.equal(message, err.message)
		end
	end)
end)
