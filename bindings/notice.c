/* What registries say beside their answers: warnings, which a function of the script's hears, and limits of rate. */
#include "bind.h"

static void set_count(lua_State *L, const char *name, int64_t value)
{
	if (value >= 0) {
		lua_pushinteger(L, value);
		lua_setfield(L, -2, name);
	}
}

/* core.rate_limit(registry, options): what it last said, or nil */
static int rate_limit(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};
	const char *registry = luff_check_name(L, 1);
	struct luff_rate_limit r;
	struct luff_error err = {0};
	bool known;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	if (luff_rate_limit_of(&known, &r, registry, luff_option_bool(L, 2, "plain_http"), &err) < 0)
		return luff_raise(L, &err);
	if (!known)
		return 0;
	lua_createtable(L, 0, 5);
	set_count(L, "limit", r.limit);
	set_count(L, "remaining", r.remaining);
	set_count(L, "window", r.window);
	set_count(L, "reset", r.reset);
	if (r.source[0]) {
		lua_pushstring(L, r.source);
		lua_setfield(L, -2, "source");
	}
	return 1;
}

/* ---- Warnings ---- */

static const char on_warning; /* registry key: the function that hears them */

/* core.on_warning(function or nil) */
static int set_on_warning(lua_State *L)
{
	if (!lua_isnoneornil(L, 1))
		luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &on_warning);
	return 0;
}

int luff_tell_warnings(lua_State *L)
{
	struct luff_warning w;
	int status = LUA_OK;

	while (status == LUA_OK) {
		if (lua_rawgetp(L, LUA_REGISTRYINDEX, &on_warning) == LUA_TNIL || !luff_warning_take(&w)) {
			lua_pop(L, 1);
			break;
		}
		lua_pushstring(L, w.registry);
		lua_pushstring(L, w.text);
		status = lua_pcall(L, 2, 0, 0);
	}
	return status;
}

void luff_notice_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"rate_limit", rate_limit}, {"on_warning", set_on_warning}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
