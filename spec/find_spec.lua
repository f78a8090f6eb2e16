-- Not under sanitizers.
-- Which tags are of a kind.
local luff = require "luff"
local find = require "luff.find"
local support = require "spec.support"

local function ago(days)
	return os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - days * 86400)
end

describe("luff.find", function()
	local server, app

	before_each(function()
		server = luff.serve { record = true }
		support.defer(function() server:close() end)
		app = server:address() .. "/app"
		support.make_image(app .. ":deb", { config = { created = ago(10), config = { Labels = { team = "a" } } },
			layers = { support.tar { ["var/lib/dpkg/status"] =
				"Package: bash\nVersion: 5.2\n\nPackage: openssl\nStatus: ok\nVersion: 3.0.1\n\nPackage: zlib\nVersion: 1\n" } } })
		support.make_image(app .. ":apk", { config = { created = ago(100) },
			layers = { support.tar { ["lib/apk/db/installed"] = "P:openssl\nV:3.1-r0\n\nP:musl\nV:1.2\n" } } })
		support.make_image(app .. ":slim", { layers = { support.tar { ["var/lib/dpkg/status.d/openssl"] =
			"Package: openssl\nVersion: 9\n", ["usr/lib/x/libssl.so.3"] = "x" } } })
		luff.tag(app .. ":deb", "latest")
		support.make_index(app .. ":multi", { "linux/arm64", "linux/amd64" })
	end)

	local function found(opts, field)
		opts.from = app
		local list = {}
		for _, entry in ipairs(find.run(opts)) do
			list[#list + 1] = entry.tag .. (field and "=" .. tostring(entry[field]) or "")
		end
		table.sort(list)
		return table.concat(list, " ")
	end

	it("refuses what is no digest", function()
		local err = support.fails(find.run, { from = "127.0.0.1:1/app", digest = "sha256:abc" })
		assert.equal('"sha256:abc" is no digest', err.message)
	end)

	it("knows what is the same", function()
		assert.equal("deb latest", found { digest = app .. ":latest" })
		assert.equal("apk", found { digest = luff.resolve(app .. ":apk").digest })
	end)

	it("knows ages, labels and names", function()
		assert.equal("apk", found { older_than = "30d" })
		assert.equal("deb latest", found { newer_than = "30d" })
		assert.equal("deb", found { newer_than = "30d", tags = { allow = "d*" } })
		assert.equal("deb=a latest=a", found({ label = "team" }, "label"))
		assert.equal("", found { label = "team=b" })
	end)

	it("looks inside, once for each image", function()
		assert.equal("apk=3.1-r0 deb=3.0.1 latest=3.0.1 slim=9", found({ package = "openssl" }, "version"))
		assert.equal("deb=5.2 latest=5.2", found({ package = "bash" }, "version"))
		assert.equal("", found { package = "bas" })
		assert.equal("slim=/usr/lib/x/libssl.so.3", found({ file = "/usr/**/libssl*" }, "file"))
		assert.equal("multi=/etc/platform", found({ file = "/etc/platform", platform = "linux/amd64" }, "file"))
		assert.equal("multi", found { file = "/etc/platform" })
		server:requests()
		found { package = "openssl", tags = { allow = { "deb", "latest" } } }
		assert.equal(1, support.count(server, "GET", "/blobs/" .. luff.image(app .. ":deb", { platform = "linux/amd64" })
			:layers()[1]:digest()))
	end)

	it("is a command", function()
		local result = support.luff("find", "--package", "openssl", "--allow", "deb", app)
		assert.equal(0, result.code, result.stderr)
		assert.equal(("deb\t%s\t3.0.1\n"):format(luff.resolve(app .. ":deb").digest), result.stdout)
		local document = luff.json.decode(support.luff("find", "--json", "--older-than", "30d", app).stdout)
		assert.same({ 1, "apk" }, { #document.found, document.found[1].tag })
		assert.equal(3, support.luff("find", server:address() .. "/none").code)
	end)
end)
