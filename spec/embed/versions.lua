-- What spec/versions_spec.lua runs in each Lua that is installed: one image's way from a registry through layouts and edits, with
-- tasks. Prints "ok" at its end. In the syntax that all of them have.
local luff = require "luff"
local folder = arg[1]

local function equal(want, have)
	if want ~= have then
		error(("%s, not %s"):format(tostring(have), tostring(want)), 2)
	end
end

local asked = 0
local server = luff.serve {
	authorize = function(r)
		asked = asked + 1
		return r.user == "me"
	end,
}
luff.config { hosts = { [server:address()] = { credentials = function() return { user = "me", password = "x" } end } } }

-- a new image, with numbers in its documents
local image = luff.empty({ platform = "linux/arm64" }):append {
	files = { ["/etc/motd"] = "hello\n", ["/etc/big"] = ("0123456789"):rep(1000) },
}
image = image:configure(function(c)
	c.config = { User = "me", Labels = { one = "1" } }
	c.number, c.half = 1234567890123, 0.5
end)
local name = server:address() .. "/app:v1"
luff.copy(image, name)
equal(true, asked > 0)
local config = luff.image(name, { platform = "linux/arm64" }):config_file()
equal(1234567890123, config.number)
equal(0.5, config.half)
equal("me", config.config.User)
equal('{"a":[1,2.5,-3],"b":[],"c":null}',
	luff.json.encode { a = { 1, 2.5, -3 }, b = luff.array {}, c = luff.null })

-- read, list, walk
image = luff.image(name, { platform = "linux/arm64" })
equal("hello\n", image:read "/etc/motd")
local paths = {}
for e in image:files "/etc/*" do
	paths[#paths + 1] = e.path .. " " .. e.size
end
table.sort(paths)
equal("/etc/big 10000,/etc/motd 6", table.concat(paths, ","))
local entries = 0
for e in image:layers()[1]:entries() do
	entries = entries + 1
	equal(true, e.type == "file" or e.type == "folder")
end
equal(true, entries >= 2)
local reader = image:open "/etc/big"
equal("01234", reader:read(5))
reader:close()
local lines = {}
for line in image:open("/etc/motd"):lines() do
	lines[#lines + 1] = line
end
equal("hello", table.concat(lines, "|"))

-- edits
local changed = image:layers()[1]:map(function(e)
	if e.path == "etc/motd" then
		return { content = e:read("a"):upper() }
	end
end)
local edited = image:map_layers(function() return changed end):annotate { note = "é" }
luff.copy(edited, "oci:" .. folder .. "/edited:v1")
equal("HELLO\n", luff.image("oci:" .. folder .. "/edited:v1", { platform = "linux/arm64" }):read "/etc/motd")
equal(0, #luff.validate("oci:" .. folder .. "/edited:v1"))
luff.copy(luff.index_of { image, edited }, "memory:both:v1")

-- tasks: results in order, failures, waiting inside of iterators and pcall
local tags = { "v2", "v3", "v4", "v5" }
local digests = luff.map(tags, { jobs = 4 }, function(tag)
	local to = server:address() .. "/app:" .. tag
	luff.copy(name, to)
	local seen = {}
	for one in luff.tags(server:address() .. "/app") do
		seen[one] = true
	end
	equal(true, seen.v1)
	local ok, err = pcall(luff.resolve, server:address() .. "/app:none")
	equal(false, ok)
	equal("not_found", err.code)
	for e in luff.image(to, { platform = "linux/arm64" }):layers()[1]:entries() do
		if e.path == "etc/motd" then
			equal("hello\n", e:read "a")
		end
	end
	return luff.resolve(to).digest
end)
for i = 1, #tags do
	equal(image:digest(), digests[i])
end
local _, failure = luff.try(luff.map, tags, function(tag) return luff.resolve("memory:none:" .. tag) end)
equal("not_found", failure.code)
equal('unknown option "job" (did you mean "jobs"?)', select(2, luff.try(luff.map, {}, { job = 1 }, print)).message)

-- several do wait at the same time, but in 5.1
local waiting, most = 0, 0
local slow = luff.serve { authorize = function() return true end }
local tasks = {}
for i = 1, 3 do
	tasks[i] = luff.spawn(function()
		waiting = waiting + 1
		most = math.max(most, waiting)
		luff.try(luff.resolve, slow:address() .. "/app:v1")
		waiting = waiting - 1
		return i
	end)
end
for i = 1, 3 do
	equal(i, tasks[i]:wait())
end
equal(_VERSION == "Lua 5.1" and not rawget(_G, "jit") and 1 or 3, most)

-- workflows, a medium in Lua
require("luff.mirror").run {
	from = server:address() .. "/app", to = "oci:" .. folder .. "/mirror", tags = { newest = 3 },
}
local there = {}
for tag in luff.tags("oci:" .. folder .. "/mirror") do
	there[#there + 1] = tag
end
table.sort(there)
equal("v3,v4,v5", table.concat(there, ","))
local artifact = require "luff.artifact"
artifact.push("oci:" .. folder .. "/notes:v1", { files = { arg[0] } })
equal(true, artifact.pull("oci:" .. folder .. "/notes:v1", { folder = folder .. "/out" }) ~= nil)
edited = luff.image("oci:" .. folder .. "/edited:v1", { platform = "linux/arm64" })
local difference = require("luff.diff").images(image, edited)
equal("table", type(difference))
local blobs = {}
luff.medium {
	scheme = "shelf",
	resolve = function(_, tag) return blobs[tag] and luff.resolve("memory:both:v1") end,
	fetch = function() return "" end,
}
equal("not_found", select(2, luff.try(luff.resolve, "shelf:x:y")).code)
equal(true, tostring(image):find "^luff%.Image<" ~= nil)
for name_ in pairs(_G) do
	equal(false, name_ == "utf8" and _VERSION == "Lua 5.1")
end
server:close()
slow:close()
collectgarbage()
print "ok"
