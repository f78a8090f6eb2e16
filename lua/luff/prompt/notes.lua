-- What the prompt notes beside what is typed, while it runs: by which names images were opened, and how far calls are.
local core = require "luff.core"
local luff = require "luff"
local progress = require "luff.progress"

local Notes = {}
Notes.__index = Notes

--- The functions of luff that tell it stand in for those that do not, until it is closed. bars: whether calls show how far
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
	if bars then
		self.heard_by = core.on_progress(function(event)
			self.watch = self.watch or self:bar():watch()
			self.watch(event)
		end)
		self.hears = true
	end
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

-- The one picture of all that moves.
function Notes:bar()
	self.bars = self.bars or progress.new()
	return self.bars
end

--- What was typed has ended: nothing moves any more.
function Notes:rest()
	if self.bars then
		self.bars:close()
		self.bars, self.watch = nil, nil
	end
end

function Notes:close()
	self:rest()
	if self.hears then
		core.on_progress(self.heard_by)
		self.hears = nil
	end
	for name, f in pairs(self.functions) do
		if luff[name] == f.now then
			luff[name] = f.before
		end
	end
end
Notes.__close = Notes.close

return { start = start }
