-- What a daemon does itself, Docker or Podman, found as docker's own program finds it (DOCKER_HOST, contexts). luff.copy moves
-- images to and from it; with these it moves them, through its own mirrors and network:
--
--	pull(name, opts)   fetch an image from its registry; opts: platform, progress
--	push(name, opts)   send one of its images to the registry that its name says; opts: progress
--	prune(opts)        remove the images without a name, with all = true also those that no container uses;
--	                   gives { images =, names =, bytes = }, numbers of what went
--
-- The login is the one that luff would use there. progress is a function that gets { status =, id =, bytes =, total = }: what
-- the daemon says, of which layer, and how far it is; all but the first may be absent.
local core = require "luff.core"

return {
	pull = core.daemon_pull,
	push = core.daemon_push,
	prune = core.daemon_prune,
}
