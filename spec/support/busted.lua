-- Starts busted in the Lua that runs this file: its own command may start another one.
require "busted.runner" { standalone = false }
