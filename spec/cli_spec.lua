-- Not under sanitizers.
-- The program: commands as people type them, scripts, and what goes to which stream with which exit code.
local luff = require "luff"
local cli = require "luff.cli"
local support = require "spec.support"

local function run(...)
	return support.luff(...)
end

-- Runs a shell line with the program as $LUFF.
local function shell(line, opts)
	opts = opts or {}
	opts.env = opts.env or {}
	opts.env.LUFF = support.program
	return support.run({ "sh", "-c", line }, opts)
end

describe("The program", function()
	local dir, name, index

	before_each(function()
		dir = support.scratch()
		name = "oci:" .. dir .. "/layout:v1"
		index = support.make_index(name, { "linux/amd64", "linux/arm64" })
	end)

	describe("digest", function()
		it("prints what a name stands for", function()
			assert.same({ code = 0, stdout = index:digest() .. "\n", stderr = "" }, run("digest", name))
		end)

		it("prints JSON", function()
			local found = luff.json.decode(run("digest", "--json", name).stdout)
			assert.same({ name = name, digest = index:digest(), mediaType = index:media_type(), size = #index:raw_manifest() },
				found)
			local image = index:image { platform = "linux/arm64" }
			found = luff.json.decode(run("digest", "--json", "--platform", "linux/arm64", name).stdout)
			assert.same({ image:digest(), image:media_type(), #image:raw_manifest() },
				{ found.digest, found.mediaType, found.size })
		end)

		it("prints that of one platform's image", function()
			local result = run("digest", "--platform", "linux/arm64", name)
			assert.equal(index:image({ platform = "linux/arm64" }):digest() .. "\n", result.stdout)
		end)

		it("asks a registry with one HEAD request", function()
			local server = support.canned { { "HEAD", "/v2/app/manifests/v1", headers = {
				["Docker-Content-Digest"] = index:digest(), ["Content-Type"] = index:media_type(),
				["Content-Length"] = index:size(),
			} }, { "GET", "/v2/" } }
			local result = run("digest", server.address .. "/app:v1")
			assert.equal(index:digest() .. "\n", result.stdout, result.stderr)
			for _, request in ipairs(server.requests()) do
				assert.is_nil(request.method == "GET" and request.path:find "manifests" or nil)
			end
		end)
	end)

	describe("manifest and config", function()
		it("print the bytes of the digest", function()
			local image = index:image { platform = "linux/arm64" }
			assert.equal(index:raw_manifest(), run("manifest", name).stdout)
			assert.equal(image:raw_manifest(), run("manifest", "--platform=linux/arm64", name).stdout)
			assert.equal(image:raw_config_file(), run("config", "--platform=linux/arm64", name).stdout)
			assert.equal(luff.image(name):raw_config_file(), run("config", name).stdout)
		end)
	end)

	describe("inspect", function()
		it("shows an image", function()
			local image = index:image { platform = "linux/arm64" }
			local result = run("inspect", "--platform=linux/arm64", name)
			assert.equal(0, result.code, result.stderr)
			assert.truthy(result.stdout:find("digest +" .. image:digest() .. "\n"), result.stdout)
			assert.truthy(result.stdout:find("platform +linux/arm64\n"), result.stdout)
			for _, layer in ipairs(image:layers()) do
				assert.truthy(result.stdout:find(layer:digest() .. " +[%d.]+ k?B  " .. layer:media_type(), 1),
					result.stdout)
			end
		end)

		it("shows an index as a table", function()
			local result = run("inspect", name)
			assert.truthy(result.stdout:find("digest +" .. index:digest() .. "\n"), result.stdout)
			for _, entry in ipairs(index:index_manifest().manifests) do
				assert.truthy(result.stdout:find(("linux/%s +%s +%d B  image\n"):format(entry.platform.architecture,
					entry.digest, entry.size)), result.stdout)
			end
		end)

		it("shows what is in the config and the annotations", function()
			support.make_image("oci:" .. dir .. "/labels:v1", { annotations = { ["org.example.a"] = "1" }, config = {
				created = "2024-05-06T07:08:09Z", config = { Labels = { who = "me", what = "that" } },
			} })
			local text = run("inspect", "oci:" .. dir .. "/labels:v1").stdout
			assert.truthy(text:find "created +2024%-05%-06T07:08:09Z\n", text)
			assert.truthy(text:find("annotations\n  org.example.a=1\nlabels\n  what=that\n  who=me\n", 1, true), text)
		end)

		it("prints JSON", function()
			local all = luff.json.decode(run("inspect", "--json", name).stdout)
			assert.equal(name, all.name)
			assert.equal(index:digest(), all.digest)
			assert.equal(index:media_type(), all.mediaType)
			assert.equal("linux/amd64", all.manifests[1].platform)
			assert.equal("linux/arm64", all.manifests[2].platform)
			local image = index:image { platform = "linux/amd64" }
			local one = luff.json.decode(run("inspect", "--json", "--platform=linux/amd64", name).stdout)
			assert.equal(image:digest(), one.digest)
			assert.equal(image:config_name(), one.config)
			assert.equal("linux/amd64", one.platform)
			assert.equal(#image:layers(), #one.layers)
			local total = #image:raw_manifest() + #image:raw_config_file()
			for i, layer in ipairs(image:layers()) do
				assert.same({ digest = layer:digest(), size = layer:size(), mediaType = layer:media_type() }, one.layers[i])
				total = total + layer:size()
			end
			assert.equal(total, one.totalSize)
		end)

		it("lets nothing from outside reach the terminal as it is", function()
			local hostile = "\27]0;owned\7\27[2J\nname  fake"
			support.make_image("oci:" .. dir .. "/hostile:v1", { annotations = { [hostile] = hostile }, config = {
				created = hostile, os = hostile, config = { Labels = { [hostile] = hostile } },
			} })
			for _, command in ipairs { "inspect", "digest", "ls" } do
				local result = run(command, "oci:" .. dir .. "/hostile:v1")
				assert.is_nil((result.stdout .. result.stderr):find "[\27\7]", command)
				assert.is_nil(result.stdout:find("\nname  fake", 1, true))
			end
		end)

		it("fails where the config is missing or not what its digest says", function()
			for what, damage in pairs { missing = "rm -f %s", bad = "chmod u+w %s && printf x >>%s",
				other = "chmod u+w %s && sed -i s/linux/Linux/ %s" } do
				local place = ("oci:%s/%s"):format(dir, what)
				local image = support.make_image(place .. ":v1")
				local file = ("%s/%s/blobs/sha256/%s"):format(dir, what, image:config_name():sub(8))
				os.execute(damage:gsub("%%s", file))
				local result = run("inspect", place .. ":v1")
				assert.equal(what == "missing" and 3 or 6, result.code, what)
				assert.truthy(result.stderr:find "^luff: [^\n]+\n$", result.stderr)
				assert.equal("", result.stdout)
			end
		end)

		it("passes over a config that is no JSON, of an artifact alone", function()
			for media_type, code in pairs { ["text/plain"] = 0, ["application/vnd.oci.image.config.v1+json"] = 6 } do
				local place = "oci:" .. dir .. "/artifact"
				luff.push_manifest(place .. ":v1", { schemaVersion = 2, layers = luff.array {},
					mediaType = "application/vnd.oci.image.manifest.v1+json",
					config = luff.push_blob(place, "no JSON", { media_type = media_type }) })
				local result = run("inspect", place .. ":v1")
				assert.equal(code, result.code, result.stderr)
				assert.equal(code == 0, result.stdout:find("config +" .. luff.digest "no JSON") ~= nil)
			end
		end)

		it("takes a config for what it is, whatever that is", function()
			for i, config in ipairs { { os = luff.null }, { config = luff.null }, { config = { Labels = luff.null } },
				{ config = { Labels = "x" } }, { config = "x" }, { created = 5 } } do
				local odd = ("oci:%s/odd:v%d"):format(dir, i)
				support.make_image(odd, { config = config })
				local result = run("inspect", odd)
				assert.equal(0, result.code, result.stderr)
				assert.truthy(luff.json.decode(run("inspect", "--json", odd).stdout).digest)
			end
		end)
	end)

	describe("ls", function()
		it("lists tags, one a line or as JSON", function()
			luff.tag(name, "v2")
			local place = "oci:" .. dir .. "/layout"
			local tags = {}
			for tag in run("ls", place).stdout:gmatch "[^\n]+" do
				tags[#tags + 1] = tag
			end
			table.sort(tags)
			assert.same({ "v1", "v2" }, tags)
			local found = luff.json.decode(run("ls", "--json", place).stdout)
			assert.equal(place, found.name)
			table.sort(found.tags)
			assert.same({ "v1", "v2" }, found.tags)
		end)
	end)

	describe("copy", function()
		it("copies, prints the digest alone on stdout, and tells the rest on stderr", function()
			local to = "oci:" .. dir .. "/copy:v2"
			local result = run("copy", name, to)
			assert.equal(0, result.code, result.stderr)
			assert.equal(index:digest() .. "\n", result.stdout)
			assert.truthy(result.stderr:find("sha256:%x+ layer .* copied\n"), result.stderr)
			assert.truthy(result.stderr:find("copied %d blobs %([%d.]+ kB%), 3 manifests in [%d.]+ s\n$"), result.stderr)
			assert.is_nil(result.stderr:find "\27")
			assert.equal(index, luff.open(to))
			result = run("cp", name, to)
			assert.equal(index:digest() .. "\n", result.stdout)
			assert.truthy(result.stderr:find("copied 0 blobs", 1, true), result.stderr)
		end)

		it("says nothing where it is asked to", function()
			local result = run("copy", "-q", name, "oci:" .. dir .. "/copy:v2")
			assert.same({ code = 0, stdout = index:digest() .. "\n", stderr = "" }, result)
		end)

		it("copies one platform", function()
			local to = "oci:" .. dir .. "/copy:v2"
			local image = index:image { platform = "linux/arm64" }
			local result = run("copy", "--platform", "linux/arm64", "--jobs", "2", name, to)
			assert.equal(image:digest() .. "\n", result.stdout, result.stderr)
			assert.equal(image, luff.open(to))
		end)

		it("prints what it did as JSON", function()
			local done = luff.json.decode(run("copy", "--json", name, "oci:" .. dir .. "/copy:v2").stdout)
			assert.equal(index:digest(), done.digest)
			assert.equal(index:media_type(), done.mediaType)
			assert.equal(3, done.manifests)
			assert.is_true(done.copied > 0 and done.bytes > 0)
			assert.equal(0, done.skipped + done.mounted)
		end)

		it("draws moving lines on a terminal", function()
			if not support.peer "script" then
				pending "script is not installed"
			end
			local line = ("%s copy %s oci:%s/copy:v1"):format(support.quote(support.program), name, dir)
			local result = support.run({ "script", "-qec", line, "/dev/null" }, { env = { TERM = "xterm" } })
			assert.equal(0, result.code)
			assert.truthy(result.stdout:find("\27[K", 1, true), result.stdout)
			assert.truthy(result.stdout:find(index:digest(), 1, true))
		end)
	end)

	describe("serve", function()
		it("prints the address once it answers, and ends well at Ctrl-C", function()
			local server = support.start { support.program, "serve", dir .. "/served", "--listen", "127.0.0.1:0" }
			local address = support.eventually(function()
				return server:stdout():match "^(127%.0%.0%.1:%d+)\n$"
			end)
			assert.equal(0, run("copy", name, address .. "/app:v1").code)
			assert.equal("v1\n", run("ls", address .. "/app").stdout)
			server:kill "INT"
			assert.equal(0, server:wait())
			assert.equal(index, luff.open("oci:" .. dir .. "/served/app:v1"))
		end)

		it("says so where the address is taken", function()
			local server <close> = luff.serve {}
			local result = run("serve", "--listen", server:address())
			assert.equal("", result.stdout)
			assert.truthy(result.stderr:find(server:address(), 1, true), result.stderr)
			assert.is_true(result.code ~= 0)
		end)
	end)

	describe("version", function()
		it("is luff's, and with -v everyone's", function()
			assert.equal(luff._VERSION .. "\n", run("version").stdout)
			assert.equal(luff._VERSION .. "\n", run("--version").stdout)
			assert.truthy(run("version", "-v").stdout:find "^luff .*\n  hash +%S.*\n  lua +Lua 5%.4")
			assert.equal(luff.version().luff, luff.json.decode(run("version", "--json").stdout).luff)
		end)
	end)

	describe("help", function()
		it("lists every command that there is", function()
			local files = {}
			for file in support.sh("ls lua/luff/commands"):gmatch "([%w_-]+)%.lua" do
				files[#files + 1] = file
			end
			local known = { table.unpack(cli.commands) }
			table.sort(known)
			assert.same(files, known)
			local text = run("help").stdout
			assert.equal(text, run("--help").stdout)
			for _, command in ipairs(cli.commands) do
				assert.truthy(text:find("\n  " .. command .. " ", 1, true), command)
			end
		end)

		it("has a page with examples for each, at most 110 columns wide", function()
			local result = shell(("for c in %s; do $LUFF help $c || echo $?; $LUFF $c --help || echo $?; done"):format(
				table.concat(cli.commands, " ")))
			local pages = {}
			for i, command in ipairs(cli.commands) do
				local page = cli.help_of(command)
				assert.truthy(page:find("usage: luff " .. command, 1, true))
				assert.truthy(page:find("\nexamples\n  luff ", 1, true), page)
				pages[i] = page:rep(2)
			end
			assert.equal(table.concat(pages), result.stdout)
			for line in (run("help").stdout .. result.stdout):gmatch "[^\n]+" do
				assert.is_true(utf8.len(line) <= 110, line)
			end
		end)

		it("comes from each, as JSON does, and each knows what was meant by a slip", function()
			-- these give bytes as they are, a page, a prompt, or nothing at all
			local no_json = { blob = true, cat = true, config = true, manifest = true, export = true, completion = true,
				convert = true,
				help = true, regbot = true, repl = true, report = true, login = true, logout = true, run = true, serve = true }
			local list = {}
			for i, command in ipairs(cli.commands) do
				local known = {}
				for _, option in ipairs(cli.command_options(require("luff.commands." .. command))) do
					known[option.name] = true
				end
				assert.is_true(known.help and known.verbose)
				assert.equal(not no_json[command], known.json or false, command)
				list[i] = command
			end
			local result = shell(("for c in %s; do $LUFF $c --hlep >&2; echo $c $?; done"):format(table.concat(list, " ")))
			assert.equal(table.concat(list, " 2\n") .. " 2\n", result.stdout)
			assert.equal(("luff: unknown option --hlep (did you mean --help?)\n"):rep(#list), result.stderr)
		end)

		it("agrees with the README", function()
			local readme = support.read "README.md"
			for _, command in ipairs(cli.commands) do
				assert.truthy(readme:find("\n| `luff " .. command .. "[ `]"), command)
			end
			for _, code in pairs(cli.exit_codes) do
				assert.truthy(readme:find(("\n| %d | "):format(code), 1, true), code)
				assert.truthy(run("help").stdout:find("[ ,\n]" .. code .. " %l"), code)
			end
		end)

		it("has examples that name only what there is", function()
			for _, command in ipairs(cli.commands) do
				for line in cli.help_of(command):gmatch "\n  (luff [^\n|]+)" do
					local words = {}
					for word in line:gmatch "%S+" do
						words[#words + 1] = word
					end
					-- the program's own options, then a command or a script
					local _, rest = require("luff.options").parse(cli.options, words, 2, true)
					if not rest[1]:find "%.lua$" then
						local of, real = cli.command(rest[1])
						assert.equal(command, real)
						local _, args = require("luff.options").parse(cli.command_options(of), rest, 2)
						assert.is_true(#args >= of.arguments[1] and #args <= of.arguments[2], line)
					end
				end
			end
		end)
	end)

	describe("at a wrong command line", function()
		it("says what is wrong in one line, with exit code 2", function()
			for line, message in pairs {
				["dogest x"] = 'unknown command "dogest" (did you mean "digest"?); see: luff help',
				["help dogest"] = 'unknown command "dogest" (did you mean "digest"?); see: luff help',
				["frobnicate"] = 'unknown command "frobnicate"; see: luff help',
				["copy --platfrom x a b"] = "unknown option --platfrom (did you mean --platform?)",
				["--verbos"] = "unknown option --verbos (did you mean --verbose?)",
				["-x"] = "unknown option -x",
				["copy --dry-run a b"] = "--dry-run goes before the command: luff --dry-run COMMAND …",
				["copy -n a b"] = "-n goes before the command: luff -n COMMAND …",
				["copy a"] = "too few arguments; usage: luff copy [options] SOURCE... DESTINATION",
				["digest a b"] = "too many arguments; usage: luff digest [--platform P] [--json] NAME",
				["copy --jobs 0 a b"] = '--jobs wants a number from 1 to 64, not "0"',
			} do
				local result = shell("$LUFF " .. line)
				assert.same({ code = 2, stdout = "", stderr = "luff: " .. message .. "\n" }, result)
			end
		end)

		it("shows it printable", function()
			local result = run("\27[2J")
			assert.equal('luff: unknown command "\\e[2J"; see: luff help\n', result.stderr)
		end)

		it("says what is wrong with a name or a platform", function()
			for _, argv in ipairs { { "digest", "app/UPPER" }, { "digest", "a//b" },
				{ "digest", "--platform", "x/y/z/w", name }, { "copy", name, "a/../b" } } do
				local result = run(argv)
				assert.equal(2, result.code, result.stderr)
				assert.truthy(result.stderr:find "^luff: [^\n]+\n$", result.stderr)
				assert.equal("", result.stdout)
			end
		end)
	end)

	describe("at a failure", function()
		local function fails_with(code, ...)
			local result = run(...)
			assert.equal(code, result.code, result.stderr)
			assert.truthy(result.stderr:find "^luff: [^\n]+\n$", result.stderr)
			assert.equal("", result.stdout)
			return result.stderr
		end

		it("ends with 3 where there is no such thing", function()
			fails_with(3, "digest", "oci:" .. dir .. "/layout:v9")
			fails_with(3, "digest", "oci:" .. dir .. "/nowhere:v1")
			local message = fails_with(3, "config", "--platform=plan9/mips", name)
			assert.truthy(message:find("linux/arm64", 1, true), message)
			local server <close> = luff.serve {}
			fails_with(3, "manifest", server:address() .. "/app:v1")
		end)

		it("ends with 4 where a login is missing or not enough", function()
			for _, status in ipairs { 401, 403 } do
				local server = support.canned { { "*", ".*", status = status,
					headers = { ["WWW-Authenticate"] = 'Basic realm="x"' } } }
				fails_with(4, "digest", server.address .. "/app:v1")
			end
		end)

		it("ends with 5 where nobody answers", function()
			fails_with(5, "digest", "127.0.0.1:1/app:v1")
		end)

		it("ends with 6 where content is not what its digest says", function()
			local image = support.make_image("oci:" .. dir .. "/bad:v1")
			local path = dir .. "/bad/blobs/sha256/" .. image:layers()[1]:digest():sub(8)
			os.execute("chmod u+w " .. path)
			local bytes = support.read(path)
			support.write(path, "\255" .. bytes:sub(2))
			local result = run("copy", "-q", "oci:" .. dir .. "/bad:v1", "oci:" .. dir .. "/copy:v1")
			assert.equal(6, result.code, result.stderr)
			assert.truthy(result.stderr:find "^luff: [^\n]*digest[^\n]*\n$", result.stderr)
		end)

		it("ends with 1 where the disk is full", function()
			local result = shell("$LUFF manifest " .. name .. " >/dev/full")
			assert.equal(1, result.code)
			assert.truthy(result.stderr:find("^luff: cannot write the output: "), result.stderr)
		end)

		it("says nothing where its reader has gone", function()
			local result = shell("{ $LUFF help; echo $? >&3; } 3>&2 | true")
			assert.truthy(result.stderr:find "^%d+\n$", result.stderr)
			for _, words in ipairs { "export random:layers=1,size=3000000",
				"pull -q random:layers=1,size=3000000 -", "copy -q random:layers=1,size=3000000 oci-archive:-" } do
				result = shell("{ $LUFF " .. words .. "; echo $? >&2; } | head -c 100 >/dev/null")
				assert.equal("141\n", result.stderr)
			end
		end)

		it("ends so where a script prints or a registry tells its address", function()
			for _, line in ipairs { "-e 'print(1)'", "-e 'print(1) os.exit(0)'", "serve --listen 127.0.0.1:0" } do
				local result = shell("timeout 10 $LUFF " .. line .. " >/dev/full")
				assert.equal(1, result.code, line)
				assert.truthy(result.stderr:find("^luff: cannot write the output: "), result.stderr)
			end
			local result = shell("{ timeout 10 $LUFF -e 'while true do print(1) end'; echo $? >&2; } | head -n 1")
			assert.same({ "1\n", "141\n" }, { result.stdout, result.stderr })
		end)
	end)

	it("shows each request with -v, wherever that stands", function()
		local server <close> = luff.serve {}
		luff.copy(name, server:address() .. "/app:v1")
		for _, argv in ipairs { { "-v", "digest", server:address() .. "/app:v1" },
			{ "digest", "-v", server:address() .. "/app:v1" } } do
			local result = run(argv)
			assert.equal(index:digest() .. "\n", result.stdout)
			assert.truthy(result.stderr:find("HEAD http://" .. server:address() .. "/v2/app/manifests/v1", 1, true),
				result.stderr)
		end
		assert.equal("", run("digest", server:address() .. "/app:v1").stderr)
	end)
end)

describe("A script", function()
	local function script(text)
		return support.write(support.scratch() .. "/script.lua", text)
	end

	it("has luff, its name and its arguments", function()
		local path = script "print(luff == require 'luff', arg[0], arg[1], arg[2], #arg, ...)"
		local result = run(path, "a b", "-v")
		assert.equal(("true\t%s\ta b\t-v\t2\ta b\t-v\n"):format(path), result.stdout, result.stderr)
		path = script "print(arg[-1], arg[-2], arg[-3])"
		assert.equal("-v\t" .. support.program .. "\tnil\n", run("-v", path, "x").stdout)
	end)

	it("may begin with #!", function()
		local path = script("#!" .. support.program .. "\nprint(arg[1])\nerror 'here'")
		os.execute("chmod +x " .. path)
		local result = support.run { path, "word" }
		assert.equal("word\n", result.stdout)
		assert.truthy(result.stderr:find("script.lua:3: here", 1, true), result.stderr)
	end)

	it("comes from stdin, as - or alone", function()
		assert.equal("x\n", support.luff({ "-", "x" }, { stdin = "#!luff\nprint(...)" }).stdout)
		assert.equal("1\n", support.luff({}, { stdin = "print(1)" }).stdout)
		assert.equal("1\n", support.luff({ "-" }, { stdin = "\239\187\191#!luff\nprint(1)" }).stdout)
	end)

	it("is a line of code with its arguments after -e", function()
		assert.equal("a\tb\n", run("-e", "print(...)", "a", "b").stdout)
		assert.equal("1\n2\n", run("-e", "print(1)", "-e", "print(2)").stdout)
		local result = run("-e", "print(")
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find("^luff: %(command line%):1: "), result.stderr)
	end)

	it("ends with the code that it chooses", function()
		assert.equal(7, run("-e", "os.exit(7)").code)
		assert.equal(0, run("-e", "").code)
	end)

	it("that fails says where, and ends with the code of the error", function()
		local path = script "local function f()\n\tluff.image 'oci:/nowhere:v1'\nend\nf()"
		local result = run(path)
		assert.equal(3, result.code)
		assert.truthy(result.stderr:find "^luff: [^\n]+\nstack traceback:\n", result.stderr)
		assert.truthy(result.stderr:find("script.lua:2: in ", 1, true), result.stderr)
		assert.is_nil(result.stderr:find("cli.lua", 1, true), result.stderr)
		result = run("-e", "error { a = 1 }")
		assert.equal(1, result.code)
		assert.truthy(result.stderr:find("{ a = 1 }", 1, true), result.stderr)
		assert.equal(1, run("-e", "error()").code)
		assert.equal(1, run(script "x = = 1").code)
		assert.equal(1, run(support.scratch() .. "/missing.lua").code)
	end)

	it("is text, never bytecode", function()
		local path = script(string.dump(load "print 'ran'"))
		local result = run(path)
		assert.equal("", result.stdout)
		assert.equal(1, result.code)
	end)

	it("needs no suffix where it is no command", function()
		local dir = support.scratch()
		support.write(dir .. "/tool", "print 'tool'")
		support.write(dir .. "/version", "print 'shadow'")
		assert.equal("tool\n", support.luff({ "tool" }, { cwd = dir }).stdout)
		assert.equal(luff._VERSION .. "\n", support.luff({ "version" }, { cwd = dir }).stdout)
		assert.equal("shadow\n", support.luff({ "./version" }, { cwd = dir }).stdout)
	end)

	it("sees no globals of luff's but luff and arg", function()
		local path = script [==[
			local known = {}
			for name in ([[_G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io ipairs load
				loadfile luff math next os package pairs pcall print rawequal rawget rawlen rawset require select setmetatable
				string table tonumber tostring type utf8 warn xpcall]]):gmatch "%S+" do
				known[name] = true
			end
			for name in pairs(_G) do
				if not known[name] then print(name) end
			end]==]
		assert.same({ code = 0, stdout = "", stderr = "" }, run(path))
	end)

	it("takes no module of luff's from the folder that it runs in", function()
		local dir = support.scratch()
		assert(os.execute("mkdir " .. dir .. "/luff"))
		for _, name in ipairs { "init", "cli", "options", "core" } do
			support.write(dir .. "/luff/" .. name .. ".lua", "os.exit(99)")
		end
		support.write(dir .. "/luff.lua", "os.exit(99)")
		local result = support.run({ support.program, "version" }, { cwd = dir })
		assert.same({ code = 0, stdout = luff._VERSION .. "\n", stderr = "" }, result)
	end)

	it("runs from the binary alone", function()
		local dir = support.scratch()
		assert(os.execute(("cp %s %s/luff"):format(support.quote(support.program), dir)))
		local result = support.run({ dir .. "/luff", "help", "copy" }, { cwd = dir, env = { LUFF_LUA_PATH = false } })
		assert.equal(cli.help_of "copy", result.stdout, result.stderr)
	end)
end)
