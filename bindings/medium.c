/* Names and what is asked of the places they mean: open, tags, tag, delete. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fence.h"
#include "bind.h"
#include "medium.h"

#define MEDIUM "luff.Medium"

static const char memories; /* registry key: "memory:NAME" -> box */

static int medium_gc(lua_State *L)
{
	struct luff_medium **box = luaL_checkudata(L, 1, MEDIUM);

	luff_medium_unref(*box);
	*box = NULL;
	return 0;
}

/* image-spec, annotations.md, knows neither in a ref.name; a list of tags has one a line. */
static void check_plain(lua_State *L, const char *what, const char *text, size_t len)
{
	struct luff_error err = {0};

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) {
			luff_fail(&err, LUFF_ENAME, "%s must not have blanks or control characters", what);
			luff_raise(L, &err);
		}
	}
}

/* Takes "NAME[:TAG]" apart; returns the length of NAME. */
static size_t parse_memory(struct luff_name *name, lua_State *L, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t place = colon ? (size_t)(colon - text) : len, tag = colon ? len - place - 1 : 0;
	struct luff_error err = {0};

	if (place == 0)
		luff_fail(&err, LUFF_ENAME, "memory: the place is missing, write memory:NAME:TAG");
	else if (tag > LUFF_TAG_MAX || (colon && tag == 0))
		luff_fail(&err, LUFF_ENAME, "memory: the tag is %s", tag ? "too long" : "empty");
	if (err.code)
		luff_raise(L, &err);
	check_plain(L, "the name of a place in memory", text, len);
	if (colon)
		memcpy(name->tag, colon + 1, tag);
	return place;
}

/* "memory:NAME[:TAG][@DIGEST]", a place of this lua_State */
static void open_memory(struct luff_medium **out, struct luff_name *name, lua_State *L, const char *text)
{
	const char *rest = text + 7, *at = strstr(rest, "@sha"), *end = at ? at : rest + strlen(rest);
	struct luff_error err = {0};
	struct luff_medium **box;
	size_t len;

	memset(name, 0, sizeof *name);
	len = parse_memory(name, L, rest, (size_t)(end - rest));
	if (at && luff_digest_parse(&name->digest, at + 1, &err) < 0)
		luff_raise(L, &err);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &memories);
	lua_pushlstring(L, rest, len);
	lua_pushvalue(L, -1);
	if (lua_rawget(L, -3) == LUA_TNIL) {
		lua_pop(L, 1);
		box = luff_box(L, sizeof *box, MEDIUM);
		if (luff_memory_new(box, LUFF_MEMORY_CAP, &err) < 0)
			luff_raise(L, &err);
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, -5);
	}
	box = lua_touserdata(L, -1);
	lua_pop(L, 3);
	if (!*box)
		luaL_error(L, "the place in memory has been collected");
	*out = luff_medium_ref(*box);
}

/* As luff_medium_open(), with memory. *text_out is borrowed from the value, or in buf. */
static int open_place(struct luff_medium **out, struct luff_name *name, const char **text_out, char buf[1200],
		      lua_State *L, int i, const struct luff_open_options *options, struct luff_error *err)
{
	const struct luff_reference *ref = luaL_testudata(L, i, LUFF_REF);
	const char *text = ref ? luff_reference_format(buf, 1200, ref) : luff_check_name(L, i);

	int rc;

	*text_out = text;
	if (!luff_fence_stands() && luff_scripted_open(&rc, out, name, L, text, err))
		return rc;
	if (luff_fence_stands() || strncmp(text, "memory:", 7) != 0)
		return luff_medium_open(out, name, text, options, err);
	open_memory(out, name, L, text);
	return 0;
}

void luff_check_place(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
		      const struct luff_open_options *options)
{
	struct luff_error err = {0};
	const char *text;
	char buf[1200];

	if (open_place(out, name, &text, buf, L, i, options, &err) < 0)
		luff_raise(L, &err);
	luff_check_not_asked(L, luff_medium_place(*out));
	if (options->create)
		check_plain(L, "a tag", name->tag, strlen(name->tag));
}

bool luff_check_destination(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
			    bool plain_http)
{
	struct luff_open_options options = {.plain_http = plain_http};
	struct luff_error err = {0};
	const char *text = lua_tostring(L, i), *tag = name->tag;
	char buf[1200];
	bool missing;
	int rc;

	/* a layout's folder waits until the source was found; other places need no preparation */
	options.create = text && strncmp(text, "oci:", 4) != 0;
	rc = open_place(out, name, &text, buf, L, i, &options, &err);
	missing = (rc == LUFF_ENOTFOUND || rc == LUFF_EFORMAT) && strncmp(text, "oci:", 4) == 0;
	if (rc < 0 && !missing)
		luff_raise(L, &err);
	if (!missing)
		luff_check_not_asked(L, luff_medium_place(*out));
	if (missing)
		tag = strchr(text + 4, ':');
	if (tag)
		check_plain(L, "a tag", tag, strlen(tag));
	return !missing;
}

