-- What scripts of regbot find in their globals: log, reference, repo, tag, manifest, image and blob, over luff.
local documents = require "luff.regbot.documents"
local fail = require "luff.fail"
local log = require "luff.log"
local luff = require "luff"
local place = require "luff.regbot.place"
local time = require "luff.time"

local api = {}

-- ---- Values ------------------------------------------------------------------------------------------------

local Reference = { __name = "reference" }
Reference.__index = Reference

-- { place = "docker.io/library/app" or "oci:dir", tag =, digest = }
local function parse(text)
	return setmetatable(place(text), Reference)
end

function Reference:__tostring()
	return self.place:gsub("^oci:", "ocidir://") .. (self.its_tag and ":" .. self.its_tag or "")
		.. (self.its_digest and "@" .. self.its_digest or "")
end

function Reference:tag(tag)
	if tag == nil then
		return self.its_tag or ""
	end
	self.its_tag, self.its_digest = tag, nil
end

function Reference:digest(digest)
	if digest == nil then
		return self.its_digest or ""
	end
	self.its_tag, self.its_digest = nil, digest
end

function Reference:close() end

local function copy_of(ref)
	return setmetatable({ place = ref.place, registry = ref.registry, its_tag = ref.its_tag, its_digest = ref.its_digest },
		Reference)
end

local function is(value, class)
	return type(value) == "table" and rawget(value, "class") == class
end

-- What stands for a reference: a text, a reference, a manifest or a config.
local function to_ref(value, i)
	if type(value) == "string" then
		return parse(value)
	elseif getmetatable(value) == Reference then
		return copy_of(value)
	elseif is(value, "manifest") or is(value, "config") or is(value, "blob") then
		return copy_of(rawget(value, "ref"))
	end
	fail("invalid", "argument #%d is no reference, but a %s", i or 1, type(value))
end

-- As luff names it.
local function name_of(ref)
	return ref.place .. (ref.its_digest and "@" .. ref.its_digest or ref.its_tag and ":" .. ref.its_tag or "")
end

local function at_digest(ref, digest)
	local copy = copy_of(ref)
	copy.its_tag, copy.its_digest = nil, digest
	return copy
end

-- A table of regbot's: methods, and behind them the document's members.
local function object(class, methods, fields)
	fields.class = class
	return setmetatable(fields, {
		__index = function(self, name)
			local data = rawget(self, "data")
			local value = data and data[name]
			if value == nil then
				value = methods[name]
			end
			return value
		end,
		__newindex = function(self, name, value)
			local data = rawget(self, "data")
			if not data then
				fail("invalid", "this %s has no fields", class)
			end
			data[name] = value
		end,
		__tostring = function(self)
			local data = rawget(self, "data") or rawget(self, "descriptor_table")
			return data and luff.json.encode(data, { indent = true }) or class
		end,
	})
end

-- ---- The API of one script ---------------------------------------------------------------------------------

