-- Not under the thread sanitizer.
-- Dry runs: what would be written, seen by what reads meanwhile, and done later.
local luff = require "luff"
local artifact = require "luff.artifact"
local plan = require "luff.plan"
local support = require "spec.support"

-- One line for each step but blobs, sorted.
local function summary(steps)
	local lines = {}
	for _, step in ipairs(steps) do
		if step.kind ~= "blob" then
			lines[#lines + 1] = ("%s %s"):format(step.kind, step.tag or step.digest)
		end
	end
	table.sort(lines)
	return table.concat(lines, ", ")
end

describe("A dry run", function()
	local server, other, app, copy, folder

	before_each(function()
		server, other = luff.serve { record = true }, luff.serve { record = true }
		support.defer(function()
			server:close()
			other:close()
		end)
		app, copy = server:address() .. "/app", other:address() .. "/copy"
		support.make_index(app .. ":v1", { "linux/amd64", "linux/arm64" })
		support.make_image(app .. ":v2", { layers = { 3000 } })
		folder = support.scratch() .. "/plan"
		server:requests()
		other:requests()
	end)

	local function assert_untouched()
		for _, of in ipairs { server, other } do
			for _, request in ipairs(of:requests()) do
				assert.truthy(request.method == "GET" or request.method == "HEAD", request.method .. " " .. request.path)
			end
		end
	end

	it("writes nothing, and reads see what would be there", function()
		local steps = plan.dry_run(function()
			luff.copy(app .. ":v1", copy .. ":one")
			luff.copy(app .. ":v2", copy .. ":two")
			luff.tag(copy .. ":two", "latest")
			assert.same({ "latest", "one", "two" }, support.tags(copy))
			assert.equal(luff.resolve(app .. ":v2").digest, luff.resolve(copy .. ":latest").digest)
			assert.same({}, (luff.validate(copy .. ":one")))
			assert.equal("linux/arm64\n", luff.image(copy .. ":one", { platform = "linux/arm64" }):read "/etc/platform")
			luff.delete(copy .. ":two")
			assert.same({ "latest", "one" }, support.tags(copy))
			assert.equal("not_found", support.fails(luff.open, copy .. ":two").code)
			luff.delete(copy .. "@" .. luff.resolve(copy .. ":latest").digest)
			assert.same({ "one" }, support.tags(copy))
			luff.delete(app .. "@" .. luff.resolve(app .. ":v2").digest)
			assert.same({ "v1" }, support.tags(app))
			assert.equal("not_found", support.fails(luff.open, app .. ":v2").code)
			assert.equal("unchanged", require("luff.mirror").run { from = app, to = copy, rename = function() return "one" end }
				.entries[1].status)
		end)
		assert_untouched()
		assert.truthy(summary(steps):find "tag latest, tag one, tag two, untag two$", summary(steps))
		assert.equal("not_found", support.fails(luff.resolve, copy .. ":one").code)
		assert.equal(2, #support.tags(app))
	end)

	it("lists repositories that would be there", function()
		plan.dry_run(function()
			luff.copy(app .. ":v2", copy .. ":one")
			luff.copy(app .. ":v2", app .. ":again")
			luff.copy(app .. ":v2", other:address() .. "/gone:v1")
			luff.delete(other:address() .. "/gone:v1")
			for address, name in pairs { [other:address()] = "copy", [server:address()] = "app" } do
				local names = {}
				for repository in luff.catalog(address) do
					names[#names + 1] = repository
				end
				assert.same({ name }, names)
			end
		end)
		assert_untouched()
	end)

	it("knows a folder by all its names", function()
		local dir = support.scratch()
		plan.dry_run(function()
			luff.copy(app .. ":v2", "oci:" .. dir .. "/layout:v1")
			assert.same({ "v1" }, support.tags("oci:" .. dir .. "/./layout"))
			luff.copy(app .. ":v2", "oci:" .. dir .. "//layout:v2")
			assert.same({ "v1", "v2" }, support.tags("oci:" .. dir .. "/layout"))
		end)
		assert.falsy(support.exists(dir .. "/layout"))
	end)

	it("is done later, with what was made on the way", function()
		luff.copy(app .. ":v2", copy .. ":old")
		local layout = "oci:" .. support.scratch() .. "/layout"
		other:requests()
		local digest, attached
		plan.dry_run(function()
			local image = luff.image(app .. ":v2", { platform = "linux/amd64" }):append { files = { ["/motd"] = "hello\n" } }
			digest = luff.copy(image:annotate { note = "new" }, copy .. ":new").digest
			luff.copy(app .. ":v1", layout .. ":v1")
			attached = artifact.attach(copy .. ":new", { files = { "Makefile" }, type = "application/x.thing" }):digest()
			assert.equal("hello\n", luff.image(copy .. ":new", { platform = "linux/amd64" }):read "/motd")
			for one in luff.referrers(copy .. ":new") do
				assert.equal(attached, one.digest)
			end
			luff.delete(copy .. ":old")
		end, { folder = folder })
		assert_untouched()
		assert.is_false(support.exists(layout:sub(5)))
		plan.apply(folder)
		assert.equal(digest, luff.resolve(copy .. ":new").digest)
		assert.same({}, (luff.validate(copy .. ":new")))
		assert.equal("hello\n", luff.image(copy .. ":new", { platform = "linux/amd64" }):read "/motd")
		assert.equal(attached, luff.referrers(copy .. ":new")().digest)
		assert.same({ "new" }, support.tags(copy))
		assert.same({}, (luff.validate(layout .. ":v1")))
		plan.apply(folder) -- as after a run that broke off
		assert.same({ "new" }, support.tags(copy))
	end)

	it("keeps bytes only where nobody else has them", function()
		plan.dry_run(function() luff.copy(app .. ":v2", copy .. ":v2") end, { folder = folder })
		local bytes = 0
		for _, path in ipairs(support.files(folder .. "/blobs")) do
			bytes = bytes + #support.read(path)
		end
		assert.equal(#luff.open(app .. ":v2"):raw_manifest(), bytes)
	end)

	it("is not done where the world has moved", function()
		plan.dry_run(function()
			luff.copy(app .. ":v1", copy .. ":a")
			luff.copy(app .. ":v2", copy .. ":b")
		end, { folder = folder })
		support.make_image(copy .. ":b", { layers = { 10 } })
		local now = luff.resolve(copy .. ":b").digest
		local err = support.fails(plan.apply, folder)
		assert.equal("denied", err.code)
		assert.truthy(err.message:find(":b is " .. now .. " now, and when it was planned it was not there", 1, true),
			err.message)
		assert.same({ "b" }, support.tags(copy))
		luff.delete(copy .. ":b")
		plan.apply(folder)
		assert.same({ "a", "b" }, support.tags(copy))
	end)

	it("deletes nothing that a tag needs by now", function()
		for _, place in ipairs { copy, "oci:" .. support.scratch() .. "/layout" } do
			luff.copy(app .. ":v1", place .. ":v1")
			luff.copy(app .. ":v2", place .. ":v2")
			local gone, image = luff.resolve(place .. ":v2").digest, luff.open(place .. ":v2")
			local into = support.scratch() .. "/plan"
			plan.dry_run(function() luff.delete(place .. "@" .. gone) end, { folder = into })
			local function assert_refused(tag, what)
				local err = support.fails(plan.apply, into)
				assert.equal("denied", err.code)
				assert.truthy(err.message:find(place .. ":" .. tag, 1, true) and err.message:find(what, 1, true), err.message)
				luff.delete(place .. ":" .. tag)
			end
			luff.tag(place .. ":v2", "important")
			assert_refused("important", "is " .. gone .. " now, and when it was planned it was not there")
			luff.copy(luff.index_of { image }, place .. ":index")
			assert_refused("index", "has changed since it was planned, and lists " .. gone)
			luff.copy(app .. ":v1", place .. ":other") -- is none of its business
			luff.copy(app .. ":v1", place .. ":v2")
			assert_refused("v2", "when it was planned it was " .. gone)
			luff.copy(app .. ":v2", place .. ":v2")
			plan.apply(into)
			assert.same({ "other", "v1" }, support.tags(place))
			plan.apply(into) -- as after a run that broke off
		end
	end)

	it("covers layouts, archives and places of scripts, and refuses the rest", function()
		local dir = support.scratch()
		local written = {}
		luff.medium {
			scheme = "planned", resolve = function() end, fetch = function() end,
			push = function(_, d) written[#written + 1] = d.digest end,
			tag = function(_, _, tag) written[#written + 1] = tag end,
		}
		local image = luff.image(app .. ":v2", { platform = "linux/amd64" })
		local layout = "oci:" .. dir .. "/there"
		luff.copy(image, layout .. ":v1")
		local before = support.checksums(dir)
		plan.dry_run(function()
			for _, to in ipairs { "oci:" .. dir .. "/new:v2", layout .. ":v2", "docker-archive:" .. dir .. "/a.tar:a:v1",
				"oci-archive:" .. dir .. "/b.tar:v1", "dir:" .. dir .. "/d", "planned:x:v1" } do
				luff.copy(image, to)
				assert.equal(image:config_name(), luff.image(to, { platform = "linux/amd64" }):config_name())
			end
			luff.delete(layout .. ":v1")
			luff.push_blob(layout, "bytes")
			luff.gc(dir .. "/there", { grace = 0 })
			for _, f in ipairs {
				function() luff.serve { root = dir .. "/s" } end,
				function() luff.serve { access_log = dir .. "/l" } end, function() image:export(dir .. "/x.tar") end,
				function() image:extract(dir .. "/x") end,
				function() luff.login { registry = "localhost:1", user = "u", password = "p" } end,
				function() luff.logout { registry = "localhost:1" } end, function() require("luff.daemon").prune {} end,
			} do
				local err = support.fails(f)
				assert.equal("denied", err.code)
				assert.truthy(err.message:find("a dry run does not", 1, true), err.message)
			end
		end)
		assert.same({}, written)
		assert.equal(before, support.checksums(dir))
	end)

	it("ends with what it ran", function()
		assert.equal("io", support.fails(plan.dry_run, function() require "luff.fail"("io", "no") end).code)
		luff.copy(app .. ":v2", copy .. ":v2")
		assert.same({ "v2" }, support.tags(copy))
	end)

	it("refuses plans that are none", function()
		assert.equal("not_found", support.fails(plan.apply, folder).code)
		plan.dry_run(function() luff.copy(app .. ":v2", copy .. ":v2") end, { folder = folder })
		assert.equal("exists", support.fails(plan.dry_run, function() end, { folder = folder }).code)
		local path = folder .. "/plan.json"
		local text = support.read(path)
		for from, to in pairs {
			['"kind": "tag"'] = '"kind": "rename"', ["sha256:"] = "sha256:zz", ['"version": 1'] = '"version": 2',
			['"size": '] = '"size": -', ['"place": "'] = '"place": "planned:',
		} do
			support.write(path, (text:gsub(from, (to:gsub("%%", "%%%%")))))
			support.fails(plan.apply, folder)
		end
		assert.equal("not_found", support.fails(luff.resolve, copy .. ":v2").code)
	end)

	it("is what the program does when it is told so", function()
		local result = support.luff("--dry-run", "copy", "-q", app .. ":v2", copy .. ":v2")
		assert.equal(0, result.code, result.stderr)
		assert.equal(luff.resolve(app .. ":v2").digest .. "\n", result.stdout)
		assert.truthy(result.stderr:find("tag +" .. copy:gsub("%p", "%%%0") .. ":v2 +sha256:%x+ +new\n2 steps") or
			result.stderr:find("new\n%d+ steps"), result.stderr)
		assert.truthy(result.stderr:find("to move\nnothing was done: this was a dry run\n$"), result.stderr)
		assert.truthy(support.luff("--dry-run", "mirror", app, copy).stderr:find("would be: 2 copied", 1, true))
		assert.truthy(support.luff("-n", "copy", app .. ":v2", copy .. ":v2").stderr:find("would have copied ", 1, true))
		assert.truthy(support.luff("-n", "prune", "--keep", "0", "--yes", app).stderr:find("would delete 2 tags", 1, true))
		assert.equal("not_found", support.fails(luff.resolve, copy .. ":v2").code)
		local script = support.write(support.scratch() .. "/s.lua",
			('luff.copy("%s:v1", "%s:v1") os.exit(luff.resolve("%s:v1") and 0 or 1)'):format(app, copy, copy))
		result = support.luff("--plan", folder, script)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(support.luff("apply", "--show", folder).stdout:find "tag +%S+:v1 +sha256:%x+ +new")
		assert.equal("not_found", support.fails(luff.resolve, copy .. ":v1").code)
		result = support.luff("apply", "--json", folder)
		assert.is_true(luff.json.decode(result.stdout).applied, result.stderr)
		assert.equal(luff.resolve(app .. ":v1").digest, luff.resolve(copy .. ":v1").digest)
		luff.tag(app .. ":v2", "v3")
		luff.copy(app .. ":v2", copy .. ":v1")
		assert.equal(4, support.luff("apply", folder).code)
		result = support.luff("--dry-run", "-e", "error 'no'")
		assert.equal(1, result.code)
		assert.equal("luff: (command line):1: no", result.stderr:match "^[^\n]*")
		support.write(folder .. "/plan.json", "[")
		result = support.luff("apply", folder)
		assert.equal(6, result.code)
		assert.truthy(result.stderr:find(folder .. "/plan.json: ", 1, true), result.stderr)
	end)
end)
