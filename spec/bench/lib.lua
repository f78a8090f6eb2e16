-- What the benches share: options, measuring, peers, and the image. Programs are run as whole processes, in turns.
local luff = require "luff"
local process = require "spec.support.process"
local quote = process.quote

local options = { runs = 5, size = 300 }
do
	local i = 1
	while arg[i] do
		local name = arg[i]:match("^%-%-(%l+)$")
		if name == "quick" then
			options.runs, options.size, options.quick = 3, 40, true
		elseif (name == "runs" or name == "size") and tonumber(arg[i + 1]) then
			i = i + 1
			options[name] = tonumber(arg[i])
		elseif name == "only" and arg[i + 1] then
			i = i + 1
			options.only = arg[i]
		else
			io.stderr:write("usage: spec/bench/run [inside|places|many] [--runs N] [--size MB] [--quick] [--only WORD]\n")
			os.exit(2)
		end
		i = i + 1
	end
end

local function note(...)
	io.stderr:write(string.format(...), "\n")
end

local function shell(command)
	assert(os.execute(command), command)
end

local work = process.scratch()

-- ---- Measuring ------------------------------------------------------------------------------------------

local function compiled(name)
	local path = work .. "/" .. name
	shell(("%s -O2 -D_GNU_SOURCE -o %s spec/bench/%s.c"):format(os.getenv("CC") or "cc", quote(path), name))
	return path
end

local measure = compiled "measure"

-- One run: { wall, cpu, peak }.
local function run(argv)
	local words = { quote(measure) }
	for i, word in ipairs(argv) do
		words[i + 1] = quote(word)
	end
	shell(("%s </dev/null >%s/out 2>%s/err 3>%s/took"):format(table.concat(words, " "), work, work, work))
	local took = process.read(work .. "/took")
	local wall, user, system, peak, code = took:match("(%S+) (%S+) (%S+) (%S+) (%S+)")
	if code ~= "0" then
		error(("%s: exit code %s\n%s"):format(table.concat(argv, " "), code, process.read(work .. "/err")))
	end
	return { wall = tonumber(wall), cpu = user + system, peak = peak / 1000 }
end

local function median(list, key)
	local values = {}
	for i, item in ipairs(list) do
		values[i] = item[key]
	end
	table.sort(values)
	local half = #values // 2
	return #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
end

-- ---- Tools ----------------------------------------------------------------------------------------------

local program = process.sh("realpath " .. quote(os.getenv("LUFF") or "build/luff"))