local function list(iterator, opts)
	local items = {}
	for item in iterator do
		if not (opts and opts.last) or item > opts.last then
			items[#items + 1] = item
		end
		if opts and opts.limit and #items == opts.limit then
			break
		end
	end
	return items
end

--- The globals of a script. run: { name =, dry_run = }.
function api.globals(run)
	local Manifest, Config, Blob = {}, {}, {}
	local env = { reference = {}, repo = {}, tag = {}, manifest = {}, image = {}, blob = {} }
	local get_config

	-- Says what would be done; true in a dry run.
	local function dry(what, fields)
		fields.script = run.name
		fields.dry_run = run.dry_run or nil
		log.info(what, fields)
		return run.dry_run
	end

	local function new_manifest(ref, got)
		local data = documents.wrap(luff.json.decode(got:raw_manifest()))
		local m = object("manifest", Manifest, { ref = ref, data = data, got = got, bytes = got:raw_manifest(),
			descriptor_table = { mediaType = got:media_type(), digest = got:digest(), size = #got:raw_manifest() } })
		-- m:config() is a call, m.config.digest a field
		local config = rawget(data, "config")
		local meta = type(config) == "table" and getmetatable(config)
		if meta then
			setmetatable(config, { __index = meta.__index, __newindex = meta.__newindex,
				__call = function() return get_config(m) end })
		end
		return m
	end

	local function get_manifest(value, platform)
		local ref = to_ref(value)
		return new_manifest(ref, luff.image(name_of(ref), { platform = platform }))
	end

	local function head(value)
		local ref = to_ref(value)
		return object("manifest", Manifest, { ref = ref, descriptor_table = luff.resolve(name_of(ref)) })
	end

	function get_config(value)
		local ref = to_ref(value)
		local got
		if is(value, "manifest") and rawget(value, "got") and not rawget(value, "got").index_manifest then
			got = rawget(value, "got")
		else
			got = luff.image(name_of(ref))
		end
		return object("config", Config, { ref = ref, data = documents.wrap(luff.json.decode(got:raw_config_file())) })
	end

	local function push(m, to)
		local bytes = rawget(m, "bytes") or fail("invalid", "a manifest that only its head is known of cannot be put")
		if not dry("put manifest", { target = tostring(to) }) then
			luff.push_manifest(name_of(to), bytes)
		end
	end

	local function descriptor(value)
		local d = is(value, "manifest") and rawget(value, "descriptor_table") or luff.resolve(name_of(to_ref(value)))
		return documents.wrap { mediaType = d.mediaType, digest = d.digest, size = d.size }
	end

	local function rate(ref)
		local r = ref.registry and luff.rate_limit(ref.registry)
		return { Set = r ~= nil and r.limit ~= nil, Remain = r and r.remaining or 0, Limit = r and r.limit or 0, Reset = 0,
			Policies = {} }
	end

	local function wait_for_rate(value, limit, poll, timeout)
		local ref = to_ref(value)
		local seconds, over = time.age(poll or "5m"), time.now() + time.age(timeout or "6h")
		while true do
			luff.resolve(name_of(ref))
			local now = rate(ref)
			if not now.Set or now.Remain >= limit then
				return true
			elseif time.now() + seconds > over then
				return false
			end
			time.sleep(seconds)
		end
	end

	function env.log(message)
		log.info(tostring(message), { script = run.name })
	end

	function env.reference.new(value) return to_ref(value) end
	function env.repo.ls(host, opts) return list(luff.catalog(tostring(host)), opts) end
	function env.tag.ls(value, opts) return list(luff.tags(to_ref(value).place), opts) end

	-- A registry that deletes no tag alone gets a manifest of its own for it, which goes then.
	local function delete_tag(ref)
		local _, err = luff.try(luff.delete, name_of(ref))
		if not err then
			return
		elseif err.code ~= "unsupported" then
			error(err, 0)
		end
		local config = luff.json.encode { author = ("%s %d %f"):format(ref.its_tag, time.now(), math.random()) }
		luff.push_blob(ref.place, config, { media_type = "application/vnd.oci.image.config.v1+json" })
		local made = luff.push_manifest(name_of(ref), { schemaVersion = 2, layers = luff.array {},
			mediaType = "application/vnd.oci.image.manifest.v1+json",
			config = { mediaType = "application/vnd.oci.image.config.v1+json", size = #config, digest = luff.digest(config) } })
		luff.delete(ref.place .. "@" .. made:digest(), { force = true })
	end

	function env.tag.delete(value)
		local ref = to_ref(value)
		if not ref.its_tag then
			fail("invalid", "%s has no tag to delete", tostring(ref))
		elseif not dry("delete tag", { target = tostring(ref) }) then
			delete_tag(ref)
		end
	end

	function env.manifest.getList(value)
		local ref = to_ref(value)
		return new_manifest(ref, luff.open(name_of(ref)))
	end
	env.manifest.get, env.manifest.head, env.manifest.descriptor = get_manifest, head, descriptor
	function env.manifest.put(m, to) push(is(m, "manifest") and m or get_manifest(m), to_ref(to, 2)) end
	Manifest.get, Manifest.head, Manifest.put, Manifest.descriptor = get_manifest, head, env.manifest.put, descriptor

	function Manifest.config(m) return get_config(m) end
	function Manifest.delete(m)
		local ref = rawget(m, "ref")
		local digest = ref.its_digest or rawget(m, "descriptor_table").digest
		if not dry("delete manifest", { target = ref.place .. "@" .. digest }) then
			luff.delete(name_of(at_digest(ref, digest)), { force = true })
		end
	end
	function Manifest.export(m)
		local bytes = luff.json.encode(rawget(m, "data") or fail("invalid", "its head alone cannot be exported"))
		return object("manifest", Manifest, { ref = copy_of(rawget(m, "ref")), data = documents.wrap(luff.json.decode(bytes)),
			bytes = bytes, descriptor_table = { mediaType = rawget(m, "descriptor_table").mediaType, digest = luff.digest(bytes),
			size = #bytes } })
	end
	function Manifest.ratelimit(m) return rate(rawget(m, "ref")) end
	Manifest.ratelimitWait = wait_for_rate

	function Config.export(c)
		local bytes = luff.json.encode(rawget(c, "data"))
		return object("config", Config, { ref = copy_of(rawget(c, "ref")), data = documents.wrap(luff.json.decode(bytes)) })
	end

	local function digest_tags(from, to)
		local about = luff.resolve(name_of(from)).digest:gsub(":", "-")
		for _, tag in ipairs(list(luff.tags(from.place))) do
			if tag:sub(1, #about) == about then
				luff.copy(from.place .. ":" .. tag, to.place .. ":" .. tag)
			end
		end
	end

	function env.image.copy(source, target, opts)
		local from, to = to_ref(source), to_ref(target, 2)
		opts = opts or {}
		if dry("copy image", { source = tostring(from), target = tostring(to) }) then
			return
		end
		local what = name_of(from)
		if opts.platforms then
			local index = luff.open(what)
			what = index.filter and index.index_manifest and index:filter { platform = opts.platforms } or index
		end
		luff.copy(what, name_of(to), { foreign = opts.includeExternal or nil, deep = opts.forceRecursive or nil })
		if opts.digestTags then
			digest_tags(from, to)
		end
	end
	env.image.config, env.image.manifest, env.image.manifestHead = get_config, get_manifest, head
	env.image.manifestList, env.image.ratelimitWait = env.manifest.getList, wait_for_rate

	function env.image.exportTar(value, file)
		local ref = to_ref(value)
		if not dry("export image", { source = tostring(ref), file = file }) then
			luff.copy(name_of(ref), ("docker-archive:%s:%s"):format(file, ref.registry and tostring(copy_of(ref)):gsub("@.*",
				"") or "image"))
		end
	end
	function env.image.importTar(value, file)
		local ref = to_ref(value)
		if not dry("import image", { target = tostring(ref), file = file }) then
			local from = luff.try(luff.open, "oci-archive:" .. file) or luff.open("docker-archive:" .. file)
			luff.copy(from, name_of(ref))
		end
	end

	local function new_blob(value, digest)
		local ref = to_ref(value)
		return object("blob", Blob, { ref = digest and at_digest(ref, digest) or ref })
	end
	function env.blob.get(value, digest)
		local b = new_blob(value, digest)
		luff.blob(name_of(rawget(b, "ref"))):close()
		return b
	end
	env.blob.head, Blob.get, Blob.head = env.blob.get, env.blob.get, env.blob.get
	function env.blob.put(value, content)
		local ref, bytes = to_ref(value), content
		if is(content, "config") then
			bytes = luff.json.encode(rawget(content, "data"))
		elseif is(content, "blob") then
			local reader <close> = luff.blob(name_of(rawget(content, "ref")))
			bytes = reader:read "a"
		elseif type(content) ~= "string" then
			fail("invalid", "a blob is a text, a config or another blob, not a %s", type(content))
		end
		if not dry("put blob", { target = ref.place, size = #bytes }) then
			luff.push_blob(ref.place, bytes)
		end
		return luff.digest(bytes), #bytes
	end
	Blob.put = env.blob.put

	-- Lua 5.1's, where 5.4 has other names.
	env.unpack, env.loadstring = table.unpack, load
	env._G = env
	-- a global that is not there is nil, also where luff watches its own scripts
	return setmetatable(env, { __index = function(_, name) return rawget(_G, name) end })
end

return api
