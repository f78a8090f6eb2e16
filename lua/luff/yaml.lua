-- YAML, read only: require("luff.yaml").decode(text). It is a file of its own so that scripts find it beside the others.
local core = require "luff.core"

return { decode = core.yaml }
