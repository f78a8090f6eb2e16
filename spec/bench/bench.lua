-- luff beside the tools that people use today, whole processes on this machine: wall time, CPU (user and system), peak
-- memory; interleaved runs, medians. Prints Markdown. Run it by spec/bench/run [options]:
--   --runs N      runs of each tool in each row (5)
--   --size MB     of the image, compressed (300)
--   --quick       3 runs, 40 MB
--   --only WORD   rows whose title has the word
-- The last table is of servers: requests per second from spec/bench/requests.c, on 16 connections and on 200, and the memory
-- that the server takes with all of that (its peak).
-- Peers come from PATH and ${LUFF_PEERS:-~/.cache/luff-peers}/bin; those that are missing are left out.
package.path = "./?.lua;" .. package.path
local luff = require "luff"
local lib = require "spec.bench.lib"
local process = require "spec.support.process"
local quote = process.quote
local command, peer, row, remover, shell, note = lib.command, lib.peer, lib.row, lib.remover, lib.shell, lib.note
local options, work, layout, blobs = lib.options, lib.work, lib.layout, lib.blobs
local compiled, median = lib.compiled, lib.median

-- ---- Tools ----------------------------------------------------------------------------------------------

-- regctl learns of plain http host by host.
local function plain(start, ...)
	local argv = command(start)
	for _, name in ipairs { ... } do
		table.move({ "--host", "reg=" .. name:match("^[^/]+") .. ",tls=disabled" }, 1, 2, #argv + 1, argv)
	end
	return argv
end

-- What each tool is called with. from and to are "host/repository:tag", or a folder with an OCI layout: tag "bench".
local tools = {
	{ name = "luff", start = { lib.program },
		version = function(t) return command(t, "version") end,
		digest = function(t, from) return command(t, "digest", from) end,
		pull = function(t, from, to) return command(t, "copy", from, "oci:" .. to .. ":bench") end,
		push = function(t, from, to) return command(t, "copy", "oci:" .. from .. ":bench", to) end,
		through = function(t, from, to) return command(t, "copy", from, to) end },
	{ name = "crane", start = peer "crane",
		version = function(t) return command(t, "help") end,
		digest = function(t, from) return command(t, "digest", from) end,
		pull = function(t, from, to) return command(t, "pull", "--format=oci", from, to) end,
		push = function(t, from, to) return command(t, "push", from, to) end,
		through = function(t, from, to) return command(t, "copy", from, to) end },
	{ name = "skopeo", start = peer "skopeo",
		before = lib.forget_blobs,
		version = function(t) return command(t, "--version") end,
		digest = function(t, from)
			return command(t, "inspect", "--no-tags", "--tls-verify=false", "--format={{.Digest}}", "docker://" .. from)
		end,
		pull = function(t, from, to)
			return command(t, "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "docker://" .. from,
				"oci:" .. to .. ":bench")
		end,
		push = function(t, from, to)
			return command(t, "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "oci:" .. from .. ":bench",
				"docker://" .. to)
		end,
		through = function(t, from, to)
			return command(t, "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false",
				"docker://" .. from, "docker://" .. to)
		end },
	{ name = "oras", start = peer "oras",
		version = function(t) return command(t, "version") end,
		digest = function(t, from) return command(t, "resolve", "--plain-http", from) end,
		pull = function(t, from, to)
			return command(t, "copy", "--from-plain-http", "--to-oci-layout", from, to .. ":bench")
		end,
		push = function(t, from, to)
			return command(t, "copy", "--from-oci-layout", "--to-plain-http", from .. ":bench", to)
		end,
		through = function(t, from, to)
			return command(t, "copy", "--from-plain-http", "--to-plain-http", from, to)
		end },
	{ name = "regctl", start = peer "regctl",
		version = function(t) return command(t, "version") end,
		digest = function(t, from) return command(plain(t, from), "image", "digest", from) end,
		pull = function(t, from, to)
			return command(plain(t, from), "image", "copy", from, "ocidir://" .. to .. ":bench")
		end,
		push = function(t, from, to)
			return command(plain(t, to), "image", "copy", "ocidir://" .. from .. ":bench", to)
		end,
		through = function(t, from, to) return command(plain(t, from, to), "image", "copy", from, to) end },
}

-- ---- Registries -----------------------------------------------------------------------------------------

local sources = {
	{ title = "docker-registry", start = function() return process.docker_registry { cached = true } end },
	{ title = "luff serve", start = lib.embedded },
}

-- ---- Rows -----------------------------------------------------------------------------------------------

local function contenders_for(what, argv)
	local list = {}
	for _, tool in ipairs(tools) do
		if tool.start and tool[what] then
			list[#list + 1] = { name = tool.name, argv = function(n)
				if tool.before then
					tool.before()
				end
				return argv(tool, n)
			end }
		end
	end
	return list
end

local function floor(...)
	return { "sh", "spec/bench/floor.sh", ... }
end

local function rows_of(source)
	local from, to = source.start(), source.start()
	if not from then
		note("no %s here", source.title)
		return
	end
	local name = from.address .. "/bench/image:bench"
	luff.copy("oci:" .. layout .. ":bench", name)
	local function url(server, repository)
		return ("http://%s/v2/%s"):format(server.address, repository)
	end
	-- What a run pushed: the embedded registry keeps a folder for each repository.
	local function forget(repository)
		return source.start == lib.embedded and remover(to.root .. "/" .. repository) or function() shell("sync") end
	end

	local list = contenders_for("pull", function(tool, n)
		local dir = ("%s/pulled-%d"):format(work, n)
		return tool.pull(tool.start, name, dir), remover(dir)
	end)
	table.insert(list, { name = "floor", argv = function(n)
		local dir = ("%s/pulled-%d"):format(work, n)
		shell("mkdir " .. quote(dir))
		return floor("pull", url(from, "bench/image"), dir, table.unpack(blobs)), remover(dir)
	end })
	row(source.title .. " → layout", list, options.runs)

	list = contenders_for("push", function(tool, n)
		local repository = "bench/pushed-" .. n
		return tool.push(tool.start, layout, to.address .. "/" .. repository .. ":bench"), forget(repository)
	end)
	table.insert(list, { name = "floor", argv = function(n)
		local repository = "bench/pushed-" .. n
		return floor("push", layout .. "/blobs/sha256", url(to, repository), table.unpack(blobs)), forget(repository)
	end })
	row("layout → " .. source.title, list, options.runs)

	list = contenders_for("through", function(tool, n)
		local repository = "bench/copied-" .. n
		return tool.through(tool.start, name, to.address .. "/" .. repository .. ":bench"), forget(repository)
	end)
	table.insert(list, { name = "floor", argv = function(n)
		local repository = "bench/copied-" .. n
		return floor("through", url(from, "bench/image"), url(to, repository), layout .. "/blobs/sha256",
			table.unpack(blobs)), forget(repository)
	end })
	row(source.title .. " → " .. source.title, list, options.runs)

	row("digest of a tag, " .. source.title, contenders_for("digest", function(tool)
		return tool.digest(tool.start, name)
	end), options.runs * 4)
	from:stop()
	to:stop()
end

-- ---- Servers --------------------------------------------------------------------------------------------

-- Answers per second on so many connections.
local function rate(server, asks, method, path, connections)
	local host, port = server.address:match "^(.*):(%d+)$"
	local text = process.must { asks, host, port, method, path, tostring(connections), options.quick and "1" or "3" }
	local good, bad, seconds = text:match "^(%d+) (%d+) (%S+)"
	assert(bad == "0", method .. " " .. path .. ": " .. text)
	return good / seconds
end

local function peak_of(server)
	return process.read("/proc/" .. server.pid .. "/status"):match "VmHWM:%s*(%d+)" / 1000
end

-- Each figure is the median of the runs, in turns.
local function server_rows()
	if not lib.wants "servers" then
		return
	end
	local asks, servers = compiled "requests", {}
	local small = ("x"):rep(4096)
	local place = { "manifest, HEAD", "manifest, GET", "blob of 4 kB, GET" }
	for _, source in ipairs(sources) do
		local server = source.start()
		if server then
			local name = server.address .. "/bench/small"
			local config = luff.push_blob(name, "{}", { media_type = "application/vnd.oci.image.config.v1+json" })
			local layer = luff.push_blob(name, small, { media_type = "application/vnd.oci.image.layer.v1.tar" })
			luff.push_manifest(name .. ":v1", { schemaVersion = 2, config = config, layers = luff.array { layer },
				mediaType = "application/vnd.oci.image.manifest.v1+json" })
			servers[#servers + 1] = { title = source.title, server = server, took = {} }
		end
	end
	local manifest, blob = "/v2/bench/small/manifests/v1", "/v2/bench/small/blobs/" .. luff.digest(small)
	for _ = 1, options.runs do
		for _, s in ipairs(servers) do
			for _, connections in ipairs { 16, 200 } do
				note("%s: %d connections", s.title, connections)
				local function add(what, method, path)
					local key = ("%s, %d connections"):format(what, connections)
					s.took[key] = s.took[key] or {}
					table.insert(s.took[key], { rate = rate(s.server, asks, method, path, connections) })
				end
				add(place[1], "HEAD", manifest)
				add(place[2], "GET", manifest)
				add(place[3], "GET", blob)
			end
		end
	end
	print("\n| requests per second | " .. servers[1].title .. (servers[2] and " | " .. servers[2].title or "") .. " |")
	print("|---|--:|" .. (servers[2] and "--:|" or ""))
	for _, connections in ipairs { 16, 200 } do
		for _, what in ipairs(place) do
			local key, line = ("%s, %d connections"):format(what, connections), ""
			for _, s in ipairs(servers) do
				line = line .. (" %.0f |"):format(median(s.took[key], "rate"))
			end
			print("| " .. key .. " |" .. line)
		end
	end
	local line = ""
	for _, s in ipairs(servers) do
		line = line .. (" %.0f |"):format(peak_of(s.server))
		s.server:stop()
	end
	print("| peak, MB |" .. line)
end

lib.main(function()
	row("start-up", contenders_for("version", function(tool) return tool.version(tool.start) end), options.runs * 4)
	for _, source in ipairs(sources) do
		rows_of(source)
	end
	server_rows()
end)
