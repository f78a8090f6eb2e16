/* tree:diff: what is different between the files of two images, as a list. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct diff_call {
	struct luff_work base;
	struct luff_tree *from, *to;
	struct luff_diff_options options;
	char *pattern;
	struct luff_diff *diff;
};

static int diff_run(struct luff_work *base, struct luff_error *err)
{
	struct diff_call *c = (struct diff_call *)base;

	return luff_diff_open(&c->diff, c->from, c->to, &c->options, err);
}

/* [-0, +1] */
static void push_what(lua_State *L, unsigned what)
{
	static const char *const names[] = {"type", "content", "mode",   "owner",
					    "time", "link",    "device", "xattrs"};
	lua_Integer n = 0;

	lua_newtable(L);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (what >> i & 1) {
			lua_pushstring(L, names[i]);
			lua_rawseti(L, -2, ++n);
		}
	}
}

static int diff_finish(lua_State *L, struct luff_work *base)
{
	struct diff_call *c = (struct diff_call *)base;
	const struct luff_change *change = NULL;
	struct luff_error err = {0};
	lua_Integer i = 0;

	lua_newtable(L);
	while (luff_diff_next(&change, c->diff, &err) == 0 && change) {
		lua_createtable(L, 0, 7);
		lua_pushstring(L, change->path);
		lua_setfield(L, -2, "path");
		lua_pushstring(L, !change->from ? "added" : !change->to ? "removed" : "changed");
		lua_setfield(L, -2, "kind");
		push_what(L, change->what);
		lua_setfield(L, -2, "what");
		if (change->from) {
			luff_push_fields(L, change->from, change->from_layer);
			lua_setfield(L, -2, "from");
		}
		if (change->to) {
			luff_push_fields(L, change->to, change->to_layer);
			lua_setfield(L, -2, "to");
		}
		if (change->from && change->to && change->from_bytes && change->to_bytes) {
			lua_pushlstring(L, change->from_bytes, (size_t)change->from->size);
			lua_setfield(L, -2, "from_content");
			lua_pushlstring(L, change->to_bytes, (size_t)change->to->size);
			lua_setfield(L, -2, "to_content");
		}
		lua_rawseti(L, -2, ++i);
	}
	return 1;
}

static void diff_release(struct luff_work *base)
{
	struct diff_call *c = (struct diff_call *)base;

	luff_diff_close(c->diff);
	luff_tree_unref(c->from);
	luff_tree_unref(c->to);
	free(c->pattern);
}

int luff_diff_trees(lua_State *L)
{
	static const char *const options[] = {"pattern", "times", "contents", NULL};
	struct luff_tree *from = luff_check_tree(L, 1), *to = luff_check_tree(L, 2);
	const char *pattern;
	struct diff_call *c;

	lua_settop(L, 3);
	luff_check_options(L, 3, options);
	pattern = luff_option_string(L, 3, "pattern");
	c = luff_work_new(L, sizeof *c);
	c->base.run = diff_run;
	c->base.finish = diff_finish;
	c->base.release = diff_release;
	c->from = luff_tree_ref(from);
	c->to = luff_tree_ref(to);
	c->options.times = luff_option_bool(L, 3, "times");
	c->options.contents = luff_option_bool(L, 3, "contents");
	if (pattern && !(c->pattern = strdup(pattern)))
		return luaL_error(L, "out of memory");
	c->options.pattern = c->pattern;
	return luff_work_go(L);
}
