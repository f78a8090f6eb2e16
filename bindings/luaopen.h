/*
 * luff in programs that have Lua in them; installed as luff/lua.h. With the library luff-lua5.4, which has all of luff in it:
 *
 *	luaL_requiref(L, "luff", luaopen_luff, 0);
 *	lua_pop(L, 1);
 *
 * and scripts find it by `require "luff"`. The state needs the standard library `package`. A state is of one thread at a time; any
 * number of states may be there at once.
 */
#ifndef LUFF_LUA_H
#define LUFF_LUA_H

struct lua_State;

#ifdef __cplusplus
extern "C" {
#endif

/** Opens luff in a state and leaves the module on the stack. Raises. */
__attribute__((visibility("default"))) int luaopen_luff(struct lua_State *L);
/** The raw functions alone, which the Lua files stand on. */
__attribute__((visibility("default"))) int luaopen_luff_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
