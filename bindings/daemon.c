/* luff.daemon: what a daemon does itself. What it tells of its progress is kept in a list until the Lua thread comes for it. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct event {
	struct luff_event base;
	int64_t bytes, total;
	char id[80], status[200];
};

struct daemon_call {
	struct luff_work base;
	enum { PULL, PUSH, PRUNE } verb;
	char *name;
	bool all, has_platform;
	struct luff_platform platform;
	struct luff_daemon_options options;
	struct luff_daemon_pruned pruned;
	struct luff_events events;
};

/* Of one layer, what goes on in the same words is one event. */
static bool is_same(const struct luff_event *base, const void *arg)
{
	const struct event *e = (const struct event *)base;
	const struct luff_daemon_event *event = arg;

	return *e->id && strcmp(e->id, event->id) == 0 && strcmp(e->status, event->status) == 0;
}

static void fill(struct luff_event *base, const void *arg)
{
	struct event *e = (struct event *)base;
	const struct luff_daemon_event *event = arg;

	strncpy(e->id, event->id, sizeof e->id - 1);
	strncpy(e->status, event->status, sizeof e->status - 1);
	e->bytes = event->bytes;
	e->total = event->total;
}

static void on_progress(void *arg, const struct luff_daemon_event *event)
{
	static const struct luff_event_kind kind = {sizeof(struct event), is_same, fill};
	struct daemon_call *c = arg;

	luff_events_put(&c->events, &kind, event);
}

/* The oldest event as a table. */
static int deliver(lua_State *L, struct luff_work *base)
{
	struct daemon_call *c = (struct daemon_call *)base;
	struct event *e = luff_events_take(&c->events), copy;

	if (!e)
		return 0;
	copy = *e;
	free(e);
	lua_createtable(L, 0, 4);
	lua_pushstring(L, copy.status);
	lua_setfield(L, -2, "status");
	if (*copy.id) {
		lua_pushstring(L, copy.id);
		lua_setfield(L, -2, "id");
	}
	if (copy.bytes >= 0) {
		lua_pushinteger(L, copy.bytes);
		lua_setfield(L, -2, "bytes");
	}
	if (copy.total >= 0) {
		lua_pushinteger(L, copy.total);
		lua_setfield(L, -2, "total");
	}
	return 1;
}

static int run(struct luff_work *base, struct luff_error *err)
{
	struct daemon_call *c = (struct daemon_call *)base;

	c->options.platform = c->has_platform ? &c->platform : NULL;
	if (c->verb == PRUNE)
		return luff_daemon_prune(&c->pruned, c->all, err);
	return c->verb == PULL ? luff_daemon_pull(c->name, &c->options, err)
			       : luff_daemon_push(c->name, &c->options, err);
}

static int finish(lua_State *L, struct luff_work *base)
{
	const struct daemon_call *c = (struct daemon_call *)base;

	if (c->verb != PRUNE)
		return 0;
	lua_createtable(L, 0, 3);
	lua_pushinteger(L, c->pruned.images);
	lua_setfield(L, -2, "images");
	lua_pushinteger(L, c->pruned.names);
	lua_setfield(L, -2, "names");
	lua_pushinteger(L, c->pruned.bytes);
	lua_setfield(L, -2, "bytes");
	return 1;
}

static void release(struct luff_work *base)
{
	struct daemon_call *c = (struct daemon_call *)base;

	luff_events_release(&c->events);
	free(c->name);
}

static struct daemon_call *new_call(lua_State *L)
{
	struct daemon_call *c = luff_work_new(L, sizeof *c);

	c->base.run = run;
	c->base.finish = finish;
	c->base.release = release;
	luff_events_make(&c->events);
	return c;
}

static int move(lua_State *L, bool pull)
{
	static const char *const of_pull[] = {"platform", "progress", NULL}, *const of_push[] = {"progress",
												 NULL};
	const char *name = luff_check_name(L, 1);
	struct daemon_call *c;

	lua_settop(L, 2);
	luff_check_no_plan(L, "have a daemon pull or push");
	luff_check_options(L, 2, pull ? of_pull : of_push);
	c = new_call(L);
	c->verb = pull ? PULL : PUSH;
	if (pull)
		c->has_platform = luff_option_platform(&c->platform, L, 2);
	if (lua_istable(L, 2)) {
		if (lua_getfield(L, 2, "progress") != LUA_TNIL) {
			luaL_argcheck(L, lua_isfunction(L, -1), 2, "progress must be a function");
			lua_pushvalue(L, -1);
			lua_setiuservalue(L, -3, 1);
			c->base.deliver = deliver;
			c->options.progress = on_progress;
			c->options.arg = c;
		}
		lua_pop(L, 1);
	}
	c->name = strdup(name);
	if (!c->name)
		return luaL_error(L, "not enough memory");
	return luff_work_go(L);
}

/* core.daemon_pull(name, { platform =, progress = }) */
static int daemon_pull(lua_State *L)
{
	return move(L, true);
}

/* core.daemon_push(name, { progress = }) */
static int daemon_push(lua_State *L)
{
	return move(L, false);
}

/* core.daemon_prune { all = } */
static int daemon_prune(lua_State *L)
{
	static const char *const options[] = {"all", NULL};
	struct daemon_call *c;
	bool all;

	lua_settop(L, 1);
	luff_check_no_plan(L, "have a daemon prune");
	luff_check_options(L, 1, options);
	all = luff_option_bool(L, 1, "all");
	c = new_call(L);
	c->verb = PRUNE;
	c->all = all;
	return luff_work_go(L);
}

void luff_daemon_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"daemon_pull", daemon_pull},
					     {"daemon_push", daemon_push},
					     {"daemon_prune", daemon_prune},
					     {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
