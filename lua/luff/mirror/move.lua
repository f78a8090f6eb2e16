-- One tag of a mirror: what it becomes on its way, and how it gets there.
local fail = require "luff.fail"
local jobs = require "luff.mirror.jobs"
local luff = require "luff"

local indexes = {
	["application/vnd.oci.image.index.v1+json"] = true,
	["application/vnd.docker.distribution.manifest.list.v2+json"] = true,
}

local LEFT_OUT = {} -- an object that is not meant

local name_of = jobs.name

local function digest_there(job, entry)
	local there, err = luff.try(luff.resolve, name_of(job.to, entry.target), { plain_http = job.plain_http })
	-- a layout may be in the making; one that is damaged is found out by the copy
	if not there and err.code ~= "not_found" and err.code ~= "bad_format" then
		error(err, 0)
	end
	return there and there.digest
end

-- What would be done where nothing is looked at or changed.
local function compare(job, entry)
	local digest = luff.resolve(name_of(job.from, entry.tag), { plain_http = job.plain_http }).digest
	local manifests = digest_there(job, entry) == digest and 0 or 1
	return { digest = digest, copied = 0, mounted = 0, manifests = manifests, bytes = 0 }
end

local function how_to_copy(job)
	return { referrers = job.referrers, foreign = job.foreign, deep = job.deep, plain_http = job.plain_http,
		progress = job.progress and job.progress() }
end

-- What luff.copy gives, of which nothing moved.
local function unmoved(object, manifests)
	return { digest = object:digest(), copied = 0, mounted = 0, manifests = manifests, bytes = 0 }
end

local function is_object(value)
	local kind = getmetatable(value)
	return kind == "luff.Image" or kind == "luff.Index"
end

local function verify(job, object, entry)
	if job.verify == true then
		local found = luff.validate(object, { plain_http = job.plain_http })
		if found[1] then
			fail(found[1].code, "%s: %s: %s", found[1].place, found[1].thing, found[1].what)
		end
		return
	end
	local fine, why = job.verify(object, entry)
	if not fine then
		fail("denied", "%s:%s: %s", job.from, entry.tag, type(why) == "string" and why or "it was not found good")
	end
end

-- The platforms of an index that are wanted; what is no index stays as it is.
local function for_platforms(job, object)
	if not object.index_manifest or not job.platforms then
		return object
	end
	local less = object:filter { platform = job.platforms }
	if #less:index_manifest().manifests == 0 then
		fail("not_found", "%s@%s: no image for %s", job.from, object:digest(), table.concat(job.platforms, ", "))
	end
	return less
end

local function add(sum, done)
	for _, name in ipairs { "copied", "mounted", "manifests", "bytes" } do
		sum[name] = sum[name] + done[name]
	end
end

-- The index with its own bytes and digest, and of what it lists only what `less` lists.
local function copy_sparse(job, object, less, to)
	local sum = unmoved(object, 1)
	for _, entry in ipairs(less:index_manifest().manifests) do
		local child = indexes[entry.mediaType] and object:image_index(entry.digest) or object:image(entry.digest)
		add(sum, luff.copy(child, job.to .. "@" .. entry.digest, how_to_copy(job)))
	end
	local _, err = luff.try(luff.push_manifest, to, object:raw_manifest(), { plain_http = job.plain_http })
	if err and err.status == 400 and err.message:find "MANIFEST_[%u_]*UNKNOWN" then
		fail("unsupported", "%s: this registry takes no index without all its images: leave out sparse", to)
	elseif err then
		error(err, 0)
	end
	if job.referrers then
		for one in luff.referrers(job.from .. "@" .. object:digest(), { plain_http = job.plain_http }) do
			add(sum, luff.copy(job.from .. "@" .. one.digest, job.to .. "@" .. one.digest, how_to_copy(job)))
		end
	end
	return sum
end

-- What is looked at, changed or taken apart on its way.
local function edit(job, entry)
	local object = job.platform and luff.image(name_of(job.from, entry.tag), { platform = job.platform,
		plain_http = job.plain_http }) or luff.open(name_of(job.from, entry.tag), { plain_http = job.plain_http })
	if job.filter and not job.filter(object, entry) then
		return LEFT_OUT
	end
	local less = for_platforms(job, object)
	local new = job.sparse and object or less
	if job.transform then
		new = job.transform(new, entry)
		if new == false then
			return LEFT_OUT
		elseif not is_object(new) then
			fail("invalid", "transform gave a %s, not an Image, an Index or false", type(new))
		end
	end
	local same = digest_there(job, entry) == new:digest()
	if same and not job.referrers and not job.deep or job.dry_run then
		return unmoved(new, same and 0 or 1)
	end
	if job.verify then
		verify(job, object, entry)
	end
	local to = name_of(job.to, entry.target)
	if job.sparse and less ~= object and new == object then
		return copy_sparse(job, object, less, to)
	end
	return luff.copy(new, to, how_to_copy(job))
end

-- Without all that: at most one question at each side where nothing is to be done.
local function move(job, entry)
	local plain = not (job.filter or job.transform or job.verify or job.platforms)
	if plain and job.dry_run and not job.platform then
		return compare(job, entry)
	elseif not plain or job.dry_run then
		return edit(job, entry)
	end
	local how = how_to_copy(job)
	how.platform = job.platform
	return luff.copy(name_of(job.from, entry.tag), name_of(job.to, entry.target), how)
end

-- The digests that came: of the tag, and of what it lists.
local function came(job, digest)
	local all = { [digest] = true }
	local object = luff.open(job.to .. "@" .. digest, { plain_http = job.plain_http })
	for _, entry in ipairs(object.index_manifest and object:index_manifest().manifests or {}) do
		all[entry.digest] = true
	end
	return all
end

-- Tags about what came, as cosign makes them.
local function follow(job, entry, done)
	if not next(job.followers) or job.dry_run then
		return
	end
	local digests = came(job, done.digest)
	for tag, about in pairs(job.followers) do
		if digests[about] then
			add(done, luff.copy(job.from .. ":" .. tag, job.to .. ":" .. tag, how_to_copy(job)))
			entry.followers[#entry.followers + 1] = tag
		end
	end
	table.sort(entry.followers)
end

--- Sets status ("copied", "unchanged", "left_out" or "failed"), digest, bytes, followers and error of an entry.
return function(job, entry)
	entry.followers, entry.bytes = {}, 0
	local done, err = luff.try(function()
		local done = move(job, entry)
		if done ~= LEFT_OUT then
			follow(job, entry, done)
		end
		return done
	end)
	if not done and type(err) == "table" and err.code == "cancelled" then
		error(err, 0)
	elseif not done then
		entry.status, entry.error = "failed", err
	elseif done == LEFT_OUT then
		entry.status = "left_out"
	else
		entry.digest, entry.bytes = done.digest, done.bytes
		entry.status = done.copied + done.manifests + done.mounted > 0 and "copied" or "unchanged"
	end
end
