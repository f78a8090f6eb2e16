/* luff.copy: what workers report is kept in a list until the Lua thread comes for it. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct event {
	struct event *next;
	enum luff_copy_event_kind kind;
	struct luff_descriptor descriptor;
	int64_t bytes, total;
};

struct copy_call {
	struct luff_work base;
	struct luff_medium *src, *dst;
	struct luff_name from, to;
	char *missing; /* the name of a destination whose folder is no layout yet */
	struct luff_copy_options options;
	struct luff_platform platform;
	struct luff_copy_result result;
	pthread_mutex_t lock;
	bool locked; /* the mutex exists */
	struct event *events, **tail;
};

/* Bytes of one blob that nobody asked for yet are one event. */
static void on_progress(void *arg, const struct luff_copy_event *event)
{
	struct copy_call *c = arg;
	struct event *e;

	pthread_mutex_lock(&c->lock);
	for (e = c->events; e; e = e->next) {
		if (event->kind == LUFF_COPY_BYTES && e->kind == LUFF_COPY_BYTES &&
		    luff_digest_equal(&e->descriptor.digest, &event->descriptor->digest))
			break;
	}
	if (e) {
		e->bytes += event->bytes;
	} else if ((e = calloc(1, sizeof *e))) {
		*e = (struct event){.kind = event->kind,
				    .descriptor = *event->descriptor,
				    .bytes = event->bytes,
				    .total = event->total};
		*c->tail = e;
		c->tail = &e->next;
	}
	pthread_mutex_unlock(&c->lock);
}

/* The oldest event as a table. */
static int deliver(lua_State *L, struct luff_work *base)
{
	static const char *const kinds[] = {"start", "bytes", "done", "skipped", "mounted", "kept"};
	struct copy_call *c = (struct copy_call *)base;
	struct event *e, copy;

	pthread_mutex_lock(&c->lock);
	e = c->events;
	if (e) {
		copy = *e;
		c->events = e->next;
		if (!c->events)
			c->tail = &c->events;
	}
	pthread_mutex_unlock(&c->lock);
	if (!e)
		return 0;
	free(e);
	lua_createtable(L, 0, 6);
	lua_pushstring(L, kinds[copy.kind]);
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, copy.descriptor.digest.text);
	lua_setfield(L, -2, "digest");
	lua_pushstring(L, copy.descriptor.media_type);
	lua_setfield(L, -2, "media_type");
	lua_pushinteger(L, copy.descriptor.size);
	lua_setfield(L, -2, "size");
	lua_pushinteger(L, copy.bytes);
	lua_setfield(L, -2, "bytes");
	lua_pushinteger(L, copy.total);
	lua_setfield(L, -2, "total");
	return 1;
}

/* A source that cannot be reached leaves no new folder behind. */
static int make_destination(struct copy_call *c, struct luff_error *err)
{
	static const struct luff_open_options create = {.create = true};
	struct luff_descriptor found;
	int rc = luff_medium_resolve(&found, NULL, c->src, &c->from, err);

	return rc < 0 ? rc : luff_medium_open(&c->dst, &c->to, c->missing, &create, err);
}

static int copy_run(struct luff_work *base, struct luff_error *err)
{
	struct copy_call *c = (struct copy_call *)base;
	int rc = c->missing ? make_destination(c, err) : 0;

	return rc < 0 ? rc : luff_copy(&c->result, c->dst, &c->to, c->src, &c->from, &c->options, err);
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static int copy_finish(lua_State *L, struct luff_work *base)
{
	const struct luff_copy_result *r = &((struct copy_call *)base)->result;

	lua_createtable(L, 0, 8);
	lua_pushstring(L, r->root.digest.text);
	lua_setfield(L, -2, "digest");
	lua_pushstring(L, r->root.media_type);
	lua_setfield(L, -2, "media_type");
	set_integer(L, "size", r->root.size);
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

	while (c->events) {
		struct event *e = c->events;

		c->events = e->next;
		free(e);
	}
	if (c->locked)
		pthread_mutex_destroy(&c->lock);
	luff_medium_unref(c->src);
	luff_medium_unref(c->dst);
	free(c->missing);
}

/* The number on top. */
static int check_jobs(lua_State *L)
{
	struct luff_error err = {.code = LUFF_EINVAL,
				 .msg = "option \"jobs\" must be a whole number from 1 to 64"};
	lua_Integer jobs = lua_type(L, -1) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0;

	return jobs >= 1 && jobs <= 64 ? (int)jobs : luff_raise(L, &err);
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

static void check_source(struct copy_call *c, lua_State *L, bool plain_http)
{
	if (luaL_testudata(L, 1, LUFF_IMAGE)) {
		const struct luff_image *image = luff_check_image(L, 1);

		c->src = luff_medium_ref(luff_image_medium(image));
		c->from.digest = luff_image_descriptor(image)->digest;
	} else if (luaL_testudata(L, 1, LUFF_INDEX)) {
		const struct luff_index *index = luff_check_index(L, 1);

		c->src = luff_medium_ref(luff_index_medium(index));
		c->from.digest = luff_index_descriptor(index)->digest;
	} else {
		struct luff_open_options how = {.plain_http = plain_http, .platform = c->options.platform};

		luff_check_place(&c->src, &c->from, L, 1, &how);
	}
}

static int copy(lua_State *L)
{
	static const char *const options[] = {"platform", "jobs",     "referrers",  "compress",
					      "foreign",  "progress", "plain_http", NULL};
	struct copy_call *c;
	bool plain_http;

	lua_settop(L, 3);
	luff_check_options(L, 3, options);
	plain_http = luff_option_bool(L, 3, "plain_http");
	c = luff_work_new(L, sizeof *c);
	c->base.run = copy_run;
	c->base.finish = copy_finish;
	c->base.release = copy_release;
	pthread_mutex_init(&c->lock, NULL);
	c->locked = true;
	c->tail = &c->events;
	if (luff_option_platform(&c->platform, L, 3))
		c->options.platform = &c->platform;
	if (lua_istable(L, 3)) {
		c->options.referrers = luff_option_bool(L, 3, "referrers");
		c->options.foreign = luff_option_bool(L, 3, "foreign");
		c->options.compress = check_compress(L, 3);
		if (lua_getfield(L, 3, "jobs") != LUA_TNIL)
			c->options.jobs = check_jobs(L);
		lua_pop(L, 1);
		if (lua_getfield(L, 3, "progress") != LUA_TNIL) {
			luaL_argcheck(L, lua_isfunction(L, -1), 3, "progress must be a function");
			lua_pushvalue(L, -1);
			lua_setiuservalue(L, -3, 1);
			c->base.deliver = deliver;
			c->options.progress = on_progress;
			c->options.progress_arg = c;
		}
		lua_pop(L, 1);
	}
	check_source(c, L, plain_http);
	if (!luff_check_destination(&c->dst, &c->to, L, 2, plain_http)) {
		c->missing = strdup(lua_tostring(L, 2));
		if (!c->missing)
			return luaL_error(L, "out of memory");
	}
	return luff_work_go(L);
}

void luff_copy_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {{"copy", copy}, {NULL, NULL}};

	luaL_setfuncs(L, functions, 0);
}
