/* luff.copy. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bind.h"

#define SOURCES_MAX 10000

struct source {
	struct luff_medium *medium;
	struct luff_name name;
	struct luff_descriptor root; /* what it was copied as */
	char as[LUFF_TAG_MAX + 1];   /* its name there, or "" */
};

struct copy_call {
	struct luff_work base;
	size_t count; /* of sources, as far as they are checked */
	bool several; /* a list was given */
	struct luff_medium *dst;
	struct luff_name to;
	char *missing; /* the name of a destination whose folder is no layout yet */
	struct luff_copy_options options;
	struct luff_platform platform;
	struct luff_copy_result result;
	struct source sources[];
};

/* A source that cannot be reached leaves no new folder behind. */
static int make_destination(struct copy_call *c, struct luff_error *err)
{
	static const struct luff_open_options create = {.create = true};
	struct luff_descriptor found;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->count; i++)
		rc = luff_medium_resolve(&found, NULL, c->sources[i].medium, &c->sources[i].name, err);
	return rc < 0 ? rc : luff_medium_open(&c->dst, &c->to, c->missing, &create, err);
}

static int copy_several(struct copy_call *c, struct luff_error *err)
{
	struct luff_copy_source *sources;
	struct luff_descriptor *roots;
	int rc;

	if (c->to.tag[0] || c->to.digest.text[0])
		return luff_fail(err, LUFF_EINVAL,
				 "%s: several images keep their names: give none to the destination",
				 luff_medium_place(c->dst));
	sources = calloc(c->count, sizeof *sources);
	if (!sources)
		return luff_fail_nomem(err);
	roots = calloc(c->count, sizeof *roots);
	if (!roots) {
		free(sources);
		return luff_fail_nomem(err);
	}
	for (size_t i = 0; i < c->count; i++)
		sources[i] = (struct luff_copy_source){c->sources[i].medium, &c->sources[i].name,
						       c->sources[i].as[0] ? c->sources[i].as : NULL};
	rc = luff_copy_all(&c->result, roots, c->dst, sources, c->count, &c->options, err);
	for (size_t i = 0; rc == 0 && i < c->count; i++)
		c->sources[i].root = roots[i];
	free(sources);
	free(roots);
	return rc;
}

