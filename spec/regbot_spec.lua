-- Not under sanitizers.
-- Configurations of regbot: what they hold, and what their scripts do.
local luff = require "luff"
local config = require "luff.regbot.config"
local hosts = require "luff.regbot.hosts"
local support = require "spec.support"

local function parse(text)
	local warnings = {}
	local c = config.parse(text, "bot.yml", function(line) warnings[#warnings + 1] = line end)
	c.logins, c.hosts = hosts(c).logins, hosts(c).hosts
	return c, warnings
end

local function fails(text)
	return support.fails(parse, text).message
end

describe("A configuration of regbot", function()
	it("has anchors, defaults and logins with templates", function()
		local dir = support.scratch()
		support.write(dir .. "/pass", "secret\n")
		local c, warnings = parse(([[
version: 1
x-anchor: &auth {user: '{{ "ME" | lower }}', pass: '{{ file "%s/pass" | trimSpace }}'}
creds:
  - registry: registry.example:5000
    <<: *auth
    tls: disabled
    reqPerSec: 2.5
    mirrors: [b.example, a.example]
  - {registry: a.example, pathPrefix: hub, priority: 1}
  - {registry: b.example, priority: 2, token: t}
defaults: {interval: 60m, timeout: 5s, parallel: 2}
scripts:
  - name: one
    script: |
      log("a")
  - {name: two, schedule: "0 2 * * *", interval: 5m, timeout: 1h}
]]):format(dir))
		assert.same({}, warnings)
		assert.same({ scheme = "http", user = "me", password = "secret", rate = 2.5, mirrors = { "a.example/hub",
			"b.example" } },
			c.hosts["registry.example:5000"])
		assert.equal("t", c.hosts["b.example"].credentials().identity_token)
		assert.equal(2, c.parallel)
		assert.same({ { name = "one", script = 'log("a")\n', due = "@every 60m", timeout = 5, place = "bot.yml, line 14" },
			{ name = "two", script = "", due = "0 2 * * *", timeout = 3600, place = "bot.yml, line ?" } }, c.scripts)
	end)

	it("says where registries are, whom they trust and who knows their logins", function()
		local c, warnings = parse [[
creds:
  - registry: a.example
    hostname: b.example:5000
    regcert: |
      -----BEGIN CERTIFICATE-----
      x
    clientCert: "-----BEGIN CERTIFICATE-----\ny"
    clientKey: '{{ "-----BEGIN KEY-----" }}'
  - {registry: c.example, credHelper: docker-credential-ecr-login, credHost: https://d.example, credExpire: 1h}
defaults: {skipDockerConfig: true}
]]
		assert.equal(1, #warnings)
		assert.same({ address = "b.example:5000", ca = "-----BEGIN CERTIFICATE-----\nx\n",
			cert = "-----BEGIN CERTIFICATE-----\ny", key = "-----BEGIN KEY-----" }, c.hosts["a.example"])
		assert.same({ helper = "ecr-login", helper_server = "https://d.example" }, c.hosts["c.example"])
		assert.is_false(c.logins)
	end)

	it("tells unknown keys, and what has no use, with their lines", function()
		local _, warnings = parse "scripts:\n  - name: a\n    intervall: 5m\ndefaults:\n  blobLimit: 5\nfoo: 1\n"
		table.sort(warnings)
		assert.equal('bot.yml, line 3: unknown key "intervall" is ignored (did you mean "interval"?)', warnings[1])
		assert.truthy(warnings[2]:find 'line 5: "blobLimit" makes no difference')
		assert.truthy(warnings[3]:find 'line 6: unknown key "foo"')
	end)

	it("is refused where luff cannot do what it says", function()
		for text, message in pairs {
			["creds:\n - registry: a\n   apiOpts: {disableHead: 'true'}"] = 'bot.yml, line 3: luff does not support "apiOpts"',
			["creds:\n - {registry: a, credHelper: pass}"] = "line 2: a credHelper is docker-credential-NAME",
			["creds:\n - {registry: a, credHost: b}"] = 'line 2: "credHost" is for a credHelper',
			["creds:\n - {registry: a, pathPrefix: x}"] = "line 2: luff supports a pathPrefix of mirrors alone",
			["creds:\n - {registry: a, tls: on}"] = "tls is enabled, insecure or disabled",
			["defaults:\n  parallel: 1.5"] = "line 2: parallel is a whole number, not 1.5",
			["version: 2"] = "line 1: luff knows version 1",
			["scripts:\n - schedule: x"] = "line 2: the schedule", ["scripts:\n - timeout: x"] = "line 2: an age is",
			["- a"] = "a configuration is a map", ["creds: 1"] = '"creds" is a table',
			["creds:\n - {registry: '{{ x }}'}"] = "no function",
		} do
			assert.truthy(fails(text):find(message, 1, true), fails(text))
		end
	end)
end)

describe("luff regbot", function()
	local dir, server, host

	before_each(function()
		dir = support.scratch()
		server = luff.serve()
		host = server:address()
		support.make_image("memory:bot:v1", { config = { author = "me", config = { Labels = { made = "2024-01-01" } } } })
	end)

	after_each(function()
		server:close()
	end)

	local function bot(script, ...)
		local lines = { "scripts:", "  - name: test", "    script: |" }
		for line in (script:gsub("\t", " "):gsub("HOST", host):gsub("DIR", dir) .. "\n"):gmatch "(.-)\n" do
			lines[#lines + 1] = "      " .. line
		end
		support.write(dir .. "/bot.yml", table.concat(lines, "\n") .. "\n" .. (select("#", ...) > 1 and select(2, ...) or ""))
		return support.luff("regbot", "once", "-c", dir .. "/bot.yml", (...))
	end

	it("mirrors the newest of 200 tags and deletes old ones, as its examples do", function()
		luff.map((function() local l = {} for i = 1, 200 do l[i] = i end return l end)(), function(i)
			luff.copy("memory:bot:v1", ("%s/up/app:%d.%d"):format(host, i // 20, i % 20))
		end)
		for _, tag in ipairs { "ci-1", "ci-2", "stable" } do
			luff.copy("memory:bot:v1", host .. "/down/app:" .. tag)
		end
		local result = bot [[
			tags = tag.ls "HOST/up/app"
			local found = {}
			for k, t in ipairs(tags) do
				if string.match(t, "^%d+%.%d+$") then table.insert(found, t) end
			end
			table.sort(found, function(a, b)
				local a1, a2 = string.match(a, "(%d+)%.(%d+)")
				local b1, b2 = string.match(b, "(%d+)%.(%d+)")
				return tonumber(a1) * 100 + tonumber(a2) < tonumber(b1) * 100 + tonumber(b2)
			end)
			for i = #found - 2, #found do
				local up, down = reference.new "HOST/up/app", reference.new "HOST/down/app"
				up:tag(found[i])
				down:tag(found[i])
				if image.ratelimitWait(up, 100) then image.copy(up, down) end
			end
			for _, t in ipairs(tag.ls "HOST/down/app") do
				if string.match(t, "^ci%-%d+$") then
					local ic = image.config("HOST/down/app:" .. t)
					if ic.Config.Labels["made"] < "2024-06-01" and ic.Author == "me" then tag.delete("HOST/down/app:" .. t) end
				end
			end
			log("done " .. #tags)
		]]
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stderr:find 'INFO "?done 200"? script=test', result.stderr)
		assert.same({ "10.0", "9.18", "9.19", "stable" }, support.tags(host .. "/down/app"))
	end)

	it("knows the rest of the API", function()
		luff.copy("memory:bot:v1", host .. "/app:v1")
		local result = bot [[
			local m = manifest.get "HOST/app:v1"
			assert(m.mediaType == m.MediaType and m.Layers[1].Digest and m.layers[1].size > 0)
			assert(m:config().author == "me" and image.config(m).config.Labels.made == "2024-01-01")
			assert(manifest.head("HOST/app:v1"):get().SchemaVersion == 2)
			assert(manifest.descriptor("HOST/app:v1").Digest == m:descriptor().digest)
			assert(manifest.getList("HOST/app:v1").config.digest == m.config.digest)
			m.annotations = { by = "bot" }
			manifest.put(m:export(), "HOST/app:v2")
			assert(manifest.get("HOST/app:v2").Annotations.by == "bot")
			local r = reference.new "HOST/app:v2"
			assert(r:tag() == "v2" and tostring(r) == "HOST/app:v2")
			assert(repo.ls("HOST")[1] == "app" and #tag.ls("HOST/app", { limit = 1 }) == 1)
			local digest, size = blob.put("HOST/app", "hello")
			assert(size == 5 and blob.get("HOST/app", digest) and blob.put("HOST/app", blob.head("HOST/app", digest)) == digest)
			local c = image.config "HOST/app:v1"
			c.Author = "other"
			assert(c:export().author == "other")
			image.copy("HOST/app:v1", "ocidir://DIR/layout:x", { digestTags = true })
			assert(tag.ls("ocidir://DIR/layout")[1] == "x")
			image.exportTar("HOST/app:v1", "DIR/app.tar")
			image.importTar("HOST/app:v3", "DIR/app.tar")
			assert(m:ratelimit().Set == false)
			manifest.get("HOST/app:v2"):delete()
			assert(not pcall(manifest.get, "HOST/app:v2") and unpack { 1 } == 1)
		]]
		assert.equal(0, result.code, result.stderr)
		assert.same({ "v1", "v3" }, support.tags(host .. "/app"))
	end)

	it("writes nothing in a dry run", function()
		luff.copy("memory:bot:v1", host .. "/app:v1")
		local result = bot([[
			local m = manifest.get "HOST/app:v1"
			image.copy("HOST/app:v1", "HOST/app:v2")
			m:put "HOST/app:v3"
			tag.delete "HOST/app:v1"
			m:delete()
			blob.put("HOST/other", "x")
			image.exportTar("HOST/app:v1", "DIR/x.tar")
			image.importTar("HOST/app:v4", "DIR/x.tar")
		]], "--dry-run")
		assert.equal(0, result.code, result.stderr)
		assert.same({ "v1" }, support.tags(host .. "/app"))
		assert.is_nil(io.open(dir .. "/x.tar"))
		assert.truthy(result.stderr:find "delete tag dry_run=true script=test", result.stderr)
	end)

	it("ends scripts that are over their time, and goes on with the others", function()
		local result = bot("while true do pcall(function() while true do end end) end", "-n",
			"  - {name: two, script: 'log(\"two ran\")'}\n  - {name: bad, script: 'x ='}\ndefaults: {timeout: 200ms}\n")
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find "it took longer than 0.2 s", result.stderr)
		assert.truthy(result.stderr:find "two ran", result.stderr)
		assert.truthy(result.stderr:find "script=bad", result.stderr)
	end)

	it("runs scripts when they are due", function()
		support.write(dir .. "/bot.yml",
			("scripts:\n  - {name: a, interval: 1s, script: 'log(\"tick\")'}\n  - {name: idle}\n"))
		support.run { "sh", "-c", ("(%s regbot server -c %s/bot.yml 2>%s/log & p=$!; for i in $(seq 300); do "
			.. "[ $(grep -c tick %s/log) -ge 2 ] && break; sleep 0.1; done; kill $p; wait $p)"):format(support.program, dir, dir,
				dir) }
		local log = support.read(dir .. "/log")
		assert.truthy(log:find "tick.*tick", log)
		assert.truthy(log:find "neither schedule nor interval")
	end)
end)
