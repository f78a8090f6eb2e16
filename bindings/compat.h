/*
 * What the binding uses of Lua 5.4's interface, for the Lua that it is built with: 5.3, LuaJIT, 5.1. (5.5 has all of it.) Nothing else
 * in the binding asks which Lua that is, but for calls that sleep (job.c): before 5.3 no C function goes on after a yield.
 */
#ifndef LUFF_COMPAT_H
#define LUFF_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 504

#define luaL_argexpected(L, condition, i, type) luaL_argcheck(L, condition, i, type)
/* The program lets warnings pass only where it turns them on, which these cannot. */
#define lua_warning(L, text, more) ((void)(L), (void)(text), (void)(more))

#endif
#if LUA_VERSION_NUM == 503

#define lua_newuserdatauv(L, size, n) lua_newuserdata(L, size)
#define lua_getiuservalue(L, i, n) lua_getuservalue(L, i)
#define lua_setiuservalue(L, i, n) lua_setuservalue(L, i)

#elif LUA_VERSION_NUM == 501

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LUA_LOADED_TABLE "_LOADED"
typedef intptr_t lua_KContext;
#ifndef LUA_LJDIR /* LuaJIT has these */
#define LUA_OK 0
#define lua_isyieldable(L) 0
#define luaL_setmetatable(L, type) (luaL_getmetatable(L, type), (void)lua_setmetatable(L, -2))
#define luaL_newlib(L, list) (lua_newtable(L), luaL_setfuncs(L, list, 0))
#define luaL_traceback(L, of, message, level) lua_pushliteral(L, "") /* of the program, which is not in 5.1 */
#endif

#define lua_rawlen lua_objlen

/* ---- What tells the type of what it has pushed ---- */

static inline int luff_compat_getfield(lua_State *L, int i, const char *name)
{
	lua_getfield(L, i, name);
	return lua_type(L, -1);
}
#define lua_getfield luff_compat_getfield

static inline int luff_compat_rawget(lua_State *L, int i)
{
	lua_rawget(L, i);
	return lua_type(L, -1);
}
#define lua_rawget luff_compat_rawget

static inline int luff_compat_rawgeti(lua_State *L, int i, lua_Integer n)
{
	lua_rawgeti(L, i, (int)n);
	return lua_type(L, -1);
}
#define lua_rawgeti luff_compat_rawgeti
#define lua_rawseti(L, i, n) lua_rawseti(L, i, (int)(n))

/* ---- Positions and keys ---- */

static inline int luff_compat_absindex(lua_State *L, int i)
{
	return i > 0 || i <= LUA_REGISTRYINDEX ? i : lua_gettop(L) + i + 1;
}
#define lua_absindex luff_compat_absindex

static inline void luff_compat_push_key(lua_State *L, const void *key)
{
	uintptr_t address = (uintptr_t)key;
	void *p;

	memcpy(&p, &address, sizeof p);
	lua_pushlightuserdata(L, p);
}

static inline int luff_compat_rawgetp(lua_State *L, int i, const void *key)
{
	i = lua_absindex(L, i);
	luff_compat_push_key(L, key);
	return lua_rawget(L, i);
}
#define lua_rawgetp luff_compat_rawgetp

static inline void luff_compat_rawsetp(lua_State *L, int i, const void *key)
{
	i = lua_absindex(L, i);
	luff_compat_push_key(L, key);
	lua_insert(L, -2);
	lua_rawset(L, i);
}
#define lua_rawsetp luff_compat_rawsetp

static inline int luff_compat_getsubtable(lua_State *L, int i, const char *name)
{
	i = lua_absindex(L, i);
	if (lua_getfield(L, i, name) == LUA_TTABLE)
		return 1;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, i, name);
	return 0;
}
#define luaL_getsubtable luff_compat_getsubtable

/* ---- Numbers: whole ones are integers, as far as a double counts ---- */

static inline int luff_compat_isinteger(lua_State *L, int i)
{
	lua_Number n = lua_type(L, i) == LUA_TNUMBER ? lua_tonumber(L, i) : 0.5;

	return n >= -9007199254740992.0 && n <= 9007199254740992.0 && floor(n) >= n;
}
#define lua_isinteger luff_compat_isinteger