/* A Cursor's box. */
struct cursor {
	struct luff_cursor *items; /* NULL: closed */
	bool busy;                 /* a task waits for the next item */
};

struct place_call {
	struct luff_work base;
	struct luff_medium *medium;
	struct luff_name name;
	char kind; /* 'o'pen anything, 'i'mage, inde'x'; 'b'lob, 't'ag, 'd'elete, 'l'ist, 'r'esolve, re'f'errers */
	bool blob, force;  /* how to delete */
	char *key, *value; /* what goes by its annotation, in one piece of memory; NULL: nothing */
	int64_t removed;
	bool unnames;
	struct luff_platform platform; /* of an 'i'mage */
	struct luff_descriptor descriptor;
	char tag[LUFF_TAG_MAX + 1];
	char artifact_type[LUFF_MEDIA_TYPE_MAX + 1];
	struct luff_image *image;
	struct luff_index *index;
	struct luff_cursor *cursor;
	struct luff_reader *reader;
};

static int open_run(struct place_call *c, const struct luff_descriptor *d, const char *document,
		    struct luff_error *err)
{
	struct luff_descriptor chosen;
	int rc;

	if (!luff_media_is_index(d->media_type))
		return c->kind == 'x' ? luff_index_open(&c->index, c->medium, d, document, err)
				      : luff_image_open(&c->image, c->medium, d, document, err);
	rc = luff_index_open(&c->index, c->medium, d, document, err);
	if (rc < 0 || c->kind != 'i')
		return rc;
	rc = luff_index_select(&chosen, c->index, &c->platform, err);
	return rc < 0 ? rc : luff_image_open(&c->image, c->medium, &chosen, NULL, err);
}

static int referrers_run(struct place_call *c, struct luff_error *err)
{
	int rc = 0;

	c->descriptor.digest = c->name.digest;
	if (!c->name.digest.text[0])
		rc = luff_medium_resolve(&c->descriptor, NULL, c->medium, &c->name, err);
	return rc < 0 ? rc
		      : luff_medium_referrers(&c->cursor, c->medium, &c->descriptor.digest, c->artifact_type,
					      err);
}

static int delete_run(struct place_call *c, struct luff_error *err)
{
	if (c->key)
		return luff_medium_remove_annotated(&c->removed, c->medium, c->key, c->value, err);
	if (!c->blob)
		return luff_medium_remove(&c->descriptor.digest, c->medium, &c->name, c->force, err);
	c->descriptor.digest = c->name.digest;
	return luff_medium_remove_blob(c->medium, &c->name.digest, err);
}

static int blob_run(struct place_call *c, struct luff_error *err)
{
	int rc = luff_medium_stat(&c->descriptor.size, c->medium, &c->name.digest, err);

	c->descriptor.digest = c->name.digest;
	return rc < 0 ? rc : luff_medium_fetch(&c->reader, c->medium, &c->descriptor, 0, err);
}

static int place_run(struct luff_work *base, struct luff_error *err)
{
	struct place_call *c = (struct place_call *)base;
	struct luff_descriptor d;
	char *document = NULL;
	int rc;

	if (c->kind == 'l')
		return luff_medium_tags(&c->cursor, c->medium, err);
	if (c->kind == 'f')
		return referrers_run(c, err);
	if (c->kind == 'd')
		return delete_run(c, err);
	if (c->kind == 'n')
		return luff_medium_unnames(&c->unnames, c->medium, err);
	if (c->kind == 'b')
		return blob_run(c, err);
	if (c->kind == 'r')
		return luff_medium_resolve(&c->descriptor, NULL, c->medium, &c->name, err);
	if (c->kind == 't')
		return luff_medium_alias(&c->descriptor, c->medium, &c->name, c->tag, err);
	rc = luff_medium_resolve(&d, &document, c->medium, &c->name, err);
	c->descriptor = d;
	if (rc == 0)
		rc = open_run(c, &d, document, err);
	free(document);
	return rc;
}

