-- What the prompt notes beside what is typed, while it runs: by which names images were opened, and how far copies are.
local luff = require "luff"
local progress = require "luff.progress"

local Notes = {}
Notes.__index = Notes

--- The functions of luff that tell it stand in for those that do not, until it is closed. bars: whether copies show how far
-- they are, on stderr.
local function start(bars)
	local self = setmetatable({ names = {}, by_object = setmetatable({}, { __mode = "k" }), functions = {} }, Notes)
	local function replace(name, f)
		self.functions[name] = { before = luff[name], now = f }
		luff[name] = f
	end
	for _, name in ipairs { "open", "image", "index" } do
		local before = luff[name]
		replace(name, function(place, ...)
			local found = before(place, ...)
			self:keep(found, place)
			return found
		end)
	end
	local copy = luff.copy
	replace("copy", function(from, to, opts)
		if not bars or type(opts or {}) ~= "table" or opts and opts.progress ~= nil then
			return copy(from, to, opts)
		end
		local with = { progress = self:bar():watch() }
		for key, value in pairs(opts or {}) do
			with[key] = value
		end
		return copy(from, to, with)
	end)
	return self
end

function Notes:keep(object, place)
	local name = tostring(place)
	if not self.by_object[object] then
		self.by_object[object] = name
	end
	for _, known in ipairs(self.names) do
		if known == name then
			return
		end
	end
	self.names[#self.names + 1] = name
end

-- The one picture of all copies that run.
function Notes:bar()
	self.bars = self.bars or progress.new()
	return self.bars
end

--- What was typed has ended: nothing moves any more.
function Notes:rest()
	if self.bars then
		self.bars:close()
		self.bars = nil
	end
end

function Notes:close()
	self:rest()
	for name, f in pairs(self.functions) do
		if luff[name] == f.now then
			luff[name] = f.before
		end
	end
end
Notes.__close = Notes.close

return { start = start }
