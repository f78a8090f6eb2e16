-- Not under sanitizers.
-- Configurations of regbot, regsync and skopeo sync as scripts: each does at one registry what its configuration does at another.
local luff = require "luff"
local convert = require "luff.convert"
local support = require "spec.support"

local dir
local digests = {}

before_each(function()
	dir = support.scratch()
end)

-- Everything in a registry: "repository:tag" to digest.
local function contents(host)
	local found = {}
	for repository in luff.catalog(host) do
		for tag in luff.tags(host .. "/" .. repository) do
			found[repository .. ":" .. tag] = luff.resolve(host .. "/" .. repository .. ":" .. tag).digest
		end
	end
	return found
end

-- Runs a configuration at one registry and its script at another, which prepare(host) made alike; what is there then.
local function both(kind, text, prepare, env)
	local left = {}
	env = env or function() return {} end
	for i = 1, 2 do
		local server <close> = luff.serve {}
		local host = server:address()
		prepare(host)
		local file = support.write(dir .. "/config.yml", (text:gsub("\t", "  "):gsub("HOST", host):gsub("DIR", dir)
			:gsub("PORT", host:match "%d+$"):gsub("DIGEST", digests[1])))
		local more = kind == "skopeo" and { "--from-skopeo", file, host .. "/to" } or { file }
		if i == 1 then
			local argv = { kind == "regbot" and "regbot" or "sync", "once", "-c", file, kind == "skopeo" and more[1] or nil,
				kind == "skopeo" and more[3] or nil }
			local result = support.luff(argv, { env = env(host) })
			assert.equal(0, result.code, result.stderr)
		else
			local script = support.write(dir .. "/script.lua", support.must { support.program, "convert",
				table.unpack(more) })
			local result = support.luff({ "run", script }, { env = env(host) })
			assert.equal(0, result.code, result.stderr .. support.read(script))
		end
		left[i] = contents(host)
	end
	assert.same(left[1], left[2])
	return left[1]
end

setup(function()
	for i = 1, 3 do
		digests[i] = support.make_image("memory:convert:v" .. i, { config = { author = "of " .. i } }):digest()
	end
end)

local function put(host, i, ...)
	for _, name in ipairs { ... } do
		luff.copy("memory:convert:v" .. i, host .. "/" .. name)
	end
end

