/* Tree: the squashed tree of an image; and Files, which go through it. An Entry from here has content that is good on its own. */
#include <stdlib.h>

#include "base/error.h"
#include "bind.h"

#define READ_MAX ((int64_t)64 << 20) /* of read(); more must be read in pieces */

/* ---- one file: stat, open and read ---- */

struct find_call {
	struct luff_work base;
	struct luff_image *image; /* one of these two */
	struct luff_tree *tree;
	const char *path;
	enum luff_find what;
	struct luff_files *files;
	const struct luff_entry *entry;
	size_t layer;
	struct luff_reader *content;
	struct luff_buffer bytes;
};

static int read_all(struct find_call *c, struct luff_error *err)
{
	char *chunk = malloc(64 << 10);
	size_t n = 1;
	int rc = chunk ? 0 : luff_fail_nomem(err);

	luff_buffer_init(&c->bytes, READ_MAX);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, c->content, chunk, 64 << 10, err);
		if (rc == 0)
			rc = luff_buffer_append(&c->bytes, chunk, n, err);
	}
	free(chunk);
	return rc;
}

static int find_run(struct luff_work *base, struct luff_error *err)
{
	struct find_call *c = (struct find_call *)base;
	bool content = c->what != LUFF_FIND_ENTRY;
	int rc = c->tree ? luff_files_find(&c->files, c->tree, c->path, err)
			 : luff_files_find_in(&c->files, c->image, c->path, content, err);

	if (rc == 0)
		rc = luff_files_next(&c->entry, &c->layer, c->files, err);
	if (rc == 0 && (content || c->entry->type == LUFF_ENTRY_FILE))
		rc = luff_files_content(&c->content, c->files, err);
	if (rc < 0 || c->what != LUFF_FIND_BYTES)
		return rc;
	if (c->entry->size > READ_MAX)
		return luff_fail(err, LUFF_ELIMIT,
				 "more than 64 MiB to read at once: open() gives what reads it in pieces");
	return read_all(c, err);
}

static int read_finish(lua_State *L, struct luff_work *base)
{
	struct find_call *c = (struct find_call *)base;

	lua_pushlstring(L, c->bytes.len > 0 ? c->bytes.data : "", c->bytes.len);
	return 1;
}

/* An Entry of what is there, with its content. [-0, +1] */
static void push_file(lua_State *L, const struct luff_entry *e, size_t layer, struct luff_reader **content)
{
	luff_push_entry(L, e, layer);
	if (*content) {
		luff_push_reader(L)->r = *content;
		*content = NULL;
		luff_set_content(L);
	}
}

static int stat_finish(lua_State *L, struct luff_work *base)
{
	struct find_call *c = (struct find_call *)base;

	push_file(L, c->entry, c->layer, &c->content);
	return 1;
}

static int open_finish(lua_State *L, struct luff_work *base)
{
	struct find_call *c = (struct find_call *)base;

	luff_push_reader(L)->r = c->content;
	c->content = NULL;
	return 1;
}

static void find_release(struct luff_work *base)
{
	struct find_call *c = (struct find_call *)base;

	luff_reader_close(c->content);
	luff_files_close(c->files);
	luff_tree_unref(c->tree);
	luff_image_unref(c->image);
	luff_buffer_release(&c->bytes);
}

int luff_find_file(lua_State *L, struct luff_image *image, struct luff_tree *tree, enum luff_find what)
{
	static int (*const finish[])(lua_State * L, struct luff_work * call) = {stat_finish, open_finish,
										read_finish};
	const char *path = luff_check_name(L, 2);
	struct find_call *c = luff_work_new(L, sizeof *c);

	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, 1);
	c->base.run = find_run;
	c->base.finish = finish[what];
	c->base.release = find_release;
	c->image = image ? luff_image_ref(image) : NULL;
	c->tree = tree ? luff_tree_ref(tree) : NULL;
	c->path = path;
	c->what = what;
	return luff_work_go(L);
}

/* ---- Tree ---- */

#define EFFICIENCY "luff.Efficiency" /* owns one until it is a table */

