/* Ctrl-C and SIGTERM in the luff program: they end what runs, wherever in Lua that is, and no script's pcall holds them up. */
#ifndef LUFF_INTERRUPT_H
#define LUFF_INTERRUPT_H

#include <lua.h>

/** The main thread's state, before anything runs in it; enters the scope that signals cancel. */
void luff_interrupt_begin(lua_State *L);
/** After the state was closed. */
void luff_interrupt_end(void);
/** pcall, xpcall, coroutine.resume and coroutine.wrap as signals want them, in place of Lua's own. [-0, +0] */
void luff_interrupt_libraries(lua_State *L);
/** Adds uncancel, interrupted and trace to the table on top. [-0, +0] */
void luff_interrupt_functions(lua_State *L);

#endif
