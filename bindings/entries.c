/*
 * Entries: a layer's files in its order; and Entry, one of them. An Entry's user value is { fields, content }: what it says as a
 * plain table, and a Reader where there is something to read. Content that streams by ends with the next entry.
 */
#include <string.h>

#include "bind.h"
#include "fs/entries.h"
#include "stream/streams.h"

enum { FIELDS = 1, CONTENT = 2 };

/* ---- Entry ---- */

static void set_text(lua_State *L, const char *name, const char *text)
{
	if (!*text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, name);
}

void luff_push_fields(lua_State *L, const struct luff_entry *e, size_t layer)
{
	lua_createtable(L, 0, 12);
	lua_pushstring(L, e->path);
	lua_setfield(L, -2, "path");
	set_text(L, "type", luff_entry_type_name(e->type));
	set_number(L, "size", e->size);
	set_number(L, "mode", e->mode);
	set_number(L, "uid", e->uid);
	set_number(L, "gid", e->gid);
	set_text(L, "user", e->user);
	set_text(L, "group", e->group);
	set_number(L, "mtime", e->mtime);
	set_number(L, "mtime_ns", e->mtime_ns);
	set_text(L, "link", e->link);
	if (e->type == LUFF_ENTRY_CHAR || e->type == LUFF_ENTRY_BLOCK) {
		set_number(L, "major", e->major);
		set_number(L, "minor", e->minor);
	}
	if (e->xattr_count > 0) {
		lua_createtable(L, 0, (int)e->xattr_count);
		for (size_t i = 0; i < e->xattr_count; i++) {
			lua_pushlstring(L, e->xattrs[i].value, e->xattrs[i].len);
			lua_setfield(L, -2, e->xattrs[i].name);
		}
		lua_setfield(L, -2, "xattrs");
	}
	if (layer > 0)
		set_number(L, "layer", (int64_t)layer);
}

void luff_push_entry(lua_State *L, const struct luff_entry *e, size_t layer)
{
	luff_box(L, 1, LUFF_ENTRY);
	lua_createtable(L, 2, 0);
	luff_push_fields(L, e, layer);
	lua_rawseti(L, -2, FIELDS);
	lua_setiuservalue(L, -2, 1);
}

void luff_set_content(lua_State *L)
{
	lua_getiuservalue(L, -2, 1);
	lua_insert(L, -2);
	lua_rawseti(L, -2, CONTENT);
	lua_pop(L, 1);
}

/* [-0, +1] */
static int push_part(lua_State *L, int part)
{
	luaL_checkudata(L, 1, LUFF_ENTRY);
	if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) {
		lua_rawgeti(L, -1, part);
		lua_remove(L, -2);
	}
	return lua_type(L, -1);
}

/* A method (of the table in the upvalue), or what the entry says. */
static int entry_index(lua_State *L)
{
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	push_part(L, FIELDS);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	return 1;
}

static int next_pair(lua_State *L)
{
	lua_settop(L, 2);
	return lua_next(L, 1) ? 2 : 0;
}

static int entry_pairs(lua_State *L)
{
	lua_pushcfunction(L, next_pair);
	push_part(L, FIELDS);
	return 2;
}

static int entry_text(lua_State *L)
{
	push_part(L, FIELDS);
	lua_getfield(L, -1, "type");
	lua_getfield(L, -2, "path");
	lua_pushfstring(L, "luff.Entry<%s %s>", lua_tostring(L, -2), lua_tostring(L, -1));
	return 1;
}

void luff_entry_fields(lua_State *L, int i)
{
	lua_pushvalue(L, i);
	lua_insert(L, 1);
	push_part(L, FIELDS);
	lua_remove(L, 1);
}

struct luff_reader_box *luff_entry_content(lua_State *L, int i)
{
	lua_pushvalue(L, i);
	lua_insert(L, 1);
	push_part(L, CONTENT);
	lua_remove(L, 1);
	return lua_isnil(L, -1) ? NULL : luff_check_reader(L, -1);
}

/* Puts the content in the entry's place at 1. */
static void replace_by_content(lua_State *L)
{
	struct luff_error err = {.code = LUFF_EINVAL};

	if (push_part(L, CONTENT) == LUA_TNIL) {
		push_part(L, FIELDS);
		lua_getfield(L, -1, "type");
		snprintf(err.msg, sizeof err.msg, "a %s has no content", lua_tostring(L, -1));
		luff_raise(L, &err);
	}
	lua_replace(L, 1);
}

static int entry_read(lua_State *L)
{
	replace_by_content(L);
	return luff_reader_read_method(L);
}

static int entry_lines(lua_State *L)
{
	replace_by_content(L);
	return luff_reader_lines_method(L);
}

