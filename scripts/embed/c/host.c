/*
 * A program with Lua in it, in which scripts find luff, and a loop of its own that never waits for luff. It runs a script, and then goes
 * on until the tasks that the script has spawned are done.
 *
 *	cc host.c $(pkg-config --cflags --libs luff-lua5.4) -o host
 *	./host script.lua
 */
#include <poll.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <luff/lua.h>

/* Calls luff.step or luff.fd, which is at `index`, and leaves what it gives on the stack. */
static int call(lua_State *L, int index)
{
	lua_pushvalue(L, index);
	return lua_pcall(L, 0, 1, 0);
}

static int run(lua_State *L, const char *script)
{
	struct pollfd fd = {.events = POLLIN};

	if (luaL_dofile(L, script) != LUA_OK)
		return -1;
	lua_settop(L, 0);
	luaL_requiref(L, "luff", luaopen_luff, 0); /* it is there already */
	lua_getfield(L, 1, "step");
	lua_getfield(L, 1, "fd");
	if (call(L, 3) != LUA_OK)
		return -1;
	fd.fd = (int)lua_tointeger(L, -1);
	for (;;) {
		lua_settop(L, 3);
		if (call(L, 2) != LUA_OK)
			return -1;
		if (!lua_toboolean(L, -1))
			return 0;
		/* here the program waits for all that it has to do; luff is one descriptor of it */
		poll(&fd, 1, -1);
	}
}

int main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();
	int rc;

	if (argc != 2 || !L) {
		fprintf(stderr, "usage: %s SCRIPT\n", argv[0]);
		return 2;
	}
	luaL_openlibs(L);
	luaL_requiref(L, "luff", luaopen_luff, 0);
	lua_settop(L, 0);
	rc = run(L, argv[1]);
	if (rc < 0)
		fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
	lua_close(L);
	return rc < 0;
}
