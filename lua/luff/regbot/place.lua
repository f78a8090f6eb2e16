-- Names of images as regclient spells them: luff's, and ocidir://folder:tag.
local luff = require "luff"

--- { place = "docker.io/library/app" or "oci:folder", registry =, its_tag =, its_digest = } of a text.
return function(text)
	local path = text:match "^ocidir://(.+)$"
	if not path then
		local ref = luff.ref(text)
		return { place = ref.registry .. "/" .. ref.repository, registry = ref.registry, its_tag = ref.tag,
			its_digest = ref.digest }
	end
	local rest, digest = path:match "^(.-)@(sha%d+:%x+)$"
	rest = rest or path
	local folder, tag = rest:match "^(.*):([%w_][%w._-]*)$"
	return { place = "oci:" .. (folder or rest), its_tag = tag, its_digest = digest }
end