static int efficiency_gc(lua_State *L)
{
	luff_efficiency_release(luaL_checkudata(L, 1, EFFICIENCY));
	return 0;
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

struct luff_tree *luff_check_tree(lua_State *L, int i)
{
	struct luff_tree *tree = *(struct luff_tree **)luaL_checkudata(L, i, LUFF_TREE);

	if (!tree)
		luaL_error(L, "the tree has been collected");
	return tree;
}

static int tree_gc(lua_State *L)
{
	struct luff_tree **box = luaL_checkudata(L, 1, LUFF_TREE);

	luff_tree_unref(*box);
	*box = NULL;
	return 0;
}

struct tree_call {
	struct luff_work base;
	struct luff_image *image;
	struct luff_tree *tree;
	const char *pattern;
	struct luff_files *files;
};

static int tree_run(struct luff_work *base, struct luff_error *err)
{
	struct tree_call *c = (struct tree_call *)base;

	return luff_tree_open(&c->tree, c->image, err);
}

static int tree_finish(lua_State *L, struct luff_work *base)
{
	struct tree_call *c = (struct tree_call *)base;
	struct luff_tree **box = luff_box(L, sizeof *box, LUFF_TREE);

	*box = c->tree;
	c->tree = NULL;
	return 1;
}

static void tree_release(struct luff_work *base)
{
	struct tree_call *c = (struct tree_call *)base;

	luff_files_close(c->files);
	luff_tree_unref(c->tree);
	luff_image_unref(c->image);
}

int luff_open_tree(lua_State *L, struct luff_image *image)
{
	struct tree_call *c = luff_work_new(L, sizeof *c);

	c->base.run = tree_run;
	c->base.finish = tree_finish;
	c->base.release = tree_release;
	c->image = luff_image_ref(image);
	return luff_work_go(L);
}

/* What is in memory needs no worker. */
static int tree_efficiency(lua_State *L)
{
	struct luff_tree *tree = luff_check_tree(L, 1);
	struct luff_efficiency *e = luff_box(L, sizeof *e, EFFICIENCY);
	struct luff_error err = {0};

	if (luff_efficiency_of(e, tree, &err) < 0)
		return luff_raise(L, &err);
	lua_createtable(L, 0, 5);
	lua_pushnumber(L, e->score);
	lua_setfield(L, -2, "score");
	set_integer(L, "bytes", e->bytes);
	set_integer(L, "wasted", e->wasted);
	lua_createtable(L, (int)e->layer_count, 0);
	for (size_t i = 0; i < e->layer_count; i++) {
		lua_createtable(L, 0, 3);
		set_integer(L, "files", e->layers[i].files);
		set_integer(L, "bytes", e->layers[i].bytes);
		set_integer(L, "wasted", e->layers[i].wasted);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "layers");
	lua_newtable(L);
	for (size_t i = 0; i < e->path_count; i++) {
		lua_createtable(L, 0, 5);
		lua_pushstring(L, e->paths[i].path);
		lua_setfield(L, -2, "path");
		set_integer(L, "count", e->paths[i].count);
		set_integer(L, "bytes", e->paths[i].bytes);
		set_integer(L, "wasted", e->paths[i].wasted);
		lua_pushboolean(L, e->paths[i].removed);
		lua_setfield(L, -2, "removed");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "paths");
	luff_efficiency_release(e);
	return 1;
}

/* ---- Files ---- */

static int files_run(struct luff_work *base, struct luff_error *err)
{
	struct tree_call *c = (struct tree_call *)base;
	int rc = c->tree ? 0 : luff_tree_open(&c->tree, c->image, err);

	return rc < 0 ? rc : luff_files_open(&c->files, c->tree, c->pattern, err);
}

static int files_finish(lua_State *L, struct luff_work *base)
{
	struct tree_call *c = (struct tree_call *)base;
	struct luff_files **box = luff_box(L, sizeof *box, LUFF_FILES);

	*box = c->files;
	c->files = NULL;
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, -3);
	return 4;
}

int luff_list_files(lua_State *L, struct luff_image *image, struct luff_tree *tree)
{
	const char *pattern = lua_isnoneornil(L, 2) ? NULL : luff_check_name(L, 2);
	struct tree_call *c = luff_work_new(L, sizeof *c);

	if (pattern) {
		lua_pushvalue(L, 2);
		lua_setiuservalue(L, -2, 1);
	}
	c->base.run = files_run;
	c->base.finish = files_finish;
	c->base.release = tree_release;
	c->image = image ? luff_image_ref(image) : NULL;
	c->tree = tree ? luff_tree_ref(tree) : NULL;
	c->pattern = pattern;
	return luff_work_go(L);
}

/* What is in memory needs no worker. */
static int files_next(lua_State *L)
{
	struct luff_files *files = *(struct luff_files **)luaL_checkudata(L, 1, LUFF_FILES);
	const struct luff_entry *e = NULL;
	struct luff_reader_box *content;
	struct luff_error err = {0};
	size_t layer;

	if (!files)
		return 0;
	if (luff_files_next(&e, &layer, files, &err) < 0)
		return luff_raise(L, &err);
	if (!e)
		return 0;
	luff_push_entry(L, e, layer);
	if (e->type == LUFF_ENTRY_FILE) {
		content = luff_push_reader(L);
		if (luff_files_content(&content->r, files, &err) < 0)
			return luff_raise(L, &err);
		luff_set_content(L);
	}
	return 1;
}

static int files_close(lua_State *L)
{
	struct luff_files **box = luaL_checkudata(L, 1, LUFF_FILES);

	luff_files_close(*box);
	*box = NULL;
	return 0;
}

static int tree_files(lua_State *L)
{
	return luff_list_files(L, NULL, luff_check_tree(L, 1));
}

static int tree_stat(lua_State *L)
{
	return luff_find_file(L, NULL, luff_check_tree(L, 1), LUFF_FIND_ENTRY);
}

static int tree_open(lua_State *L)
{
	return luff_find_file(L, NULL, luff_check_tree(L, 1), LUFF_FIND_READER);
}

static int tree_read(lua_State *L)
{
	return luff_find_file(L, NULL, luff_check_tree(L, 1), LUFF_FIND_BYTES);
}

void luff_tree_types(lua_State *L)
{
	static const luaL_Reg tree_meta[] = {{"__gc", tree_gc}, {NULL, NULL}};
	static const luaL_Reg tree_methods[] = {{"files", tree_files},
						{"stat", tree_stat},
						{"open", tree_open},
						{"read", tree_read},
						{"efficiency", tree_efficiency},
						{"diff", luff_diff_trees},
						{NULL, NULL}};
	static const luaL_Reg efficiency_meta[] = {{"__gc", efficiency_gc}, {NULL, NULL}};
	static const luaL_Reg files_meta[] = {
		{"__gc", files_close}, {"__close", files_close}, {"__call", files_next}, {NULL, NULL}};
	static const luaL_Reg files_methods[] = {{"close", files_close}, {NULL, NULL}};

	luff_box_type(L, LUFF_TREE, tree_meta, tree_methods);
	luff_box_type(L, LUFF_FILES, files_meta, files_methods);
	luff_box_type(L, EFFICIENCY, efficiency_meta, NULL);
}
