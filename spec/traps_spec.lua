-- Not under the thread sanitizer.
-- An image with every trap there is, unpacked by luff, by umoci, by Podman, and by GNU tar from luff's export: one tree, byte
-- for byte, with owners, modes, times, links and extended attributes. LUFF_TRAPS says how many entries it has.
local daemons = require "spec.support.daemons"
local support = require "spec.support"
local traps = require "spec.support.traps"

local root = support.sh "id -u" == "0"

-- All that a folder holds, as one digest: the tar of it, which says the same of the same.
local function digest(dir)
	return support.must { "sh", "-c", ([[cd %s && tar --create --format=posix --sort=name --numeric-owner --xattrs \
		--xattrs-include='*' --pax-option=delete=atime,delete=ctime,exthdr.name=x --file=- . | sha256sum]]):format(dir) }
end

-- The same for people, a line for each.
local function listing(dir)
	return support.sh(([[cd %s && find . -printf '%%p %%y %%m %%U:%%G %%T@ %%n %%s %%l\n' | LC_ALL=C sort]]):format(dir))
end

local function differences(a, b)
	local into = support.scratch()
	local left, right = support.write(into .. "/a", listing(a)), support.write(into .. "/b", listing(b))
	return support.run({ "diff", left, right }).stdout
end

describe("an image with every trap", function()
	local name, dir, count
	setup(function()
		count = tonumber(os.getenv "LUFF_TRAPS") or support.scaled(1500)
		dir = support.scratch()
		name = "oci:" .. dir .. "/layout:v1"
		local layers = traps.layers(count)
		layers[2] = support.packed(layers[2], "gzip")
		layers[3] = support.packed(layers[3], "zstd")
		support.make_image(name, { layers = layers })
	end)

	local extracted
	-- Owners and devices are root's.
	local function extract()
		if not extracted then
			extracted = dir .. "/luff"
			local done = support.luff("extract", name, extracted)
			assert.equal(0, done.code, done.stderr)
		end
		return extracted
	end

	it("is sound but for the paths that are there more than once", function()
		for _, finding in ipairs((require("luff").validate(name))) do
			assert.matches(" in it more than once", finding.what, 1, true)
		end
	end)

	it("comes out of umoci as it does of luff", function()
		local umoci = support.peer "umoci"
		if not umoci or not root then
			return pending(umoci and "not root" or "umoci is not installed")
		end
		local ours = extract()
		local bundle = dir .. "/bundle"
		support.must { umoci, "unpack", "--image", dir .. "/layout:v1", bundle }
		assert.equal("", differences(bundle .. "/rootfs", ours))
		assert.equal(digest(bundle .. "/rootfs"), digest(ours))
	end)

	it("comes out of Podman as it does of luff", function()
		local home, words = daemons.home "podman"
		if not home or not root then
			return pending(home and "not root" or "Podman is not installed")
		end
		local function podman(...)
			local argv = table.move(words, 1, #words, 1, {})
			for _, word in ipairs { "--root", home .. "/root", "--runroot", home .. "/run", "--storage-driver", "vfs", ... } do
				argv[#argv + 1] = word
			end
			return (support.must(argv):gsub("%s+$", ""))
		end
		support.make_image("oci:" .. home .. "/layout:v1", { layers = traps.layers(count, true) })
		local image = podman("pull", "--quiet", "oci:" .. home .. "/layout:v1")
		local theirs, ours = podman("image", "mount", image), dir .. "/tamed" -- with vfs a plain folder
		assert.equal(0, support.luff("extract", "oci:" .. home .. "/layout:v1", ours).code)
		support.must { "touch", "-d", "@0", theirs, ours } -- the time of the root is nobody's for Podman
		assert.equal("", differences(theirs, ours))
		assert.equal(digest(theirs), digest(ours))
	end)

	it("comes out of GNU tar by way of luff export as it does of luff", function()
		if not root then
			return pending "not root"
		end
		local ours = extract()
		local unpack = [[mkdir %s/tar && %s export %s | tar --extract --numeric-owner --same-permissions \
			--delay-directory-restore --xattrs --xattrs-include='*' --directory %s/tar]]
		support.must { "sh", "-c", unpack:format(dir, support.program, name, dir) }
		assert.equal("", differences(dir .. "/tar", ours))
		assert.equal(digest(dir .. "/tar"), digest(ours))
	end)
end)
