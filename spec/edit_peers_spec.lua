-- Not under sanitizers.
-- Edits beside crane's: where both do the same, the images agree on what they must; and other tools read what luff made.
local luff = require "luff"
local support = require "spec.support"

local cranes, skopeos = support.peers "crane", support.peers "skopeo"
local umocis = support.peers "umoci"

describe("beside crane,", function()
	local server, dir, place
	before_each(function()
		server = luff.serve {}
		dir = support.scratch()
		place = server:address() .. "/edits:"
		support.write(dir .. "/one.tar", support.tar { ["etc/version"] = "1", ["etc/one"] = "1" })
		support.write(dir .. "/two.tar", support.tar { ["etc/version"] = "2", ["etc/two"] = "2" })
		support.write(dir .. "/app.tar.gz", support.packed(support.tar { app = "a", ["etc/.wh.one"] = "" }, "gzip").bytes)
		for _, base in ipairs { "one", "two" } do
			luff.copy(luff.empty { platform = "linux/amd64", format = "docker" }:append { { tar = dir .. "/" .. base .. ".tar",
				created_by = base } }:configure(function(c) c.config.Env = luff.array { "BASE=" .. base } end), place .. base)
		end
	end)
	after_each(function()
		server:close()
	end)

	-- Calls f(crane, …) for each crane, where f runs it with words and returns its stdout.
	local function each(f)
		if #cranes == 0 then
			pending "crane is not installed"
		end
		for _, program in ipairs(cranes) do
			f(function(...)
				return support.must { program, ... }
			end)
		end
	end

	local function run(...)
		local result = support.luff(...)
		assert.equal("", result.stderr)
		return result.stdout
	end

	it("luff append adds the same layers", function()
		each(function(crane)
			crane("append", "-b", place .. "one", "-f", dir .. "/app.tar.gz", "-f", dir .. "/two.tar", "-t", place .. "crane")
			run("append", "-q", place .. "one", "-f", dir .. "/app.tar.gz", "-f", dir .. "/two.tar", "-t", place .. "luff")
			local theirs, ours = luff.image(place .. "crane"), luff.image(place .. "luff")
			assert.same(theirs:config_file().rootfs, ours:config_file().rootfs)
			assert.equal(#theirs:config_file().history, #ours:config_file().history)
			assert.same(theirs:config_file().config, ours:config_file().config)
			assert.equal(theirs:layers()[2], ours:layers()[2]) -- was gzip before
			assert.equal(theirs:media_type(), ours:media_type())
			crane("validate", "--remote", place .. "luff")
		end)
	end)

	it("luff mutate sets the same config", function()
		each(function(crane)
			local words = { "--env", "A=b", "--env", "BASE=new", "--label", "x=y", "--cmd", "a,b", "--entrypoint", "e",
				"--user", "me",
				"--workdir", "/w", "--exposed-ports", "80/tcp,53/udp", "--annotation", "k=v" }
			crane("mutate", place .. "one", "-t", place .. "crane", table.unpack(words))
			run("mutate", "-q", place .. "one", "-t", place .. "luff", table.unpack(words))
			local theirs, ours = luff.image(place .. "crane"), luff.image(place .. "luff")
			assert.same(theirs:config_file().config, ours:config_file().config)
			assert.same(theirs:config_file().rootfs, ours:config_file().rootfs)
			assert.same(theirs:annotations(), ours:annotations())
			assert.same(theirs:layers(), ours:layers())
			crane("validate", "--remote", place .. "luff")
		end)
	end)

	it("luff rebase stacks the same layers", function()
		each(function(crane)
			run("append", "-q", place .. "one", "-f", dir .. "/app.tar.gz", "-t", place .. "app")
			crane("rebase", place .. "app", "--old_base", place .. "one", "--new_base", place .. "two", "-t", place .. "crane")
			run("rebase", "-q", place .. "app", "--old-base", place .. "one", "--new-base", place .. "two", "-t",
				place .. "luff")
			local theirs, ours = luff.image(place .. "crane"), luff.image(place .. "luff")
			assert.same(theirs:layers(), ours:layers())
			assert.same(theirs:config_file().rootfs, ours:config_file().rootfs)
			assert.same(theirs:config_file().config, ours:config_file().config)
			assert.equal(#theirs:config_file().history, #ours:config_file().history)
			assert.equal("two", ours:config_file().history[1].created_by)
			assert.same(theirs:annotations(), ours:annotations())
			crane("validate", "--remote", place .. "luff")
			-- what one says of the base, the other believes
			luff.copy(luff.image(place .. "one"), place .. "two")
			crane("rebase", place .. "luff", "-t", place .. "crane-again")
			run("rebase", "-q", place .. "crane", "-t", place .. "luff-again")
			assert.same(luff.image(place .. "app"):layers(), luff.image(place .. "crane-again"):layers())
			assert.same(luff.image(place .. "app"):layers(), luff.image(place .. "luff-again"):layers())
		end)
	end)

	it("luff flatten leaves the same files and the same config", function()
		each(function(crane)
			run("append", "-q", place .. "one", "-f", dir .. "/app.tar.gz", "-f", dir .. "/two.tar", "-t", place .. "app")
			crane("flatten", place .. "app", "-t", place .. "crane")
			run("flatten", "-q", place .. "app", "-t", place .. "luff")
			local theirs, ours = luff.image(place .. "crane"), luff.image(place .. "luff")
			local function files(image)
				local list = {}
				for e in image:files() do
					list[#list + 1] = e.type == "file" and e.path .. "=" .. e:read "a" or nil
				end
				return list
			end
			assert.same({ "/app=a", "/etc/two=2", "/etc/version=2" }, files(ours))
			assert.same(files(theirs), files(ours))
			assert.same(theirs:config_file().config, ours:config_file().config)
			assert.equal(1, #ours:layers())
			assert.equal(#theirs:config_file().history, #ours:config_file().history)
			crane("validate", "--remote", place .. "luff")
		end)
	end)

	it("luff index lists the same images", function()
		each(function(crane)
			local arm = support.make_image(place .. "arm", { platform = "linux/arm64/v8", docker = true })
			crane("index", "append", "--docker-empty-base", "-m", place .. "one", "-m", place .. "arm", "-t", place .. "crane")
			run("index", "create", "-q", place .. "one", place .. "arm", "-t", place .. "luff")
			local theirs, ours = luff.index(place .. "crane"), luff.index(place .. "luff")
			for i, entry in ipairs(theirs:index_manifest().manifests) do
				assert.same(entry, ours:index_manifest().manifests[i])
			end
			crane("index", "filter", place .. "luff", "--platform", "linux/arm64", "-t", place .. "crane")
			run("index", "filter", "-q", place .. "luff", "--platform", "linux/arm64", "-t", place .. "luff2")
			assert.equal(arm:digest(), luff.index(place .. "crane"):index_manifest().manifests[1].digest)
			assert.same(luff.index(place .. "crane"):index_manifest().manifests,
				luff.index(place .. "luff2"):index_manifest().manifests)
		end)
	end)
end)

describe("an edited image", function()
	-- An image with some of each edit, its folder, and its files as lines.
	local function edited()
		local dir = support.scratch() .. "/layout"
		local image = luff.empty { platform = "linux/amd64" }:append {
			{ files = { ["etc/"] = {}, ["etc/a"] = "1", ["etc/b"] = { content = "2", mode = 384 }, ["etc/c"] = {
				hardlink = "etc/a" },
				["usr/"] = {}, ["usr/doc/"] = {}, ["usr/doc/x"] = "x" } },
			{ files = { ["etc/.wh.a"] = "", ["usr/"] = {}, ["usr/y"] = { link = "/etc/b" } }, compress = "zstd" },
			{ files = { ["etc/"] = { mode = 448 }, ["etc/d"] = "4" } },
		}
		image = image:strip "/usr/doc":configure(function(c) c.config.User = "0:0" end):squash(2):with_time(86400)
			:annotate { a = "b" }
		luff.copy(image, "oci:" .. dir .. ":v1")
		return image, dir
	end

	it("is copied by skopeo", function()
		if #skopeos == 0 then
			pending "skopeo is not installed"
		end
		local image, dir = edited()
		for _, program in ipairs(skopeos) do
			local target = support.scratch() .. "/dir"
			support.must { program, "--insecure-policy", "copy", "-q", "--preserve-digests", "oci:" .. dir .. ":v1",
				"dir:" .. target }
			assert.equal(image:raw_manifest(), support.read(target .. "/manifest.json"))
			local config = luff.json.decode(support.must { program, "inspect", "--config", "oci:" .. dir .. ":v1" })
			assert.equal("0:0", config.config.User)
		end
	end)

	it("is unpacked by umoci to the same files", function()
		if #umocis == 0 then
			pending "umoci is not installed"
		end
		local image, dir = edited()
		local own = support.scratch() .. "/own"
		image:extract(own, { keep_owner = false })
		local function listing(root)
			return support.sh(("cd %s && find . -mindepth 1 -printf '%%p %%y %%m %%n %%T@ %%l\\n' | sort; cat etc/*"):format(
				root))
		end
		for _, program in ipairs(umocis) do
			local bundle = support.scratch() .. "/bundle"
			support.must { program, "unpack", "--rootless", "--image", dir .. ":v1", bundle }
			assert.equal(listing(own), listing(bundle .. "/rootfs"))
		end
	end)
end)
