-- Not under the thread sanitizer.
-- Several images in one copy: content first, then all their names at once; an archive is written once.
local luff = require "luff"
local support = require "spec.support"

local shared = support.tar { ["etc/shared"] = support.random(200000) }
local from, one, two, many

setup(function()
	from = "oci:" .. support.scratch()
	one = support.make_image(from .. ":app:one", { layers = { shared, 1000 } })
	two = support.make_image(from .. ":app:two", { layers = { shared, 2000 } })
	many = support.make_index(from .. ":app:many", { "linux/amd64", "linux/arm64" })
end)

describe("Several images", function()
	it("go into one archive, what they share once", function()
		local file = support.scratch() .. "/both.tar"
		local place = "docker-archive:" .. file
		local result = luff.copy({ from .. ":app:one", from .. ":app:two" }, place)
		assert.same({ one:digest(), two:digest() }, { result.images[1].digest, result.images[2].digest })
		assert.equal(2, result.manifests)
		assert.equal(5, result.copied)
		assert.equal(1, result.skipped)
		assert.is_nil(result.digest)
		assert.equal(one, luff.open(place .. ":app:one"))
		assert.equal(two, luff.open(place .. ":app:two"))
		local _, times = support.must { "tar", "-tf", file }:gsub(one:layers()[1]:digest():sub(8), "")
		assert.equal(1, times)
		-- beside what is there, whose names may be taken over
		luff.copy({ from .. ":app:many", from .. ":app:one" }, place, { platform = "linux/arm64" })
		assert.equal("linux/arm64", luff.open(place .. ":app:many"):platform())
		assert.same({ "app:many", "app:one", "app:two" }, support.tags(place))
		local names = 0
		for _, entry in ipairs(luff.json.decode(support.must { "tar", "-xOf", file, "manifest.json" })) do
			names = names + #entry.RepoTags
		end
		assert.equal(3, names)
	end)

	it("go into a pipe, which is written once", function()
		local dir = support.scratch()
		local name = "docker-archive:-"
		local result = support.must { "sh", "-c", '"$1" copy -q "$2:app:one" "$2:app:two" "$3" > "$4"', "sh", support.program,
			from, name, dir .. "/x.tar" }
		assert.equal("", result)
		assert.same({ "app:one", "app:two" }, support.tags("docker-archive:" .. dir .. "/x.tar"))
		luff.copy({ one, two, many }, "oci-archive:" .. dir .. "/y.tar")
		assert.equal(many, luff.open("oci-archive:" .. dir .. "/y.tar@" .. many:digest()))
	end)

	it("go to layouts, registries and memory", function()
		local server <close> = luff.serve()
		for tag, image in pairs { one = one, two = two, many = many } do
			luff.copy(image, server:address() .. "/app:" .. tag)
		end
		local app = server:address() .. "/app"
		for _, place in ipairs { "memory:several", "oci:" .. support.scratch() .. "/new", server:address() .. "/other" } do
			luff.copy({ app .. ":one", luff.ref(app .. ":two"), app .. ":many" }, place)
			assert.same({ "many", "one", "two" }, support.tags(place))
			assert.equal(many, luff.open(place .. ":many"))
			assert.equal(0, luff.copy({ app .. ":one", app .. ":two" }, place).manifests)
		end
		local dir = "oci:" .. support.scratch()
		local bytes = support.must { support.program, "copy", "-q", "--json", app .. ":one", app .. ":two", dir }
		assert.equal(two:digest(), luff.json.decode(bytes).images[2].digest)
		bytes = support.must { support.program, "copy", "-q", app .. ":one", app .. ":two", dir }
		assert.equal(one:digest() .. "\n" .. two:digest() .. "\n", bytes)
	end)

	it("get no names where one of them fails", function()
		local dir = support.scratch()
		local place = "docker-archive:" .. dir .. "/x.tar"
		assert.equal("not_found", support.fails(luff.copy, { from .. ":app:one", from .. ":app:none" }, place).code)
		assert.is_false(support.exists(dir .. "/x.tar"))
		luff.copy(from .. ":app:one", place)
		local before = support.checksums(dir)
		assert.equal("not_found", support.fails(luff.copy, { from .. ":app:two", from .. ":app:none" }, place).code)
		assert.equal(before, support.checksums(dir))
		local list = { from .. ":app:one", from .. ":app:none" }
		assert.equal("not_found", support.fails(luff.copy, list, "oci:" .. dir .. "/l").code)
		assert.is_false(support.exists(dir .. "/l/index.json"))
		luff.try(luff.copy, { from .. ":app:one", from .. ":app:none" }, "memory:several-failed")
		assert.same({}, support.tags "memory:several-failed")
	end)

	it("keep their names, which differ", function()
		local other = "oci:" .. support.scratch()
		luff.copy(two, other .. ":app:one")
		local err = support.fails(luff.copy, { from .. ":app:one", other .. ":app:one" }, "memory:several-same")
		assert.equal("invalid", err.code)
		assert.truthy(err.message:find("two of the images would be named app:one", 1, true), err.message)
		assert.equal("invalid", support.fails(luff.copy, { one, two }, "memory:several-same:v1").code)
		assert.equal("invalid", support.fails(luff.copy, { one, two }, "memory:several-same").code)
		assert.equal("unsupported", support.fails(luff.copy, { one, two }, "dir:" .. support.scratch() .. "/d").code)
		assert.is_false((pcall(luff.copy, {}, "memory:several-same")))
		assert.is_false((pcall(luff.copy, { one, 7 }, "memory:several-same")))
		assert.same({}, support.tags "memory:several-same")
	end)

	it("are read by other tools", function()
		local programs, dir = support.peers "skopeo", support.scratch()
		if #programs == 0 then
			pending "skopeo is not installed"
		end
		luff.copy({ from .. ":app:one", from .. ":app:two" }, "docker-archive:" .. dir .. "/x.tar")
		for _, tag in ipairs { "one", "two" } do
			support.must { programs[1], "--insecure-policy", "copy", "-q", "docker-archive:" .. dir .. "/x.tar:app:" .. tag,
				"dir:" .. dir .. "/" .. tag }
			assert.equal(luff.open(from .. ":app:" .. tag):config_name(), luff.open("dir:" .. dir .. "/" .. tag):config_name())
		end
	end)
end)
