/* luff.serve: the embedded registry as a to-be-closed value. */
#include <time.h>

#include "base/scope.h"
#include "bind.h"

static struct luff_server **check_server(lua_State *L)
{
	struct luff_server **box = luaL_checkudata(L, 1, LUFF_SERVER);

	if (!*box)
		luaL_error(L, "the server is closed");
	return box;
}

static int serve(lua_State *L)
{
	static const char *const options[] = {"root", "listen", NULL};
	struct luff_server_options o = {0};
	struct luff_error err = {0};
	struct luff_server **box;

	luff_check_options(L, 1, options);
	o.root = luff_option_string(L, 1, "root");
	o.listen = luff_option_string(L, 1, "listen");
	box = luff_box(L, sizeof *box, LUFF_SERVER);
	return luff_server_start(box, &o, &err) < 0 ? luff_raise(L, &err) : 1;
}

static int server_address(lua_State *L)
{
	lua_pushstring(L, luff_server_address(*check_server(L)));
	return 1;
}

static int server_close(lua_State *L)
{
	struct luff_server **box = luaL_checkudata(L, 1, LUFF_SERVER);

	luff_server_stop(*box);
	*box = NULL;
	return 0;
}

static int server_wait(lua_State *L)
{
	struct timespec tick = {.tv_nsec = 100000000};
	struct luff_error err = {0};

	check_server(L);
	while (luff_scope_check(&err) == 0)
		nanosleep(&tick, NULL);
	return 0;
}

void luff_server_functions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", server_close}, {"__close", server_close}, {NULL, NULL}};
	static const luaL_Reg methods[] = {
		{"address", server_address}, {"close", server_close}, {"wait", server_wait}, {NULL, NULL}};

	luff_box_type(L, LUFF_SERVER, meta, methods);
	lua_pushcfunction(L, serve);
	lua_setfield(L, -2, "serve");
}
