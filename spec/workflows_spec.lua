-- Not under sanitizers.
-- The scripts for what people do with registries week by week, each on one with 300 tags.
local luff = require "luff"
local support = require "spec.support"

local function ago(days)
	return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - days * 86400)
end

local server, other, app, address

local function put(place, tag, days)
	support.make_image(place .. ":" .. tag, { config = { created = ago(days), author = tag }, layers = {} })
end

local function start()
	server, other = luff.serve {}, luff.serve {}
	address = server:address()
	app = address .. "/team/app"
	local numbers = {}
	for i = 1, 60 do
		numbers[i] = i
	end
	luff.map(numbers, { jobs = 8 }, function(i)
		put(app, ("%d.%d"):format(1 + i // 30, i % 30), i)
		put(app, ("testing-202405%02d"):format(i), 100 - i)
		put(app, "ci-" .. i, i + 0.5)
		put(app, ("bkup-%s-%d"):format(i % 2 == 0 and "db" or "www", i), 100 - i)
		put(app, i % 6 == 0 and ("v1.%d.0-rc.1"):format(i) or ("v1.%d.%d"):format(i % 6, i), i)
	end)
end

local function stop()
	server:close()
	other:close()
end

local function run(script, ...)
	local result = support.luff("scripts/" .. script .. ".lua", ...)
	assert.equal(0, result.code, result.stderr)
	return result.stdout
end

-- The tags of a place that match, in one line.
local function tags(place, pattern)
	local list = {}
	for _, tag in ipairs(support.tags(place)) do
		list[#list + 1] = tag:match("^" .. (pattern or ".*") .. "$")
	end
	return table.concat(list, " ")
end

describe("scripts/, which leave what is there,", function()
	setup(start)
	teardown(stop)

	it("hold at most 25 lines each", function()
		for _, name in ipairs { "mirror-minors", "mirror-dated", "delete-old-builds", "prune-backups", "mirror-releases",
			"weekly-retention", "ci-retention", "same-digest", "tag-versions", "carry-bundle", "promote-signed",
			"find-package", "report-registry" } do
			local _, lines = support.read("scripts/" .. name .. ".lua"):gsub("\n", "")
			assert.is_true(lines <= 25, name)
		end
	end)

	it("mirror-minors.lua mirrors the newest lines", function()
		assert.equal(300, #support.tags(app))
		run("mirror-minors", other:address() .. "/hub", app)
		assert.equal("2.28 2.29 3.0", tags(other:address() .. "/hub/team/app"))
	end)

	it("mirror-dated.lua mirrors the newest dates, and drops older ones", function()
		local to = other:address() .. "/debian"
		put(to, "testing-20240101", 1)
		put(to, "stable", 1)
		run("mirror-dated", app, to, "testing-")
		assert.equal("stable testing-20240558 testing-20240559 testing-20240560", tags(to))
	end)

	it("mirror-releases.lua copies releases to several registries", function()
		local a, b = other:address() .. "/a", other:address() .. "/b"
		run("mirror-releases", app, a, b)
		local all = tags(a .. "/team-app")
		assert.equal(all, tags(b .. "/team-app"))
		assert.equal(110, #support.tags(a .. "/team-app")) -- 60 "MAJOR.MINOR", 50 that are no candidates
		assert.is_nil(all:find("rc", 1, true))
	end)

	it("tag-versions.lua tags lines with their newest version", function()
		run("tag-versions", app)
		assert.equal("v1 v1.1 v1.2 v1.3 v1.4 v1.5", tags(app, "v[%d.]+"):gsub("v%d+%.%d+%.%d+ ?", ""):gsub(" $", ""))
		assert.equal(luff.resolve(app .. ":v1.5.59").digest, luff.resolve(app .. ":v1").digest)
		assert.equal(luff.resolve(app .. ":v1.1.55").digest, luff.resolve(app .. ":v1.1").digest)
	end)

	it("same-digest.lua tells which version a tag is", function()
		luff.tag(app .. ":2.5", "newest")
		assert.equal("2.5\n", run("same-digest", app .. ":newest"))
	end)
end)

describe("scripts/, which delete,", function()
	before_each(start)
	after_each(stop)

	it("delete-old-builds.lua deletes builds by their age", function()
		run("delete-old-builds", app, "51d")
		assert.equal(300, #support.tags(app))
		run("delete-old-builds", app, "51d", "really")
		assert.equal(290, #support.tags(app))
		assert.equal("ci-50", tags(app, "ci%-50"))
		assert.equal("", tags(app, "ci%-51"))
	end)

	it("prune-backups.lua keeps the newest backups of each name", function()
		put(address .. "/other", "v1", 1)
		run("prune-backups", address)
		assert.equal("bkup-db-56 bkup-db-58 bkup-db-60 bkup-www-55 bkup-www-57 bkup-www-59", tags(app, "bkup.*"))
		assert.equal(246, #support.tags(app))
		assert.equal("v1", tags(address .. "/other"))
	end)

	it("weekly-retention.lua keeps some names and the newest", function()
		local place = address .. "/home"
		for i = 1, 5 do
			put(place, "b" .. i, i)
		end
		put(place, "latest", 90)
		support.make_index(place .. ":multi", { "linux/s390x", "linux/arm64" }, { config = { created = ago(1.5) } })
		run("weekly-retention", address)
		assert.equal(7, #support.tags(place))
		run("weekly-retention", address, "really")
		assert.equal("b1 latest multi", tags(place))
		assert.equal(2, #support.tags(app))
	end)

	it("ci-retention.lua keeps the newest of each branch, and what is young", function()
		run("ci-retention", app, "really")
		assert.equal("ci-1 ci-2 ci-3 ci-4 ci-5 ci-6", tags(app, "ci.*"))
		assert.equal("bkup-www-51 bkup-www-53 bkup-www-55 bkup-www-57 bkup-www-59", tags(app, "bkup%-www.*"))
		assert.equal(60, select(2, tags(app, "%d+%.%d+"):gsub("%S+", "")))
	end)
end)
