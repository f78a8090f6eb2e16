-- Keeping one place like another.
local luff = require "luff"
local mirror = require "luff.mirror"
local support = require "spec.support"

local function tags_of(place)
	return table.concat(support.tags(place), " ")
end

describe("luff.mirror", function()
	local server, other, from, to

	before_each(function()
		server, other = luff.serve {}, luff.serve {}
		from, to = server:address() .. "/from", other:address() .. "/to"
		for i, tag in ipairs { "1.25.1", "1.25.2", "1.26.0", "2.0.0", "latest", "edge" } do
			support.make_image(from .. ":" .. tag, { layers = { 1000 }, config = { author = "n" .. i } })
		end
	end)

	after_each(function()
		server:close()
		other:close()
	end)

	it("copies what is meant, once", function()
		local seen = {}
		local summary = mirror.run { from = from, to = to, tags = { semver = "^1.25", newest = 2 },
			each = function(entry) seen[#seen + 1] = entry.tag end }
		assert.equal("1.25.2 1.26.0", tags_of(to))
		assert.same({ 2, 0, 0, 0 }, { summary.copied, summary.unchanged, summary.deleted, summary.failed })
		assert.is_true(summary.bytes > 2000)
		assert.equal(2, #seen)
		assert.equal(luff.resolve(from .. ":1.26.0").digest, luff.resolve(to .. ":1.26.0").digest)
		summary = mirror.run { from = from, to = to, tags = { semver = "^1.25", newest = 2 } }
		assert.same({ 0, 2, 0, 0, 0 },
			{ summary.copied, summary.unchanged, summary.deleted, summary.failed, summary.bytes })
	end)

	it("gives tags other names, no two the same", function()
		mirror.run { from = from, to = to, tags = { allow = "1.25.*" }, rename = function(tag) return "v" .. tag end }
		assert.equal("v1.25.1 v1.25.2", tags_of(to))
		local err = support.fails(mirror.run, { from = from, to = to, rename = function() return "one" end })
		assert.truthy(err.message:find('would be "one"', 1, true), err.message)
	end)

	it("deletes what is not meant, if it is told to, and not too much", function()
		mirror.run { from = from, to = to }
		local rules = { from = from, to = to, tags = { allow = "1.*" }, prune = true, keep = "lat*", prune_max = 1 }
		local err = support.fails(mirror.run, rules)
		assert.equal("denied", err.code)
		assert.truthy(err.message:find("2 tags are to be deleted, but one run may delete 1", 1, true), err.message)
		rules.prune_max, rules.dry_run = nil, true
		assert.equal(2, mirror.run(rules).deleted)
		assert.equal("1.25.1 1.25.2 1.26.0 2.0.0 edge latest", tags_of(to))
		rules.dry_run = nil
		assert.equal(2, mirror.run(rules).deleted)
		assert.equal("1.25.1 1.25.2 1.26.0 latest", tags_of(to))
	end)

	it("goes on past what fails, and deletes nothing then", function()
		local source, target = "oci:" .. support.scratch() .. "/from", "oci:" .. support.scratch() .. "/to"
		for _, tag in ipairs { "1", "edge", "2" } do
			support.make_image(source .. ":" .. tag, { layers = { support.tar { tag = tag } } })
		end
		support.make_image(target .. ":old")
		local layer = luff.image(source .. ":edge", { platform = "linux/amd64" }):layers()[1]:digest()
		os.remove(source:sub(5) .. "/blobs/sha256/" .. layer:sub(8))
		local summary = mirror.run { from = source, to = target, prune = true }
		assert.same({ 2, 0, 1 }, { summary.copied, summary.deleted, summary.failed })
		assert.equal("1 2 old", tags_of(target))
		for _, entry in ipairs(summary.entries) do
			assert.equal(entry.tag == "edge" and "not_found" or nil, entry.error and entry.error.code)
		end
	end)

	it("says what it would do", function()
		mirror.run { from = from, to = to, tags = { allow = "edge" } }
		local summary = mirror.run { from = from, to = to, dry_run = true }
		assert.same({ 5, 1 }, { summary.copied, summary.unchanged })
		assert.equal("edge", tags_of(to))
	end)

	it("refuses options that it does not know", function()
		assert.truthy(support.fails(mirror.run, { frm = from }).message:find 'did you mean "from"')
		assert.truthy(support.fails(mirror.run, { from = from }).message:find '"to" is missing')
	end)

	it("is a command", function()
		local result = support.luff("mirror", "--semver", "1", "--per", "minor", from, to)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("copied\t1.26.0\tsha256:", 1, true), result.stdout)
		assert.truthy(result.stderr:find("2 copied", 1, true), result.stderr)
		assert.equal("1.25.2 1.26.0", tags_of(to))
		result = support.luff("mirror", "--json", "--prune", "--deny", "*.*", from, to)
		assert.equal(0, result.code, result.stderr)
		local summary = luff.json.decode(result.stdout)
		assert.same({ 2, 2, 4 }, { summary.copied, summary.deleted, #summary.entries })
		assert.equal("edge latest", tags_of(to))
		assert.equal(1, support.luff("mirror", from, "oci:/dev/null/x").code)
	end)
end)
