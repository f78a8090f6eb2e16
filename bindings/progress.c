/*
 * What moves while a call runs (struct luff_progress): workers report it, and the Lua thread tells it to the call's own function or
 * to the one that hears of all calls.
 */
#include <stdlib.h>

#include "bind.h"

struct event {
	struct luff_event base;
	struct luff_progress progress; /* but for its descriptor: */
	struct luff_descriptor descriptor;
};

/* Bytes of one blob that nobody asked for yet are one event. */
static bool is_same(const struct luff_event *base, const void *arg)
{
	const struct event *e = (const struct event *)base;
	const struct luff_progress *p = arg;

	return p->kind == LUFF_PROGRESS_BYTES && e->progress.kind == LUFF_PROGRESS_BYTES &&
	       luff_digest_equal(&e->descriptor.digest, &p->descriptor->digest);
}

static void fill(struct luff_event *base, const void *arg)
{
	struct event *e = (struct event *)base;
	const struct luff_progress *p = arg;

	e->progress.kind = p->kind;
	e->progress.bytes += p->bytes;
	e->progress.total = p->total;
	e->descriptor = *p->descriptor;
}

static void hear(void *arg, const struct luff_progress *progress)
{
	static const struct luff_event_kind kind = {sizeof(struct event), is_same, fill};

	luff_events_put(arg, &kind, progress);
}

void luff_progress_hear(struct luff_events *events, struct luff_scope *scope)
{
	luff_events_make(events);
	scope->progress = hear;
	scope->progress_arg = events;
}

int luff_progress_take(lua_State *L, struct luff_events *events)
{
	static const char *const kinds[] = {"start",   "bytes", "done", "skipped",
					    "mounted", "kept",  "read", "left"};
	struct event *e = luff_events_take(events), copy;

	if (!e)
		return 0;
	copy = *e;
	free(e);
	lua_createtable(L, 0, 6);
	lua_pushstring(L, kinds[copy.progress.kind]);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, copy.descriptor.digest.text);
	lua_setfield(L, -2, "digest");
	lua_pushstring(L, copy.descriptor.media_type);
	lua_setfield(L, -2, "media_type");
	lua_pushinteger(L, copy.descriptor.size);
	lua_setfield(L, -2, "size");
	lua_pushinteger(L, copy.progress.bytes);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, copy.progress.total);
	lua_setfield(L, -2, "total");
	return 1;
}

/* Registry keys: the function that hears of all calls; whether it runs, since it hears nothing of its own ones. */
static const char on_progress, busy;

bool luff_progress_push_function(lua_State *L)
{
	bool runs;

	lua_rawgetp(L, LUA_REGISTRYINDEX, &busy);
	runs = lua_toboolean(L, -1);
	lua_pop(L, 1);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &on_progress) == LUA_TFUNCTION && !runs)
		return true;
	lua_pop(L, 1);
	return false;
}

void luff_progress_set_busy(lua_State *L, bool runs)
{
	lua_pushboolean(L, runs);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &busy);
}

/* core.on_progress(function or nil): returns what was before */
static int set_on_progress(lua_State *L)
{
	if (!lua_isnoneornil(L, 1))
		luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &on_progress);
	lua_insert(L, 1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &on_progress);
	return 1;
}

void luff_progress_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"on_progress", set_on_progress}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
