-- Not under sanitizers.
-- Many images in one file.
local luff = require "luff"
local artifact = require "luff.artifact"
local bundle = require "luff.bundle"
local support = require "spec.support"

describe("luff.bundle", function()
	local server, other, here, there, dir

	before_each(function()
		server, other = luff.serve {}, luff.serve { record = true }
		support.defer(function()
			server:close()
			other:close()
		end)
		here, there, dir = server:address(), other:address(), support.scratch()
		support.make_index(here .. "/team/app:v1", { "linux/amd64", "linux/arm64" })
		support.make_image(here .. "/base:v1", { layers = { 20000, 10 } })
	end)

	local function names(...)
		local list = { ... }
		for i, name in ipairs(list) do
			list[i] = here .. "/" .. name
		end
		return list
	end

	local function add_file(from, to)
		local image = luff.image(here .. "/" .. from, { platform = "linux/amd64" })
		luff.copy(image:append { files = { [to] = "new" } }, here .. "/" .. to)
	end

	local function assert_same(name)
		assert.equal(luff.resolve(here .. "/" .. name).digest, luff.resolve(there .. "/in/" .. name).digest)
		assert.same({}, (luff.validate(there .. "/in/" .. name)))
	end

	it("is an oci-archive with whole names, and comes in elsewhere", function()
		local file = dir .. "/full.tar"
		local made = bundle.create(file, names("team/app:v1", "base:v1"))
		assert.equal(2, #made.images)
		assert.same({ here .. "/base:v1", here .. "/team/app:v1" }, support.tags("oci-archive:" .. file))
		local list = bundle.list(file)
		assert.same({ false, 2, here .. "/base:v1" }, { list.delta, #list.images, list.images[1].name })
		assert.equal(2, bundle.load(file, there .. "/in").copied)
		assert_same "team/app:v1"
		assert_same "base:v1"
		other:requests()
		assert.same({ 2, 0 }, { bundle.load(file, there .. "/in").unchanged, support.count(other, "PUT", ".") })
		local layout = "oci:" .. dir .. "/layouts"
		assert.equal(2, bundle.load(file, layout).copied)
		assert.same({ "v1" }, support.tags(layout .. "/team/app"))
	end)

	it("holds as a delta only what a bundle before it has not", function()
		local first, second, third = dir .. "/1.tar", dir .. "/2.tar", dir .. "/3.tar"
		bundle.create(first, names "base:v1")
		add_file("base:v1", "base:v2")
		bundle.create(second, names("base:v2", "team/app:v1"), { since = first })
		assert.same({ "delta" }, support.tags("oci-archive:" .. second))
		assert.is_true(bundle.list(second).delta)
		assert.is_true(#support.read(second) < #support.read(first))
		local list = support.write(dir .. "/list.json", support.luff("bundle", "ls", "--json", second).stdout)
		add_file("base:v2", "base:v3")
		bundle.create(third, names "base:v3", { since = list })

		local summary = bundle.load(second, there .. "/in")
		assert.same({ 1, 1 }, { summary.copied, summary.failed })
		for _, entry in ipairs(summary.entries) do
			if entry.error then
				assert.truthy(entry.error.message:find("is in the bundle before this one, and not at " .. there
					.. "/in: load that first", 1, true), entry.error.message)
			end
		end
		assert.equal(1, bundle.load(first, there .. "/in").copied)
		assert.equal(1, bundle.load(second, there .. "/in").copied)
		assert.equal(2, bundle.load(second, there .. "/in").unchanged)
		assert.equal(1, bundle.load(third, there .. "/in").copied)
		for _, name in ipairs { "team/app:v1", "base:v1", "base:v2", "base:v3" } do
			assert_same(name)
		end
	end)

	it("takes from the bundle before what a delta leaves out", function()
		local first, second = dir .. "/1.tar", dir .. "/2.tar"
		bundle.create(first, names("base:v1", "team/app:v1"))
		add_file("base:v1", "team/new:v1") -- whose layers are in another repository then
		luff.copy(here .. "/team/app:v1", here .. "/team/app:v2")
		bundle.create(second, names("base:v1", "team/app:v1", "team/app:v2", "team/new:v1"), { since = first })
		bundle.load(first, there .. "/in")
		local summary = bundle.load(second, there .. "/in")
		assert.same({ 2, 2, 0 }, { summary.copied, summary.unchanged, summary.failed })
		for _, name in ipairs { "base:v1", "team/app:v1", "team/app:v2", "team/new:v1" } do
			assert_same(name)
		end
		for _, entry in ipairs(bundle.load(second, "oci:" .. dir .. "/fresh").entries) do
			assert.truthy(entry.error.message:find("^" .. second:gsub("%p", "%%%0") .. ": sha256:%x+ is in the bundle before"),
				entry.error.message)
		end
	end)

	it("gives no two images one name", function()
		local file = dir .. "/both.tar"
		support.make_image(there .. "/base:v1")
		bundle.create(file, { here .. "/base:v1", there .. "/base:v1" })
		local err = support.fails(bundle.load, file, there .. "/in")
		assert.equal("invalid", err.code)
		assert.truthy(err.message:find(('would be "%s/in/base:v1"'):format(there), 1, true), err.message)
		assert.is_nil(luff.try(support.tags, there .. "/in/base"))
	end)

	it("goes on where a run broke off", function()
		local layers = luff.image(here .. "/base:v1", { platform = "linux/amd64" }):layers()
		local flaky <close> = luff.serve { record = true, faults = { { method = "GET",
			path = "/v2/base/blobs/" .. layers[2]:digest(), status = 404, count = 1, stall = 0.5 } } }
		local from, file = flaky:address() .. "/base:v1", dir .. "/b.tar"
		luff.copy(here .. "/base:v1", from)
		support.write(file .. ".unfinished", "what somebody left")
		local err = support.fails(bundle.create, file, { from })
		assert.truthy(err.message:find("what has come is in " .. file .. ".unfinished", 1, true), err.message)
		assert.is_false(support.exists(file))
		flaky:requests()
		-- the failure of one may have ended the other
		local came = support.exists(file .. ".unfinished/blobs/" .. layers[1]:digest():gsub(":", "/"))
		bundle.create(file, { from })
		local asked = flaky:requests()
		assert.same({ came and 0 or 1, 1 }, { support.count(asked, "GET", "blobs/" .. layers[1]:digest()),
			support.count(asked, "GET", "blobs/" .. layers[2]:digest()) })
		assert.same({ file }, support.files(dir))
		-- what was left and is damaged, or none of this run's
		luff.copy(here .. "/team/app:v1", "oci:" .. file .. ".unfinished:other")
		luff.copy(from, "oci:" .. file .. ".unfinished:mine")
		support.write(file .. ".unfinished/blobs/" .. layers[1]:digest():gsub(":", "/"), ("x"):rep(layers[1]:size()))
		bundle.create(file, { from })
		assert.same({ from }, support.tags("oci-archive:" .. file))
		assert.equal(1, #bundle.list(file).images)
		assert.same({}, (luff.validate("oci-archive:" .. file .. ":" .. from)))
		assert.same({ file }, support.files(dir))
	end)

	it("goes into links, pipes and stdout as they are", function()
		local file, name = dir .. "/real.tar", here .. "/base:v1"
		support.must { "ln", "-s", "real.tar", dir .. "/link" }
		support.must { "mkfifo", dir .. "/pipe" }
		bundle.create(dir .. "/link", { name })
		assert.same({ name }, support.tags("oci-archive:" .. file))
		local run = ("cat %s/pipe > %s/piped & %s bundle create -o %s/pipe %s && wait && test -p %s/pipe && "
			.. "%s bundle create -o - %s > %s/out"):format(dir, dir, support.program, dir, name, dir, support.program, name, dir)
		support.must { "timeout", "60", "sh", "-c", run }
		for _, made in ipairs { "/piped", "/out" } do
			assert.same({ name }, support.tags("oci-archive:" .. dir .. made))
		end
		assert.equal(2, support.luff("bundle", "create", "--json", "-o", "-", name).code)
	end)

	it("takes referrers along", function()
		local signed = artifact.attach(here .. "/base:v1", { type = "application/x.signature" }):digest()
		local file = dir .. "/signed.tar"
		bundle.create(file, names "base:v1", { referrers = true })
		bundle.load(file, there .. "/in")
		assert.equal(signed, luff.referrers(there .. "/in/base:v1")().digest)
		bundle.create(dir .. "/empty.tar", names "team/app:v1")
		bundle.create(file, names "base:v1", { referrers = true, since = dir .. "/empty.tar" })
		bundle.load(file, there .. "/other")
		assert.equal(signed, luff.referrers(there .. "/other/base:v1")().digest)
	end)

	it("leaves nothing half made, and refuses what is no bundle", function()
		local file = dir .. "/none.tar"
		assert.equal("not_found", support.fails(bundle.create, file, names("base:v1", "base:none")).code)
		assert.same({}, support.files(dir))
		for message, list in pairs { ["1 to 10000"] = {}, ["is there twice"] = names("base:v1", "base:v1"),
			["images in registries"] = { "oci:" .. dir } } do
			assert.truthy(support.fails(bundle.create, file, list).message:find(message, 1, true))
		end
		support.write(file, "no bundle")
		support.fails(bundle.load, file, there)
		assert.equal("not_found", support.fails(bundle.create, file, names "base:v1", { since = dir .. "/gone" }).code)
	end)

	it("tells how far it is", function()
		local file = dir .. "/p.tar"
		local result = support.luff("bundle", "create", "--progress", "json", "-o", file, here .. "/base:v1")
		assert.truthy(result.stderr:find('"event":"done"', 1, true), result.stderr)
		result = support.luff("bundle", "load", "--progress", "json", file, "--to", there .. "/progress")
		assert.truthy(result.stderr:find('"event":"done"', 1, true), result.stderr)
		assert.equal(2, support.luff("bundle", "ls", "--progress", "json", file).code)
	end)

	it("is a command, and skopeo reads what it makes", function()
		local file, list = dir .. "/c.tar", support.write(dir .. "/list", "# ours\n" .. here .. "/base:v1 # one\n\n")
		local result = support.luff("bundle", "create", "-o", file, "-f", list, here .. "/team/app:v1")
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("sha256:%x+\t" .. here:gsub("%p", "%%%0") .. "/base:v1\n"), result.stdout)
		assert.equal(result.stdout:gsub("[^\n]*team[^\n]*\n", ""), (support.luff("bundle", "ls", file).stdout
			:gsub("[^\n]*team[^\n]*\n", "")))
		result = support.luff("bundle", "load", file, "--to", there .. "/in")
		assert.equal(0, result.code, result.stderr)
		assert_same "base:v1"
		assert.equal(2, support.luff("bundle", "lod", file).code)
		assert.equal(2, support.luff("bundle", "ls", file, "--to", there).code)
		local skopeo = support.peer "skopeo"
		if not skopeo then
			pending "skopeo is not installed"
		end
		local raw = support.must { skopeo, "inspect", "--raw", ("oci-archive:%s:%s/base:v1"):format(file, here) }
		assert.equal(luff.open(here .. "/base:v1"):raw_manifest(), raw)
	end)
end)
