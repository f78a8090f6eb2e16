-- Not under the thread sanitizer.
-- luff.artifact and luff artifact: files that are pushed, attached, pulled; beside oras; and titles, links and tars that
-- would like to lead out of the folder.
local luff = require "luff"
local artifact = require "luff.artifact"
local support = require "spec.support"

local TITLE, UNPACK = "org.opencontainers.image.title", "io.deis.oras.content.unpack"
local CONTENT = "io.deis.oras.content.digest"
local MANIFEST = "application/vnd.oci.image.manifest.v1+json"

-- A folder with a.txt, and docs/ with a file in a folder, a program, two names of one file, a link and an empty folder.
local function sample()
	local dir = support.scratch()
	support.sh(([[cd %s && mkdir -p docs/sub docs/none && echo hi > a.txt && echo two > docs/sub/two &&
		printf '#!/bin/sh\n' > docs/run && chmod 755 docs/run && ln docs/run docs/again && ln -s sub/two docs/link]])
		:format(support.quote(dir)))
	return dir
end

local function inside(dir, command)
	return support.sh(("cd %s && %s"):format(support.quote(dir), command))
end

-- What is in a folder, with types, permissions, targets and contents; not times.
local function state(dir)
	return inside(dir, [[find . -mindepth 1 -printf '%y %m %n %p %l\n' | sort -k4
		find . -type f -exec cksum {} + | sort -k3]])
end

-- An artifact by hand: layers are { bytes, annotations } each. Returns its name.
local made = 0
local function by_hand(layers)
	made = made + 1
	local name = "memory:by-hand:v" .. made
	local list = luff.array {}
	for i, layer in ipairs(layers) do
		list[i] = luff.push_blob(name, layer[1])
		list[i].annotations = layer[2]
	end
	luff.push_manifest(name, {
		schemaVersion = 2, mediaType = MANIFEST, artifactType = "application/vnd.example",
		config = luff.push_blob(name, "{}", { media_type = "application/vnd.oci.empty.v1+json" }), layers = list,
	})
	return name
end

local function titled(title, bytes)
	return { bytes or "evil\n", { [TITLE] = title } }
end

local function folder(title, entries, more)
	local annotations = { [TITLE] = title, [UNPACK] = "true" }
	for key, value in pairs(more or {}) do
		annotations[key] = value
	end
	return { support.archive.tar(entries), annotations }
end

