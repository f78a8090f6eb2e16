-- Not under sanitizers.
-- The manual: how lua/luff/meta.lua is read, found and shown, at the prompt, by luff help and as the reference.
local luff = require "luff"
local manual = require "luff.manual"
local support = require "spec.support"

local sample = [[
---@meta luff
-- No text for anybody.

---@class luff.Error
---@field code string "a", "b": one of these
---@field status integer? HTTP status
---and where it came from

---@alias luff.name string|luff.Ref a name

---@class luff
local luff = {}

---Copies. It moves
---what is missing.
---
---A second paragraph.
---@param src luff.name|(luff.name|luff.Image)[] one, or a list
---@param opts { platform: string?, f: (fun(a: string, b: table<string, integer>): boolean)? }? platform: of an index;
---or not; f: is called
---@return luff.Result, integer
---@return string? # digest
function luff.copy(src, opts) end

---@class luff.Thing
local Thing = {}
---@return fun(): string? each
function Thing:all() end
]]

describe("The manual", function()
	it("is read from comments as LuaLS has them", function()
		local entries = manual.parse(sample)
		local names = {}
		for i, e in ipairs(entries) do
			names[i] = e.kind .. " " .. e.name
		end
		assert.same({ "class luff.Error", "alias luff.name", "class luff", "function luff.copy", "class luff.Thing",
			"function Thing:all" }, names)
		assert.equal('"a", "b": one of these', entries[1].fields[1].text)
		assert.equal("integer?", entries[1].fields[2].type)
		assert.equal("HTTP status and where it came from", entries[1].fields[2].text)
		assert.equal("string|luff.Ref", entries[2].type)
		local copy = entries[4]
		assert.equal("Copies. It moves what is missing.\n A second paragraph.", copy.text)
		assert.equal("luff.name|(luff.name|luff.Image)[]", copy.params[1].type)
		assert.equal("one, or a list", copy.params[1].text)
		assert.same({
			{ name = "platform", type = "string?", text = "of an index; or not", members = {} },
			{ name = "f", type = "(fun(a: string, b: table<string, integer>): boolean)?", text = "is called", members = {} },
		}, copy.params[2].members)
		assert.equal("luff.Result, integer", copy.returns[1].type)
		assert.equal("digest", copy.returns[2].text)
		assert.equal("fun(): string?", entries[6].returns[1].type)
		assert.equal("each", entries[6].returns[1].text)
	end)

	it("finds what people call it", function()
		for name, found in pairs {
			["luff.copy"] = "luff.copy", copy = "luff.copy", ["luff.copy()"] = "luff.copy", Image = "luff.Image",
			["luff.Image"] = "luff.Image", ["Image:append"] = "Image:append", ["img:append"] = "Image:append",
			["image.append"] = "Image:append", ["luff.Image:append()"] = "Image:append", luff = "luff",
			["json.decode"] = "luff.json.decode", CopyResult = "luff.CopyResult", diff_id = "Layer:diff_id",
		} do
			local list = manual.find(name)
			assert.equal(1, #list, name)
			assert.equal(found, list[1].name)
		end
		assert.equal(2, #manual.find "append")
		assert.same({}, manual.find "frobnicate")
		assert.same({ nil, ' (did you mean "luff.copy"?)' }, { manual.page "luff.cpoy" })
	end)

	it("knows values by themselves", function()
		local image = support.make_image "memory:manual:v1"
		local layer = image:layers()[1]
		local reader <close> = layer:compressed()
		for name, value in pairs {
			["luff.copy"] = luff.copy, ["luff.json.encode"] = luff.json.encode, ["Image:append"] = image.append,
			["Layer:diff_id"] = layer.diff_id, ["luff.Image"] = image, ["luff.Layer"] = layer, ["luff.Reader"] = reader,
			luff = luff, ["luff.json"] = luff.json,
			["luff.Task"] = luff.spawn(function() end), ["string.format"] = string.format,
			print = print, ["luff.Ref"] = luff.ref "alpine:3", string = string,
		} do
			assert.equal(name, (manual.name_of(value)))
		end
		assert.truthy(select(2, manual.name_of(string.format)):find("#pdf-string.format", 1, true))
		for _, value in ipairs { function() end, {}, 1, "text", true, setmetatable({}, { __name = "x" }) } do
			assert.is_nil((manual.name_of(value)))
		end
	end)

	it("shows every entry within the width that is asked for", function()
		for _, e in ipairs(manual.entries()) do
			for _, width in ipairs { 80, 100 } do
				local text = manual.format({ e }, width)
				assert.truthy(text:find(e.name, 1, true))
				assert.truthy(text:find "[^\n]\n$", text)
				for line in text:gmatch "[^\n]+" do
					-- names, types and signatures stay in one piece
					local words = select(2, line:gsub("%S+", ""))
					assert.is_true(utf8.len(line) <= width or words < 5 or line:find "[|{(]" ~= nil, line)
				end
			end
		end
	end)

	it("is what luff help shows", function()
		local function help(...)
			return support.luff("help", ...)
		end
		assert.same({ code = 0, stdout = manual.page("luff.copy", 100), stderr = "" }, help "luff.copy")
		assert.truthy(help("Image").stdout:find("\n  Image:append(sources) ", 1, true))
		assert.truthy(help("copy").stdout:find("usage: luff copy", 1, true))
		assert.truthy(help("luff.serve").stdout:find("\nsee luff.ServeOptions, luff.Server\n", 1, true))
		local wrong = help "luff.cpoy"
		assert.equal(2, wrong.code)
		assert.equal('luff: unknown command "luff.cpoy" (did you mean "luff.copy"?); see: luff help\n', wrong.stderr)
	end)

	it("is in the reference, with all commands and topics", function()
		local text = require("luff.reference").markdown()
		local cli, topics = require "luff.cli", require "luff.topics"
		for _, name in ipairs(cli.commands) do
			assert.truthy(text:find("\n### luff " .. name .. "\n\n```text\n", 1, true), name)
			assert.truthy(text:find(cli.help_of(name), 1, true), name)
		end
		for _, topic in ipairs(topics.list) do
			assert.truthy(text:find("\n### " .. topic.name .. ": ", 1, true), topic.name)
		end
		for _, e in ipairs(manual.entries()) do
			local heading = e.kind == "function" and ("%s(%s)"):format(e.name, e.args) or e.name
			local _, n = text:gsub("\n###+ `" .. heading:gsub("%p", "%%%0") .. "`\n", "")
			assert.equal(1, n, heading)
		end
		assert.equal(0, select(2, text:gsub("```", "")) % 2)
	end)
end)
