-- Not under the thread sanitizer.
-- When an image was made.
local luff = require "luff"
local created = require("luff.created").of
local support = require "spec.support"

local KEY = "org.opencontainers.image.created"

local function of_text(text)
	return created(support.make_image("memory:times:" .. math.random(1 << 40), { config = { created = text } }))
end

describe("luff.created", function()
	it("reads the times of RFC 3339", function()
		for text, seconds in pairs {
			["1970-01-01T00:00:00Z"] = 0, ["2024-02-29T12:34:56.5Z"] = 1709210096.5,
			["2024-02-29T12:34:56+02:00"] = 1709202896, ["2000-03-01t00:00:00-00:30"] = 951870600,
			["0001-01-01T00:00:00Z"] = -62135596800, ["1969-12-31T23:59:59z"] = -1,
		} do
			assert.equal(seconds, of_text(text), text)
		end
		for _, text in ipairs { "", "yesterday", "2024-02-29", "2024-02-29T12:34:56", "2024-02-29T12:34Z", 5, {},
			("2"):rep(100) } do
			assert.is_nil(of_text(text))
		end
	end)

	it("believes an annotation before the config, and a label last", function()
		local label = { config = { Labels = { [KEY] = "1970-01-01T00:00:09Z" } } }
		assert.equal(9, created(support.make_image("memory:times:a", { config = label })))
		label.created = "1970-01-01T00:00:08Z"
		local image = support.make_image("memory:times:b", { config = label })
		assert.equal(8, created(image))
		assert.equal(7, created(image:annotate { [KEY] = "1970-01-01T00:00:07Z" }))
		assert.equal(8, created(image:annotate { [KEY] = "soon" }))
	end)

	it("is that of the newest image of an index, for whatever platform", function()
		local list = {}
		for i, platform in ipairs { "linux/s390x", "windows/amd64", "plan9/386" } do
			list[i] = support.make_image("memory:times:c" .. i, { platform = platform, config = {
				created = ("1970-01-01T00:00:%02dZ"):format(i % 3 * 10) } })
		end
		local index = luff.index_of(list)
		assert.equal(20, created(index))
		assert.equal(20, created(luff.index_of { index, list[3] }))
		assert.equal(5, created(index:annotate { [KEY] = "1970-01-01T00:00:05Z" }))
		assert.is_nil(created(luff.index_of {}))
	end)

	it("is unknown of an artifact without a word of it", function()
		local server <close> = luff.serve {}
		local name = server:address() .. "/thing:v1"
		require("luff.artifact").push(name, { files = { "Makefile" }, type = "application/x.thing" })
		assert.is_nil(created(luff.open(name)))
	end)
end)