static inline lua_Integer luff_compat_tointegerx(lua_State *L, int i, int *is)
{
	*is = lua_isinteger(L, i);
	return *is ? (lua_Integer)lua_tonumber(L, i) : 0;
}
#define lua_tointegerx luff_compat_tointegerx

static inline lua_Number luff_compat_tonumberx(lua_State *L, int i, int *is)
{
	*is = lua_isnumber(L, i);
	return lua_tonumber(L, i);
}
#define lua_tonumberx luff_compat_tonumberx

/* ---- Userdata and texts ---- */

/* The user value is in a table that stands for the userdata's environment. */
static inline void *luff_compat_newuserdata(lua_State *L, size_t size)
{
	void *userdata = lua_newuserdata(L, size);

	lua_newtable(L);
	lua_setfenv(L, -2);
	return userdata;
}
#define lua_newuserdatauv(L, size, n) luff_compat_newuserdata(L, size)

static inline int luff_compat_getuservalue(lua_State *L, int i)
{
	lua_getfenv(L, i);
	lua_rawgeti(L, -1, 1);
	lua_remove(L, -2);
	return lua_type(L, -1);
}
#define lua_getiuservalue(L, i, n) luff_compat_getuservalue(L, i)

static inline void luff_compat_setuservalue(lua_State *L, int i)
{
	lua_getfenv(L, i);
	lua_insert(L, -2);
	lua_rawseti(L, -2, 1);
	lua_pop(L, 1);
}
#define lua_setiuservalue(L, i, n) luff_compat_setuservalue(L, i)

static inline const char *luff_compat_tolstring(lua_State *L, int i, size_t *len)
{
	i = lua_absindex(L, i);
	lua_getglobal(L, "tostring");
	lua_pushvalue(L, i);
	lua_call(L, 1, 1);
	return lua_tolstring(L, -1, len);
}
#define luaL_tolstring luff_compat_tolstring

#ifndef LUA_LJDIR
static inline void *luff_compat_testudata(lua_State *L, int i, const char *type)
{
	void *userdata = lua_touserdata(L, i);
	bool is = userdata && lua_getmetatable(L, i);

	if (is) {
		luaL_getmetatable(L, type);
		is = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	return is ? userdata : NULL;
}
#define luaL_testudata luff_compat_testudata
#define luaL_loadfilex(L, name, mode) luaL_loadfile(L, name)
#define luaL_loadbufferx(L, text, size, name, mode) luaL_loadbuffer(L, text, size, name)
#endif

/* ---- Calls that sleep ---- */

/** What a C function gave that was called in a task, at last: job.c's, which knows whether it sleeps. */
int luff_settle(lua_State *L);

/* Wraps the function on top so that it settles. [-1, +1] */
static inline void luff_compat_wrap(lua_State *L)
{
	static const char wrapper;

	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &wrapper) == LUA_TNIL) {
		lua_pop(L, 1);
		luaL_loadstring(L, "local f, settle = ... return function(...) return settle(f(...)) end");
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &wrapper);
	}
	lua_insert(L, -2);
	lua_pushcfunction(L, luff_settle);
	lua_call(L, 2, 1);
}

/* A metamethod that may sleep is __call alone; the others must not be more than C. */
static inline void luff_compat_setfuncs(lua_State *L, const luaL_Reg *list)
{
	for (; list->name; list++) {
		lua_pushcfunction(L, list->func);
		if (strncmp(list->name, "__", 2) != 0 || strcmp(list->name, "__call") == 0)
			luff_compat_wrap(L);
		lua_setfield(L, -2, list->name);
	}
}
#define luaL_setfuncs(L, list, n) luff_compat_setfuncs(L, list)

#endif

/** A closure over the n values on top that may sleep. [-n, +1] */
static inline void luff_push_closure(lua_State *L, lua_CFunction f, int n)
{
	lua_pushcclosure(L, f, n);
#if LUA_VERSION_NUM == 501
	luff_compat_wrap(L);
#endif
}

/** The chunk on top sees the table at `env` as its globals. [-0, +0] */
static inline void luff_set_environment(lua_State *L, int env)
{
	lua_pushvalue(L, env);
#if LUA_VERSION_NUM == 501
	lua_setfenv(L, -2);
#else
	lua_setupvalue(L, -2, 1);
#endif
}

#endif