describe("an artifact", function()
	it("comes back as it was", function()
		local dir, server <close> = sample(), luff.serve {}
		local places = { server:address() .. "/files:v1", "oci:" .. support.scratch() .. ":v1", "memory:artifact:v1" }
		for _, place in ipairs(places) do
			local pushed = artifact.push(place, {
				type = "application/vnd.example+x", annotations = { who = "specs" },
				files = {
					{ path = dir .. "/a.txt", title = "a.txt", type = "text/plain", annotations = { one = "1" } },
					{ path = dir .. "/docs", title = "deep/docs" },
				},
			})
			assert.equal(pushed:digest(), luff.resolve(place).digest)
			local manifest = pushed:manifest()
			assert.equal("application/vnd.example+x", manifest.artifactType)
			assert.same({ who = "specs" }, manifest.annotations)
			assert.same({ "text/plain", "1" }, { manifest.layers[1].mediaType, manifest.layers[1].annotations.one })
			local to = support.scratch()
			local done = artifact.pull(place, { folder = to .. "/new" })
			assert.same({ "a.txt", "deep/docs" }, done.files)
			assert.same({ pushed:digest(), 0 }, { done.digest, done.skipped })
			assert.equal(state(dir .. "/docs"), state(to .. "/new/deep/docs"))
			assert.equal("a.txt\ndeep", inside(to .. "/new", "ls -A"))
			assert.same({}, (luff.validate(place)))
		end
	end)

	it("has the same digest each time", function()
		local one, two = sample(), sample()
		inside(two, "touch -d 2001-01-01 a.txt docs docs/sub")
		local function push(dir, name)
			return artifact.push(name, { files = {
				{ path = dir .. "/docs", title = "docs" }, { path = dir .. "/a.txt", title = "a.txt" } } }):digest()
		end
		assert.equal(push(one, "memory:same:v1"), push(two, "memory:same:v2"))
	end)

	it("may have no files, and layers without a title", function()
		local none = artifact.push("memory:none:v1", { type = "application/vnd.example" })
		assert.equal("{}", none:layers()[1]:compressed():read "a")
		local to = support.scratch()
		assert.same({ digest = none:digest(), files = {}, bytes = 0, skipped = 1 },
			artifact.pull("memory:none:v1", { folder = to }))
		assert.equal("", inside(to, "ls -A"))
	end)

	it("replaces files, and no folder with something in it", function()
		local dir, to = sample(), support.scratch()
		artifact.push("memory:twice:v1", { files = { { path = dir .. "/a.txt", title = "a.txt" } } })
		artifact.push("memory:twice:v2", { files = {
			{ path = dir .. "/a.txt", title = "b.txt" }, { path = dir .. "/docs", title = "docs" } } })
		support.write(to .. "/a.txt", "before")
		inside(to, "mkdir docs")
		artifact.pull("memory:twice:v1", { folder = to })
		assert.equal("hi\n", support.read(to .. "/a.txt"))
		artifact.pull("memory:twice:v2", { folder = to })
		local before = state(to)
		assert.equal("exists", support.fails(artifact.pull, "memory:twice:v2", { folder = to }).code)
		inside(to, "rm b.txt")
		-- nothing of it comes where something cannot
		assert.equal("exists", support.fails(artifact.pull, "memory:twice:v2", { folder = to }).code)
		inside(to, "echo hi > b.txt")
		assert.equal(before, state(to))
		inside(to, "rm a.txt && mkdir a.txt")
		assert.equal("exists", support.fails(artifact.pull, "memory:twice:v1", { folder = to }).code)
	end)

	it("refers to what it is attached to", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/app:v1"
		local image = support.make_image(name)
		local dir = sample()
		local one = artifact.attach(name, { type = "application/vnd.one", files = { dir .. "/a.txt" } })
		artifact.attach(name, { type = "application/vnd.two", annotations = { only = "this" } })
		artifact.attach(server:address() .. "/app@" .. one:digest(), { type = "application/vnd.three" })
		assert.same({ "v1" }, support.tags(server:address() .. "/app"))
		assert.equal("a.txt", one:manifest().layers[1].annotations[TITLE])
		local tree = artifact.tree(name)
		assert.equal(image:digest(), tree.digest)
		assert.equal(2, #tree.referrers)
		local kinds = {}
		for _, child in ipairs(tree.referrers) do
			kinds[child.artifactType] = child.referrers
		end
		assert.same({}, kinds["application/vnd.two"])
		assert.equal("application/vnd.three", kinds["application/vnd.one"][1].artifactType)
		assert.equal(1, #artifact.tree(name, { type = "application/vnd.two" }).referrers)
		assert.equal("not_found", support.fails(artifact.attach, server:address() .. "/app:v2", { files = {} }).code)
	end)

	it("leaves nothing behind where a layer is broken", function()
		local to = support.scratch()
		local layout = support.scratch()
		local name = "oci:" .. layout .. ":v1"
		artifact.push(name, { files = { "Makefile", "README.md" } })
		local path = layout .. "/blobs/" .. luff.digest { file = "README.md" }:gsub(":", "/")
		support.write(path, support.read(path):upper())
		assert.equal("digest_mismatch", support.fails(artifact.pull, name, { folder = to }).code)
		assert.equal("digest_mismatch", support.fails(artifact.pull, name, { folder = to .. "/new" }).code)
		assert.equal("", inside(to, "ls -A"))
		-- also of a folder that was unpacked already
		local deep = { { path = "d/", type = "folder", mode = 365 } }
		for i = 1, 40 do
			deep[i + 1] = { path = "d/" .. ("x/"):rep(i), type = "folder", mode = 365 }
		end
		name = by_hand { folder("d", deep), titled "one", titled "one" }
		assert.equal("exists", support.fails(artifact.pull, name, { folder = to }).code)
		assert.equal("", inside(to, "ls -A"))
	end)

	it("says what is wrong with options and files", function()
		for opts, code in pairs {
			[{ files = { "/nowhere/at/all" } }] = "not_found",
			[{ fles = {} }] = "invalid",
			[{ files = { { path = "x", titel = "y" } } }] = "invalid",
			[{ files = { "/" } }] = "invalid",
			[{ files = { "Makefile", "./Makefile" } }] = "invalid",
			[{ subject = "memory:wrong:v2" }] = "not_found",
		} do
			assert.equal(code, support.fails(artifact.push, "memory:wrong:v1", opts).code)
		end
		assert.has_error(function() luff.push_blob("memory:wrong", { folder = "x" }) end)
		assert.equal("not_found", support.fails(luff.resolve, "memory:wrong:v1").code)
	end)
end)

describe("a title", function()
	local root, out, before
	before_each(function()
		before = nil
		root = support.scratch()
		out = root .. "/out"
		inside(root, "mkdir out outside && echo safe > outside/file && echo safe > victim")
	end)
	-- Outside of the folder all is as it was.
	local function untouched()
		assert.equal("safe\nsafe\nout\noutside\nvictim\noutside/file",
			inside(root, "cat victim outside/file && ls -A && ls outside/*"))
	end
	-- Nothing comes, not even the other file.
	local function refused(code, ...)
		before = before or state(root)
		local err = support.fails(artifact.pull, by_hand { titled "good", ... }, { folder = out })
		assert.equal(code, err.code, err.message)
		assert.equal(before, state(root), err.message)
	end

	it("does not lead out of the folder", function()
		for _, title in ipairs { "../victim", "/tmp/luff-evil", "a/../../victim", "..", "/", "//victim", ".", "./", "a/..",
			"./../victim", "out/../../victim", "" } do
			refused("bad_format", titled(title))
			refused("bad_format", folder(title, { { path = "victim", content = "evil" } }))
		end
		refused("too_large", titled(("a/"):rep(2500) .. "a"))
	end)

	it("goes through no link that is there", function()
		inside(out, "ln -s ../outside link && ln -s ../victim file && ln -s . here")
		refused("exists", titled "link/file")
		refused("exists", titled "here/link/file")
		refused("exists", folder("link", { { path = "link/file", content = "evil" } }))
		refused("exists", folder("link/new", { { path = "link/new/file", content = "evil" } }))
		-- the link itself is replaced, and not what it leads to
		artifact.pull(by_hand { titled "file" }, { folder = out })
		assert.equal("evil\n", support.read(out .. "/file"))
		assert.equal("f", inside(out, "find file -printf %y"))
		untouched()
	end)

	it("may be there once", function()
		refused("exists", titled "twice", titled "twice")
		refused("exists", titled "twice", titled "twice/file")
		refused("exists", titled "twice/file", titled "twice")
		refused("exists", titled "twice", folder("twice", { { path = "twice/file" } }))
		inside(out, "echo before > there")
		before = nil
		refused("exists", titled "there/file")
	end)

	it("may be any other", function()
		local titles = { "a b", "-rf", "$(id)", "dir/./x", "dir//y", "z/", "…", "*", "a\\b", "\27[31m", "..a", "a.." }
		local layers = {}
		for i, title in ipairs(titles) do
			layers[i] = titled(title, "fine")
		end
		artifact.pull(by_hand(layers), { folder = out })
		for _, title in ipairs(titles) do
			assert.equal("fine", support.read(out .. "/" .. title:gsub("/$", "")))
		end
		untouched()
	end)
end)

describe("a folder in an artifact", function()
	local function pull(entries, more)
		local to = support.scratch()
		local done, err = luff.try(artifact.pull, by_hand { folder("d", entries, more) }, { folder = to .. "/out" })
		-- whatever happened, nothing is beside it
		assert.equal(done and "out" or "", inside(to, "ls -A"))
		return done and to .. "/out" or err.code, err and err.message
	end
	local function refused(entries)
		local code, message = pull(entries)
		assert.equal("bad_format", code, message)
	end

	it("has nothing outside of it", function()
		refused { { path = "e/file" } }
		refused { { path = "d/file" }, { path = "dd" } }
		refused { { path = "../d/file" } }
		refused { { path = "d/../../x" } }
		refused { { path = "d/../x" } }
		refused { { path = "d", content = "a file" } }
		refused {}
		refused { { path = "/tmp/x" } }
	end)

	it("has no links that lead out, one by one or together", function()
		refused { { path = "d/link", type = "symlink", link = "/etc/passwd" } }
		refused { { path = "d/link", type = "symlink", link = "../victim" } }
		refused { { path = "d/a/link", type = "symlink", link = "../../victim" } }
		refused { { path = "d/link", type = "symlink", link = "a/../../victim" } }
		-- by its words inside, in truth not (GHSA-m37j-52j7-pjw7)
		refused {
			{ path = "d/a/up", type = "symlink", link = ".." }, { path = "d/a/out", type = "symlink", link = "up/../victim" },
		}
		refused { { path = "d/link", type = "symlink", link = ".." }, { path = "d/link/victim", content = "evil" } }
		refused { { path = "d/hard", type = "hardlink", link = "../victim" } }
		refused { { path = "d/hard", type = "hardlink", link = "/etc/passwd" } }
		refused { { path = "d/hard", type = "hardlink", link = "victim" } }
		refused { { path = "d/pipe", type = "fifo" } }
		refused { { path = "d/null", type = "char", major = 1, minor = 3 } }
	end)

	it("keeps links inside of it, also through links", function()
		local out = assert(pull {
			{ path = "d/a/file", content = "here" }, { path = "d/a/up", type = "symlink", link = "../a/file" },
			{ path = "d/b", type = "symlink", link = "./a" }, { path = "d/b/more", content = "through" },
			{ path = "d/hard", type = "hardlink", link = "d/a/file" },
		})
		assert.equal("here", support.read(out .. "/d/a/up"))
		assert.equal("through", support.read(out .. "/d/a/more"))
		assert.equal("2", inside(out, "stat -c %h d/hard"):match "%d+")
	end)

	it("is what its digest says", function()
		local entries = { { path = "d/file", content = "1" } }
		assert.equal("digest_mismatch", (pull(entries, { [CONTENT] = luff.digest "another" })))
		assert.equal("invalid_name", (pull(entries, { [CONTENT] = "md5:1" })))
		assert.truthy(pull(entries, { [CONTENT] = luff.digest(support.archive.tar(entries)) }):find "^/")
		assert.truthy(pull(entries, { [CONTENT] = luff.digest(support.archive.tar(entries), "sha512") }):find "^/")
	end)

	it("lends nobody's rights", function()
		local out = assert(pull { { path = "d/file", mode = 2541, uid = 4321, content = "x" } })
		assert.equal("755", inside(out, "stat -c %a d/file"):match "%d+")
		assert.equal(inside(out, "id -u"), inside(out, "stat -c %u d/file"))
	end)
end)

describe("luff artifact", function()
	it("puts a folder that takes nothing in its place, for whoever pulls", function()
		local dir = support.scratch()
		local name = ("oci:%s/layout:v1"):format(dir)
		inside(dir, "chmod 711 . .. && mkdir -m 777 out && mkdir ro && echo hi > ro/file && chmod 555 ro")
		assert.equal(0, support.luff({ "artifact", "push", name, "ro" }, { cwd = dir }).code)
		inside(dir, "chmod -R a+rX layout")
		local command = { support.program, "artifact", "pull", "-o", dir .. "/out", name }
		if support.sh("id -u"):match "%d+" == "0" then
			local other = { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups" }
			local try = table.concat(other, " ") .. " " .. support.quote(support.program) .. " --version 2>&1 || true"
			if not support.sh(try):find "^luff" then
				pending "only root can run it here"
				return
			end
			command = table.move(command, 1, #command, #other + 1, other)
		end
		local done = support.run(command, { env = { HOME = dir } })
		assert.equal("", (done.stderr:gsub("^1 file[^\n]*\n", "")))
		assert.equal("555 ro\n444 ro/file", inside(dir .. "/out", "chmod 444 ro/file && stat -c '%a %n' ro ro/file"))
		assert.equal("ro", inside(dir .. "/out", "ls -A"))
	end)

	it("pushes, attaches, pulls and shows", function()
		local dir, server <close> = sample(), luff.serve {}
		local name = server:address() .. "/files:v1"
		local function run(...)
			local done = support.luff({ "artifact", ... }, { cwd = dir })
			assert.equal(0, done.code, done.stderr)
			return done.stdout, done.stderr
		end
		local digest = run("push", name, "./a.txt:text/plain", "docs/", "--type", "application/vnd.example", "-a", "k=v=w")
		assert.equal(luff.resolve(name).digest .. "\n", digest)
		local manifest = luff.image(name):manifest()
		assert.same({ k = "v=w" }, manifest.annotations)
		assert.same({ "text/plain", "a.txt" }, { manifest.layers[1].mediaType, manifest.layers[1].annotations[TITLE] })
		assert.equal("docs", manifest.layers[2].annotations[TITLE])
		local attached = run("attach", "--type", "application/spdx", name, "a.txt"):gsub("\n", "")
		assert.equal(("%s  %s`-- application/spdx  %s\n"):format(name, digest, attached), (run("tree", name)))
		assert.equal(attached, luff.json.decode((run("tree", "--json", name))).referrers[1].digest)
		local to = support.scratch()
		local out, err = run("pull", "-o", to, name)
		assert.equal("a.txt\ndocs\n", out)
		assert.equal("2 files, 17 B\n", err)
		assert.equal(state(dir .. "/docs"), state(to .. "/docs"))
		-- a file whose name has a type in it
		inside(dir, "mkdir -p b:text && cp a.txt b:text/plain")
		run("push", "--subject", name, server:address() .. "/files:v2", "b:text/plain")
		manifest = luff.image(server:address() .. "/files:v2"):manifest()
		assert.equal("b:text/plain", manifest.layers[1].annotations[TITLE])
		assert.equal(digest, manifest.subject.digest .. "\n")
	end)

	it("knows wrong usage", function()
		for _, words in ipairs {
			{ "artifact", "psh", "x:v1" }, { "artifact", "pull", "x:v1", "y" }, { "artifact", "tree", "-o", "x", "x:v1" },
			{ "artifact", "push", "-a", "k", "oci:/tmp/x:v1" }, { "artifact", "attach", "x:v1" }, { "artifact", "push" },
		} do
			assert.equal(2, support.luff(words).code, table.concat(words, " "))
		end
	end)
end)

describe("artifacts of oras", function()
	local oras = support.peers "oras"
	it("and those of luff are each other's, in all places", function()
		if #oras == 0 then
			pending "oras is not installed"
		end
		local docker = support.docker_registry()
		local embedded <close> = luff.serve { root = support.scratch() }
		local dir = sample()
		local places = { embedded:address() .. "/files", docker and docker.address .. "/files" }
		for _, program in ipairs(oras) do
			for _, place in ipairs(places) do
				local function run(cwd, ...)
					return support.sh(("cd %s && %s 2>&1"):format(support.quote(cwd), table.concat({ program, ... }, " ")))
				end
				-- oras's own
				run(dir, "push", "--plain-http", "--no-tty", place .. ":oras", "a.txt:text/plain", "docs",
					"--artifact-type", "application/vnd.example")
				local to = support.scratch()
				assert.same({ "a.txt", "docs" }, artifact.pull(place .. ":oras", { folder = to }).files)
				inside(dir, "cp docs/run docs/x && mv docs/x docs/again") -- it knows no hard links
				assert.equal(state(dir), state(to))
				-- luff's own
				assert.equal(0, support.luff({ "artifact", "push", place .. ":luff", "a.txt", "docs" }, { cwd = dir }).code)
				to = support.scratch()
				run(to, "pull", "--plain-http", "--no-tty", place .. ":luff")
				assert.equal(state(dir), state(to))
				-- what is attached
				run(dir, "attach", "--plain-http", "--no-tty", "--artifact-type", "application/vnd.oras", place .. ":luff", "a.txt")
				artifact.attach(place .. ":luff", { type = "application/vnd.luff", files = { dir .. "/a.txt" } })
				local kinds = {}
				for _, child in ipairs(artifact.tree(place .. ":luff").referrers) do
					kinds[#kinds + 1] = child.artifactType
				end
				table.sort(kinds)
				assert.same({ "application/vnd.luff", "application/vnd.oras" }, kinds)
				local found = luff.json.decode(run(dir, "discover", "--plain-http", "--format", "json", place .. ":luff"))
				assert.equal(2, #(found.referrers or found.manifests))
			end
		end
	end)
end)