static int place_finish(lua_State *L, struct luff_work *base)
{
	struct place_call *c = (struct place_call *)base;

	if (c->image || c->index)
		return luff_push_opened(L, &c->image, &c->index);
	if (c->kind == 'b') {
		struct luff_reader_box *b = luff_push_reader(L);

		b->r = c->reader;
		c->reader = NULL;
		lua_pushinteger(L, c->descriptor.size);
		return 2;
	}
	if (c->kind == 'n') {
		lua_pushboolean(L, c->unnames);
		return 1;
	}
	if (c->kind == 'd' && c->key) {
		lua_pushinteger(L, c->removed);
		return 1;
	}
	if (c->kind == 'd') {
		lua_pushstring(L, c->descriptor.digest.text[0] ? c->descriptor.digest.text : NULL);
		return 1;
	}
	if (c->kind == 'r' || c->kind == 't') {
		lua_createtable(L, 0, 3);
		lua_pushstring(L, c->descriptor.media_type);
		lua_setfield(L, -2, "mediaType");
		lua_pushstring(L, c->descriptor.digest.text);
		lua_setfield(L, -2, "digest");
		lua_pushinteger(L, c->descriptor.size);
		lua_setfield(L, -2, "size");
		return 1;
	}
	if (c->cursor) {
		struct cursor *box = luff_box(L, sizeof *box, LUFF_CURSOR);

		box->items = c->cursor;
		c->cursor = NULL;
		lua_pushnil(L);
		lua_pushnil(L);
		lua_pushvalue(L, -3);
		return 4;
	}
	return 0;
}

static void place_release(struct luff_work *base)
{
	struct place_call *c = (struct place_call *)base;

	luff_image_unref(c->image);
	luff_index_unref(c->index);
	luff_cursor_close(c->cursor);
	luff_reader_close(c->reader);
	luff_medium_unref(c->medium);
	free(c->key);
}

static struct place_call *new_place(lua_State *L, char kind, int options)
{
	struct place_call *c = luff_work_new(L, sizeof *c);
	struct luff_open_options how = {.plain_http = luff_option_bool(L, options, "plain_http")};

	c->base.run = place_run;
	c->base.finish = place_finish;
	c->base.release = place_release;
	c->kind = kind;
	if (kind == 'i') {
		if (!luff_option_platform(&c->platform, L, options))
			luff_platform_host(&c->platform);
		how.platform = &c->platform;
	}
	luff_check_place(&c->medium, &c->name, L, 1, &how);
	return c;
}

static int open_as(lua_State *L, char kind)
{
	static const char *const for_image[] = {"platform", "plain_http", NULL}, *const other[] = {
											 "plain_http", NULL};

	lua_settop(L, 2);
	luff_check_options(L, 2, kind == 'i' ? for_image : other);
	new_place(L, kind, 2);
	return luff_work_go(L);
}

static int open_any(lua_State *L)
{
	return open_as(L, 'o');
}

static int open_image(lua_State *L)
{
	return open_as(L, 'i');
}

static int open_index(lua_State *L)
{
	return open_as(L, 'x');
}

static int resolve(lua_State *L)
{
	return open_as(L, 'r');
}

static int list_tags(lua_State *L)
{
	return open_as(L, 'l');
}

static void want_digest(lua_State *L, const struct place_call *c)
{
	struct luff_error err = {.code = LUFF_ENAME, .msg = "a blob is named by its digest: NAME@sha256:…"};

	if (!c->name.digest.text[0])
		luff_raise(L, &err);
}

static int open_blob(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	want_digest(L, new_place(L, 'b', 2));
	return luff_work_go(L);
}

/* Option "annotation", "KEY=VALUE". */
static void check_annotation(struct place_call *c, lua_State *L)
{
	struct luff_error err = {
		.code = LUFF_EINVAL,
		.msg = "an annotation is KEY=VALUE, of a whole layout and not of a name in it"};
	const char *text = luff_option_string(L, 2, "annotation"), *equals = text ? strchr(text, '=') : NULL;

	if (!text)
		return;
	if (!equals || equals == text || c->name.tag[0] || c->name.digest.text[0] || c->blob)
		luff_raise(L, &err);
	c->key = strdup(text);
	if (!c->key) {
		luaL_error(L, "out of memory");
		return;
	}
	c->key[equals - text] = '\0';
	c->value = c->key + (equals - text) + 1;
}

static int delete_name(lua_State *L)
{
	static const char *const options[] = {"annotation", "blob", "force", "plain_http", NULL};
	struct place_call *c;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	c = new_place(L, 'd', 2);
	c->blob = luff_option_bool(L, 2, "blob");
	c->force = luff_option_bool(L, 2, "force");
	if (c->blob)
		want_digest(L, c);
	check_annotation(c, L);
	return luff_work_go(L);
}

/* core.unnames(place, { plain_http = }): whether a name can be deleted alone there */
static int unnames(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	new_place(L, 'n', 2);
	return luff_work_go(L);
}

static int tag_name(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};
	const char *tag = luff_check_name(L, 2);
	struct place_call *c;

	lua_settop(L, 3);
	luff_check_options(L, 3, options);
	luaL_argcheck(L, strlen(tag) <= LUFF_TAG_MAX, 2, "the tag is too long");
	check_plain(L, "a tag", tag, strlen(tag));
	c = new_place(L, 't', 3);
	memcpy(c->tag, tag, strlen(tag) + 1);
	return luff_work_go(L);
}

