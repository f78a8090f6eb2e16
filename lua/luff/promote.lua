-- Gives an image more names, here or elsewhere, after it was looked at: what was seen is what is named, whatever its tag stands
-- for by then.
local fail = require "luff.fail"
local luff = require "luff"
local options = require "luff.options"
local time = require "luff.time"

local promote = {}

local known = { "from", "to", "annotations", "labels", "signed", "validate", "older_than", "newer_than", "check",
	"referrers", "plain_http", "progress" }

-- Types of what is a signature: cosign's two, Notary's.
local signatures = { "sigstore.bundle", "cosign", "notary.signature" }

local function place_of(name)
	local ok, ref = pcall(luff.ref, name)
	if ok then
		return ref.registry .. "/" .. ref.repository
	end
	return name:match "^(%l[%l-]*:[^:@]+)" or name
end

-- The images that an Index lists, attestations aside, or the Image.
local function images_of(object)
	if not object.index_manifest then
		return { object }
	end
	local list = {}
	for _, entry in ipairs(object:index_manifest().manifests) do
		if not (entry.annotations and entry.annotations["vnd.docker.reference.digest"]) then
			list[#list + 1] = object:image(entry.digest)
		end
	end
	return list
end

-- What is wanted of a table of texts: { name = text }, or true for any text.
local function compare(complaints, what, wanted, have)
	for name, value in pairs(wanted or {}) do
		local found = type(have) == "table" and have[name]
		if not found then
			complaints[#complaints + 1] = ("%s %s is missing"):format(what, name)
		elseif value ~= true and found ~= value then
			complaints[#complaints + 1] = ("%s %s is \"%s\", not \"%s\""):format(what, name, tostring(found), value)
		end
	end
end

local function is_signed(place, digest, opts)
	for one in luff.referrers(place .. "@" .. digest, { plain_http = opts.plain_http }) do
		local kind = one.artifactType or ""
		for _, word in ipairs(signatures) do
			if kind == opts.signed or opts.signed == true and kind:find(word, 1, true) then
				return true
			end
		end
	end
	local tag = digest:gsub(":", "-") .. ".sig"
	return opts.signed == true and luff.try(luff.resolve, place .. ":" .. tag, { plain_http = opts.plain_http }) ~= nil
end

local function check_age(complaints, object, opts)
	if not opts.older_than and not opts.newer_than then
		return
	end
	local made = require("luff.created").of(object)
	if not made then
		complaints[#complaints + 1] = "nothing says when it was made"
	elseif opts.older_than and made >= time.ago(opts.older_than) then
		complaints[#complaints + 1] = "it was made " .. time.format(made) .. ", which is too young"
	elseif opts.newer_than and made < time.ago(opts.newer_than) then
		complaints[#complaints + 1] = "it was made " .. time.format(made) .. ", which is too old"
	end
end

-- What luff.copy would find out of a destination's name only when others have theirs: that it is none, or that nobody answers.
local function check_destination(name, opts)
	local _, err = luff.try(luff.resolve, name, { plain_http = opts.plain_http })
	local fine = { not_found = true, denied = true, unauthorized = true, bad_format = true }
	if err and not fine[err.code] then
		error(err, 0)
	end
end

-- All that is wrong with it.
local function complaints_of(object, place, opts)
	local complaints = {}
	compare(complaints, "the annotation", opts.annotations, object:annotations())
	if opts.labels then
		for _, image in ipairs(images_of(object)) do
			local config = image:config_file().config
			compare(complaints, "the label", opts.labels, type(config) == "table" and config.Labels)
		end
	end
	check_age(complaints, object, opts)
	if opts.signed and not is_signed(place, object:digest(), opts) then
		complaints[#complaints + 1] = "it has no signature"
	end
	if opts.validate then
		for _, finding in ipairs((luff.validate(object, { plain_http = opts.plain_http }))) do
			complaints[#complaints + 1] = ("%s: %s"):format(finding.thing, finding.what)
		end
	end
	if opts.check and #complaints == 0 then
		local fine, why = opts.check(object)
		complaints[#complaints + 1] = not fine and (type(why) == "string" and why or "the check says no") or nil
	end
	return complaints
end

--- One promotion.
--
--	from         the name of an image or index
--	to           a name or a list of them; ":stable" is a tag of the same place
--	annotations  { name = text } that it has to have; true: any text
--	labels       the same of its config, of an index of each image's
--	signed       true: a signature refers to it (or cosign's tag does); or the artifact type of one that has to
--	validate     true: luff.validate finds it sound
--	older_than   an age: made before; newer_than: since
--	check        function(image or index) to true, or false and why
--	referrers    false: to other places, signatures and the like do not come along
--	progress     function() that gives what luff.copy takes under that name, for each copy
--
-- Returns { digest, names }. "denied", with all that is wrong in `detail`, where it may not be; nothing is named then. Neither is
-- where one of the names is none, or its registry does not answer; what fails later says which were named before.
function promote.run(opts)
	options.check(opts, known, "option")
	if type(opts.from) ~= "string" or not opts.to then
		fail("invalid", '"from" is a name, and "to" a name or a list of them')
	end
	local place = place_of(opts.from)
	local names = {}
	for i, name in ipairs(type(opts.to) == "table" and opts.to or { opts.to }) do
		names[i] = name:sub(1, 1) == ":" and place .. name or name
		check_destination(names[i], opts)
	end
	local object = luff.open(opts.from, { plain_http = opts.plain_http })
	local complaints = complaints_of(object, place, opts)
	if #complaints > 0 then
		local _, err = luff.try(fail, "denied", "%s: %s%s", opts.from, complaints[1],
			#complaints > 1 and (", and %d more"):format(#complaints - 1) or "")
		err.detail = complaints
		error(err, 0)
	end
	for i, name in ipairs(names) do
		local _, err = luff.try(luff.copy, place .. "@" .. object:digest(), name, { plain_http = opts.plain_http,
			referrers = opts.referrers ~= false and place_of(name) ~= place, progress = opts.progress and opts.progress() })
		if err then
			err.message = i == 1 and err.message
				or ("%s; named before that: %s"):format(err.message, table.concat(names, ", ", 1, i - 1))
			error(err, 0)
		end
	end
	return { digest = object:digest(), names = names }
end

return promote
