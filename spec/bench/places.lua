-- Between the places that hold images on this machine, beside skopeo and crane: archives, daemons, layouts, and from gzip to
-- zstd. Options and output as those of bench.lua; run it by spec/bench/run places. Daemons are started where they are installed.
package.path = "./?.lua;" .. package.path
local luff = require "luff"
local daemons = require "spec.support.daemons"
local lib = require "spec.bench.lib"
local process = require "spec.support.process"
local quote = process.quote
local command, row, contenders, into_folder = lib.command, lib.row, lib.contenders, lib.into_folder

local crane, skopeo = lib.peer "crane", lib.peer "skopeo"
local here = "oci:" .. lib.layout .. ":bench"
local runs = lib.options.runs

local function copied_by_skopeo(...)
	return command(skopeo, "--insecure-policy", "copy", "-q", ...)
end

-- Plain layers, as docker saves them.
local function make_archive()
	local path = lib.work .. "/plain.tar"
	luff.copy(luff.image(here):recompress "none", "docker-archive:" .. path .. ":bench:v1", { compress = "none" })
	return path
end

local function from_archive(archive, title, start)
	title = "docker-archive → " .. title
	local server = lib.wants(title) and start()
	if not server then
		return
	end
	local function pushing(f)
		return function(n)
			lib.forget_blobs()
			return f(("%s/bench/pushed-%d:v1"):format(server.address, n)), function() lib.shell "sync" end
		end
	end
	row(title, contenders {
		{ "luff", true, pushing(function(to) return { lib.program, "copy", "docker-archive:" .. archive, to } end) },
		{ "crane", crane, pushing(function(to) return command(crane, "push", archive, to) end) },
		{ "skopeo", skopeo, pushing(function(to)
			return copied_by_skopeo("--dest-tls-verify=false", "docker-archive:" .. archive, "docker://" .. to)
		end) },
	}, runs)
	server:stop()
end

-- What the daemon's own `save` makes, unpacked to a layout: its layers stay plain.
local function saved(entry, daemon)
	local path = entry.kind == "podman" and "/v5.0.0/libpod/images/docker.io/library/bench:v1/get?format=oci-archive"
		or "/images/bench:v1/get"
	return into_folder(function(dir)
		return { "sh", "-c", ("mkdir %s && curl -sS --unix-socket %s 'http://docker%s' | tar -x -C %s"):format(quote(dir),
			quote(daemon.socket), path, quote(dir)) }
	end)
end

local function from_daemon(archive, entry)
	local title = entry.name .. " → layout"
	local daemon = lib.wants(title) and daemons.start(entry.name)[entry.name]
	if type(daemon) ~= "table" then
		lib.note("%s: %s", title, daemon or "not asked for")
		return
	end
	local host = "DOCKER_HOST=" .. daemon.host
	process.must({ lib.program, "copy", "-q", "docker-archive:" .. archive, "docker-daemon:bench:v1" },
		{ env = { DOCKER_HOST = daemon.host }, timeout = 600 })
	row(title, contenders {
		{ "luff", true, into_folder(function(dir)
			return { host, lib.program, "copy", "docker-daemon:bench:v1", "oci:" .. dir .. ":bench" }
		end) },
		{ "skopeo", skopeo, into_folder(function(dir)
			return copied_by_skopeo("--src-daemon-host=" .. daemon.host, "docker-daemon:bench:v1",
				"oci:" .. dir .. ":bench")
		end) },
		{ "its own, tar -x", true, saved(entry, daemon) },
	}, runs)
	daemon:stop()
end

-- A contender that leaves an archive: f(file).
local function into_file(f)
	return function(n)
		local file = ("%s/out-%d.tar"):format(lib.work, n)
		return f(file), lib.remover(file)
	end
end

local function layer_files()
	local files = {}
	for i, digest in ipairs(lib.blobs) do
		files[i - 1] = i > 1 and lib.layout .. "/blobs/sha256/" .. digest:match ":(.*)" or nil
	end
	return files
end

local function from_layout()
	row("layout → docker-archive", contenders {
		{ "luff", true, into_file(function(file)
			return { lib.program, "copy", here, "docker-archive:" .. file .. ":bench:v1" }
		end) },
		{ "skopeo", skopeo, into_file(function(file)
			return copied_by_skopeo(here, "docker-archive:" .. file .. ":bench:v1")
		end) },
	}, runs)

	local script = process.write(lib.work .. "/zstd.lua", [[
		local luff = require "luff"
		luff.copy(luff.image(arg[1]):recompress "zstd", arg[2])
	]])
	row("gzip → zstd, layout → layout", contenders {
		{ "luff", true, into_folder(function(dir) return { lib.program, script, here, "oci:" .. dir .. ":bench" } end) },
		{ "skopeo", skopeo, into_folder(function(dir)
			return copied_by_skopeo("--dest-compress-format=zstd", "--dest-force-compress-format", here,
				"oci:" .. dir .. ":bench")
		end) },
		{ "gzip -d, zstd -3 -T0", process.peer "zstd", into_folder(function(dir)
			return { "sh", "-c", ([[mkdir %s && cd %s && for f; do gzip -dc "$f" | zstd -q -3 -T0 -o "${f##*/}"; done]])
				:format(quote(dir), quote(dir)), "sh", table.unpack(layer_files()) }
		end) },
	}, runs)
end

lib.main(function()
	local archive = make_archive()
	from_archive(archive, "docker-registry", function() return process.docker_registry { cached = true } end)
	from_archive(archive, "luff serve", lib.embedded)
	from_layout()
	for _, entry in ipairs(daemons.list) do
		from_daemon(archive, entry)
	end
end)
