-- A text of a configuration, most of them templates: what it gives, and whether that depends on more than the configuration.
local fail = require "luff.fail"
local template = require "luff.template"

local value = {}

local FILE_MAX = 1 << 20

--- What templates in configurations may use beside luff.template's own.
value.functions = {
	env = function(name) return os.getenv(name) or "" end,
	file = function(path)
		local file, why = io.open(path, "rb")
		if not file then
			fail("not_found", "%s", why)
		end
		local text = file:read(FILE_MAX) or ""
		file:close()
		return text
	end,
}

-- Raised by functions that ask the environment, a file or the clock, where nobody may ask.
local outside = { code = "outside", message = "it depends on more than the configuration" }

local closed, made_up = {}, {}
for _, name in ipairs { "env", "file", "time" } do
	closed[name] = function() error(outside, 0) end
	made_up[name] = name ~= "time" and function() return "x" end or nil
end

local Value = {}
Value.__index = Value

--- A value of its text. place: "sync.yml, line 5"; literal: it is no template.
function value.new(text, place, literal)
	if not literal then -- what is wrong with it is said here, not when it is needed
		template.compile(text, { functions = value.functions, name = place })
	end
	return setmetatable({ text = text, place = place, literal = literal }, Value)
end

--- The text with what its template makes of the data.
function Value:fill(data)
	if self.literal then
		return self.text
	end
	return template.render(self.text, data or {}, { functions = value.functions, name = self.place })
end

--- The same where it depends on the data alone, else nil: nothing outside is asked.
function Value:fixed(data)
	if self.literal then
		return self.text
	end
	local ok, text = pcall(template.render, self.text, data or {}, { functions = closed, name = self.place })
	if not ok and text ~= outside then
		error(text, 0)
	end
	return ok and text or nil
end

--- The same as fill with texts made up for what comes from outside: what the text looks like.
function Value:sample(data)
	return template.render(self.text, data, { functions = made_up, name = self.place })
end

--- A function from data to the text.
function Value:filler()
	return template.compile(self.text, { functions = value.functions, name = self.place })
end

return value
