-- Not under the thread sanitizer.
-- The commands that list and move: catalog, referrers, pull and push, as people type them.
local luff = require "luff"
local support = require "spec.support"

local function run(...)
	return support.luff(...)
end

-- What the command printed, after it ended well.
local function output(...)
	local result = run(...)
	assert.equal(0, result.code, result.stderr)
	return result.stdout
end

describe("catalog", function()
	it("lists the repositories of a registry", function()
		local server <close> = luff.serve {}
		local address = server:address()
		assert.equal("", output("catalog", address))
		assert.same({ registry = address, repositories = {} }, luff.json.decode(output("catalog", "--json", address)))
		support.make_image(address .. "/team/app:v1")
		support.make_image(address .. "/base:v1")
		assert.equal("base\nteam/app\n", output("catalog", address))
		assert.same({ registry = address, repositories = { "base", "team/app" } },
			luff.json.decode(output("catalog", "--json", address)))
	end)

	it("says where a registry does not tell", function()
		local server <close> = luff.serve { faults = { { path = "/v2/_catalog", status = 404 } } }
		local result = run("catalog", server:address())
		assert.equal("", result.stdout)
		assert.equal(3, result.code, result.stderr)
		assert.truthy(result.stderr:find("^luff: .*" .. server:address():gsub("%p", "%%%0") .. "[^\n]*\n$"), result.stderr)
	end)
end)

