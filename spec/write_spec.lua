-- Not under the thread sanitizer.
-- Content that scripts bring: blobs from text and files, and the digest of bytes at hand.
local luff = require "luff"
local support = require "spec.support"

describe("luff.digest", function()
	local path

	before_each(function()
		path = support.write(support.scratch() .. "/file", ("bytes"):rep(20000))
	end)

	it("is that of the algorithm, for text and for a file", function()
		local bytes = support.read(path)
		for algorithm, tool in pairs { sha256 = "sha256sum", sha512 = "sha512sum" } do
			local want = algorithm .. ":" .. support.must({ tool, path }):match "%x+"
			assert.equal(want, luff.digest(bytes, algorithm))
			assert.equal(want, luff.digest({ file = path }, algorithm))
		end
		assert.equal(luff.digest(bytes), luff.digest { file = path })
	end)

	it("refuses an algorithm that there is not", function()
		for _, algorithm in ipairs { "md5", "", "sha256:" } do
			local err = support.fails(luff.digest, "x", algorithm)
			assert.same({ err.code, err.message }, { support.fails(luff.digest, { file = path }, algorithm).code, err.message })
		end
	end)

	it("refuses names beside file", function()
		assert.equal("invalid", support.fails(luff.digest, { file = path, algorithm = "sha512" }).code)
		assert.equal("invalid", support.fails(luff.push_blob, "memory:write", { file = path, media_type = "a/b" }).code)
	end)

	it("says which file there is not", function()
		local err = support.fails(luff.digest, { file = path .. "x" })
		assert.equal("not_found", err.code)
		assert.truthy(err.message:find(path .. "x", 1, true), err.message)
	end)
end)

describe("luff.push_blob", function()
	-- Runs code without a stdin: the first file that it opens is descriptor 0.
	local function run(code)
		return support.run({ "sh", "-c", 'exec "$@" <&-', "sh", support.program, "-e", code }).stdout
	end

	it("takes a file that is opened as descriptor 0", function()
		local file = support.write(support.scratch() .. "/file", "content")
		assert.equal(luff.digest "content" .. "\n",
			run(("print(luff.push_blob('memory:a', { file = '%s' }).digest)"):format(file)))
	end)

	it("takes a Reader whose temporary file is descriptor 0", function()
		assert.equal(luff.digest "content" .. "\n", run [==[
			local function blob(bytes) return luff.push_blob("memory:a", bytes) end
			local image = luff.push_manifest("memory:a:v1", { schemaVersion = 2, layers = { blob "content" },
				mediaType = "application/vnd.oci.image.manifest.v1+json", config = blob "{}" })
			print(luff.push_blob("memory:b", image:layers()[1]:compressed()).digest)]==])
	end)
end)
