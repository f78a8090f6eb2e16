-- Not under sanitizers.
-- Configurations of regsync and of skopeo sync: what they hold, and what is copied.
local luff = require "luff"
local config = require "luff.sync.config"
local hosts = require "luff.regbot.hosts"
local log = require "luff.log"
local steps = require "luff.sync.steps"
local support = require "spec.support"

local function parse(text)
	local warnings = {}
	local description = config.parse(text, "sync.yml", function(line) warnings[#warnings + 1] = line end)
	local made = steps.make(description)
	made.hosts = hosts(description).hosts
	return made, warnings
end

local function fails(text)
	return support.fails(parse, text).message
end

describe("A configuration of regsync", function()
	it("has defaults, templates and sets of tags", function()
		local c, warnings = parse [[
version: 1
x-any: &common {digestTags: true}
creds: [{registry: localhost, tls: disabled}]
defaults: {interval: 60m, parallel: 3, referrers: true, ratelimit: {min: 10, retry: 1m}, backup: "old-{{.Ref.Tag}}"}
sync:
  - source: a.example/app
    target: b.example/{{ .Sync.Source }}
    type: repository
    <<: *common
    referrers: false
    schedule: "0 2 * * *"
    tagSets:
      - {allow: ["3", "3\\.\\d+"], deny: [".*-rc"]}
      - {semverRange: [">=1.2 <2", "^4"]}
  - {source: app:v1, target: ocidir://dir:v2, type: image, platforms: [linux/amd64]}
]]
		assert.same({}, warnings)
		assert.equal(3, c.parallel)
		assert.same({ scheme = "http" }, c.hosts.localhost)
		local one, two = c.steps[1], c.steps[2]
		assert.equal("b.example/a.example/app", one.target)
		assert.equal("0 2 * * *", one.due)
		assert.is_true(one.digest_tags)
		assert.is_false(one.referrers)
		assert.same({ min = 10, retry = 300 }, one.ratelimit)
		assert.equal("old-v1", one.backup { Ref = { Tag = "v1" } })
		assert.same({ "3", "3.18", "4.0", "1.2.3" }, one.select { "x3", "3", "3.18", "3.18-rc", "30", "1.2.3", "4.0", "5.0" })
		assert.same({ "@every 60m", true, { "linux/amd64" } }, { two.due, two.referrers, two.platforms })
	end)

	it("tells unknown keys, and what has no use, with their lines", function()
		local _, warnings = parse("sync:\n  - source: a\n    target: b\n    type: image\n    fastCopy: true\n"
			.. "    referrerSlow: true\n")
		table.sort(warnings)
		assert.truthy(warnings[1]:find 'line 5: unknown key "fastCopy" is ignored', warnings[1])
		assert.truthy(warnings[2]:find 'line 6: "referrerSlow" makes no difference')
	end)

	it("is refused where luff cannot do what it says", function()
		local step = "sync:\n - source: a\n   target: b\n   type: image\n   "
		for text, message in pairs {
			[step .. "hooks: {pre: {type: x}}"] = 'sync.yml, line 5: luff does not support "hooks"',
			[step .. "referrerFilters: [{artifactType: x}]"] = 'line 5: luff does not support "referrerFilters"',
			[step .. "tags: {allow: ['(']}"] = "line 5: ", [step .. "tags: {semverRange: [x.y.z]}"] = "line 5: ",
			[step .. "platform: linux/amd64\n   platforms: [linux/arm64]"] = "line 5: \"platform\" takes one",
			[step .. "backup: '{{ x }}'"] = "no function", [step .. "interval: x"] = "line 5: ",
			[step .. "tags: {allow: x}"] = 'line 5: "allow" is a table, not a string',
			["sync:\n - source: a\n   target: b"] = '"type" is missing',
			["sync: [a]"] = '"sync" is a map, not a string', ["creds: [a]"] = '"creds" is a map',
			["sync:\n - source: a\n   target: b\n   type: tag"] = "line 4: type is registry",
			["sync:\n - source: a\n   type: image"] = '"target" is missing',
			["sync:\n - source: A B\n   target: b\n   type: image"] = "line 2: ",
		} do
			assert.truthy(fails(text):find(message, 1, true), text .. "\n" .. fails(text))
		end
	end)
end)

describe("luff sync", function()
	local dir, server, host

	before_each(function()
		dir = support.scratch()
		server = luff.serve()
		host = server:address()
		support.make_image "memory:sync:v1"
		support.make_image("memory:sync:v2", { config = { author = "other" } })
	end)

	after_each(function()
		server:close()
	end)

	local function put(from, ...)
		for _, name in ipairs { ... } do
			luff.copy("memory:sync:" .. from, host .. "/" .. name)
		end
	end

	local function run(action, text, ...)
		support.write(dir .. "/sync.yml", (text:gsub("\t", " "):gsub("HOST", host):gsub("DIR", dir)))
		return support.luff("sync", action, "-c", dir .. "/sync.yml", ...)
	end

	local function digest(name)
		return luff.resolve(host .. "/" .. name).digest
	end

	local app = "sync:\n - {source: HOST/app, target: HOST/copy, type: repository, tags: {allow: ['1\\.\\d']}}\n"

	it("tells what differs, copies what is missing, then all", function()
		put("v1", "app:1.0", "app:1.1", "app:1.2", "app:11.2", "copy:1.0")
		put("v2", "copy:1.1")
		local result = run("check", app, "--json")
		assert.equal(0, result.code, result.stderr)
		local found = {}
		for _, entry in ipairs(luff.json.decode(result.stdout).entries) do
			found[entry.tag] = entry.status
		end
		assert.same({ ["1.0"] = "unchanged", ["1.1"] = "differs", ["1.2"] = "missing" }, found)
		assert.same({ "1.0", "1.1" }, support.tags(host .. "/copy"))

		assert.equal(0, run("once", app, "--missing").code)
		assert.same({ "1.0", "1.1", "1.2" }, support.tags(host .. "/copy"))
		assert.equal(digest "copy:1.1", luff.resolve("memory:sync:v2").digest)

		result = run("once", app)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("copied\t" .. host .. "/copy\t1.1", 1, true), result.stdout)
		assert.equal(digest "app:1.1", digest "copy:1.1")
	end)

	it("copies registries, and images by tag and by digest", function()
		put("v1", "team/a:v1", "team/b:v1", "other:v1")
		local result = run("once", ([[
sync:
  - {source: HOST, target: HOST/all, type: registry, repos: {allow: ["team/.*"], deny: [".*/b"]}}
  - {source: HOST/other:v1, target: HOST/one:x, type: image}
  - {source: HOST/other@%s, target: HOST/pinned:v1, type: image}
  - {source: HOST/other:v1, target: "ocidir://DIR/layout:v9", type: image}
]]):format(luff.resolve(host .. "/other:v1").digest))
		assert.equal(0, result.code, result.stderr)
		assert.equal(digest "other:v1", digest "one:x")
		assert.equal(digest "other:v1", digest "pinned:v1")
		assert.same({ "v9" }, support.tags("oci:" .. dir .. "/layout"))
		assert.equal(digest "team/a:v1", digest "all/team/a:v1")
		assert.is_nil(luff.try(luff.resolve, host .. "/all/team/b:v1"))
	end)

	it("keeps what it overwrites, and tags about what it copies", function()
		put("v1", "app:v1")
		put("v2", "copy:v1")
		local tag, old = digest("app:v1"):gsub(":", "-") .. ".sig", digest "copy:v1"
		put("v2", "app:" .. tag, "app:sha256-" .. ("0"):rep(64) .. ".sig")
		local text = [[
defaults: {backup: "bkup-{{ .Ref.Tag }}", digestTags: true}
sync:
  - {source: HOST/app:v1, target: HOST/copy:v1, type: image}
]]
		for _ = 1, 2 do
			local result = run("once", text)
			assert.equal(0, result.code, result.stderr)
			assert.same({ "bkup-v1", tag, "v1" }, support.tags(host .. "/copy"))
		end
		assert.equal(old, digest "copy:bkup-v1")
		assert.equal(digest "app:v1", digest "copy:v1")
	end)

	local function has(place, what)
		local found = luff.try(luff.blob, place .. "@" .. what)
		if found then
			found:close()
		end
		return found ~= nil
	end

	it("copies the platforms that are meant", function()
		local index = support.make_index(host .. "/app:v1", { "linux/amd64", "linux/arm64" })
		local entries = index:index_manifest().manifests
		local arm = luff.image(host .. "/app:v1", { platform = "linux/arm64" })
		local other <close> = luff.serve {}
		for _ = 1, 2 do
			local result = run("once", (([[
sync:
  - {source: "HOST/app:v1", target: "OTHER/one:v1", type: image, platform: linux/arm64}
  - {source: "HOST/app:v1", target: "ocidir://DIR/some:v1", type: image, platforms: [linux/arm64]}
]]):gsub("OTHER", other:address())))
			assert.equal(0, result.code, result.stderr)
		end
		assert.equal(arm:digest(), luff.resolve(other:address() .. "/one:v1").digest)
		local some = "oci:" .. dir .. "/some"
		assert.equal(index:digest(), luff.resolve(some .. ":v1").digest)
		for _, entry in ipairs(entries) do
			assert.equal(entry.digest == arm:digest(), (pcall(luff.open, some .. "@" .. entry.digest)))
		end
	end)

	it("copies what refers to an image, also later, unless fastCheck spares that", function()
		put("v1", "app:v1", "copy:v1")
		require "luff.artifact".attach(host .. "/app:v1", { type = "application/x.note" })
		local function count()
			local n = 0
			for _ in luff.referrers(host .. "/copy:v1") do
				n = n + 1
			end
			return n
		end
		local step = "sync:\n  - {source: HOST/app:v1, target: HOST/copy:v1, type: image, referrers: true"
		assert.equal(0, run("once", step .. ", fastCheck: true}\n").code)
		assert.equal(0, count())
		assert.equal(0, run("once", step .. "}\n").code)
		assert.equal(1, count())
	end)

	it("copies layers that are elsewhere where includeExternal says so", function()
		support.make_image(host .. "/app:v1", { layers = { { bytes = support.tar { a = "b" },
			media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar" } } })
		local layer = luff.image(host .. "/app:v1"):manifest().layers[1].digest
		local other <close> = luff.serve {}
		for _, external in ipairs { false, true } do
			local result = run("once", ("sync:\n  - {source: HOST/app:v1, target: %s/copy%s:v1, type: image, "
				.. "includeExternal: %s}"):format(other:address(), external and 2 or 1, external))
			assert.equal(0, result.code, result.stderr)
			assert.equal(external, has(other:address() .. "/copy" .. (external and 2 or 1), layer))
		end
	end)

	it("looks below what is there already where forceRecursive says so", function()
		local index = support.make_index(host .. "/app:v1", { "linux/amd64", "linux/arm64" })
		local other <close> = luff.serve {}
		local target = other:address() .. "/copy"
		local step = ("sync:\n  - {source: HOST/app:v1, target: %s:v1, type: image, forceRecursive: "):format(target)
		assert.equal(0, run("once", step .. "true}").code)
		local lost = index:index_manifest().manifests[2].digest
		local layer = luff.image(host .. "/app@" .. index:index_manifest().manifests[1].digest):manifest().layers[1].digest
		luff.delete(target .. "@" .. lost, { force = true })
		luff.delete(target .. "@" .. layer, { blob = true })
		local result = run("once", step .. "false}")
		assert.truthy(result.stdout:find "^unchanged", result.stdout)
		assert.is_false((pcall(luff.open, target .. "@" .. lost)))
		result = run("once", step .. "true}")
		assert.truthy(result.stdout:find "^copied", result.stdout .. result.stderr)
		assert.same({}, luff.validate(target .. ":v1"))
	end)

	it("leaves out media types that are not meant", function()
		put("v1", "app:1.0")
		local result = run("once", "defaults: {mediaTypes: [application/x.none]}\n" .. app)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find "^left_out\t", result.stdout)
	end)

	it("waits until the source lets requests through", function()
		put("v1", "app:1.0")
		local c = parse((app:gsub("HOST", host)))
		c.steps[1].ratelimit = { min = 10, retry = 0.01 }
		local asked, rate_limit, entries = {}, luff.rate_limit, {}
		luff.rate_limit = function(name)
			asked[#asked + 1] = name
			return { remaining = #asked < 3 and 9 or 10 }
		end
		log.set { level = "warn" }
		local ok, err = pcall(require("luff.sync").once, c, "all", function(entry) entries[#entries + 1] = entry end)
		log.set { level = "info" }
		luff.rate_limit = rate_limit
		assert.is_true(ok, err)
		assert.same({ host, host, host }, asked)
		assert.equal("copied", entries[1].status)
	end)

	it("goes on after a step that failed", function()
		put("v1", "app:1.0")
		local result = run("once", app .. " - {source: HOST/none, target: HOST/x, type: repository}\n"
			.. " - {source: HOST/none:v1, target: HOST/x:v1, type: image}\n")
		assert.equal(1, result.code)
		assert.same({ "1.0" }, support.tags(host .. "/copy"))
		assert.equal(2, select(2, result.stderr:gsub("luff: ", "")), result.stderr)
	end)

	it("ends at the first failure where that is wanted", function()
		put("v1", "app:1.0")
		local result = run("once", "sync:\n - {source: HOST/none:v1, target: HOST/x:v1, type: image}\n" .. app:sub(7),
			"--abort-on-error", "--json")
		assert.equal(1, result.code)
		assert.equal(1, luff.json.decode(result.stdout).failed)
		assert.is_nil(luff.try(luff.resolve, host .. "/copy:1.0"))
	end)

	it("copies what is missing at once, and the rest when it is due", function()
		put("v1", "app:1.0", "app:1.1")
		put("v2", "copy:1.0")
		support.write(dir .. "/sync.yml", (app:gsub("HOST", host) .. "defaults: {interval: 1s}\n"))
		support.run { "sh", "-c", ("(%s sync server -c %s/sync.yml >%s/out 2>&1 & p=$!; for i in $(seq 300); do "
			.. "grep -q 'copied.*1\\.0' %s/out && break; sleep 0.1; done; kill $p; wait $p)"):format(support.program, dir, dir,
				dir) }
		local out = support.read(dir .. "/out")
		assert.truthy(out:find "left_out%s[^\n]*\t1%.0" and out:find "copied%s[^\n]*\t1%.1", out)
		assert.equal(digest "app:1.0", digest "copy:1.0")
	end)

	it("runs steps at the times of a schedule", function()
		local time = require "luff.time"
		local now, sleep, at, seen = time.now, time.sleep, time.parse "2024-05-01T00:00:00Z", {}
		time.now, time.sleep = function() return at end, function(seconds) at = at + seconds end
		local ok, err = pcall(require "luff.regbot.serve", { { name = "x", due = "15 */6 * * *" } }, 1, "step", function()
			seen[#seen + 1] = time.format(at):sub(15)
			if #seen == 3 then
				error("enough", 0)
			end
			at = at + 60
		end)
		time.now, time.sleep = now, sleep
		assert.same({ false, "enough" }, { ok, err })
		assert.same({ "15:00Z", "15:00Z", "15:00Z" }, seen)
		assert.is_true(at >= time.parse "2024-05-01T12:15:00Z")
	end)

	it("reads skopeo's file", function()
		put("v1", "team/a:v1", "team/a:v2", "b:1.13.1-perl", "b:1.13.2-perl", "b:1.14", "c:3.11.0", "c:3.12.0", "d:x")
		local text = ([[
HOST:
  tls-verify: false
  images:
    team/a: ["v2", "DIGEST"]
    d: []
  images-by-tag-regex: {b: '^1\.13\.[12]-perl$'}
  images-by-semver: {c: ">= 3.12.0"}
]]):gsub("DIGEST", (digest "team/a:v1"))
		local result = run("once", text, "--from-skopeo", host .. "/to")
		assert.equal(0, result.code, result.stderr)
		assert.same({ "v2" }, support.tags(host .. "/to/a"))
		assert.same({ "1.13.1-perl", "1.13.2-perl" }, support.tags(host .. "/to/b"))
		assert.same({ "3.12.0" }, support.tags(host .. "/to/c"))
		assert.same({ "x" }, support.tags(host .. "/to/d"))
		local refused = run("once", "HOST:\n  cert-dir: /no/such\n", "--from-skopeo", host .. "/to")
		assert.equal(3, refused.code)
		assert.truthy(refused.stderr:find("certs /no/such", 1, true), refused.stderr)
		assert.equal(2, run("once", text, "--from-skopeo").code)
	end)

	it("logs in as skopeo's file says, and hides the password", function()
		local asked = {}
		local guarded <close> = luff.serve { authorize = function(request)
			asked[#asked + 1] = request.user and request.user .. " " .. request.password or nil
			return request.user == "john"
		end }
		local address = guarded:address()
		luff.config { hosts = { [address] = { user = "john", password = "this is a {{ secret }}" } } }
		luff.copy("memory:sync:v1", address .. "/app:v1")
		asked = {}
		local description = require "luff.sync.skopeo".parse(([[
HOST:
  images: {app: [v1]}
  credentials: {username: john, password: "this is a {{ secret }}"}
]]):gsub("HOST", address), "sync.yml", error, host .. "/to")
		luff.config(hosts(description))
		local entries = {}
		require "luff.sync".once(steps.make(description), "all", function(entry) entries[#entries + 1] = entry end)
		assert.same({ "copied", "v1" }, { entries[1].status, entries[1].target })
		assert.equal("john this is a {{ secret }}", asked[1])
		assert.is_nil(next(entries, 1))
	end)
end)
