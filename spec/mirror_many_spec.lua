-- Not under sanitizers.
-- A mirror of many repositories with every rule of selection, killed and continued, pruned, beside a model of what it should
-- be that is computed here on its own.
local luff = require "luff"
local support = require "spec.support"

local REPOSITORIES, DAY = 60, 86400

-- What each repository holds: 20 tags, of which some are the same image. made: days ago.
local tags = {}
for i = 1, 12 do
	tags[i] = { tag = ("1.%d.%d"):format(i % 4, i), made = 5 * i }
end
for _, extra in ipairs {
	{ "2.0.0", 1 }, { "2.0.0-rc.1", 3 }, { "2.1.0-alpine", 2 }, { "1.9.0-alpine", 80 }, { "edge", 0 }, { "latest", 1 },
	{ "nightly-1", 100 }, { "nightly-2", nil },
} do
	tags[#tags + 1] = { tag = extra[1], made = extra[2] }
end

-- Rules, and the tags that they mean, found without luff.
local rules = {
	{ "all", {}, function() return true end },
	{ "patterns", { allow = { "1.*", "edge" }, deny = { "*-alpine", "1.0.*" } }, function(t)
		return (t.tag == "edge" or t.tag:find "^1%.") and not t.tag:find "%-alpine$" and not t.tag:find "^1%.0%."
	end },
	{ "range", { semver = ">=1.2 <2" }, function(t)
		local minor = tonumber(t.tag:match "^1%.(%d+)%.%d+$")
		return minor and minor >= 2
	end },
	-- i % 4 is the minor, i the patch: the newest of each are the last four.
	{ "lines", { per = "minor", semver = "1" }, function(t)
		return ({ ["1.0.12"] = true, ["1.1.9"] = true, ["1.2.10"] = true, ["1.3.11"] = true })[t.tag]
	end },
	{ "newest", { semver = "*", newest = 3 }, function(t)
		return ({ ["2.0.0"] = true, ["1.3.11"] = true, ["1.3.7"] = true })[t.tag]
	end },
	{ "suffix", { suffix = "-alpine", newest = 1 }, function(t) return t.tag == "2.1.0-alpine" end },
	{ "young", { newer_than = "31d" }, function(t) return t.made and t.made <= 30 end },
	{ "old", { older_than = 41 * DAY, deny = "nightly-*" }, function(t)
		return t.made and t.made > 41 and not t.tag:find "^nightly"
	end },
	{ "made", { by = "created", newest = 4 }, function(t)
		return ({ edge = true, latest = true, ["2.0.0"] = true, ["2.1.0-alpine"] = true })[t.tag]
	end },
	{ "renamed", { allow = "1.?.*" }, function(t) return t.tag:find "^1%.%d%." end, { "^1%.", "one-" } },
}

describe("luff mirror of many repositories", function()
	it("is what a model says, killed and continued and pruned", function()
		local from <close> = luff.serve {}
		local to <close> = luff.serve {}
		local a, b = from:address(), to:address()
		local now = os.time()
		-- One set of images, tagged in each repository; each its own config.
		local images = {}
		for _, t in ipairs(tags) do
			images[t.tag] = support.make_image("memory:many:" .. t.tag, { layers = { support.tar { tag = t.tag } }, config = {
				author = t.tag, created = t.made and os.date("!%Y-%m-%dT%H:%M:%SZ", now - t.made * DAY) } })
		end
		images.latest = images.edge
		local numbers = {}
		for i = 1, REPOSITORIES do
			numbers[i] = i
		end
		luff.map(numbers, { jobs = 8 }, function(i)
			for _, t in ipairs(tags) do
				luff.copy(images[t.tag], ("%s/r%02d:%s"):format(a, i, t.tag))
			end
		end)

		-- The file, and what the model says of it.
		local function file(prune)
			local lines = { "return { prune = ", tostring(prune), ", prune_max = 10000, repositories = {\n" }
			for i = 1, REPOSITORIES do
				local rule = rules[(i + (prune and 1 or 0)) % #rules + 1]
				local settings = luff.json.encode(rule[2]):gsub('"([%w_]+)":', "%1="):gsub("%[", "{"):gsub("%]", "}")
				lines[#lines + 1] = ("{ from = '%s/r%02d', to = '%s/r%02d', tags = %s%s },\n"):format(a, i, b, i, settings,
					rule[4] and (", rename = { '%s', '%s' }"):format(rule[4][1], rule[4][2]) or "")
			end
			return table.concat(lines) .. "} }"
		end
		local function model(shift)
			local want = {}
			for i = 1, REPOSITORIES do
				local rule = rules[(i + shift) % #rules + 1]
				for _, t in ipairs(tags) do
					if rule[3](t) then
						local target = rule[4] and t.tag:gsub(rule[4][1], (rule[4][2])) or t.tag
						want[("r%02d:%s"):format(i, target)] = images[t.tag]:digest()
					end
				end
			end
			return want
		end
		local function found()
			local all = {}
			luff.map(luff.catalog(b), { jobs = 8 }, function(name)
				for tag in luff.tags(b .. "/" .. name) do
					all[name .. ":" .. tag] = luff.resolve(("%s/%s:%s"):format(b, name, tag)).digest
				end
			end)
			return all
		end

		local path = support.write(support.scratch() .. "/mirror.lua", file(false))
		-- Killed when some have come, whenever that is.
		local running = support.start { support.program, "mirror", "-j", "4", "-c", path }
		support.eventually(function()
			local n = 0
			for _ in luff.catalog(b) do
				n = n + 1
			end
			return n > 5
		end)
		running:kill "KILL"
		running:wait()
		local want, some = model(0), found()
		for name, digest in pairs(some) do
			assert.equal(want[name], digest)
		end
		local result = support.luff("mirror", "--json", "-c", path)
		assert.equal(0, result.code, result.stderr)
		assert.same(want, found())
		result = support.luff("mirror", "--json", "-c", path)
		local again = luff.json.decode(result.stdout)
		assert.same({ 0, 0, 0 }, { again.copied, again.deleted, again.failed })

		-- Another rule for each, and what that does not mean goes.
		support.write(path, file(true))
		local pruned = luff.json.decode(support.luff("mirror", "--json", "-c", path).stdout)
		assert.equal(0, pruned.failed)
		assert.is_true(pruned.deleted > 100)
		assert.same(model(1), found())
	end)
end)
