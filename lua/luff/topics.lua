-- What luff help tells beside commands: topics, each { name, summary, text }, some also with `markdown` for the reference.
local coming = require "luff.coming"
local cookbook = require "luff.cookbook"

local topics = {}

--- Where images are: also a part of luff help.
topics.places = [[
  nginx:1.27  docker://ghcr.io/org/app@sha256:…     in a registry
  oci:DIR  oci:DIR:TAG  oci:DIR@sha256:…            in an OCI layout folder
  docker-archive:FILE  docker-archive:FILE:app:v1   in what docker save wrote, or "-"
  oci-archive:FILE  oci-archive:FILE:TAG            in a tar of an OCI layout, or "-"
  docker-daemon:app:v1  docker-daemon:sha256:ID     among the images of Docker or Podman
  dir:DIR                                           skopeo's folder
  containers-storage:NAME                           what podman keeps on this machine
  containerd:NAME                                   what containerd keeps on this machine
  rootfs:PATH                                       a folder or tar as an image
  random:layers=3,size=100000,seed=7                random bytes
]]

--- Likewise.
topics.exit_codes = [[
  0 done, 1 failed, 2 wrong usage, 3 not found, 4 not authorized or denied, 5 network or time-out,
  6 content that does not match its digest, size or format, 130 interrupted (143 by SIGTERM)
]]

