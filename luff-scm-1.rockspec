rockspec_format = "3.0"
package = "luff"
version = "scm-1"
source = {
    url = "git+file://.", -- a rock is made in a clone: luarocks make
}
description = {
    summary = "Container images from Lua: open, inspect, change and copy them between registries, layouts and memory",
    license = "MIT",
    labels = { "containers", "oci", "docker", "registry" },
}
supported_platforms = { "unix" }
dependencies = {
    "lua >= 5.1, < 5.6",
}
build = {
    type = "make",
    build_target = "module",
    build_variables = {
        CFLAGS = "$(CFLAGS) -g",
        WERROR = "",
        LUA_INCDIR = "$(LUA_INCDIR)",
    },
    install_target = "install-module",
    install_variables = {
        LUA_INCDIR = "$(LUA_INCDIR)",
        LUA_MODDIR = "$(LUADIR)",
        LUA_CMODDIR = "$(LIBDIR)",
    },
}
