/* luff.config: what is said of hosts. lua/luff/config.lua calls it for each. */
#include <string.h>

#include "base/error.h"
#include "bind.h"

#define MIRRORS_MAX 64 /* the core wants fewer, and says so */

static int64_t option_whole(lua_State *L, int i, const char *name, int64_t max)
{
	lua_Integer n = 0;
	int whole = 1;

	if (lua_getfield(L, i, name) != LUA_TNIL)
		n = lua_tointegerx(L, -1, &whole);
	lua_pop(L, 1);
	if (!whole || n < 0 || n > max)
		luaL_error(L, "option \"%s\" must be a whole number from 1 on", name);
	return n;
}

static int option_count(lua_State *L, int i, const char *name)
{
	return (int)option_whole(L, i, name, 1000000);
}

static double option_number(lua_State *L, int i, const char *name)
{
	double n = 0;
	int is_number = 1;

	if (lua_getfield(L, i, name) != LUA_TNIL)
		n = lua_tonumberx(L, -1, &is_number);
	lua_pop(L, 1);
	if (!is_number)
		luaL_error(L, "option \"%s\" must be a number", name);
	return n;
}

/* Borrowed from the table; NULL where there are none. */
static const char *const *option_list(const char **list, lua_State *L, int i, const char *name)
{
	int type = lua_getfield(L, i, name);
	lua_Integer n;

	if (type != LUA_TNIL && type != LUA_TTABLE)
		luaL_error(L, "option \"%s\" must be a list of strings", name);
	n = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
	if (n > MIRRORS_MAX)
		luaL_error(L, "option \"%s\" has more than %d items", name, MIRRORS_MAX);
	for (lua_Integer k = 0; k < n; k++) {
		if (lua_rawgeti(L, -1, k + 1) != LUA_TSTRING)
			luaL_error(L, "option \"%s\" must be a list of strings", name);
		list[k] = luff_check_name(L, lua_gettop(L));
		lua_pop(L, 1);
	}
	list[n] = NULL;
	lua_pop(L, 1);
	return n > 0 ? list : NULL;
}

static int set_host(lua_State *L)
{
	static const char *const options[] = {"scheme",
					      "insecure",
					      "address",
					      "ca",
					      "cert",
					      "key",
					      "certs",
					      "socket",
					      "proxy",
					      "user",
					      "password",
					      "helper",
					      "helper_server",
					      "mirrors",
					      "connect_timeout",
					      "idle_timeout",
					      "total_timeout",
					      "requests",
					      "rate",
					      "bandwidth",
					      "credentials",
					      "chunk_size",
					      NULL};
	const char *host = luff_check_name(L, 1), *mirrors[MIRRORS_MAX + 1];
	struct luff_settings s = {0};
	struct luff_error err = {0};

	lua_settop(L, 2);
	luaL_checktype(L, 2, LUA_TTABLE);
	luff_check_options(L, 2, options);
	s.scheme = luff_option_string(L, 2, "scheme");
	s.insecure = luff_option_bool(L, 2, "insecure");
	s.address = luff_option_string(L, 2, "address");
	s.ca = luff_option_string(L, 2, "ca");
	s.cert = luff_option_string(L, 2, "cert");
	s.key = luff_option_string(L, 2, "key");
	s.certs = luff_option_string(L, 2, "certs");
	s.socket = luff_option_string(L, 2, "socket");
	s.proxy = luff_option_string(L, 2, "proxy");
	s.user = luff_option_string(L, 2, "user");
	s.password = luff_option_string(L, 2, "password");
	s.helper = luff_option_string(L, 2, "helper");
	s.helper_server = luff_option_string(L, 2, "helper_server");
	s.mirrors = option_list(mirrors, L, 2, "mirrors");
	s.connect_timeout = option_count(L, 2, "connect_timeout");
	s.idle_timeout = option_count(L, 2, "idle_timeout");
	s.total_timeout = option_count(L, 2, "total_timeout");
	s.requests = option_count(L, 2, "requests");
	s.rate = option_number(L, 2, "rate");
	s.bandwidth = option_number(L, 2, "bandwidth");
	luff_option_credentials(&s, L, 2);
	s.chunk_size = option_whole(L, 2, "chunk_size", INT64_MAX);
	if (luff_settings_set(host, &s, &err) < 0)
		return luff_raise(L, &err);
	return 0;
}

static int set_limits(lua_State *L)
{
	static const char *const options[] = {"unpacked", "ratio", NULL};
	struct luff_limits limits = {0};
	struct luff_error err = {0};

	luaL_checktype(L, 1, LUA_TTABLE);
	luff_check_options(L, 1, options);
	limits.unpacked = option_whole(L, 1, "unpacked", INT64_MAX);
	limits.ratio = option_whole(L, 1, "ratio", INT64_MAX);
	return luff_limits_set(&limits, &err) < 0 ? luff_raise(L, &err) : 0;
}

/* core.set_cache({ dir =, max = }), or nothing for none */
static int set_cache(lua_State *L)
{
	static const char *const options[] = {"dir", "max", NULL};
	struct luff_error err = {0};
	const char *dir;
	int64_t max = 0;

	luff_check_options(L, 1, options);
	lua_settop(L, 1);
	dir = luff_option_string(L, 1, "dir");
	if (lua_istable(L, 1)) {
		if (!dir || !*dir) {
			luff_fail(&err, LUFF_EINVAL, "a cache needs a folder: { dir = … }");
			return luff_raise(L, &err);
		}
		max = option_whole(L, 1, "max", INT64_MAX);
	}
	return luff_cache_set(dir, max, &err) < 0 ? luff_raise(L, &err) : 0;
}

static int look_for_logins(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TBOOLEAN);
	luff_logins_look(lua_toboolean(L, 1));
	return 0;
}

void luff_settings_functions(lua_State *L)
{
	lua_pushcfunction(L, look_for_logins);
	lua_setfield(L, -2, "look_for_logins");
	lua_pushcfunction(L, set_cache);
	lua_setfield(L, -2, "set_cache");
	lua_pushcfunction(L, set_limits);
	lua_setfield(L, -2, "set_limits");
	lua_pushcfunction(L, set_host);
	lua_setfield(L, -2, "set_host");
}
