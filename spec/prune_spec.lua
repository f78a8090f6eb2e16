-- Not under sanitizers.
-- Tags that nobody keeps.
local luff = require "luff"
local artifact = require "luff.artifact"
local prune = require "luff.prune"
local removal = require "luff.prune.removal"
local support = require "spec.support"

local DAY = 86400

local function ago(days)
	return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - days * DAY)
end

local function make(name, days, opts)
	opts = opts or {}
	opts.config = { created = days and ago(days), author = name }
	return support.make_image(name, opts)
end

local function tags_of(place)
	return table.concat(support.tags(place), " ")
end

local function is_there(place, digest)
	return luff.try(luff.resolve, place .. "@" .. digest) ~= nil
end

-- Everything here holds in both kinds of place.
local function over(kind, open)
	describe("luff.prune of a " .. kind, function()
		local place, close

		before_each(function()
			place, close = open()
			for i = 1, 5 do
				make(("%s:ci-%d"):format(place, i), 10 * i)
			end
			make(place .. ":1.9", 400)
			make(place .. ":1.10", 500)
		end)

		after_each(function()
			close()
		end)

		it("keeps the newest, and only says so unless it is told to do it", function()
			local rules = { from = place, tags = { allow = "ci-*" }, keep = 2 }
			local summary = prune.run(rules)
			assert.same({ 3, 3, 0, 4 }, { summary.count, summary.manifests, summary.deleted, summary.kept })
			assert.equal("1.10 1.9 ci-1 ci-2 ci-3 ci-4 ci-5", tags_of(place))
			local digest = luff.resolve(place .. ":ci-3").digest
			rules.delete = true
			summary = prune.run(rules)
			assert.same({ 3, 3, 4, 0 }, { summary.deleted, summary.manifests, summary.kept, summary.failed })
			assert.equal("1.10 1.9 ci-1 ci-2", tags_of(place))
			assert.is_false(is_there(place, digest))
			assert.equal(0, prune.run(rules).count)
		end)

		it("knows versions, ages, groups and functions", function()
			local function goes(rules)
				local list = {}
				rules.from = place
				for _, entry in ipairs(prune.run(rules).entries) do
					list[#list + 1] = entry.status == "goes" and entry.tag or nil
				end
				table.sort(list)
				return table.concat(list, " ")
			end
			assert.equal("1.9", goes { keep = 1, by = "version" })
			assert.equal("1.10", goes { keep = 1, tags = { semver = "1" } })
			assert.equal("1.10 1.9 ci-3 ci-4 ci-5", goes { older_than = "25d" })
			assert.equal("ci-5", goes { older_than = 25 * DAY, keep = 4, tags = { allow = "ci-*" } })
			assert.equal("1.10 ci-2 ci-3 ci-4 ci-5", goes { keep = 1, group = "^(%w+)[-.]" })
			assert.equal("ci-1 ci-2 ci-3 ci-4 ci-5", goes { keep = 0, tags = { deny = "1.*" } })
			assert.equal("ci-1 ci-2 ci-3",
				goes { keep = 2, tags = { allow = "ci-*" }, by = function(tag) return tag end })
			make(place .. ":undated", nil)
			assert.equal("1.10 1.9", goes { older_than = "300d" })
			assert.equal("", goes { keep = 1, tags = { allow = "undated" } })
		end)

		it("spares what is protected, under all its names", function()
			luff.tag(place .. ":ci-5", "stable")
			luff.tag(place .. ":ci-4", "also-4")
			local summary = prune.run { from = place, keep = 1, tags = { allow = "ci-*" }, protect = "sta*", delete = true }
			assert.equal("1.10 1.9 also-4 ci-1 ci-5 stable", tags_of(place))
			assert.same({ 3, 2, 0 }, { summary.deleted, summary.manifests, summary.failed })
			for _, entry in ipairs(summary.entries) do
				if entry.tag == "ci-5" then
					assert.equal("the same as stable", entry.why)
				end
			end
			assert.is_true(luff.image(place .. ":also-4", { platform = "linux/amd64" }):size() > 0)
		end)

		it("deletes nothing that an index which stays lists, and what only one that goes lists", function()
			local function index(tag, ...)
				luff.copy(luff.index_of { ... }, place .. ":" .. tag)
			end
			local shared, single = make(place .. ":old-shared", 90), make(place .. ":old-single", 90)
			local other = make(place .. ":old-other", 90)
			index("new", shared, make(place .. ":ci-1", 1))
			index("old-index", shared, single)
			prune.run { from = place, tags = { allow = "old-*" }, keep = 0, protect = "old-other", delete = true }
			assert.equal("1.10 1.9 ci-1 ci-2 ci-3 ci-4 ci-5 new old-other", tags_of(place))
			assert.same({ true, false, true }, { is_there(place, shared:digest()), is_there(place, single:digest()),
				is_there(place, other:digest()) })
			assert.same({}, (luff.validate(place .. ":new")))
		end)

		it("takes along what refers to it, and tags about it", function()
			local function sign(tag)
				local about = luff.resolve(place .. ":" .. tag).digest
				make(place .. ":" .. about:gsub(":", "-") .. ".sig", 1)
				local signed = artifact.attach(place .. ":" .. tag, { type = "application/x.signature",
					annotations = { about = tag } })
				return signed:digest(), artifact.attach(place .. "@" .. signed:digest(), { type = "application/x.more",
					annotations = { about = tag } }):digest()
			end
			local old, old_more = sign "ci-5"
			local new, new_more = sign "ci-1"
			local summary = prune.run { from = place, tags = { allow = "ci-*" }, keep = 4, delete = true }
			assert.equal(0, summary.failed)
			assert.same({ false, false, true, true }, { is_there(place, old), is_there(place, old_more),
				is_there(place, new), is_there(place, new_more) })
			assert.equal(("1.10 1.9 ci-1 ci-2 ci-3 ci-4 %s.sig"):format(
				(luff.resolve(place .. ":ci-1").digest:gsub(":", "-"))), tags_of(place))
		end)

		it("refuses to delete more than it may, and rules that say nothing", function()
			local err = support.fails(prune.run, { from = place, keep = 0, max = 6, delete = true })
			assert.equal("denied", err.code)
			assert.truthy(err.message:find("7 tags are to be deleted, but one run may delete 6", 1, true), err.message)
			assert.is_true(prune.run { from = place, keep = 0, max = 6 }.over)
			assert.equal(7, #support.tags(place))
			for message, rules in pairs {
				["say what stays"] = { from = place }, ['"from" is missing'] = { keep = 1 }, ["from 0 on"] = { from = place,
					keep = -1 }, ['"by" is'] = { from = place, keep = 1, by = "size" }, ["an age is"] = { from = place,
					older_than = "old" }, ["neither"] = { from = place, keep = 1, group = "(" }, ['"keep"'] = { from = place,
					kepp = 1 }, } do
				err = support.fails(prune.run, rules)
				assert.equal("invalid", err.code)
				assert.truthy(err.message:find(message, 1, true), err.message)
			end
		end)

		it("looks again before it deletes", function()
			local entries = removal.list(place, {})
			for _, entry in ipairs(entries) do
				entry.goes = entry.tag:find "^ci" and true or nil
			end
			local plan = removal.plan(place, entries, {})
			luff.tag(place .. ":ci-1", "rescued")
			make(place .. ":ci-2", 1)
			removal.apply(plan, {})
			assert.equal("1.10 1.9 ci-2 rescued", tags_of(place))
			assert.same({}, (luff.validate(place .. ":rescued")))
		end)
	end)
end

over("registry", function()
	local server = luff.serve {}
	return server:address() .. "/team/app", function() server:close() end
end)

over("layout", function()
	return "oci:" .. support.scratch() .. "/app", function() end
end)

describe("luff.prune", function()
	it("keeps a tag that cannot go alone", function()
		local server <close> = luff.serve { faults = { { method = "DELETE", path = "/v2/app/manifests/v*", status = 405 } } }
		local place = server:address() .. "/app"
		make(place .. ":v1", 10)
		luff.tag(place .. ":v1", "v1.0")
		make(place .. ":v2", 20)
		local summary = prune.run { from = place, keep = 0, tags = { deny = "v1.0" }, delete = true }
		assert.equal("v1 v1.0", tags_of(place))
		assert.same({ 1, 2, 0 }, { summary.deleted, summary.kept, summary.failed })
	end)

	it("says the same before and when it is done of tags that cannot go alone", function()
		local server <close> = luff.serve { record = true, faults = { { method = "DELETE", path = "*", status = 405 } } }
		local place = server:address() .. "/app"
		make(place .. ":v1", 10)
		luff.tag(place .. ":v1", "also")
		server:requests()
		-- of a plan nothing leaves that could tell
		local planned = support.luff("-n", "prune", "--keep", "0", "--allow", "v*", "--yes", place)
		assert.equal(0, planned.code, planned.stderr)
		assert.truthy(planned.stderr:find("untag", 1, true), planned.stderr)
		for _, request in ipairs(server:requests()) do
			assert.truthy(request.method == "GET" or request.method == "HEAD", request.method)
		end
		for _, how in ipairs { {}, { "--yes" } } do
			local result = support.luff("prune", "--keep", "0", "--allow", "v*", "--json", place, how[1])
			assert.equal(0, result.code, result.stderr)
			local summary = luff.json.decode(result.stdout)[1]
			assert.same({ 0, 0, 2 }, { summary.count, summary.deleted, summary.kept })
			for _, entry in ipairs(summary.entries) do
				assert.equal(entry.tag == "v1" and "no tag goes alone in this registry" or nil, entry.why)
			end
		end
		for _, request in ipairs(server:requests()) do
			assert.truthy(request.method ~= "DELETE" or request.path:find("luff-no-such-tag-", 1, true), request.path)
		end
		assert.equal("also v1", tags_of(place))
	end)

	it("keeps them in the distribution project's registry, too, and deletes the rest there", function()
		local registry = support.docker_registry()
		if not registry then
			pending "docker-registry is not installed"
		end
		local place = registry.address .. "/app"
		make(place .. ":v1", 10)
		make(place .. ":v2", 20)
		make(place .. ":v3", 30)
		luff.tag(place .. ":v2", "v2.0")
		luff.copy(luff.index_of { luff.image(place .. ":v3", { platform = "linux/amd64" }) }, place .. ":all")
		local summary = prune.run { from = place, keep = 1, tags = { allow = "v?" }, delete = true }
		assert.equal("all v1 v2 v2.0 v3", tags_of(place))
		assert.same({ 0, 0 }, { summary.deleted, summary.failed })
		summary = prune.run { from = place, keep = 1, tags = { deny = "all" }, delete = true }
		assert.equal("all v1 v3", tags_of(place))
		assert.same({ 2, 1, 0 }, { summary.deleted, summary.manifests, summary.failed })
		assert.same({}, (luff.validate(place .. ":all")))
	end)

	it("says what failed, and that nothing is there", function()
		local server <close> = luff.serve { faults = { { method = "DELETE", path = "*", status = 405 } } }
		local place = server:address() .. "/app"
		assert.equal(0, prune.run { from = place, keep = 0, delete = true }.count)
		make(place .. ":v1", 10)
		local summary = prune.run { from = place, keep = 0, delete = true }
		assert.equal(1, summary.failed)
		assert.equal("unsupported", summary.entries[1].error.code)
	end)

	it("is a command", function()
		local server <close> = luff.serve {}
		local place = server:address() .. "/app"
		for i = 1, 3 do
			make(place .. ":v" .. i, i)
		end
		local result = support.luff("prune", "--keep", "2", "--protect", "v1", place)
		assert.equal(0, result.code, result.stderr)
		assert.equal("v1 v2 v3", tags_of(place))
		result = support.luff("prune", "--keep", "1", "--allow", "v[23]", "--json", place)
		local document = luff.json.decode(result.stdout)
		assert.same({ 1, 1, 2 }, { #document, document[1].count, document[1].kept })
		result = support.luff("prune", "--older-than", "60h", "--yes", place)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find "deleted\tv3\tsha256:%x+\t%d+%-%d+%-%d+\n", result.stdout)
		assert.truthy(result.stderr:find("deleted 1 tags and 1 manifests, kept 2 tags", 1, true), result.stderr)
		assert.equal("v1 v2", tags_of(place))
		result = support.luff("prune", "--keep", "0", "--max", "1", "--yes", place)
		assert.equal(4, result.code)
		assert.equal(2, support.luff("prune", place).code)
	end)
end)
