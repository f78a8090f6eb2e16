-- Not under the thread sanitizer.
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
		local refused = mirror.run(rules)
		local err = refused.entries[#refused.entries].error
		assert.same({ "denied", 0, 1 }, { err.code, refused.deleted, refused.failed })
		assert.truthy(err.message:find("2 tags are to be deleted, but one run may delete 1", 1, true), err.message)
		rules.prune_max, rules.dry_run = nil, true
		assert.equal(2, mirror.run(rules).deleted)
		assert.equal("1.25.1 1.25.2 1.26.0 2.0.0 edge latest", tags_of(to))
		rules.dry_run = nil
		assert.equal(2, mirror.run(rules).deleted)
		assert.equal("1.25.1 1.25.2 1.26.0 latest", tags_of(to))
	end)

	it("says what it does not delete, and why", function()
		local none <close> = luff.serve { faults = { { method = "DELETE", path = "*", status = 405 } } }
		local place = none:address() .. "/to"
		luff.copy(from .. ":edge", place .. ":edge")
		luff.tag(place .. ":edge", "old")
		local result = support.luff("mirror", "--prune", "--allow", "edge", from, place)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find "kept\told\tsha256:%x+\tno tag goes alone in this registry\n", result.stdout)
		assert.truthy(result.stderr:find("0 deleted, 1 kept, 0 failed", 1, true), result.stderr)
		local summary = luff.json.decode(support.luff("mirror", "--json", "--prune", "--allow", "edge", from, place).stdout)
		assert.same({ 1, "no tag goes alone in this registry" }, { summary.kept, summary.entries[2].why })
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

	it("refuses what is no place of many tags, before it does anything", function()
		for message, rules in pairs {
			['"from" is a repository or layout, without a tag: "' .. from .. '", not'] = { from = from .. ":edge", to = to },
			['"oci:a", not "oci:a:b"'] = { from = "oci:a:b", to = to },
			['"alpine", not "alpine:3"'] = { from = "alpine:3", to = to },
			['"to" of ' .. from .. ' is a repository, and "localhost:5000" a registry alone: "localhost:5000/NAME"'] = {
				to = "localhost:5000", repositories = { { from = from } } },
			['"mirror.example.com" a registry alone'] = { from = from, to = "mirror.example.com" },
			["want os/arch"] = { from = from, to = to, platforms = { "linux/amd64,linux" .. "/a/b/c" } },
		} do
			local err = support.fails(mirror.run, rules)
			assert.truthy(err.message:find(message, 1, true), err.message)
			assert.equal(2, require("luff.cli").exit_codes[err.code])
		end
		local err = support.fails(require("luff.prune").run, { from = from .. ":edge", keep = 1 })
		assert.truthy(err.message:find("without a tag", 1, true), err.message)
		assert.equal(0, mirror.run { from = "oci:" .. support.scratch(), to = "docker://" .. to, tags = { "none" } }.copied)
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

local KEY = "org.opencontainers.image.created"

local function ago(days)
	return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - days * 86400)
end