/* ---- Entries ---- */

struct entries {
	struct luff_entries *entries;    /* NULL: closed */
	struct luff_reader_box *content; /* of the last entry, kept by the user value; NULL: none */
	bool busy;
	bool replay; /* what was read of content can be read again, once */
};

struct open_call {
	struct luff_work base;
	struct luff_layer *layer;
	struct luff_entries *entries;
	bool replay;
};

static int open_run(struct luff_work *base, struct luff_error *err)
{
	struct open_call *c = (struct open_call *)base;

	return luff_entries_open(&c->entries, c->layer, err);
}

static int open_finish(lua_State *L, struct luff_work *base)
{
	struct open_call *c = (struct open_call *)base;
	struct entries *box = luff_box(L, sizeof *box, LUFF_ENTRIES);

	box->entries = c->entries;
	box->replay = c->replay;
	c->entries = NULL;
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, -3);
	return 4;
}

static void open_release(struct luff_work *base)
{
	struct open_call *c = (struct open_call *)base;

	luff_entries_close(c->entries);
	luff_layer_unref(c->layer);
}

int luff_open_entries(lua_State *L, struct luff_layer *layer, bool replay)
{
	struct open_call *c = luff_work_new(L, sizeof *c);

	c->base.run = open_run;
	c->base.finish = open_finish;
	c->base.release = open_release;
	c->layer = luff_layer_ref(layer);
	c->replay = replay;
	return luff_work_go(L);
}

static struct entries *check_entries(lua_State *L)
{
	struct entries *box = luaL_checkudata(L, 1, LUFF_ENTRIES);

	if (box->busy)
		luaL_error(L, "another task is reading");
	return box;
}

/* What was not read of the last entry is gone. */
static void drop_content(lua_State *L, struct entries *box)
{
	if (box->content)
		luff_close_reader(L, box->content);
	box->content = NULL;
}

struct next_call {
	struct luff_work base;
	struct entries *box; /* kept by the call's user value */
	const struct luff_entry *entry;
};

static int next_run(struct luff_work *base, struct luff_error *err)
{
	struct next_call *c = (struct next_call *)base;

	return luff_entries_next(&c->entry, c->box->entries, err);
}

static int next_finish(lua_State *L, struct luff_work *base)
{
	struct next_call *c = (struct next_call *)base;
	struct luff_error err = {0};
	int call = lua_absindex(L, -1);

	if (!c->entry)
		return 0;
	luff_push_entry(L, c->entry, 0);
	if (c->entry->type == LUFF_ENTRY_FILE) {
		struct luff_reader_box *content = luff_push_reader(L);

		if (luff_entries_content(&content->r, c->box->entries, &err) < 0)
			return luff_raise(L, &err);
		if (c->box->replay && luff_reader_open_replay(&content->r, content->r, &err) < 0)
			return luff_raise(L, &err);
		c->box->content = content;
		lua_getiuservalue(L, call, 1);
		lua_pushvalue(L, -2);
		lua_setiuservalue(L, -2, 1);
		lua_pop(L, 1);
		luff_set_content(L);
	}
	return 1;
}

static void next_release(struct luff_work *base)
{
	((struct next_call *)base)->box->busy = false;
}

static int entries_next(lua_State *L)
{
	struct entries *box = check_entries(L);
	struct next_call *c;

	if (!box->entries)
		return 0;
	drop_content(L, box);
	c = luff_work_new(L, sizeof *c);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	c->base.run = next_run;
	c->base.finish = next_finish;
	c->base.release = next_release;
	c->box = box;
	box->busy = true;
	return luff_work_go(L);
}

static int entries_close(lua_State *L)
{
	struct entries *box = check_entries(L);

	drop_content(L, box);
	luff_entries_close(box->entries);
	box->entries = NULL;
	return 0;
}

void luff_entries_types(lua_State *L)
{
	static const luaL_Reg entries_meta[] = {
		{"__gc", entries_close}, {"__close", entries_close}, {"__call", entries_next}, {NULL, NULL}};
	static const luaL_Reg entries_methods[] = {{"close", entries_close}, {NULL, NULL}};
	static const luaL_Reg entry_meta[] = {
		{"__pairs", entry_pairs}, {"__tostring", entry_text}, {NULL, NULL}};
	static const luaL_Reg entry_methods[] = {{"read", entry_read}, {"lines", entry_lines}, {NULL, NULL}};

	luff_box_type(L, LUFF_ENTRIES, entries_meta, entries_methods);
	luff_box_type(L, LUFF_ENTRY, entry_meta, NULL);
	luaL_getmetatable(L, LUFF_ENTRY);
	luaL_newlib(L, entry_methods);
	lua_pushcclosure(L, entry_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}
