/* The luff program: a Lua state with luff in it, signals that cancel (interrupt.c), and lua/luff/cli.lua, which does the rest. */
#include <lualib.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "interrupt.h"
#include "luaopen.h"

/* Inside of a source tree its own Lua files are used. */
static void prefer_tree(void)
{
	char path[4096], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);

	if (n <= 0 || getenv("LUFF_LUA_PATH"))
		return;
	path[n] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(path, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
	strncat(path, "/lua/luff/init.lua", 24);
	if (access(path, R_OK) == 0) {
		path[strlen(path) - strlen("/luff/init.lua")] = '\0';
		setenv("LUFF_LUA_PATH", path, 1);
	}
}

/* What tostring() makes of light userdata: of luff.null, which is one, its name. */
static int light_text(lua_State *L)
{
	if (lua_touserdata(L, 1))
		lua_pushfstring(L, "userdata: %p", lua_touserdata(L, 1));
	else
		lua_pushliteral(L, "null");
	return 1;
}

/* All light userdata have one metatable: in a module it would be somebody else's. [-0, +0] */
static void name_null(lua_State *L)
{
	lua_pushlightuserdata(L, NULL);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, light_text);
	lua_setfield(L, -2, "__tostring");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

static int run(lua_State *L)
{
	int argc = (int)lua_tointeger(L, 1);
	char **argv = lua_touserdata(L, 2);

	luaL_openlibs(L);
	luff_interrupt_libraries(L);
	name_null(L);
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, luaopen_luff);
	lua_setfield(L, -2, "luff");
	lua_getglobal(L, "require");
	lua_pushvalue(L, -1);
	lua_pushliteral(L, "luff");
	lua_call(L, 1, 0);
	lua_pushvalue(L, -1);
	lua_pushliteral(L, "luff.core");
	lua_call(L, 1, 1);
	luff_interrupt_functions(L);
	lua_pop(L, 1);
	lua_pushliteral(L, "luff.cli");
	lua_call(L, 1, 1);
	lua_getfield(L, -1, "main");
	lua_createtable(L, argc, 0);
	for (int i = 0; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i);
	}
	lua_call(L, 1, 1);
	return 1;
}

int main(int argc, char **argv)
{
	lua_State *L;
	int code = 1;

#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 2); /* memory is bounded by buffers, not by threads */
#endif
	prefer_tree();
	L = luaL_newstate();
	if (!L) {
		fprintf(stderr, "luff: out of memory\n");
		return 1;
	}
	lua_warning(L, "@on", 0);
	luff_interrupt_begin(L);
	lua_pushcfunction(L, run);
	lua_pushinteger(L, argc);
	lua_pushlightuserdata(L, argv);
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		code = (int)lua_tointeger(L, -1);
	else
		fprintf(stderr, "luff: %s\n", luaL_tolstring(L, -1, NULL));
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	lua_close(L);
	luff_interrupt_end();
	return code;
}