topics.list = {
	{ name = "names", summary = "how places and images in them are named", text = topics.places .. [[

In a registry, docker.io and the tag latest are meant where nothing is said. A digest decides where there are
both. In layouts and archives the first colon ends the path, @0 is the first of the images, and no name at all
is the only image there is. An index stands for the image of this machine's platform where one image is
wanted; --platform chooses another.

What podman keeps is where storage.conf says: $CONTAINERS_STORAGE_CONF, the user's, or the system's;
containers-storage:[overlay@/FOLDER]NAME says it itself.

Registries are spoken to by https, by http where the host is loopback or --plain-http says so.
]] },
	{ name = "coming", summary = "from crane, skopeo or regctl: what their commands are here", text = coming.text() },
	{ name = "cookbook", summary = "recipes", text = cookbook.text(), markdown = cookbook.markdown() },
	{ name = "exit-codes", summary = "what the exit code of luff says", text = topics.exit_codes .. [[

A script that raises one of luff's errors ends with the same codes. What went wrong stands on stderr; where
the reader of the output has gone, luff ends without a word, with 141.
]] },
	{ name = "settings", summary = "the file of settings, logins, what the environment says", text = [[
~/.config/luff/config.lua (in $XDG_CONFIG_HOME, where that is set) is Lua that returns what luff.config takes:

  return {
    hosts = {
      ["docker.io"] = { mirrors = { "mirror.example:5000/hub" }, rate = 20, bandwidth = 10e6 },
      ["registry.example:5000"] = { ca = "/etc/ssl/our-ca.crt", cert = "me.crt", key = "me.key" },
      ["localhost:5443"] = { scheme = "https", insecure = true },
    },
    cache = { dir = "/var/cache/luff", max = 20e9 // 1 },
  }

Logins are found where docker, podman and skopeo keep them, and with their credential helpers; luff login adds
one. lua/luff/meta.lua describes every setting.

environment
  REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG, DOCKER_CONFIG   logins
  DOCKER_HOST, DOCKER_CONTEXT                             the daemon behind docker-daemon:
  https_proxy, http_proxy, all_proxy, no_proxy            proxies, as curl has them
  SSL_CERT_FILE                                           certificates to trust
  TMPDIR                                                  where archives are unpacked; else /var/tmp
  XDG_STATE_HOME                                          for uploads that broke off, and the REPL's history
  XDG_CACHE_HOME                                          for what is known of layers that were read (256 MiB)
  NO_COLOR                                                no colours
]] },
	{ name = "scripts", summary = "how luff runs a script", text = [[
luff FILE.lua ARGUMENTS… runs a script of Lua 5.4: luff is a global there, arg its arguments. -e runs code
from the command line, "-" is stdin, and a file may begin with #!/usr/bin/env luff. A script that raises an
error ends with the exit code of the error.

To read a global that was never set is an error that names the nearest one, and so is to set a new one inside
of a function: it is a slip, mostly. rawget(_G, name) asks without. Modules that a script requires and the
REPL are not watched.

luff run sets limits of memory, time and instructions, and has a sandbox for scripts that somebody else wrote:
luff help run.
]] },
	{ name = "plans", summary = "dry runs: what would be written, and doing it later", text = [[
  luff --dry-run copy alpine:3 registry.example.com/alpine:3
  luff --dry-run --plan ./plan script.lua
  luff apply ./plan

While a script or command runs dry, nothing is written to registries, layouts, archives, daemons and places of
scripts: copies, pushes, tags and deletions are written down as steps, and what reads afterwards sees them.
Layers stay where they are. The steps are shown on stderr; with --plan, a new folder keeps them (plan.json),
with all that was made on the way and is nowhere else: manifests, configs, new layers (an OCI layout, of at
most 64 GiB; without --plan, 1 GiB in memory).

luff apply does the steps, unless a tag that they concern stands for something else by then, or a tag that is
new or has changed reaches what they would delete.

A dry run refuses what has no such gate: logging in and out, extract, export and files of artifacts, serving a
folder, what a daemon does by itself. luff gc only tells what would go. Not covered: what a script writes by
io and os, memory: (which ends with the script), the cache and the state of uploads. Entries of a layout
cannot be deleted by annotation.
]] },
	{ name = "modules", summary = "what scripts require beside luff itself", text = [[
Each is require "luff.NAME"; lua/luff/meta.lua and the head of its file describe it.

  select      tags by pattern, version, line and age
  semver      versions, their order and ranges
  glob        shell patterns
  regex       regular expressions (PCRE2): regex.new "^v(\\d+)$":match(tag)
  log         lines on stderr, as text or JSON: log.info("copied", { tag = tag })
  template    {{ .tag | upper }}: places in a text to fill in
  json        luff.json: json.encode(value), json.decode(text)
  yaml        yaml.decode(text), with anchors and merge keys
  schedule    cron's five fields, @hourly, @every 90m: schedule.parse(text)(now) is when it is due next
  time        RFC 3339 and ages: time.older(config.created, "30d")
  created     when an image was made
  mirror      repositories kept like others
  prune       tags that nobody keeps
  bundle      many images in one file, also as a delta
  promote     more names for an image that was checked
  find        which tags are the same, so old, or have something inside
  plan        dry runs, and doing later what they would have done
  artifact    files as artifacts
  diff        what is different between two images
  report      pages of HTML about images and repositories
  regbot.bot  runs functions that know what scripts of regbot know (luff help convert)
  repl        a prompt in a program of your own
]] },
	{ name = "embed", summary = "luff in other programs with Lua in them", text = [[
require "luff" works in stock Lua and in programs that have Lua in them: luff.so must be on package.cpath. It
prints nothing, sets no global and no signal handler, and any number of Lua states may have it at a time.

  make                          build/luff.so, for Lua 5.4
  make LUA_VERSION=5.3          build/lua5.3/luff.so (HAProxy)
  make LUA_VERSION=luajit       build/luajit/luff.so (nginx, Neovim); 5.1 and 5.5 likewise
  make install-module           the module alone; luarocks make builds it as a rock

Before 5.4 there is no <close>: call close() on servers and readers. Before 5.3 a task that computes cannot be
cancelled, and in 5.1, but not in LuaJIT, tasks run one after the other. Some modules are of 5.3 and later:
template, report.

A program with an event loop of its own polls luff.fd() for reading and calls luff.step() when it is readable,
or from time to time; both wait for nothing. What calls luff is a task then:

  luff.spawn(function()
    local ok, done = pcall(luff.copy, from, to)
    callback(ok, done)
  end)

scripts/embed has examples that are tested in the real programs: stock Lua, libuv, nginx, lighttpd, HAProxy,
Prosody, Neovim, and programs in C. A process that forks uses luff in its children, or not before it forks.
]] },
	{ name = "c", summary = "luff in C and C++", text = [[
make install installs libluff (pkg-config luff) with its header luff.h, which tells how to begin, and
luff/medium.h for those who write a medium of their own. Every name begins with luff_ or LUFF_.

  cc copy.c $(pkg-config --cflags --libs luff)

For programs that have Lua in them there is libluff-lua5.4 (pkg-config luff-lua5.4), which has all of luff:

  #include <luff/lua.h>
  luaL_requiref(L, "luff", luaopen_luff, 0);

scripts/embed/c has a copy with progress, a medium, and a program with Lua and a loop of its own.
]] },
}

--- The topic of that name, nil where there is none.
function topics.find(name)
	for _, topic in ipairs(topics.list) do
		if topic.name == name then
			return topic
		end
	end
end

--- The names of all.
function topics.names()
	local names = {}
	for i, topic in ipairs(topics.list) do
		names[i] = topic.name
	end
	return names
end

return topics