-- A peer's command, without the shell script that some installations put around the program.
local function peer(name)
	local found = process.peers(name)
	local path = found[#found]
	if not path then
		return nil
	end
	local dir, base = path:match("^(.*)/([^/]+)$")
	local inner = dir .. "/." .. base
	if process.exists(inner) then
		local library = process.read(path):match("LD_LIBRARY_PATH=(%S+)")
		return { library and "LD_LIBRARY_PATH=" .. library, inner }
	end
	return { path }
end

local function command(start, ...)
	local argv = { table.unpack(start) }
	for _, word in ipairs { ... } do
		argv[#argv + 1] = word
	end
	return argv
end


-- ---- The image: this machine's /usr, gzip, four layers, kept for the next time --------------------------

local cache = (os.getenv("XDG_CACHE_HOME") or os.getenv("HOME") .. "/.cache") .. "/luff-bench"
local layout = ("%s/image-%d"):format(cache, options.size)

local function make_layout()
	note("making an image of about %d MB in %s", options.size, layout)
	shell("rm -rf " .. quote(layout) .. " && mkdir -p " .. quote(cache))
	-- Files up to the size before compression that gzip makes about the size asked for.
	local shares, limit = { 0.5, 0.8, 0.95, 1 }, options.size * 1e6 * 2.6
	local lists, total, part = {}, 0, 1
	for i = 1, #shares do
		lists[i] = assert(io.open(work .. "/list" .. i, "w"))
	end
	local files = io.popen("find /usr/bin /usr/lib /usr/share -xdev -type f -size +0 -printf '%s %p\\n' | sort -k2")
	for line in files:lines() do
		local size, path = line:match("^(%d+) (.*)$")
		total = total + size
		if total > limit * shares[part] then
			part = part + 1
			if part > #shares then
				break
			end
		end
		lists[part]:write(path, "\n")
	end
	files:close()
	local place, layers, diff_ids = "oci:" .. layout, luff.array {}, luff.array {}
	for i, list in ipairs(lists) do
		list:close()
		local tar = work .. "/layer.tar"
		shell(("tar -cPf %s --ignore-failed-read -T %s/list%d || test $? = 1"):format(quote(tar), work, i))
		diff_ids[i] = luff.digest { file = tar }
		shell(("gzip -1 -n -f %s"):format(quote(tar)))
		layers[i] = luff.push_blob(place, { file = tar .. ".gz" },
			{ media_type = "application/vnd.oci.image.layer.v1.tar+gzip" })
	end
	luff.push_manifest(place .. ":bench", {
		schemaVersion = 2,
		mediaType = "application/vnd.oci.image.manifest.v1+json",
		config = luff.push_blob(place, luff.json.encode {
			architecture = "amd64", os = "linux", rootfs = { type = "layers", diff_ids = diff_ids },
		}, { media_type = "application/vnd.oci.image.config.v1+json" }),
		layers = layers,
	})
end

if not luff.try(luff.image, "oci:" .. layout .. ":bench") then
	make_layout()
end
local image = luff.image("oci:" .. layout .. ":bench")
local blobs, bytes = { image:config_name() }, 0
for i, layer in ipairs(image:layers()) do
	blobs[i + 1] = layer:digest()
	bytes = bytes + layer:size()
end

-- ---- A registry of luff's own ---------------------------------------------------------------------------

local function embedded()
	local root = process.scratch()
	local server = process.start { program, "serve", root, "--listen", "127.0.0.1:0" }
	server.root = root
	server.address = process.eventually(function()
		return (server:stdout() .. server:stderr()):match("(127%.0%.0%.1:%d+)")
			or not server:running() and error("luff serve: " .. server:stderr())
	end)
	return server
end

-- ---- Rows -----------------------------------------------------------------------------------------------

local fresh = 0

-- Whether a row of this title was asked for.
local function wants(title)
	return not options.only or title:find(options.only, 1, true) ~= nil
end

-- Runs each contender once a round, in turns; prints the row's lines.
-- contenders: list of { name, argv = function(n) -> what to run, what to do afterwards }
local function row(title, contenders, runs)
	if not wants(title) then
		return
	end
	note("%s", title)
	local took = {}
	for round = 0, runs do
		for _, contender in ipairs(contenders) do
			fresh = fresh + 1
			local argv, undo = contender.argv(fresh)
			local ok, result = pcall(run, argv)
			if undo then
				undo()
			end
			if not ok then
				note("  %s", result)
			elseif round > 0 then -- the first round warms caches
				took[contender.name] = took[contender.name] or {}
				table.insert(took[contender.name], result)
			end
		end
	end
	local function of(name, key)
		return took[name] and #took[name] == runs and median(took[name], key)
	end
	local function ratio(a, b)
		return a and b and b > 0 and ("%.2f"):format(a / b) or ""
	end
	for _, contender in ipairs(contenders) do
		local name = contender.name
		if of(name, "wall") then
			print(("| %s | %s | %.1f | %s | %.1f | %s | %.1f |"):format(title, name, of(name, "wall") * 1000,
				ratio(of(name, "wall"), of("luff", "wall")), of(name, "cpu") * 1000,
				ratio(of(name, "cpu"), of("floor", "cpu")), of(name, "peak")))
		else
			print(("| %s | %s | failed | | | | |"):format(title, name))
		end
	end
end

local function remover(path)
	return function()
		shell("rm -rf " .. quote(path) .. " && sync")
	end
end

-- Of { name, whether it is here, argv }, those that are.
local function contenders(list)
	local out = {}
	for _, c in ipairs(list) do
		if c[2] then
			out[#out + 1] = { name = c[1], argv = c[3] }
		end
	end
	return out
end

-- A contender that leaves a folder: f(folder).
local function into_folder(f)
	return function(n)
		local dir = ("%s/out-%d"):format(work, n)
		return f(dir), remover(dir)
	end
end

-- skopeo remembers which registry has which blob: it would mount, not push.
local function forget_blobs()
	shell("rm -f /var/lib/containers/cache/blob-info-cache-v1.* ~/.local/share/containers/cache/blob-info-cache-v1.*")
end

-- The rows of a whole file, below the table's head.
local function main(rows)
	local ok, err = xpcall(function()
		note("image: %d layers, %.0f MB", #blobs - 1, bytes / 1e6)
		print("| what | who | wall, ms | ÷ luff | CPU, ms | ÷ floor | peak, MB |")
		print("|---|---|--:|--:|--:|--:|--:|")
		rows()
	end, debug.traceback)
	process.undo_to(0)
	if not ok then
		error(err, 0)
	end
end

return {
	options = options, note = note, shell = shell, work = work, program = program, peer = peer, command = command,
	layout = layout, blobs = blobs, bytes = bytes, embedded = embedded, row = row, remover = remover, median = median,
	compiled = compiled, wants = wants, contenders = contenders, into_folder = into_folder, forget_blobs = forget_blobs,
	main = main,
}
