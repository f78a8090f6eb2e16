-- Not under sanitizers.
-- What crane and skopeo say of the same images, and do with them, beside luff's commands of luff help coming. Where layers and
-- configs are edited: edit_peers_spec.lua; archives: the spec of pull and push.
local luff = require "luff"
local coming = require "luff.coming"
local support = require "spec.support"

describe("luff help coming", function()
	it("names commands that there are", function()
		local cli = require "luff.cli"
		for _, tool in ipairs(coming.tools) do
			for _, row in ipairs(tool.rows) do
				local line = row[2]:gsub("%s*%(.*", "")
				local verb, rest = line:match "^(%S+)%s*(.*)$"
				for one in verb:gsub(",$", ""):gmatch "[^,]+" do
					local command = cli.command(one)
					for option in rest:gmatch "%f[^%s\0]%-%-?([%w-]+)" do
						local known = false
						for _, declared in ipairs(cli.command_options(command)) do
							known = known or declared.name == option or declared.short == option
						end
						assert.is_true(known, line)
					end
				end
			end
		end
	end)

	it("names crane's and skopeo's commands", function()
		local programs = { crane = support.peers "crane", skopeo = support.peers "skopeo" }
		if #programs.crane + #programs.skopeo == 0 then
			pending "neither crane nor skopeo is installed"
		end
		for _, tool in ipairs(coming.tools) do
			for _, program in ipairs(programs[tool.name] or {}) do
				local help = support.must { program, "--help" }
				for _, row in ipairs(tool.rows) do
					for verb in row[1]:gmatch "^([%l-]+)" do
						assert.truthy(help:find("\n  " .. verb:gsub("%-", "%%-") .. " "), tool.name .. " " .. verb)
					end
				end
			end
		end
	end)
end)