describe("luff.mirror, on the way,", function()
	local server, other, from, to

	before_each(function()
		server, other = luff.serve { record = true }, luff.serve { record = true }
		from, to = server:address() .. "/from", other:address() .. "/to"
		support.make_index(from .. ":v1", { "linux/amd64", "linux/arm64", "linux/s390x" })
		support.make_image(from .. ":v2", { config = { created = ago(5) } })
	end)

	after_each(function()
		server:close()
		other:close()
	end)

	local function requests()
		local function plain(of)
			return support.count(of, nil, "/manifests/") + support.count(of, nil, "/blobs/")
		end
		local a, b = server:requests(), other:requests()
		return { plain(a), plain(b) }
	end

	it("asks once for each tag at each side where nothing is to be done", function()
		mirror.run { from = from, to = to, referrers = false }
		for _, dry in ipairs { false, true } do
			requests()
			assert.equal(2, mirror.run { from = from, to = to, dry_run = dry }.unchanged)
			local a, b = server:requests(), other:requests()
			-- registries count what moves a manifest
			assert.same({ 2, 2, 0, 0 }, { support.count(a, "HEAD", "/manifests/"), support.count(b, "HEAD", "/manifests/"),
				support.count(a, "GET", "/manifests/"), support.count(b, "GET", "/manifests/") })
		end
	end)

	it("makes indexes of the platforms that are wanted", function()
		local rules = { from = from, to = to, platforms = { "linux/amd64", "linux/arm64" } }
		local less = luff.index(from .. ":v1"):filter { platform = rules.platforms }
		rules.platforms = "linux/amd64,linux/arm64"
		assert.equal(2, mirror.run(rules).copied)
		assert.equal(2, #luff.index(to .. ":v1"):index_manifest().manifests)
		assert.equal(less:digest(), luff.resolve(to .. ":v1").digest)
		requests()
		assert.equal(2, mirror.run(rules).unchanged)
		assert.same({ 2, 2 }, requests())
		assert.equal(1, mirror.run { from = from, to = to, platforms = "windows/amd64", tags = { allow = "v1" } }.failed)
	end)

	it("leaves the others out of indexes that stay, in a layout", function()
		local layout = "oci:" .. support.scratch() .. "/to"
		local rules = { from = from, to = layout, platforms = { "linux/arm64" }, sparse = true }
		assert.equal(2, mirror.run(rules).copied)
		local index = luff.index(layout .. ":v1")
		assert.equal(luff.resolve(from .. ":v1").digest, index:digest())
		for _, entry in ipairs(index:index_manifest().manifests) do
			local is_there = luff.try(luff.resolve, layout .. "@" .. entry.digest) ~= nil
			assert.equal(entry.platform.architecture == "arm64", is_there)
		end
		assert.equal(2, mirror.run(rules).unchanged)
	end)

	it("says where a registry wants all images of an index", function()
		local rules = { from = from, to = to, platforms = "linux/arm64", sparse = true, tags = { "v1" } }
		local err = mirror.run(rules).entries[1].error
		assert.equal("unsupported", err.code)
		assert.equal(to .. ":v1: this registry takes no index without all its images: leave out sparse", err.message)
	end)

	it("filters, changes and leaves out", function()
		local seen = {}
		local rules = {
			from = from, to = to, rename = { "^v", "r" },
			filter = function(object, entry)
				seen[#seen + 1] = entry.tag
				return object.index_manifest == nil
			end,
			transform = function(image) return image:annotate { note = "mirrored" } end,
		}
		local summary = mirror.run(rules)
		table.sort(seen)
		assert.same({ { "v1", "v2" }, 1, 1 }, { seen, summary.copied, summary.left_out })
		assert.equal("r2", tags_of(to))
		assert.equal("mirrored", luff.image(to .. ":r2", { platform = "linux/amd64" }):annotations().note)
		assert.equal(1, mirror.run(rules).unchanged)
		rules.filter, rules.prune = function() return false end, true
		assert.same({ 2, 1 }, { mirror.run(rules).left_out, #support.tags(to) == 0 and 1 or 0 })
		rules.filter, rules.transform = nil, function() return "image" end
		assert.truthy(mirror.run(rules).entries[1].error.message:find "transform gave a string")
	end)

	it("copies what was found good, and that alone", function()
		local summary = mirror.run { from = from, to = to, verify = function(object, entry)
			return entry.tag == "v2", "no " .. (object:media_type():match "index" or "image")
		end }
		assert.same({ 1, 1, "v2" }, { summary.copied, summary.failed, tags_of(to) })
		for _, entry in ipairs(summary.entries) do
			if entry.error then
				assert.equal(from .. ":v1: no index", tostring(entry.error))
			end
		end
		local layout = "oci:" .. support.scratch()
		luff.copy(from .. ":v2", layout .. ":v2")
		local config = luff.image(layout .. ":v2", { platform = "linux/amd64" }):config_name()
		support.write(layout:sub(5) .. "/blobs/" .. config:gsub(":", "/"), "{}")
		summary = mirror.run { from = layout, to = to .. "/sound", verify = true }
		assert.same({ 0, 1 }, { summary.copied, summary.failed })
		assert.is_nil(luff.try(support.tags, to .. "/sound"))
	end)

	it("takes cosign's tags along, under their own names, and keeps them", function()
		local about = luff.resolve(from .. ":v2").digest:gsub(":", "-")
		local child = luff.index(from .. ":v1"):index_manifest().manifests[2].digest:gsub(":", "-")
		support.make_image(from .. ":" .. about .. ".sig", { layers = { 10 } })
		support.make_image(from .. ":" .. child .. ".att", { layers = { 10 } })
		support.make_image(from .. ":sha256-" .. ("0"):rep(64) .. ".sig", { layers = { 10 } })
		local rules = { from = from, to = to, digest_tags = true, rename = function(tag) return "x" .. tag end, prune = true }
		local summary = mirror.run(rules)
		assert.same({ 2, 0, 0 }, { summary.copied, summary.deleted, summary.failed })
		local want = { "xv1", "xv2", about .. ".sig", child .. ".att" }
		table.sort(want)
		assert.same(want, support.tags(to))
		assert.equal(2, mirror.run(rules).unchanged)
		rules.tags = { allow = "v1" }
		assert.equal(2, mirror.run(rules).deleted)
		assert.same({ child .. ".att", "xv1" }, support.tags(to))
	end)

	it("selects by age", function()
		support.make_image(from .. ":v3", { config = { created = ago(50) }, annotations = { [KEY] = ago(1) } })
		support.make_image(from .. ":v4", { config = { created = ago(50) } })
		local function selected(tags)
			local list = {}
			for _, entry in ipairs(mirror.run { from = from, to = to, tags = tags, dry_run = true, jobs = 1 }.entries) do
				list[#list + 1] = entry.tag
			end
			return table.concat(list, " ")
		end
		assert.equal("v3 v2", selected { newer_than = "30d", by = "created" })
		assert.equal("v4", selected { older_than = 30 * 86400 })
		assert.equal("v3", selected { by = "created", newest = 1 })
		assert.equal("v2", selected { by = "created", newest = 1, deny = "v3" })
	end)

	it("takes tags and digests by their names, without looking for them", function()
		local digest = luff.resolve(from .. ":v2").digest
		local before = support.count(server, "GET", "tags/list")
		local summary = mirror.run { from = from, to = other:address() .. "/named", tags = { "v1", digest },
			rename = function(tag) return tag == digest and "two" or tag end }
		assert.same({ 2, 0 }, { summary.copied, summary.failed })
		assert.equal("two v1", tags_of(other:address() .. "/named"))
		assert.equal(before, support.count(server, "GET", "tags/list"))
		support.fails(mirror.run, { from = from, to = "memory:x", tags = { "v1", semver = "^1" } })
		support.fails(mirror.run, { from = from, to = "memory:x", tags = { 1 } })
	end)

	it("goes through many repositories, past those that are broken", function()
		for i = 1, 3 do
			luff.copy(from .. ":v2", ("%s/team/app%d:v%d"):format(server:address(), i, i))
		end
		local summary = mirror.run { from = server:address(), to = other:address() .. "/copy", repositories = "team/*",
			rename_repository = function(name) return (name:gsub("^team/", "")) end }
		assert.same({ 3, 0 }, { summary.copied, summary.failed })
		assert.equal("v2", tags_of(other:address() .. "/copy/app2"))
		summary = mirror.run { from = server:address(), to = other:address() .. "/less",
			repositories = { allow = "team/*", deny = "*/app1" } }
		assert.same({ 2, 0 }, { summary.copied, summary.failed })
		local all = other:address() .. "/all"
		summary = mirror.run { to = all, jobs = 2, repositories = {
			{ from = server:address() .. "/team/app1" }, { from = server:address() .. "/team/none" },
			{ from = server:address() .. "/team/app2", rename = function(tag) return "two-" .. tag end },
		} }
		assert.same({ 2, 1 }, { summary.copied, summary.failed })
		assert.equal("two-v2 v1", tags_of(all))
		summary = mirror.run { to = all, prune = true, repositories = { { from = server:address() .. "/team/app1" },
			{ from = server:address() .. "/team/app2" } } }
		assert.same({ 1, 1, "v1 v2" }, { summary.copied, summary.deleted, tags_of(all) })
		local err = support.fails(mirror.run, { to = all, repositories = { { from = from }, { from = from } } })
		assert.truthy(err.message:find('both "v2" and "v2" would be', 1, true), err.message)
		for message, one in pairs { ['did you mean "from"'] = { form = from }, ['wants "platforms"'] = { from = from,
			sparse = true }, ["say one of them"] = { from = from, platform = "linux/amd64", platforms = "linux/amd64" } } do
			err = support.fails(mirror.run, { to = all, repositories = { one } })
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
	end)

	it("reads what to do from a file", function()
		local file = support.write(support.scratch() .. "/mirror.lua", ([[
			local to = "%s"
			return { repositories = {
				{ from = "%s", to = to, tags = { allow = "v*" }, filter = function(i) return not i.index_manifest end },
				{ from = "%s", to = to .. "/two", platforms = { luff.platform(), "linux/s390x" }, tags = { allow = "v1" } },
			} }]]):format(to, from, from))
		local result = support.luff("mirror", "--dry-run", "-c", file)
		assert.equal(0, result.code, result.stderr)
		assert.is_nil(luff.try(support.tags, to))
		result = support.luff("mirror", "-c", file)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("copied\t" .. to .. "/two\tv1\tsha256:", 1, true), result.stdout)
		assert.truthy(result.stderr:find("2 copied", 1, true) and result.stderr:find("1 left out", 1, true), result.stderr)
		assert.same({ "v2" }, support.tags(to))
		assert.equal(2, support.luff("mirror", "-c", file, from, to).code)
		assert.equal(2, support.luff("mirror", "-c", support.write(file, "return 1")).code)
	end)
end)
