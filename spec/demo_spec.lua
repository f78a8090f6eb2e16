-- Not under the thread sanitizer.
-- The demo runs, says what it does, and leaves nothing behind.
local support = require "spec.support"

local function demo(...)
	local tmp = support.scratch()
	local result = support.luff({ "scripts/demo.lua", ... }, { env = { TMPDIR = tmp } })
	assert.equal("", support.tree(tmp), "something is left behind")
	return result
end

describe("The demo", function()
	it("makes, serves, copies and mirrors images out of busybox", function()
		if not support.exists "/usr/bin/busybox" and not support.exists "/bin/busybox" then
			pending "busybox is not installed"
		end
		local result = demo()
		assert.equal(0, result.code, result.stderr)
		local text = result.stdout
		for i = 1, 8 do
			assert.truthy(text:find(("\n%d. "):format(i), 1, true), text)
		end
		for _, tag in ipairs { "1.0", "1.1", "latest" } do
			assert.truthy(text:find(("\n   %s +sha256:%%x+  linux/%%w+, linux/%%w+\n"):format(tag:gsub("%.", "%%."))), text)
			assert.truthy(text:find(("\n   %s +sha256:%%x+  linux/%%w+\n"):format(tag:gsub("%.", "%%."))), text)
		end
		assert.truthy(text:find("every digest is the one in the registry", 1, true), text)
		assert.truthy(text:find("0 blobs (0.0 kB) moved", 1, true), text)
		assert.truthy(result.stderr:find("copied\n", 1, true), result.stderr)
		assert.is_nil((text .. result.stderr):find "\27")
		for line in text:gmatch "[^\n]+" do
			assert.is_true(#line <= 110, line)
		end
	end)

	it("makes the same images each time", function()
		if not support.exists "/usr/bin/busybox" and not support.exists "/bin/busybox" then
			pending "busybox is not installed"
		end
		local function images(text)
			return text:match "\n1%. .-\n2%. "
		end
		local first = images(demo().stdout)
		assert.truthy(first)
		assert.equal(first, images(demo().stdout))
	end)

	it("does the same with an image that is named", function()
		local name = "oci:" .. support.scratch() .. ":v3"
		support.make_index(name, { "linux/amd64", "linux/arm64" })
		local result = demo(name)
		assert.equal(0, result.code, result.stderr)
		assert.truthy(result.stdout:find("\n   v3 +sha256:%x+  linux/amd64, linux/arm64\n"), result.stdout)
	end)

	it("says what is missing", function()
		local result = demo("oci:/nowhere:v1")
		assert.equal(3, result.code)
		assert.truthy(result.stderr:find("/nowhere", 1, true), result.stderr)
	end)
end)
