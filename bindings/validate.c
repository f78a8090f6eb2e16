/* luff.validate: what is not as it should be, as a list. */
#include "bind.h"

struct validate_call {
	struct luff_work base;
	struct luff_medium *medium;
	struct luff_name name;
	struct luff_validate_options options;
	struct luff_platform platform;
	struct luff_validate_result result;
};

static int validate_run(struct luff_work *base, struct luff_error *err)
{
	struct validate_call *c = (struct validate_call *)base;

	return luff_validate(&c->result, c->medium, &c->name, &c->options, err);
}

static void set_text(lua_State *L, const char *name, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static int validate_finish(lua_State *L, struct luff_work *base)
{
	const struct luff_validate_result *r = &((struct validate_call *)base)->result;
	lua_Integer i = 0;

	lua_newtable(L);
	for (const struct luff_finding *f = r->findings; f; f = f->next) {
		lua_createtable(L, 0, 4);
		set_text(L, "code", luff_error_name(f->code));
		set_text(L, "thing", f->thing);
		set_text(L, "place", f->place);
		set_text(L, "what", f->what);
		lua_rawseti(L, -2, ++i);
	}
	lua_createtable(L, 0, 4);
	set_integer(L, "images", r->images);
	set_integer(L, "indexes", r->indexes);
	set_integer(L, "blobs", r->blobs);
	set_integer(L, "bytes", r->bytes);
	return 2;
}

static void validate_release(struct luff_work *base)
{
	struct validate_call *c = (struct validate_call *)base;

	luff_findings_free(c->result.findings);
	luff_medium_unref(c->medium);
}

static int validate(lua_State *L)
{
	static const char *const options[] = {"fast", "jobs", "platform", "plain_http", NULL};
	struct luff_open_options how = {0};
	struct validate_call *c;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	c = luff_work_new(L, sizeof *c);
	c->base.run = validate_run;
	c->base.finish = validate_finish;
	c->base.release = validate_release;
	c->options.fast = luff_option_bool(L, 2, "fast");
	c->options.jobs = luff_option_jobs(L, 2);
	if (luff_option_platform(&c->platform, L, 2))
		c->options.platform = &c->platform;
	how.platform = c->options.platform;
	how.plain_http = luff_option_bool(L, 2, "plain_http");
	luff_check_source(&c->medium, &c->name, L, 1, &how);
	return luff_work_go(L);
}

void luff_validate_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"validate", validate}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
