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
