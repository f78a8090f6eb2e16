/* Plans: a dry run's steps as tables, and back. lua/luff/plan.lua makes documents of them. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "bind.h"

static const char *const kinds[] = {"blob",   "manifest",    "tag",    "untag",
				    "delete", "delete_blob", "stands", NULL};

void luff_check_no_plan(lua_State *L, const char *what)
{
	struct luff_error err = {0};

	if (!luff_plan_is_on())
		return;
	luff_fail(&err, LUFF_EDENIED, "a dry run does not %s", what);
	luff_raise(L, &err);
}

/* core.plan_begin(folder or nil) */
static int plan_begin(lua_State *L)
{
	const char *folder = lua_isnoneornil(L, 1) ? NULL : luff_check_name(L, 1);
	struct luff_error err = {0};

	return luff_plan_begin(folder, &err) < 0 ? luff_raise(L, &err) : 0;
}

/* core.plan_is_on() */
static int plan_is_on(lua_State *L)
{
	lua_pushboolean(L, luff_plan_is_on());
	return 1;
}

/* The steps of a plan, in a box. */
struct steps {
	struct luff_planned *list;
	size_t count;
};

#define STEPS "luff.PlannedSteps"

static int steps_gc(lua_State *L)
{
	struct steps *s = luaL_checkudata(L, 1, STEPS);

	luff_planned_free(s->list, s->count);
	*s = (struct steps){.count = 0};
	return 0;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
	lua_pushstring(L, text && *text ? text : NULL);
	lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
	if (!value)
		return;
	lua_pushboolean(L, true);
	lua_setfield(L, -2, name);
}

static void push_step(lua_State *L, const struct luff_planned *s)
{
	bool named = s->kind == LUFF_PLANNED_TAG || s->kind == LUFF_PLANNED_UNTAG ||
		     s->kind == LUFF_PLANNED_STANDS;

	lua_createtable(L, 0, 8);
	set_text(L, "kind", kinds[s->kind]);
	set_text(L, "place", s->place);
	set_text(L, "from", s->from);
	set_text(L, "digest", s->descriptor.digest.text);
	set_text(L, "media_type", s->descriptor.media_type);
	set_text(L, "before", s->before.text);
	lua_pushinteger(L, s->descriptor.size);
	lua_setfield(L, -2, "size");
	if (named) {
		lua_pushstring(L, s->tag);
		lua_setfield(L, -2, "tag");
	}
	set_flag(L, "force", s->force);
	set_flag(L, "plain_http", s->plain_http);
	set_flag(L, "from_plain_http", s->from_plain_http);
}

/* core.plan_end(): the list of steps */
static int plan_end(lua_State *L)
{
	struct steps *box = luff_box(L, sizeof *box, STEPS);
	struct luff_error err = {0};

	if (luff_plan_end(&box->list, &box->count, &err) < 0)
		return luff_raise(L, &err);
	lua_createtable(L, (int)box->count, 0);
	for (size_t i = 0; i < box->count; i++) {
		push_step(L, &box->list[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

struct apply_call {
	struct luff_work base;
	struct luff_planned *list;
	size_t count;
	char *folder;
};

static int apply_run(struct luff_work *base, struct luff_error *err)
{
	struct apply_call *c = (struct apply_call *)base;

	return luff_plan_apply(c->list, c->count, c->folder, err);
}

static int apply_finish(lua_State *L, struct luff_work *base)
{
	(void)L;
	(void)base;
	return 0;
}

static void apply_release(struct luff_work *base)
{
	struct apply_call *c = (struct apply_call *)base;

	luff_planned_free(c->list, c->count);
	free(c->folder);
}

/* Fields of the step on top. The text is borrowed from it; "" where it is absent. */
static const char *text_of(lua_State *L, const char *name)
{
	const char *text = luff_option_string(L, lua_gettop(L), name);

	return text ? text : "";
}

static int bad_step(lua_State *L, const char *what)
{
	struct luff_error err = {0};

	luff_fail(&err, LUFF_EFORMAT, "the plan: a step with a wrong %s", what);
	return luff_raise(L, &err);
}

static char *copy(lua_State *L, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		luaL_error(L, "out of memory");
	return copy;
}

/* From the table on top. What it owns is the call's at once. */
static void check_step(struct luff_planned *s, lua_State *L)
{
	const char *kind = text_of(L, "kind"), *digest = text_of(L, "digest"), *from = text_of(L, "from");
	const char *before = text_of(L, "before"), *tag = text_of(L, "tag");
	struct luff_error err = {0};
	int i = 0, whole = 0;

	while (kinds[i] && strcmp(kinds[i], kind) != 0)
		i++;
	if (!kinds[i])
		bad_step(L, "kind");
	s->kind = (enum luff_planned_kind)i;
	if (luff_digest_parse(&s->descriptor.digest, digest, &err) < 0 ||
	    (*before && luff_digest_parse(&s->before, before, &err) < 0))
		bad_step(L, "digest");
	if (!luff_text_copy(s->tag, sizeof s->tag, tag))
		bad_step(L, "tag");
	if (!luff_text_copy(s->descriptor.media_type, sizeof s->descriptor.media_type,
			    text_of(L, "media_type")))
		bad_step(L, "media type");
	lua_getfield(L, -1, "size");
	s->descriptor.size = lua_tointegerx(L, -1, &whole);
	lua_pop(L, 1);
	if (!whole || s->descriptor.size < 0)
		bad_step(L, "size");
	s->descriptor.manifest = s->kind == LUFF_PLANNED_MANIFEST || s->kind == LUFF_PLANNED_TAG ||
				 s->kind == LUFF_PLANNED_DELETE;
	s->force = luff_option_bool(L, lua_gettop(L), "force");
	s->plain_http = luff_option_bool(L, lua_gettop(L), "plain_http");
	s->from_plain_http = luff_option_bool(L, lua_gettop(L), "from_plain_http");
	if (!*text_of(L, "place"))
		bad_step(L, "place");
	s->place = copy(L, text_of(L, "place"));
	if (*from)
		s->from = copy(L, from);
}

/* core.plan_apply(steps, folder) */
static int plan_apply(lua_State *L)
{
	const char *folder = luff_check_name(L, 2);
	struct apply_call *c;
	size_t count;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 2);
	count = lua_rawlen(L, 1);
	c = luff_work_new(L, sizeof *c);
	c->base.run = apply_run;
	c->base.finish = apply_finish;
	c->base.release = apply_release;
	c->folder = copy(L, folder);
	c->list = calloc(count + 1, sizeof *c->list);
	if (!c->list)
		return luaL_error(L, "out of memory");
	while (c->count < count) {
		if (lua_rawgeti(L, 1, (lua_Integer)c->count + 1) != LUA_TTABLE)
			return bad_step(L, "type");
		check_step(&c->list[c->count++], L);
		lua_pop(L, 1);
	}
	return luff_work_go(L);
}

void luff_plan_functions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", steps_gc}, {NULL, NULL}}, none[] = {{NULL, NULL}};
	static const luaL_Reg functions[] = {{"plan_begin", plan_begin},
					     {"plan_is_on", plan_is_on},
					     {"plan_end", plan_end},
					     {"plan_apply", plan_apply},
					     {NULL, NULL}};

	luff_box_type(L, STEPS, meta, none);
	luaL_setfuncs(L, functions, 0);
}
