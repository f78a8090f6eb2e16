-- Not under the thread sanitizer.
-- YAML to Lua.
local luff = require "luff"
local support = require "spec.support"
local yaml = require "luff.yaml"

-- The value as JSON, whose names are sorted.
local function json(text)
	return luff.json.encode(yaml.decode(text))
end

local function fails(text, opts)
	return support.fails(yaml.decode, text, opts)
end

describe("luff.yaml", function()
	it("reads scalars by the core schema", function()
		for text, value in pairs {
			["a"] = "a", ["12"] = 12, ["-0"] = 0, ["+7"] = 7, ["007"] = 7, ["0x1F"] = 31, ["0o17"] = 15, ["1.5"] = 1.5,
			["1e3"] = 1000.0, [".5"] = 0.5, ["-.inf"] = -math.huge, ["true"] = true, ["False"] = false,
			["yes"] = "yes", ["~"] = luff.null,
			["null"] = luff.null, [""] = luff.null, ['"1"'] = "1", ["'true'"] = "true", ["!!str 1"] = "1", ["! 1"] = "1",
			["!!int 1"] = 1, ["!!float 1"] = 1.0, ["1.2.3"] = "1.2.3", ["."] = ".", ["0o8"] = "0o8", ["1e"] = "1e",
			["9223372036854775807"] = math.maxinteger, ["18446744073709551616"] = 2 ^ 64,
			["0xfffffffffffffffff"] = 2 ^ 68,
			['"\\0a\\x41"'] = "\0aA", ["ä"] = "ä", ["\239\187\191b"] = "b",
		} do
			local got = yaml.decode(text)
			assert.equal(value, got, text)
			assert.equal(math.type(value), math.type(got), text)
		end
		assert.is_true(yaml.decode ".nan" ~= yaml.decode ".nan")
	end)

	it("reads lists, maps and texts of several lines", function()
		assert.equal('{"a":[1,{"b":[],"c":{}}],"d":"x\\ny\\n","e":"x y"}',
			json "a:\n  - 1\n  - b: []\n    c: {}\nd: |\n  x\n  y\ne: >-\n  x\n  y\n")
		assert.equal('{"1":"a","null":"b","true":"c"}', json "1: a\nnull: b\ntrue: c")
	end)

	it("follows anchors, aliases and merge keys", function()
		assert.equal('{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}', json "a: &a {x: 1}\nb: *a\nc: [*a, *a]")
		assert.equal('["old","new","new"]', json "[&x old, &x new, *x]")
		local base = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\n"
		assert.equal('{"x":1,"y":9}', luff.json.encode(yaml.decode(base .. "c: {<<: *a, y: 9}").c))
		assert.equal('{"x":1,"y":9}', luff.json.encode(yaml.decode(base .. "c: {y: 9, <<: *a}").c))
		assert.equal('{"x":1,"y":1,"z":2}', luff.json.encode(yaml.decode(base .. "c: {<<: [*a, *b]}").c))
		assert.equal('{"q":0,"x":1,"y":1,"z":2}', luff.json.encode(yaml.decode(base .. "c: {<<: *b, q: 0, <<: *a}").c))
		assert.equal('{"<<":{"x":1,"y":1}}', luff.json.encode(yaml.decode(base .. 'c: {"<<": *a}').c))
		local value = yaml.decode "a: &a {x: 1}\nb: *a"
		value.a.x = 2
		assert.equal(1, value.b.x)
	end)

	it("refuses a key that is there twice, but where one stands in for what is merged", function()
		local err = fails "b: 1\na:\n  x: 1\n  y: 2\n  x: 3"
		assert.truthy(err.message:find "line 5, column 1: a key that the map has already: x$")
		assert.equal('{"base":{"x":1},"more":{"x":2}}', json "base: &b {x: 1}\nmore:\n  x: 2\n  <<: *b")
	end)

	it("marks null and lists as JSON's", function()
		assert.equal('{"a":null,"b":[],"c":{}}', json "a:\nb: []\nc: {}")
	end)

	it("tells lines", function()
		local value, lines = yaml.decode("# x\nversion: 1\nscripts:\n  - name: a\n    <<: &d {timeout: 5s}\n  - name: b\n",
			{ lines = true })
		assert.same({ version = 2, scripts = 3 }, lines[value])
		assert.same({ 4, 6 }, lines[value.scripts])
		assert.same({ name = 4, timeout = 5 }, lines[value.scripts[1]])
	end)

	it("refuses what is wrong, and says where", function()
		for text, message in pairs {
			["a: [1, 2\nb: 3"] = "line 2, column 2: did not find", ["a: 1\n---\nb: 1"] = "line 2, column 1: a second document",
			["a: 1\nb: *c"] = "line 2, column 4: no anchor of that name: c", ["&a [*a]"] = "an alias within what it names",
			["x: !!python/object a"] = "does not know the tag", ["x: !ours a"] = "does not know the tag !ours",
			["!!int x"] = "its tag does not fit x", ["? [a]\n: 1"] = "line 1, column 3: a key that is a list",
			["<<: 1"] = "<< wants a map", ["<<: [1]"] = "<< wants a map", ["a: \1"] = "control characters",
			["a: \255"] = "not UTF-8",
			["a:\tb:\tc"] = "line 1",
		} do
			local err = fails(text)
			assert.equal("bad_format", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.truthy(fails("[", { name = "bot.yml" }).message:find("^bot%.yml: YAML, line %d"))
		assert.has_error(function() yaml.decode("a", { line = true }) end)
	end)

	it("unfolds no bomb", function()
		local laughs = { "a0: &a0 [x,x,x,x,x,x,x,x,x,x]" }
		for i = 1, 9 do
			laughs[#laughs + 1] = ("a%d: &a%d [%s]"):format(i, i, ("*a" .. i - 1 .. ","):rep(10))
		end
		local anchors, deep = {}, { "d0: &d0 [x]" }
		for i = 1, 2000 do
			anchors[i] = ("k%d: &k%d x"):format(i, i)
		end
		for i = 1, 70 do
			deep[#deep + 1] = ("d%d: &d%d [*d%d]"):format(i, i, i - 1)
		end
		for message, text in pairs {
			["more than 262144 values"] = table.concat(laughs, "\n"), ["nested too deep"] = ("["):rep(100000),
			["too many anchors"] = table.concat(anchors, "\n"), ["bytes"] = ("#"):rep((4 << 20) + 1),
		} do
			local err = fails(text)
			assert.equal("too_large", err.code)
			assert.truthy(err.message:find(message, 1, true), err.message)
		end
		assert.truthy(fails(table.concat(deep, "\n")).message:find "nested too deep")
		assert.truthy(fails("a: &a {b: 1, c: 2}\n" .. ("k: {<<: *a}\n"):rep(150000)).message:find "more than 262144")
		assert.truthy(fails("[" .. ("a,"):rep(1 << 19) .. "]").message:find "more than 262144")
		local members = {}
		for i = 1, 3000 do
			members[i] = ("a%d: b"):format(i)
		end
		assert.truthy(fails("k: &k {" .. table.concat(members, ",") .. "}\nl: {" .. ("<<: *k,"):rep(200) .. "}").message
			:find "more than 262144")
	end)
end)