static int copy_run(struct luff_work *base, struct luff_error *err)
{
	struct copy_call *c = (struct copy_call *)base;
	int rc = c->missing ? make_destination(c, err) : 0;

	if (rc < 0 || c->several)
		return rc < 0 ? rc : copy_several(c, err);
	return luff_copy(&c->result, c->dst, &c->to, c->sources[0].medium, &c->sources[0].name, &c->options,
			 err);
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static void set_root(lua_State *L, const struct luff_descriptor *root)
{
	lua_pushstring(L, root->digest.text);
	lua_setfield(L, -2, "digest");
	lua_pushstring(L, root->media_type);
	lua_setfield(L, -2, "media_type");
	set_integer(L, "size", root->size);
}

static int copy_finish(lua_State *L, struct luff_work *base)
{
	const struct copy_call *c = (struct copy_call *)base;
	const struct luff_copy_result *r = &c->result;

	lua_createtable(L, 0, 9);
	if (c->several) {
		lua_createtable(L, (int)c->count, 0);
		for (size_t i = 0; i < c->count; i++) {
			lua_createtable(L, 0, 3);
			set_root(L, &c->sources[i].root);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		lua_setfield(L, -2, "images");
	} else {
		set_root(L, &r->root);
	}
	set_integer(L, "copied", r->copied);
	set_integer(L, "skipped", r->skipped);
	set_integer(L, "mounted", r->mounted);
	set_integer(L, "bytes", r->bytes);
	set_integer(L, "kept", r->kept);
	set_integer(L, "manifests", r->manifests);
	return 1;
}

static void copy_release(struct luff_work *base)
{
	struct copy_call *c = (struct copy_call *)base;

	for (size_t i = 0; i < c->count; i++)
		luff_medium_unref(c->sources[i].medium);
	luff_medium_unref(c->dst);
	free(c->missing);
}

int luff_option_jobs(lua_State *L, int i)
{
	struct luff_error err = {.code = LUFF_EINVAL,
				 .msg = "option \"jobs\" must be a whole number from 1 to 64"};
	lua_Integer jobs = 0;
	int whole = 0;

	if (lua_istable(L, i) && lua_getfield(L, i, "jobs") != LUA_TNIL) {
		jobs = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : 0;
		if (!whole || jobs < 1 || jobs > 64)
			luff_raise(L, &err);
	}
	if (lua_istable(L, i))
		lua_pop(L, 1);
	return (int)jobs;
}

/* [-0, +0] */
static enum luff_compress check_compress(lua_State *L, int options)
{
	static const char *const names[] = {"none", "gzip", "zstd"};
	static const enum luff_compress values[] = {LUFF_COMPRESS_NONE, LUFF_COMPRESS_GZIP,
						    LUFF_COMPRESS_ZSTD};
	struct luff_error err = {.code = LUFF_EINVAL,
				 .msg = "option \"compress\" must be \"gzip\", \"zstd\" or \"none\""};
	const char *text = luff_option_string(L, options, "compress");

	for (int i = 0; text && i < 3; i++) {
		if (strcmp(text, names[i]) == 0)
			return values[i];
	}
	return text ? (enum luff_compress)luff_raise(L, &err) : LUFF_COMPRESS_DEFAULT;
}

void luff_check_source(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
		       const struct luff_open_options *how)
{
	if (luaL_testudata(L, i, LUFF_IMAGE)) {
		const struct luff_image *image = luff_check_image(L, i);

		*out = luff_medium_ref(luff_image_medium(image));
		name->digest = luff_image_descriptor(image)->digest;
	} else if (luaL_testudata(L, i, LUFF_INDEX)) {
		const struct luff_index *index = luff_check_index(L, i);

		*out = luff_medium_ref(luff_index_medium(index));
		name->digest = luff_index_descriptor(index)->digest;
	} else {
		luff_check_place(out, name, L, i, how);
	}
}

static size_t count_sources(lua_State *L)
{
	size_t count = lua_istable(L, 1) ? lua_rawlen(L, 1) : 1;

	luaL_argcheck(L, count >= 1 && count <= SOURCES_MAX, 1, "want 1 to 10000 names");
	return count;
}

/* The value at 1, or those of the list at 1. */
static void check_sources(struct copy_call *c, lua_State *L, size_t count, bool plain_http)
{
	struct luff_open_options how = {.plain_http = plain_http, .platform = c->options.platform};

	c->several = lua_istable(L, 1);
	for (size_t i = 0; i < count; i++) {
		if (c->several)
			lua_rawgeti(L, 1, (lua_Integer)i + 1);
		c->count++;
		luff_check_source(&c->sources[i].medium, &c->sources[i].name, L,
				  c->several ? lua_gettop(L) : 1, &how);
		if (c->several)
			lua_pop(L, 1);
	}
}

/* Option "names": of several sources, what each is named at the destination. */
static void check_names(struct copy_call *c, lua_State *L, int options)
{
	bool named = lua_istable(L, options) && lua_getfield(L, options, "names") != LUA_TNIL;

	luaL_argcheck(L, !named || (lua_istable(L, -1) && c->several && lua_rawlen(L, -1) == c->count),
		      options, "names must be a list, a name for each of the list of sources");
	for (size_t i = 0; named && i < c->count; i++) {
		const char *name;

		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		name = luff_check_name(L, lua_gettop(L));
		luaL_argcheck(L, strlen(name) <= LUFF_TAG_MAX, options, "a name is too long");
		memcpy(c->sources[i].as, name, strlen(name) + 1);
		lua_pop(L, 1);
	}
	if (lua_istable(L, options))
		lua_pop(L, 1);
}

/* "latest" that nobody wrote, but a registry's name has by default. */
static void forget_default(struct luff_name *name, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (strcmp(name->tag, "latest") == 0 && (len < 7 || strcmp(text + len - 7, ":latest") != 0))
		name->tag[0] = '\0';
}

static int copy(lua_State *L)
{
	static const char *const options[] = {"platform", "jobs",       "referrers", "compress", "foreign",
					      "progress", "plain_http", "names",     "deep",     NULL};
	struct copy_call *c;
	bool plain_http;
	size_t count;

	lua_settop(L, 3);
	luff_check_options(L, 3, options);
	plain_http = luff_option_bool(L, 3, "plain_http");
	count = count_sources(L);
	c = luff_work_new(L, sizeof *c + count * sizeof *c->sources);
	c->base.run = copy_run;
	c->base.finish = copy_finish;
	c->base.release = copy_release;
	if (luff_option_platform(&c->platform, L, 3))
		c->options.platform = &c->platform;
	c->options.jobs = luff_option_jobs(L, 3);
	if (lua_istable(L, 3)) {
		c->options.referrers = luff_option_bool(L, 3, "referrers");
		c->options.foreign = luff_option_bool(L, 3, "foreign");
		c->options.deep = luff_option_bool(L, 3, "deep");
		c->options.compress = check_compress(L, 3);
		if (lua_getfield(L, 3, "progress") != LUA_TNIL) {
			luaL_argcheck(L, lua_isfunction(L, -1), 3, "progress must be a function");
			lua_pushvalue(L, -1);
			lua_setiuservalue(L, -3, 1);
			luff_work_tell_progress(&c->base);
		}
		lua_pop(L, 1);
	}
	check_sources(c, L, count, plain_http);
	check_names(c, L, 3);
	if (!luff_check_destination(&c->dst, &c->to, L, 2, plain_http)) {
		c->missing = strdup(lua_tostring(L, 2));
		if (!c->missing)
			return luaL_error(L, "out of memory");
	}
	if (c->several)
		forget_default(&c->to, lua_tostring(L, 2));
	return luff_work_go(L);
}

void luff_copy_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"copy", copy}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
