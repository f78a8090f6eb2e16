-- JSON, for who requires it alone: luff.json is the same.
local core = require "luff.core"

return { encode = core.encode, decode = core.decode }