describe("referrers", function()
	local server, name, signature, bom

	before_each(function()
		server = luff.serve {}
		name = server:address() .. "/app:v1"
		support.make_image(name)
		local artifact = require "luff.artifact"
		local function attach(kind)
			return artifact.attach(name, { type = kind, annotations = { note = kind } })
		end
		signature, bom = attach "application/x.signature", attach "application/x.bom"
	end)

	after_each(function()
		server:close()
	end)

	it("lists what refers to an image", function()
		local lines = {}
		for line in output("referrers", name):gmatch "[^\n]+" do
			lines[#lines + 1] = line
		end
		local want = {}
		for kind, image in pairs { ["x.signature"] = signature, ["x.bom"] = bom } do
			want[#want + 1] = ("%s  %d B  application/%s"):format(image:digest(), #image:raw_manifest(), kind)
		end
		table.sort(lines)
		table.sort(want)
		assert.same(want, lines)
		assert.equal("", output("referrers", (name:gsub(":v1$", "@" .. bom:digest()))))
	end)

	it("lists one type, and prints JSON", function()
		local found = luff.json.decode(output("referrers", "--json", "--type", "application/x.bom", name))
		assert.equal(name, found.name)
		assert.equal(1, #found.referrers)
		assert.equal(bom:digest(), found.referrers[1].digest)
		assert.equal("application/x.bom", found.referrers[1].annotations.note)
		local none = output("referrers", "--json", "--type", "application/x.none", name)
		assert.truthy(none:find('"referrers": %[%s*%]'), none)
	end)

	it("says that a name stands for nothing", function()
		local result = run("referrers", (name:gsub("v1$", "v2")))
		assert.equal(3, result.code)
		assert.equal("", result.stdout)
	end)
end)

describe("pull and push", function()
	local server, dir, app, base

	before_each(function()
		server, dir = luff.serve {}, support.scratch()
		app, base = server:address() .. "/team/app:v1", server:address() .. "/team/base:v1"
		for _, name in ipairs { app, base } do
			support.make_image(name, { layers = { support.packed(support.tar { name = name }, "gzip") } })
		end
	end)

	after_each(function()
		server:close()
	end)

	it("bring an image into an archive and back", function()
		local file = dir .. "/app.tar"
		local pulled = run("pull", app, file)
		assert.equal(luff.resolve(app).digest .. "\n", pulled.stdout, pulled.stderr)
		assert.truthy(pulled.stderr:find "copied 2 blobs", pulled.stderr)
		assert.same({ app }, support.tags("docker-archive:" .. file))
		local pushed = run("push", "--quiet", file, server:address() .. "/copy:v2")
		assert.same({ code = 0, stderr = "", stdout = pulled.stdout }, pushed)
		assert.equal(luff.resolve(app).digest, luff.resolve(server:address() .. "/copy:v2").digest)
	end)

	it("know tars of layouts and layouts", function()
		for format, scheme in pairs { oci = "oci-archive:", layout = "oci:" } do
			local file, copy = dir .. "/" .. format, server:address() .. "/copy:" .. format
			local digest = output("pull", "-q", "--format", format, app, file)
			assert.equal(luff.resolve(app).digest .. "\n", digest)
			assert.same({ "v1" }, support.tags(scheme .. file))
			assert.equal(digest, output("push", "-q", "--format=" .. format, file, copy))
			assert.equal(digest, luff.resolve(copy).digest .. "\n")
		end
	end)

	it("are save and load, of several images, through pipes", function()
		local file = dir .. "/both.tar"
		output("save", "-q", app, base, file)
		assert.same({ app, base }, support.tags("docker-archive:" .. file))
		local copy = server:address() .. "/copy:v3"
		local result = run("load", "-q", file, copy)
		assert.equal("", result.stdout)
		assert.truthy(result.stderr:find("choose one image", 1, true), result.stderr)
		assert.equal(luff.resolve(base).digest .. "\n", output("load", "-q", file .. ":" .. base, copy))
		support.must { "sh", "-c", ("%s pull -q %s - | %s push -q - %s"):format(support.program, app, support.program, copy) }
		assert.equal(luff.resolve(app).digest, luff.resolve(copy).digest)
	end)

	it("leave nothing behind that is wrong", function()
		local file = dir .. "/none.tar"
		local none = run("pull", "-q", server:address() .. "/team/app:none", file)
		assert.equal(3, none.code, none.stderr)
		assert.is_false(support.exists(file))
		assert.equal(3, run("push", "-q", file, app).code)
		for _, line in ipairs { { "pull", app, file, "--format", "zip" }, { "pull", "--json", app, "-" } } do
			local wrong = run(table.unpack(line))
			assert.equal(2, wrong.code, wrong.stderr)
			assert.equal("", wrong.stdout)
			assert.truthy(wrong.stderr:find("^luff: %-%-[^\n]+\n$"), wrong.stderr)
		end
		assert.is_false(support.exists(file))
	end)

	it("write what skopeo and crane read, and read what crane wrote", function()
		local file, digest = dir .. "/app.tar", luff.resolve(app).digest
		output("pull", "-q", app, file)
		local seen
		for _, skopeo in ipairs(support.peers "skopeo") do
			seen = true
			support.must { skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", "docker-archive:" .. file,
				"docker://" .. server:address() .. "/copy:skopeo" }
			assert.equal(luff.image(app):raw_config_file(), luff.image(server:address() .. "/copy:skopeo"):raw_config_file())
		end
		for _, crane in ipairs(support.peers "crane") do
			seen = true
			support.must { crane, "push", file, server:address() .. "/copy:crane" }
			assert.equal(luff.image(app):raw_config_file(), luff.image(server:address() .. "/copy:crane"):raw_config_file())
			support.must { crane, "pull", app, dir .. "/crane.tar" }
			support.must { crane, "pull", "--format=oci", app, dir .. "/crane" }
			local copy = server:address() .. "/copy:luff"
			output("push", "-q", dir .. "/crane.tar", copy)
			assert.equal(luff.image(app):raw_config_file(), luff.image(copy):raw_config_file())
			assert.equal(digest .. "\n", output("push", "-q", "--format", "layout", dir .. "/crane", copy))
		end
		if not seen then
			pending "neither skopeo nor crane is there"
		end
	end)
end)

describe("--progress", function()
	it("is events, lines or nothing on stderr, and never on stdout", function()
		local dir = support.scratch()
		local name = "oci:" .. dir .. "/from:v1"
		local digest = support.make_image(name):digest()
		for how, found in pairs { json = '^{"', plain = "^sha256:%x+ %l+ +.* copied\n", none = "^$" } do
			local copied = run("copy", "--progress", how, name, ("oci:%s/%s:v1"):format(dir, how))
			assert.equal(digest .. "\n", copied.stdout, copied.stderr)
			assert.truthy(copied.stderr:find(found), copied.stderr)
		end
		local edited = run("mutate", name, "-t", "oci:" .. dir .. "/edited:v1", "--user", "me", "--progress=json")
		for _, result in ipairs { edited, run("pull", "--progress=json", name, dir .. "/file.tar") } do
			local last
			for line in result.stderr:gmatch "([^\n]*)\n" do
				last = luff.json.decode(line)
			end
			assert.equal("end", last.event)
			assert.equal(2, last.copied)
			assert.equal(result.stdout, last.digest .. "\n")
		end
		local mirror = { "mirror", "oci:" .. dir .. "/from", "oci:" .. dir .. "/mirror" }
		local mirrored = run(mirror[1], "--progress=json", mirror[2], mirror[3])
		assert.equal("copied\tv1\t" .. digest .. "\n", mirrored.stdout)
		local events, rest = 0, nil
		for line in mirrored.stderr:gmatch "([^\n]*)\n" do
			if line:find "^{" then
				events = events + (luff.json.decode(line).event == "done" and 1 or 0)
			else
				rest = line
			end
		end
		assert.equal(2, events)
		assert.truthy(rest:find "^1 copied", rest)
		assert.equal(("0 copied (0 B), 1 unchanged, 0 deleted, 0 failed\n"), run(table.unpack(mirror)).stderr)
		local wrong = run("copy", "--progress", "jsn", name, "oci:" .. dir .. "/wrong:v1")
		assert.same({ code = 2, stdout = "",
			stderr = 'luff: --progress wants plain, json or none, not "jsn" (did you mean "json"?)\n' }, wrong)
	end)
end)

describe("help", function()
	local cli = require "luff.cli"
	local topics = require "luff.topics"

	it("tells of topics, none of which is a command", function()
		local all = output "help"
		for _, topic in ipairs(topics.list) do
			local text = output("help", topic.name)
			assert.equal(topic.text, text)
			assert.truthy(all:find("\n  " .. topic.name:gsub("%-", "%%-") .. " +" .. topic.summary), topic.name)
			for line in text:gmatch "[^\n]+" do
				assert.is_true(utf8.len(line) <= 110, line)
			end
			assert.is_nil(cli.aliases[topic.name])
			assert.is_false(pcall(cli.command, topic.name))
		end
		assert.equal('luff: unknown command "setings" (did you mean "settings"?); see: luff help\n',
			run("help", "setings").stderr)
	end)

	it("shows settings that are taken", function()
		local settings = output("help", "settings"):match "\n(  return {.-\n  })"
		local home = support.scratch()
		support.must { "mkdir", home .. "/luff", home .. "/cache" }
		local files = support.certificates()
		for there, here in pairs {
			["/var/cache"] = home .. "/cache", ["/etc/ssl/our-ca.crt"] = files .. "/ca.crt",
			["me.crt"] = files .. "/client.cert", ["me.key"] = files .. "/client.key",
		} do
			local n
			settings, n = settings:gsub((there:gsub("%p", "%%%0")), here)
			assert.equal(1, n, there)
		end
		support.write(home .. "/luff/config.lua", settings)
		local result = support.luff({ "-e", "print(1)" }, { env = { XDG_CONFIG_HOME = home } })
		assert.same({ code = 0, stdout = "1\n", stderr = "" }, result)
	end)
end)