describe("On the same images", function()
	local server, place, dir, digest, config

	before_each(function()
		server, dir = luff.serve {}, support.scratch()
		place = server:address() .. "/team/app"
		support.make_index(place .. ":v1", { "linux/amd64", "linux/arm64" })
		local image = support.make_image(place .. ":one", { layers = {
			support.packed(support.tar { ["etc/a"] = "a", ["usr/b"] = ("b"):rep(3000) }, "gzip"),
			support.packed(support.tar { ["etc/a"] = "new" }, "gzip"),
		} })
		support.make_image(server:address() .. "/other:v1")
		digest, config = image:digest(), image:config_name()
	end)
	after_each(function()
		server:close()
	end)

	local function ours(...)
		return support.must { support.program, ... }
	end

	-- Lines in their order of letters.
	local function sorted(text)
		local lines = {}
		for line in text:gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		table.sort(lines)
		return lines
	end

	local function each(name, f)
		local programs = support.peers(name)
		if #programs == 0 then
			pending(name .. " is not installed")
		end
		for _, program in ipairs(programs) do
			f(function(...) return support.must { program, ... } end)
		end
	end

	it("crane reads what luff reads", function()
		each("crane", function(crane)
			for _, words in ipairs { { "manifest", place .. ":v1" }, { "manifest", place .. ":one" },
				{ "config", place .. ":one" }, { "blob", place .. "@" .. config } } do
				local theirs = crane(table.unpack(words))
				-- crane ends some of them with a newline of its own
				assert.equal((theirs:gsub("\n$", "")), (ours(table.unpack(words)):gsub("\n$", "")), words[1])
			end
			assert.equal(crane("digest", place .. ":v1"), ours("digest", place .. ":v1"))
			assert.equal(crane("digest", "--platform", "linux/arm64", place .. ":v1"),
				ours("digest", "--platform", "linux/arm64", place .. ":v1"))
			assert.same(sorted(crane("ls", place)), sorted(ours("ls", place)))
			assert.same(sorted(crane("catalog", server:address())), sorted(ours("catalog", server:address())))
			crane("validate", "--remote", place .. ":one")
			ours("validate", place .. ":one")
		end)
	end)

	it("crane exports the same files", function()
		each("crane", function(crane)
			crane("export", place .. ":one", dir .. "/theirs.tar")
			ours("export", place .. ":one", "-o", dir .. "/ours.tar")
			for _, file in ipairs { "theirs", "ours" } do
				support.must { "mkdir", dir .. "/" .. file }
				support.must { "tar", "-xf", dir .. "/" .. file .. ".tar", "-C", dir .. "/" .. file }
			end
			assert.equal(support.checksums(dir .. "/theirs"), support.checksums(dir .. "/ours"))
			support.must { "rm", "-rf", dir .. "/theirs", dir .. "/ours" }
		end)
	end)

	it("crane and skopeo find damage where luff does", function()
		local name = "oci:" .. dir .. "/damaged:v1"
		local layer = support.make_image(name):layers()[1]:digest()
		support.write(dir .. "/damaged/blobs/sha256/" .. layer:sub(8), "damaged")
		assert.equal(6, support.luff("validate", name).code)
		for _, program in ipairs(support.peers "skopeo") do
			assert.is_true(support.run({ program, "--insecure-policy", "copy", "-q", name, "dir:" .. dir .. "/out" }).code ~= 0)
		end
	end)

	it("crane copies, tags and deletes as luff does", function()
		each("crane", function(crane)
			crane("copy", place .. ":v1", server:address() .. "/crane:v1")
			ours("copy", "-q", place .. ":v1", server:address() .. "/luff:v1")
			crane("tag", server:address() .. "/crane:v1", "stable")
			ours("tag", server:address() .. "/luff:v1", "stable")
			for _, tag in ipairs { "v1", "stable" } do
				assert.equal(luff.resolve(server:address() .. "/crane:" .. tag).digest,
					luff.resolve(server:address() .. "/luff:" .. tag).digest)
			end
			local whole = luff.resolve(place .. ":v1").digest
			crane("delete", server:address() .. "/crane@" .. whole)
			ours("delete", server:address() .. "/luff@" .. whole)
			assert.same({}, support.tags(server:address() .. "/crane"))
			assert.same({}, support.tags(server:address() .. "/luff"))
		end)
	end)

	it("skopeo reads what luff reads", function()
		each("skopeo", function(skopeo)
			local name = "docker://" .. place
			assert.equal(skopeo("inspect", "--tls-verify=false", "--raw", name .. ":v1"), ours("manifest", place .. ":v1"))
			assert.equal(skopeo("inspect", "--tls-verify=false", "--raw", "--config", name .. ":one"),
				ours("config", place .. ":one"))
			local tags = luff.json.decode(skopeo("list-tags", "--tls-verify=false", name)).Tags
			assert.same(sorted(table.concat(tags, "\n")), sorted(ours("ls", place)))
			local theirs = luff.json.decode(skopeo("inspect", "--tls-verify=false", name .. ":one"))
			local about = luff.json.decode(ours("inspect", "--json", place .. ":one"))
			assert.same({ digest, theirs.Digest }, { about.digest, digest })
			assert.equal(about.platform, theirs.Os .. "/" .. theirs.Architecture)
			for i, layer in ipairs(theirs.Layers) do
				assert.equal(layer, about.layers[i].digest)
			end
			assert.equal(#theirs.Layers, #about.layers)
		end)
	end)

	it("skopeo copies, deletes and syncs as luff does", function()
		each("skopeo", function(skopeo)
			local out = support.scratch()
			skopeo("--insecure-policy", "copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false",
				"docker://" .. place .. ":v1", "oci:" .. out .. "/theirs:v1")
			ours("copy", "-q", place .. ":v1", "oci:" .. out .. "/ours:v1")
			assert.equal(luff.resolve("oci:" .. out .. "/theirs:v1").digest, luff.resolve("oci:" .. out .. "/ours:v1").digest)
			assert.equal(support.checksums(out .. "/theirs/blobs"), support.checksums(out .. "/ours/blobs"))
			skopeo("--insecure-policy", "sync", "--all", "--preserve-digests", "--src", "docker", "--dest", "docker",
				"--src-tls-verify=false", "--dest-tls-verify=false", place, server:address() .. "/theirs")
			ours("mirror", place, server:address() .. "/ours/app")
			local theirs, mirrored = server:address() .. "/theirs/app", server:address() .. "/ours/app"
			assert.same(support.tags(theirs), support.tags(mirrored))
			for _, tag in ipairs(support.tags(theirs)) do
				assert.equal(luff.resolve(theirs .. ":" .. tag).digest, luff.resolve(mirrored .. ":" .. tag).digest)
			end
			skopeo("delete", "--tls-verify=false", "docker://" .. theirs .. "@" .. digest)
			ours("delete", mirrored .. "@" .. digest)
			assert.same({ "v1" }, support.tags(theirs))
			assert.same({ "v1" }, support.tags(mirrored))
		end)
	end)
end)
