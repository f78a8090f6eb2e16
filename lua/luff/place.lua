-- Places of many images: a repository or layout, without a tag.
local fail = require "luff.fail"

local layouts = { oci = true, ["oci-archive"] = true, ["docker-archive"] = true, memory = true }

-- What is behind the place in a name: ":v1" or "@sha256:…"; nil where there is nothing.
local function rest_of(text)
	local scheme, path = text:match "^(%l[%l%d-]*):(.*)$"
	if layouts[scheme] then
		return path:match "@sha%d+:%x+$" or path:match ":.*$"
	end
	text = text:gsub("^docker://", "")
	if text:find "^%l[%l%d-]*:[^%d]" and not text:find "^[^/:]+:[%w._-]+$" then
		return nil -- another transport
	end
	return text:match "@sha%d+:%x+$" or text:match "/[^/:]*(:[^/]*)$" or text:match "^[^/:]+(:[^/]*)$"
end

-- "registry.example.com", "localhost:5000" and "registry:5000", but not "debian:12".
local function is_registry(text)
	text = text:gsub("^docker://", "")
	return not text:find("/", 1, true) and not layouts[text:match "^(%l[%l%d-]*):"]
		and (text == "localhost" or text:find "^[%w-]+%.[%w.-]+$" or text:find "^[%w-]+%.[%w.-]+:%d+$"
		or text:find "^localhost:%d+$" or text:find "^[%w-]+:%d%d%d%d+$") and true
end

--- Raises "invalid" where a text is no place of many images. what: the option that it is, `"from"`.
return function(what, text)
	local rest = not is_registry(text) and rest_of(text)
	if rest then
		fail("invalid", '%s is a repository or layout, without a tag: "%s", not "%s"', what, text:sub(1, -#rest - 1), text)
	elseif is_registry(text) then
		fail("invalid", '%s is a repository, and "%s" a registry alone: "%s/NAME"', what, text, text)
	end
end