describe("A script of regsync's configuration", function()
	it("does what the example of its documentation does", function()
		support.write(dir .. "/token", "secret")
		local found = both("regsync", [[
version: 1
x-night: &night "15 01 * * *"
creds:
	- {registry: HOST, tls: disabled}
	- registry: hub.example
		user: '{{env "HUB_USER"}}'
		pass: '{{file "DIR/token"}}'
defaults:
	ratelimit: {min: 100, retry: 15m}
	parallel: 2
	interval: 60m
	backup: "bkup-{{.Ref.Tag}}"
sync:
	- source: HOST/up/busybox:latest
		target: HOST/library/busybox:latest
		type: image
	- source: HOST/up/alpine
		target: HOST/library/alpine
		type: repository
		schedule: *night
		tags: {allow: [latest, edge, "3", "3.\\d+"], deny: ["3.0"]}
		backup: '{{$t := time.Now}}{{printf "%s/backups/%s:%s-%d" .Ref.Registry .Ref.Repository .Ref.Tag $t.Year}}'
	- source: HOST/up/debian
		target: HOST/library/debian
		type: repository
		tags: {allow: ['\d+']}
		mediaTypes: [application/vnd.oci.image.manifest.v1+json]
	- {source: "HOST/up/tool:latest", target: "HOST/tools/tool:v9", type: image}
]], function(host)
			put(host, 1, "up/busybox:latest", "up/alpine:latest", "up/alpine:3", "up/alpine:3.18", "up/alpine:3.0",
				"up/alpine:3.18-rc", "up/debian:12", "up/debian:sid", "up/tool:latest")
			put(host, 2, "library/busybox:latest", "library/alpine:3", "library/alpine:old")
			support.make_index(host .. "/up/debian:11", { "linux/amd64" })
		end, function() return { HUB_USER = "me" } end)
		for name in pairs(found) do
			found[name] = not name:find "^up/" and found[name] or nil
		end
		local year = os.date "!%Y"
		assert.same({
			["library/busybox:latest"] = digests[1], ["library/busybox:bkup-latest"] = digests[2],
			["library/alpine:latest"] = digests[1], ["library/alpine:3"] = digests[1],
			["library/alpine:3.18"] = digests[1], ["library/alpine:old"] = digests[2],
			["backups/library/alpine:3-" .. year] = digests[2],
			["library/debian:12"] = digests[1], ["tools/tool:v9"] = digests[1],
		}, found)
	end)

	it("knows registries, sets of tags, platforms, referrers and what templates say", function()
		local platforms = { "linux/amd64", "linux/arm64" }
		local found = both("regsync", [[
defaults: {fastCheck: true, backup: '{{ .Ref.Tag | upper }}-{{ .Sync.Type }}'}
sync:
	- source: '{{ env "WHERE" }}:PORT'
		target: HOST/all
		type: registry
		repos: {allow: ["team/.*"], deny: [".*/b"]}
		tagSets: [{semverRange: [">=1 <2"]}, {allow: [edge]}]
	- {source: HOST/index:v1, target: "HOST/one:v1", type: image, platform: linux/arm64}
	- {source: HOST/index:v1, target: "{{ .Sync.Source }}-less", type: image, platforms: [linux/arm64]}
	- {source: '{{ env "WHERE" }}:PORT/index:v1', target: 'HOST/two', type: image, referrers: true, forceRecursive: true}
	- {source: 'HOST/team/a@DIGEST', target: "HOST/pinned:v1", type: image}
	- {source: 'HOST/team/a:edge', target: "ocidir://DIR/layout:v1", type: image, includeExternal: true}
]], function(host)
			put(host, 1, "team/a:1.0", "team/a:edge", "team/a:2.0", "team/b:1.0", "team/c:edge")
			put(host, 2, "all/team/a:1.0")
			support.make_index(host .. "/index:v1", platforms)
			require "luff.artifact".attach(host .. "/index:v1", { type = "application/x.note" })
		end, function() return { WHERE = "127.0.0.1" } end)
		local names = {}
		for name in pairs(found) do
			names[#names + 1] = not name:find "sha256" and name or nil
		end
		table.sort(names)
		assert.same({ "all/team/a:1.0", "all/team/a:1.0-registry", "all/team/a:edge", "all/team/c:edge", "index:v1",
			"index:v1-less", "one:v1", "pinned:v1", "team/a:1.0", "team/a:2.0", "team/a:edge", "team/b:1.0", "team/c:edge",
			"two:latest" }, names)
		assert.equal(found["index:v1"], found["index:v1-less"])
		assert.equal(digests[2], found["all/team/a:1.0-registry"])
	end)
end)

describe("A script of skopeo's configuration", function()
	it("does what the example of its documentation does", function()
		local found = both("skopeo", [[
HOST:
	images:
		busybox: []
		team/redis: ["1.0", "2.0", "DIGEST"]
	images-by-tag-regex:
		nginx: ^1\.13\.[12]-alpine-perl$
	images-by-semver:
		etcd: ">= 3.12.0"
	credentials: {username: john, password: this is a secret}
	tls-verify: false
]], function(host)
			put(host, 1, "busybox:a", "busybox:b", "team/redis:1.0", "team/redis:2.0", "team/redis:3.0",
				"nginx:1.13.1-alpine-perl", "nginx:1.13.3-alpine-perl", "etcd:3.11.0", "etcd:3.12.1")
		end, function(host)
			return { ["_127_0_0_1_" .. host:match "%d+$" .. "_PASSWORD"] = "this is a secret" }
		end)
		local names = {}
		for name in pairs(found) do
			names[#names + 1] = name:match "^to/(.*)"
		end
		table.sort(names)
		assert.same({ "busybox:a", "busybox:b", "etcd:3.12.1", "nginx:1.13.1-alpine-perl", "redis:1.0", "redis:2.0" }, names)
	end)
end)

describe("A script of regbot's configuration", function()
	it("does what examples of regbot do", function()
		local found = both("regbot", [[
creds: [{registry: HOST, tls: disabled}]
defaults: {parallel: 1, interval: 60m, timeout: 600s}
scripts:
	- name: minor versions
		script: |
			local function order(a, b)
				local a1, a2 = string.match(a, "(%d+)%.(%d+)")
				local b1, b2 = string.match(b, "(%d+)%.(%d+)")
				if a1 ~= b1 then return tonumber(a1) < tonumber(b1) end
				return tonumber(a2) < tonumber(b2)
			end
			keep = 3
			up, down = reference.new "HOST/up/alpine", reference.new("HOST/" .. "down/alpine")
			matching = {}
			for k, t in pairs(tag.ls(up)) do
				if string.match(t, "^%d+%.%d+$") then table.insert(matching, t) end
			end
			table.sort(matching, order)
			if #matching > keep then matching = {unpack(matching, #matching - keep + 1)} end
			for k, t in ipairs(matching) do
				up:tag(t)
				down:tag(t)
				if not image.ratelimitWait(up, 100) then error "no luck with the rate limit" end
				image.copy(up, down)
			end
	- name: dated
		timeout: 59m
		script: |
			pattern, keep = "^testing%-%d+$", 3
			local function dated(ref)
				local found = {}
				for k, t in pairs(tag.ls(ref)) do
					if string.match(t, pattern) then table.insert(found, t) end
				end
				table.sort(found)
				return found
			end
			up, down = reference.new "HOST/up/debian", reference.new "HOST/down/debian"
			found = dated(up)
			for i = #found - keep + 1, #found do
				up:tag(found[i])
				down:tag(found[i])
				log("Copying " .. found[i])
				image.copy(up, down)
			end
			-- older ones go
			found = dated(down)
			for i = 1, #found - keep do
				down:tag(found[i])
				log("Deleting " .. found[i])
				tag.delete(down)
			end
	- name: old builds
		script: |
			label = "org.opencontainers.image.created"
			cutoff = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 86400 * 30)
			ref = reference.new "HOST/builds"
			for k, t in pairs(tag.ls(ref)) do
				if string.match(t, "^ci%-%d+$") then
					ref:tag(t)
					ic = image.config(ref)
					if ic.Config.Labels[label] < cutoff then tag.delete(ref) end
				end
			end
	- name: old backups
		script: |
			for _, repo in ipairs(repo.ls "HOST") do
				local groups = {}
				for _, t in ipairs(tag.ls("HOST/" .. repo)) do
					local original, date = t:match "^bkup%-(.+)%-(%d+)$"
					if original then
						groups[original] = groups[original] or {}
						table.insert(groups[original], t)
					end
				end
				for original, tags in pairs(groups) do
					table.sort(tags)
					for i = 1, #tags - 2 do tag.delete("HOST/" .. repo .. ":" .. tags[i]) end
				end
			end
	- name: weekly retention
		script: |
			protected = { latest = true, stable = true, main = true }
			local list = {}
			for _, t in ipairs(tag.ls "HOST/weekly") do
				local ref = "HOST/weekly:" .. t
				if not protected[t] then table.insert(list, { ref = ref, created = image.config(ref).Created }) end
			end
			table.sort(list, function(a, b) return a.created > b.created end)
			for i = 3, #list do tag.delete(list[i].ref) end
	- name: which version is latest
		script: |
			latest = manifest.descriptor("HOST/up/alpine:latest").Digest
			for _, t in ipairs(tag.ls "HOST/up/alpine") do
				if t ~= "latest" and manifest.descriptor("HOST/up/alpine:" .. t).Digest == latest then
					image.copy("HOST/up/alpine:" .. t, "HOST/answer:" .. t)
				end
			end
			text = [=[
			a text of
				several lines]=]
			assert(text == "a text of\n  several lines" and undefined == nil and scripts == nil and bot == nil, text)
]], function(host)
			put(host, 1, "up/alpine:3.8", "up/alpine:3.9", "up/alpine:3.10", "up/alpine:2.19", "up/alpine:3.9.1")
			put(host, 3, "up/alpine:edge")
			put(host, 2, "up/alpine:3.11", "up/alpine:latest", "down/alpine:3.1")
			for day = 1, 5 do
				put(host, day % 3 + 1, "up/debian:testing-2024010" .. day)
				put(host, 1, "base:bkup-v1-2024010" .. day, "base:bkup-v2-" .. day // 4)
				support.make_image(host .. "/weekly:build" .. (day * 7) % 5,
					{ config = { created = ("2024-01-0%dT00:00:00Z"):format(day), author = "of " .. day } })
			end
			put(host, 1, "up/debian:testing", "down/debian:testing-20231231", "down/debian:testing", "base:v1")
			support.make_image(host .. "/weekly:stable", { config = { created = "2020-01-01T00:00:00Z" } })
			for i, date in ipairs { "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z" } do
				support.make_image(host .. "/builds:ci-" .. i, { config = { config = { Labels = {
					["org.opencontainers.image.created"] = date } } } })
			end
		end)
		local names = {}
		for name in pairs(found) do
			names[#names + 1] = not name:find "^up/" and name or nil
		end
		table.sort(names)
		assert.same({ "answer:3.11", "base:bkup-v1-20240104", "base:bkup-v1-20240105", "base:bkup-v2-0", "base:bkup-v2-1",
			"base:v1", "builds:ci-2", "down/alpine:3.1", "down/alpine:3.10", "down/alpine:3.11", "down/alpine:3.9",
			"down/debian:testing", "down/debian:testing-20240103", "down/debian:testing-20240104",
			"down/debian:testing-20240105", "weekly:build0", "weekly:build3", "weekly:stable" }, names)
	end)

	it("has their timeouts, and runs them when they are due", function()
		local text = "defaults: {timeout: 200ms}\nscripts:\n  - {name: slow, script: 'while true do end'}\n"
			.. "  - {name: tick, interval: 1s, timeout: 1m, script: 'log \"tick\"'}\n"
		local script = support.write(dir .. "/bot.lua", convert.script(text, "bot.yml", function() end))
		local result = support.luff("run", script)
		assert.equal(1, result.code, result.stderr)
		assert.truthy(result.stderr:find "longer than 0.2 s.*script=slow", result.stderr)
		support.run { "sh", "-c", ("(%s %s server 2>%s/log & p=$!; for i in $(seq 300); do "
			.. "grep -q tick %s/log && break; sleep 0.1; done; kill $p; wait $p)"):format(support.program,
				script, dir, dir) }
		assert.truthy(support.read(dir .. "/log"):find "tick")
	end)
end)

describe("luff convert", function()
	it("writes no secrets down, and says where the script has them from", function()
		local warnings = {}
		local script = convert.script([[
creds:
  - {registry: "a.example:5000", user: me, pass: geheim1, token: geheim2}
  - {registry: b.example, user: me, pass: 'geheim3{{ env "B" }}'}
  - {registry: c.example, user: me, pass: '{{ env "C" | default "geheim4" }}'}
  - {registry: d.example, user: '{{ env "D" }}', pass: '{{ file "/run/secrets/d" | trimSpace }}', reqPerSec: 0.5}
  - {registry: e.example, token: '{{ env "E" | trimSpace }}', mirrors: [a.example]}
  - {registry: f.example, hostname: "g.example:1", credHelper: docker-credential-x, regcert: "-----BEGIN C\nA",
    clientKey: geheim5}
defaults: {skipDockerConfig: true}
sync: []
]], "x.yml", function(line) warnings[#warnings + 1] = line end)
		assert.is_nil(script:find "geheim", script)
		for _, wanted in ipairs {
			'["a.example:5000"] = {', 'password = secret "A_EXAMPLE_5000_PASSWORD"', 'secret "A_EXAMPLE_5000_TOKEN"',
			'secret "B_EXAMPLE_PASSWORD"', 'secret "C_EXAMPLE_PASSWORD"', 'user = os.getenv "D"',
			'password = read("/run/secrets/d"):match "^%s*(.-)%s*$"', "rate = 0.5", 'fill("{{ env \\"E\\" | trimSpace }}")',
			'mirrors = { "a.example" }', 'address = "g.example:1"', 'helper = "x"', 'ca = "-----BEGIN C\\nA"',
			'key = secret "F_EXAMPLE_KEY"', "logins = false }",
		} do
			assert.truthy(script:find(wanted, 1, true), wanted .. "\n" .. script)
		end
		assert.equal(5, #warnings)
		assert.truthy(table.concat(warnings, "\n"):find("x.yml, line 2: a password stands there as it is", 1, true))
		support.write(dir .. "/script.lua", script)
		local result = support.luff("run", dir .. "/script.lua")
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find "^luff: set A_EXAMPLE_5000_PASSWORD in the environment", result.stderr)
	end)

	it("refuses what it cannot say, with its line", function()
		local step = "sync:\n - source: a\n   target: b\n   type: image\n   "
		for text, message in pairs {
			[step .. "hooks: {pre: {type: x}}"] = 'x.yml, line 5: luff does not support "hooks"',
			["sync:\n - source: '{{ env \"IMAGE\" }}'\n   target: b\n   type: image"] = "x.yml, line 2: the tag comes from",
			["sync:\n - source: A B\n   target: b\n   type: image"] = "x.yml, line 2: ",
			["scripts:\n - name: a\n   script: 'x ='"] = "x.yml, line 3: a:1: ",
			["version: 1"] = "wants --from-skopeo", ["scripts: []\nsync: []"] = 'one of regsync "sync"',
			["sync: [a]"] = '"sync" is a map', ["- a"] = 'has "scripts"',
		} do
			local err = support.fails(convert.script, text, "x.yml", function() end)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.equal(2, support.luff("convert", "--from-skopeo", "x.yml").code)
		assert.equal(3, support.luff("convert", dir .. "/none.yml").code)
	end)

	it("takes nothing of a configuration for Lua but scripts of regbot, each a function", function()
		local hostile = "x\n]] os.exit(7) --[["
		local script = convert.script(luff.json.encode {
			creds = { { registry = "a.example", user = hostile, pass = "p" } },
			sync = { { source = "ocidir://" .. hostile, target = "ocidir://x", type = "repository", schedule = "0\n2 * * *",
				backup = "{{ `" .. hostile .. "` }}", tags = { allow = { "x\n\\]\\] os.exit\\(7\\)" } } } },
		}, hostile .. ".yml", function() end)
		local chunk = assert(load((script:gsub("^[^\n]*", ""))))
		local closed = setmetatable({ os = { getenv = function() return "x" end, exit = error } }, { __index = _G })
		debug.setupvalue(chunk, 1, closed)
		closed.require = function(name)
			return name == "luff" and { config = function() end, map = function() end } or require(name)
		end
		assert.equal(0, select(2, pcall(chunk)))
		assert.truthy(support.fails(convert.script, "scripts: [{name: x, script: 'end os.exit(7) do'}]", "x", function() end))
	end)

	it("asks nobody and reads nothing else", function()
		local script = convert.script([[
creds: [{registry: '{{ env "NOWHERE" }}', user: a, pass: '{{ file "/nowhere" }}'}]
defaults: {backup: '{{ file "/nowhere" }}-{{ .Ref.Tag }}'}
sync: [{source: '{{ env "NOWHERE" }}/app', target: 'ocidir://{{ env "NOWHERE" }}/dir', type: repository}]
]], "x.yml", function() end)
		for _, wanted in ipairs { '[(os.getenv "NOWHERE" or "")] = ', 'from = (os.getenv "NOWHERE" or "") .. "/app"',
			'to = "oci:" .. (os.getenv "NOWHERE" or "") .. "/dir"', 'read "/nowhere" .. "-" .. entry.target' } do
			assert.truthy(script:find(wanted, 1, true), wanted .. "\n" .. script)
		end
		assert(load((script:gsub("^[^\n]*", ""))))
	end)
end)
