-- What refers to a manifest: by the registry's own list, and by the index that stands in for it.
local luff = require "luff"
local support = require "spec.support"

local empty = { mediaType = "application/vnd.oci.empty.v1+json", digest = luff.digest "{}", size = 2 }

-- Pushes an artifact that refers to a descriptor; returns its digest. tag: nil to push it by its digest. Its only blob
-- is there already: docker-registry loses sight of one for a moment while others push it, too.
local function attach(place, subject, artifact_type, tag)
	local manifest = {
		schemaVersion = 2, mediaType = "application/vnd.oci.image.manifest.v1+json", artifactType = artifact_type,
		config = empty, layers = luff.array { empty }, subject = subject, annotations = { note = artifact_type },
	}
	local digest = luff.digest(luff.json.encode(manifest))
	luff.push_manifest(place .. (tag and ":" .. tag or "@" .. digest), manifest)
	return digest
end

local function list(name, opts)
	local found = {}
	for referrer in luff.referrers(name, opts) do
		found[#found + 1] = referrer.digest
		assert.equal(referrer.artifactType, referrer.annotations.note)
	end
	table.sort(found)
	return found
end

local function sorted(...)
	local words = { ... }
	table.sort(words)
	return words
end

local function suite(address)
	local place, subject, n = nil, nil, 0
	before_each(function()
		if not address() then
			pending "docker-registry is not installed"
		end
		n = n + 1
		place = ("%s/refer%d"):format(address(), n)
		local image = support.make_image(place .. ":v1")
		subject = { mediaType = image:media_type(), digest = image:digest(), size = #image:raw_manifest() }
		luff.push_blob(place, "{}", { media_type = empty.mediaType })
	end)

	it("lists what refers to an image, by tag and by digest", function()
		assert.same({}, list(place .. ":v1"))
		local signature = attach(place, subject, "application/x.signature")
		local bom = attach(place, subject, "application/x.bom", "bom")
		assert.same(sorted(signature, bom), list(place .. ":v1"))
		assert.same(sorted(signature, bom), list(place .. "@" .. subject.digest))
		assert.same({ bom }, list(place .. ":v1", { artifact_type = "application/x.bom" }))
		assert.same({}, list(place .. ":v1", { artifact_type = "application/x.none" }))
		assert.same({}, list(place .. "@" .. luff.digest "nothing"))
	end)

	it("forgets what was deleted", function()
		local signature = attach(place, subject, "application/x.signature")
		local bom = attach(place, subject, "application/x.bom")
		luff.delete(place .. "@" .. signature)
		assert.same({ bom }, list(place .. ":v1"))
	end)

	it("loses none of those that are attached at the same time", function()
		local digests = luff.map({ 1, 2, 3, 4, 5, 6 }, { jobs = 6 }, function(i)
			return attach(place, subject, "application/x." .. i)
		end)
		table.sort(digests)
		assert.same(digests, list(place .. ":v1"))
	end)
end

describe("referrers", function()
	describe("in the embedded registry", function()
		local server
		setup(function() server = luff.serve {} end)
		teardown(function() server:close() end)
		suite(function() return server:address() end)

		it("come page by page", function()
			local entry = '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":2,'
				.. '"artifactType":"a/b","annotations":{"note":"a/b"}}'
			local one, two = luff.digest "1", luff.digest "2"
			local canned = support.canned {
				{ "GET", "/v2/app/referrers/[^?]*\\?artifactType=a(/|%2F)b",
					body = ('{"manifests":[%s,{"digest":"../.."}]}'):format(entry:format(one)),
					headers = { Link = '</v2/app/referrers/next>; rel="next"' } },
				{ "GET", "/v2/app/referrers/next", body = ('{"manifests":[%s,%s]}'):format(entry:format(two),
					entry:gsub("a/b", "c/d"):format(luff.digest "3")) },
			}
			assert.same(sorted(one, two), list(canned.address .. "/app@" .. luff.digest "", { artifact_type = "a/b" }))
		end)

		it("that a registry cannot give are an error, not none", function()
			local canned = support.canned { { "GET", "/v2/app/referrers/.*", status = 403 } }
			local err = support.fails(list, canned.address .. "/app@" .. luff.digest "")
			assert.equal("denied", err.code)
		end)
	end)

	describe("in docker-registry, which has no list of them,", function()
		local docker
		setup(function() docker = support.docker_registry() end)
		suite(function() return docker and docker.address end)

		it("stand in an index under the subject's digest", function()
			local place = docker.address .. "/schema"
			local image = support.make_image(place .. ":v1")
			local subject = { mediaType = image:media_type(), digest = image:digest(), size = #image:raw_manifest() }
			luff.push_blob(place, "{}", { media_type = empty.mediaType })
			local digest = attach(place, subject, "application/x.bom")
			local index = luff.index(place .. ":" .. subject.digest:gsub(":", "-")):index_manifest()
			assert.equal("application/vnd.oci.image.index.v1+json", index.mediaType)
			assert.equal(1, #index.manifests)
			assert.equal(digest, index.manifests[1].digest)
			assert.equal("application/x.bom", index.manifests[1].artifactType)
		end)
	end)
end)

describe("referrers of a layout", function()
	it("are listed by what has a subject, tagged or not", function()
		local place = "oci:" .. support.scratch()
		local image = support.make_image(place .. ":v1")
		local subject = { mediaType = image:media_type(), digest = image:digest(), size = #image:raw_manifest() }
		luff.push_blob(place, "{}", { media_type = empty.mediaType })
		local signature = attach(place, subject, "application/x.signature")
		local bom = attach(place, subject, "application/x.bom", "bom")
		assert.same(sorted(signature, bom), list(place .. ":v1"))
		assert.same({ bom }, list(place .. ":v1", { artifact_type = "application/x.bom" }))
		luff.delete(place .. ":bom")
		assert.same(sorted(signature, bom), list(place .. ":v1"))
		luff.delete(place .. "@" .. bom)
		assert.same({ signature }, list(place .. ":v1"))
	end)

	it("go with a copy that is asked for them, and theirs, too", function()
		local server <close> = luff.serve {}
		local from, to = "oci:" .. support.scratch(), server:address() .. "/copied"
		local index = support.make_index(from .. ":v1", { "linux/amd64", "linux/arm64" })
		luff.push_blob(from, "{}", { media_type = empty.mediaType })
		local function subject_of(document, digest)
			return { mediaType = document.mediaType, digest = digest, size = #luff.json.encode(document) }
		end
		local entry = index:index_manifest().manifests[2]
		local signature = attach(from, { mediaType = entry.mediaType, digest = entry.digest, size = entry.size },
			"application/x.signature")
		local first = luff.image(from .. "@" .. signature)
		local second = attach(from, subject_of(first:manifest(), signature), "application/x.countersignature")
		luff.copy(from .. ":v1", to .. ":v1")
		assert.same({}, list(to .. "@" .. entry.digest))
		-- What the destination has already is no reason to leave them behind.
		luff.copy(from .. ":v1", to .. ":v1", { referrers = true })
		assert.same({ signature }, list(to .. "@" .. entry.digest))
		assert.same({ second }, list(to .. "@" .. signature))
		local again = luff.copy(from .. ":v1", to .. ":v1", { referrers = true })
		assert.equal(0, again.copied)
		assert.equal(0, again.manifests)
		local back = "oci:" .. support.scratch()
		support.must { support.program, "copy", "--referrers", to .. ":v1", back .. ":v1" }
		assert.same({ signature }, list(back .. "@" .. entry.digest))
		assert.same({ second }, list(back .. "@" .. signature))
	end)
end)

describe("a catalog", function()
	it("lists a registry's repositories", function()
		local server <close> = luff.serve {}
		for _, name in ipairs { "b/c", "a", "b/d" } do
			support.make_image(server:address() .. "/" .. name .. ":v1")
		end
		local found = {}
		for name in luff.catalog(server:address()) do
			found[#found + 1] = name
		end
		assert.same({ "a", "b/c", "b/d" }, found)
	end)

	it("comes page by page, without what can be no name", function()
		local canned = support.canned {
			{ "GET", "/v2/_catalog\\?n=.*", body = '{"repositories":["a","../b","C",3]}',
				headers = { Link = '</v2/_catalog?last=a>; rel="next"' } },
			{ "GET", "/v2/_catalog\\?last=a", body = '{"repositories":["z"]}' },
		}
		local found = {}
		for name in luff.catalog(canned.address) do
			found[#found + 1] = name
		end
		assert.same({ "a", "z" }, found)
	end)

	it("is of a registry alone", function()
		for _, name in ipairs { "nginx", "localhost:5000/app", "a b", "" } do
			assert.is_false((pcall(luff.catalog, name)), name)
		end
	end)
end)
