/* New images and indexes from old: the documents come as JSON from lua/luff/edit.lua, which knows what is to be in them. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

/* The texts and whatever the objects hold are kept by the user value. */
struct edit_call {
	struct luff_work base;
	struct luff_image *image;
	struct luff_index *index;
	struct luff_edit edit;
	struct luff_index_edit index_edit;
	struct luff_layer **layers;
	struct luff_image **images;
	struct luff_index **indexes;
	struct luff_image *new_image;
	struct luff_index *new_index;
};

static int edit_run(struct luff_work *base, struct luff_error *err)
{
	struct edit_call *c = (struct edit_call *)base;

	return c->index_edit.manifest ? luff_index_edit(&c->new_index, c->index, &c->index_edit, err)
				      : luff_image_edit(&c->new_image, c->image, &c->edit, err);
}

static int edit_finish(lua_State *L, struct luff_work *base)
{
	struct edit_call *c = (struct edit_call *)base;

	return luff_push_opened(L, &c->new_image, &c->new_index);
}

static void edit_release(struct luff_work *base)
{
	struct edit_call *c = (struct edit_call *)base;

	for (size_t i = 0; i < c->edit.layer_count; i++)
		luff_layer_unref(c->layers[i]);
	for (size_t i = 0; i < c->index_edit.image_count; i++)
		luff_image_unref(c->images[i]);
	for (size_t i = 0; i < c->index_edit.index_count; i++)
		luff_index_unref(c->indexes[i]);
	free(c->layers);
	free(c->images);
	free(c->indexes);
	luff_image_unref(c->new_image);
	luff_index_unref(c->new_index);
	luff_image_unref(c->image);
	luff_index_unref(c->index);
}

/* A call that keeps the arguments at 1 to n alive. [-0, +1] */
static struct edit_call *new_call(lua_State *L, int n)
{
	struct edit_call *c = luff_work_new(L, sizeof *c);

	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		lua_rawseti(L, -2, i);
	}
	lua_setiuservalue(L, -2, 1);
	c->base.run = edit_run;
	c->base.finish = edit_finish;
	c->base.release = edit_release;
	return c;
}

static size_t check_list(lua_State *L, int i)
{
	if (lua_isnoneornil(L, i))
		return 0;
	luaL_checktype(L, i, LUA_TTABLE);
	return (size_t)lua_rawlen(L, i);
}

static void *new_list(lua_State *L, size_t count)
{
	void *list = calloc(count + 1, sizeof(void *));

	if (!list)
		luaL_error(L, "out of memory");
	return list;
}

/* core.edit_image(image or nil, config or nil, manifest or nil, layers or nil) */
static int edit_image(lua_State *L)
{
	size_t count = check_list(L, 4);
	struct edit_call *c;

	lua_settop(L, 4);
	c = new_call(L, 4);
	c->edit.config = luaL_optstring(L, 2, NULL);
	c->edit.manifest = luaL_optstring(L, 3, NULL);
	if (!lua_isnil(L, 1))
		c->image = luff_image_ref(luff_check_image(L, 1));
	c->layers = new_list(L, count);
	c->edit.layers = c->layers;
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, 4, (lua_Integer)i + 1);
		c->layers[i] = luff_layer_ref(luff_check_layer(L, -1));
		c->edit.layer_count = i + 1;
		lua_pop(L, 1);
	}
	return luff_work_go(L);
}

/* core.edit_index(index or nil, manifest, images and indexes or nil) */
static int edit_index(lua_State *L)
{
	size_t count = check_list(L, 3);
	const char *manifest = luaL_checkstring(L, 2);
	struct edit_call *c;

	lua_settop(L, 3);
	c = new_call(L, 3);
	c->index_edit.manifest = manifest;
	if (!lua_isnil(L, 1))
		c->index = luff_index_ref(luff_check_index(L, 1));
	c->images = new_list(L, count);
	c->indexes = new_list(L, count);
	c->index_edit.images = c->images;
	c->index_edit.indexes = c->indexes;
	for (size_t i = 1; i <= count; i++) {
		lua_rawgeti(L, 3, (lua_Integer)i);
		if (luaL_testudata(L, -1, LUFF_INDEX)) {
			c->indexes[c->index_edit.index_count] = luff_index_ref(luff_check_index(L, -1));
			c->index_edit.index_count++;
		} else {
			c->images[c->index_edit.image_count] = luff_image_ref(luff_check_image(L, -1));
			c->index_edit.image_count++;
		}
		lua_pop(L, 1);
	}
	return luff_work_go(L);
}

/* core.platform_match(want, have): whether both mean the same; any OS version where `want` names none */
static int platform_match(lua_State *L)
{
	struct luff_platform want, have;
	struct luff_error err = {0}, ignored = {0};

	if (luff_platform_parse(&want, luff_check_name(L, 1), &err) < 0)
		return luff_raise(L, &err);
	lua_pushboolean(L, luff_platform_parse(&have, luff_check_name(L, 2), &ignored) == 0 &&
				   strcmp(want.os, have.os) == 0 && strcmp(want.arch, have.arch) == 0 &&
				   strcmp(want.variant, have.variant) == 0 &&
				   (!want.os_version[0] || strcmp(want.os_version, have.os_version) == 0));
	return 1;
}

void luff_edit_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"edit_image", edit_image},
		{"edit_index", edit_index},
		{"platform_match", platform_match},
		{NULL, NULL},
	};

	luaL_setfuncs(L, functions, 0);
}
