-- Not under the thread sanitizer.
-- JSON to Lua and back.
local luff = require "luff"
local support = require "spec.support"

describe("luff.json", function()
	it("brings back what it wrote", function()
		for _, text in ipairs { "{}", "[]", "[[],{},null,true,false]", '{"a":1,"b":-1.5,"c":"x"}', '"\\u0001\\"\\\\ä"',
			"9007199254740992", '{"a":{"b":[1,2,{"c":null}]}}' } do
			assert.equal(text, luff.json.encode(luff.json.decode(text)))
		end
	end)

	it("tells null and empty arrays from nothing and empty objects", function()
		local value = luff.json.decode '{"a":null,"b":[],"c":{}}'
		assert.equal(luff.null, value.a)
		assert.equal('{"a":null,"b":[],"c":{}}', luff.json.encode(value))
		assert.equal("[]", luff.json.encode(luff.array {}))
		assert.equal("{}", luff.json.encode {})
	end)

	it("keeps whole numbers whole", function()
		assert.equal("integer", math.type(luff.json.decode "12"))
		assert.equal("float", math.type(luff.json.decode "12.5"))
	end)

	it("keeps numbers of 64 bits, and floats as short as they read back", function()
		local list = { "[0.1,1.1,1e+300,5e-324,0.30000000000000004]" }
		if 9007199254740993 % 2 == 1 then -- not in Lua 5.1
			list = { list[1], "9007199254740993", "9223372036854775807", "-9223372036854775808", "9.223372036854776e+18" }
			assert.equal("integer", math.type(luff.json.decode "9223372036854775807"))
			assert.equal("float", math.type(luff.json.decode "9223372036854775808"))
		end
		for _, text in ipairs(list) do
			assert.equal(text, luff.json.encode(luff.json.decode(text)))
		end
		assert.same({ 1, "2", { ["3"] = 4 }, 5 }, luff.json.decode '[1,"2",{"3":4},5]')
	end)

	it("keeps the order of names, new ones behind", function()
		local value = luff.json.decode '{"zeta":1,"alpha":{"y":1,"b":2},"gone":3,"mid":4}'
		value.new, value.also, value.gone, value.alpha.a = 1, 2, nil, 3
		assert.equal('{"zeta":1,"alpha":{"y":1,"b":2,"a":3},"mid":4,"also":2,"new":1}', luff.json.encode(value))
		value.gone = 5
		assert.truthy(luff.json.encode(value):find('"gone":5,"mid"', 1, true))
	end)

	it("refuses to write what it refuses to read", function()
		for _, value in ipairs { "a\0b", { ["a\0b"] = 1 } } do
			assert.has_error(function()
				luff.json.encode(value)
			end)
		end
	end)

	it("is a module, too", function()
		assert.equal(luff.json, require "luff.json")
		assert.equal("[1]\n", support.must { support.program, "-e", "print(require('luff.json').encode { 1 })" })
	end)

	it("sorts names, and indents where asked", function()
		assert.equal('{"a":1,"b":2,"c":3}', luff.json.encode { c = 3, a = 1, b = 2 })
		assert.equal('{\n  "a": [\n    1,\n    2\n  ]\n}', luff.json.encode({ a = { 1, 2 } }, { indent = true }))
	end)

	it("refuses what is no JSON", function()
		for _, text in ipairs {
			 "", "{", "[1,]", '{"a":1,"a":2}', "nul", "1 2", '"\255"', ("["):rep(100) .. ("]"):rep(100) } do
			assert.equal("bad_format", support.fails(luff.json.decode, text).code)
		end
	end)

	it("writes as deep as it reads", function()
		for depth, leaf in pairs { [64] = "1", [63] = "{}" } do
			local text = ("["):rep(depth) .. leaf .. ("]"):rep(depth)
			assert.equal(text, luff.json.encode(luff.json.decode(text)))
		end
		local deep = {}
		for _ = 1, 64 do
			deep = { deep }
		end
		assert.has_error(function()
			luff.json.encode(deep)
		end, "nested too deep for JSON")
	end)

	it("refuses what JSON cannot hold", function()
		local cycle = {}
		cycle.cycle = cycle
		for _, value in ipairs { print, 0 / 0, math.huge, cycle, { [true] = 1 }, { a = print }, "\255", "a\237\160\128",
			{ ["\255"] = 1 }, { 1, 2, a = 3 }, { 1, [3] = 3, [9] = 9 }, { 1, [1.5] = 2 }, { 1, [0] = 0 } } do
			assert.has_error(function()
				luff.json.encode(value)
			end)
		end
	end)
end)
