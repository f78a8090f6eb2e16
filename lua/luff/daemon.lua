-- What a daemon does itself, Docker or Podman: it pulls, pushes and prunes (meta.lua).
local core = require "luff.core"

return {
	pull = core.daemon_pull,
	push = core.daemon_push,
	prune = core.daemon_prune,
}