static int list_referrers(lua_State *L)
{
	static const char *const options[] = {"artifact_type", "plain_http", NULL};
	const char *type;
	struct place_call *c;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	type = luff_option_string(L, 2, "artifact_type");
	luaL_argcheck(L, !type || strlen(type) <= LUFF_MEDIA_TYPE_MAX, 2, "the artifact type is too long");
	c = new_place(L, 'f', 2);
	if (type)
		memcpy(c->artifact_type, type, strlen(type) + 1);
	return luff_work_go(L);
}

/* No request is made before the first item is asked for. */
static int list_repositories(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};
	const char *registry = luff_check_name(L, 1);
	struct luff_error err = {0};
	struct cursor *box;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	box = luff_box(L, sizeof *box, LUFF_CURSOR);
	if (luff_catalog_open(&box->items, registry, luff_option_bool(L, 2, "plain_http"), &err) < 0)
		return luff_raise(L, &err);
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, -3);
	return 4;
}

struct ping_call {
	struct luff_work base;
	char registry[LUFF_NAME_MAX + 1];
	bool plain_http;
	struct luff_ping answer;
};

static int ping_run(struct luff_work *base, struct luff_error *err)
{
	struct ping_call *c = (struct ping_call *)base;

	return luff_ping(&c->answer, c->registry, c->plain_http, err);
}

static int ping_finish(lua_State *L, struct luff_work *base)
{
	const struct ping_call *c = (struct ping_call *)base;

	lua_createtable(L, 0, 2);
	lua_pushstring(L, c->answer.url);
	lua_setfield(L, -2, "url");
	if (c->answer.version[0]) {
		lua_pushstring(L, c->answer.version);
		lua_setfield(L, -2, "version");
	}
	return 1;
}

static int ping(lua_State *L)
{
	static const char *const options[] = {"plain_http", NULL};
	const char *registry = luff_check_name(L, 1);
	struct ping_call *c;

	lua_settop(L, 2);
	luff_check_options(L, 2, options);
	luaL_argcheck(L, strlen(registry) <= LUFF_NAME_MAX, 1, "the name is too long");
	luff_check_not_asked(L, registry);
	c = luff_work_new(L, sizeof *c);
	c->base.run = ping_run;
	c->base.finish = ping_finish;
	memcpy(c->registry, registry, strlen(registry) + 1);
	c->plain_http = luff_option_bool(L, 2, "plain_http");
	return luff_work_go(L);
}

/* ---- Cursor ---- */

struct next_call {
	struct luff_work base;
	struct cursor *cursor; /* kept by the call's user value */
	const char *item;
};

static int next_run(struct luff_work *base, struct luff_error *err)
{
	struct next_call *c = (struct next_call *)base;

	return luff_cursor_next(&c->item, c->cursor->items, err);
}

static int next_finish(lua_State *L, struct luff_work *base)
{
	lua_pushstring(L, ((struct next_call *)base)->item);
	return 1;
}

static void next_release(struct luff_work *base)
{
	((struct next_call *)base)->cursor->busy = false;
}

static struct cursor *check_cursor(lua_State *L)
{
	struct cursor *box = luaL_checkudata(L, 1, LUFF_CURSOR);

	if (box->busy)
		luaL_error(L, "another task is reading");
	return box;
}

static int cursor_next(lua_State *L)
{
	struct cursor *box = check_cursor(L);
	struct next_call *c;

	if (!box->items)
		return 0;
	c = luff_work_new(L, sizeof *c);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	c->base.run = next_run;
	c->base.finish = next_finish;
	c->base.release = next_release;
	c->cursor = box;
	box->busy = true;
	return luff_work_go(L);
}

static int cursor_close(lua_State *L)
{
	struct cursor *box = check_cursor(L);

	luff_cursor_close(box->items);
	box->items = NULL;
	return 0;
}

void luff_medium_functions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__gc", medium_gc}, {NULL, NULL}};
	static const luaL_Reg cursor_meta[] = {
		{"__gc", cursor_close}, {"__close", cursor_close}, {"__call", cursor_next}, {NULL, NULL}};
	static const luaL_Reg cursor_methods[] = {{"close", cursor_close}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"open", open_any},
					     {"resolve", resolve},
					     {"image", open_image},
					     {"index", open_index},
					     {"tags", list_tags},
					     {"delete", delete_name},
					     {"unnames", unnames},
					     {"tag", tag_name},
					     {"referrers", list_referrers},
					     {"catalog", list_repositories},
					     {"blob", open_blob},
					     {"ping", ping},
					     {NULL, NULL}};

	luff_box_type(L, MEDIUM, meta, NULL);
	luff_box_type(L, LUFF_CURSOR, cursor_meta, cursor_methods);
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &memories);
	luaL_setfuncs(L, functions, 0);
}
