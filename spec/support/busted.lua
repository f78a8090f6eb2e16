-- Starts busted in the Lua that runs this file: its own command may start another one.
if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then
	require("spec.support.older").install()
end
require "busted.runner" { standalone = false }
