/* luff.gc: what no name reaches goes from layouts. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct gc_call {
	struct luff_work base;
	char *folder;
	struct luff_gc_options options;
	struct luff_gc_result result;
};

static int run(struct luff_work *base, struct luff_error *err)
{
	struct gc_call *c = (struct gc_call *)base;

	return luff_gc(&c->result, c->folder, &c->options, err);
}

static int finish(lua_State *L, struct luff_work *base)
{
	const struct luff_gc_result *result = &((struct gc_call *)base)->result;

	lua_createtable(L, 0, 5);
	lua_pushinteger(L, result->repositories);
	lua_setfield(L, -2, "repositories");
	lua_pushinteger(L, result->kept);
	lua_setfield(L, -2, "kept");
	lua_pushinteger(L, result->removed);
	lua_setfield(L, -2, "removed");
	lua_pushinteger(L, result->uploads);
	lua_setfield(L, -2, "uploads");
	lua_pushinteger(L, result->bytes);
	lua_setfield(L, -2, "bytes");
	return 1;
}

static void release(struct luff_work *base)
{
	free(((struct gc_call *)base)->folder);
}

int64_t luff_option_age(lua_State *L, int i, const char *name, int64_t absent)
{
	lua_Integer n = absent;
	int whole = 1;

	if (lua_istable(L, i)) {
		if (lua_getfield(L, i, name) != LUA_TNIL)
			n = lua_tointegerx(L, -1, &whole);
		lua_pop(L, 1);
	}
	if (!whole || n < 0 || n > LUFF_AGE_MAX)
		luaL_error(L, "option \"%s\" must be a whole number of seconds, up to 100 years", name);
	return n;
}

/* core.gc(folder, { grace =, dry_run = }) */
static int gc(lua_State *L)
{
	static const char *const options[] = {"grace", "dry_run", NULL};
	const char *folder = luff_check_name(L, 1);
	struct luff_gc_options o = {0};
	struct gc_call *c;

	luff_check_options(L, 2, options);
	o.grace = luff_option_age(L, 2, "grace", LUFF_GC_GRACE);
	o.dry_run = luff_option_bool(L, 2, "dry_run") || luff_plan_is_on();
	c = luff_work_new(L, sizeof *c);
	c->base.run = run;
	c->base.finish = finish;
	c->base.release = release;
	c->options = o;
	c->folder = strdup(folder);
	if (!c->folder)
		return luaL_error(L, "not enough memory");
	return luff_work_go(L);
}

void luff_gc_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"gc", gc}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
