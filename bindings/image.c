/*
 * Image, Index and Layer: each box owns one reference to core's immutable object. It is empty once it was collected, and a
 * finalizer of the script's may still ask: lua_close() goes by age.
 */
#include <stdlib.h>
#include <string.h>

#include "bind.h"

struct luff_image *luff_check_image(lua_State *L, int i)
{
	struct luff_image *image = *(struct luff_image **)luaL_checkudata(L, i, LUFF_IMAGE);

	if (!image)
		luaL_error(L, "the image has been collected");
	return image;
}

struct luff_index *luff_check_index(lua_State *L, int i)
{
	struct luff_index *index = *(struct luff_index **)luaL_checkudata(L, i, LUFF_INDEX);

	if (!index)
		luaL_error(L, "the index has been collected");
	return index;
}

struct luff_layer *luff_check_layer(lua_State *L, int i)
{
	struct luff_layer *layer = *(struct luff_layer **)luaL_checkudata(L, i, LUFF_LAYER);

	if (!layer)
		luaL_error(L, "the layer has been collected");
	return layer;
}

int luff_push_opened(lua_State *L, struct luff_image **image, struct luff_index **index)
{
	if (*image) {
		struct luff_image **box = luff_box(L, sizeof *box, LUFF_IMAGE);

		*box = *image;
		*image = NULL;
	} else {
		struct luff_index **box = luff_box(L, sizeof *box, LUFF_INDEX);

		*box = *index;
		*index = NULL;
	}
	return 1;
}

void luff_push_layer(lua_State *L, struct luff_layer **layer)
{
	struct luff_layer **box = luff_box(L, sizeof *box, LUFF_LAYER);

	*box = *layer;
	*layer = NULL;
}

static int push_text(lua_State *L, const char *text)
{
	lua_pushstring(L, text);
	return 1;
}

/* Annotations of a manifest as a plain table, empty where there are none. [-0, +1] */
static int push_annotations(lua_State *L, const char *raw, int64_t size)
{
	luff_push_json(L, raw, (size_t)size, "manifest");
	if (lua_getfield(L, -1, "annotations") != LUA_TTABLE)
		lua_newtable(L);
	return 1;
}

/* "luff.Image<sha256:ab12cd34ef56 3 layers>" */
static int describe(lua_State *L, const char *type, const struct luff_descriptor *d, int count,
		    const char *noun)
{
	char digest[20] = "", size[24];

	memcpy(digest, d->digest.text, 19);
	snprintf(size, sizeof size, "%lld", (long long)d->size);
	if (noun)
		lua_pushfstring(L, "%s<%s %d %s%s>", type, digest, count, noun, count == 1 ? "" : "s");
	else
		lua_pushfstring(L, "%s<%s %s bytes>", type, digest, size);
	return 1;
}

/* ---- Image ---- */

static int image_gc(lua_State *L)
{
	struct luff_image **box = luaL_checkudata(L, 1, LUFF_IMAGE);

	luff_image_unref(*box);
	*box = NULL;
	return 0;
}

static int image_text(lua_State *L)
{
	const struct luff_image *image = luff_check_image(L, 1);

	return describe(L, LUFF_IMAGE, luff_image_descriptor(image), (int)luff_image_layer_count(image),
			"layer");
}

static int image_eq(lua_State *L)
{
	struct luff_image **a = luaL_testudata(L, 1, LUFF_IMAGE), **b = luaL_testudata(L, 2, LUFF_IMAGE);

	lua_pushboolean(L, a && b && *a && *b &&
				   luff_digest_equal(&luff_image_descriptor(*a)->digest,
						     &luff_image_descriptor(*b)->digest));
	return 1;
}

static int image_media_type(lua_State *L)
{
	return push_text(L, luff_image_descriptor(luff_check_image(L, 1))->media_type);
}

static int image_size(lua_State *L)
{
	lua_pushinteger(L, luff_image_descriptor(luff_check_image(L, 1))->size);
	return 1;
}

static int image_digest(lua_State *L)
{
	return push_text(L, luff_image_descriptor(luff_check_image(L, 1))->digest.text);
}

static int image_config_name(lua_State *L)
{
	return push_text(L, luff_image_config(luff_check_image(L, 1))->digest.text);
}

static int image_raw_manifest(lua_State *L)
{
	const struct luff_image *image = luff_check_image(L, 1);

	lua_pushlstring(L, luff_image_raw_manifest(image), (size_t)luff_image_descriptor(image)->size);
	return 1;
}

static int image_manifest(lua_State *L)
{
	const struct luff_image *image = luff_check_image(L, 1);

	luff_push_json(L, luff_image_raw_manifest(image), (size_t)luff_image_descriptor(image)->size,
		       "manifest");
	return 1;
}

static int image_annotations(lua_State *L)
{
	const struct luff_image *image = luff_check_image(L, 1);

	return push_annotations(L, luff_image_raw_manifest(image), luff_image_descriptor(image)->size);
}

struct config_call {
	struct luff_work base;
	struct luff_image *image;
	const char *config;
	struct luff_platform platform;
};

static int config_run(struct luff_work *base, struct luff_error *err)
{
	struct config_call *c = (struct config_call *)base;
	int rc = luff_image_raw_config(&c->config, c->image, err);

	return rc < 0 ? rc : luff_image_platform(&c->platform, c->image, err);
}

static void config_release(struct luff_work *base)
{
	luff_image_unref(((struct config_call *)base)->image);
}

static int config_raw(lua_State *L, struct luff_work *base)
{
	struct config_call *c = (struct config_call *)base;

	lua_pushlstring(L, c->config, (size_t)luff_image_config(c->image)->size);
	return 1;
}

static int config_file(lua_State *L, struct luff_work *base)
{
	struct config_call *c = (struct config_call *)base;

	luff_push_json(L, c->config, (size_t)luff_image_config(c->image)->size, "config");
	return 1;
}

static int config_platform(lua_State *L, struct luff_work *base)
{
	char text[LUFF_PLATFORM_TEXT_MAX];

	return push_text(L, luff_platform_format(text, &((struct config_call *)base)->platform));
}

static int with_config(lua_State *L, int (*finish)(lua_State *L, struct luff_work *call))
{
	struct luff_image *image = luff_check_image(L, 1);
	struct config_call *c = luff_work_new(L, sizeof *c);

	c->base.run = config_run;
	c->base.release = config_release;
	c->base.finish = finish;
	c->image = luff_image_ref(image);
	return luff_work_go(L);
}

static int image_raw_config_file(lua_State *L)
{
	return with_config(L, config_raw);
}

static int image_config_file(lua_State *L)
{
	return with_config(L, config_file);
}

static int image_platform(lua_State *L)
{
	return with_config(L, config_platform);
}

/* [-0, +1] */
static void push_layer(lua_State *L, struct luff_image *image, size_t i)
{
	struct luff_layer **box = luff_box(L, sizeof *box, LUFF_LAYER);
	struct luff_error err = {0};

	if (luff_image_layer(box, image, i, &err) < 0)
		luff_raise(L, &err);
}

static int image_layers(lua_State *L)
{
	struct luff_image *image = luff_check_image(L, 1);
	size_t count = luff_image_layer_count(image);

	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_layer(L, image, i);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

static int no_layer(lua_State *L, const char *noun, const char *digest)
{
	struct luff_error err = {.code = LUFF_ENOTFOUND};

	lua_pushfstring(L, "no layer with the %s %s", noun, digest);
	strncpy(err.msg, lua_tostring(L, -1), sizeof err.msg - 1);
	return luff_raise(L, &err);
}

static int image_layer_by_digest(lua_State *L)
{
	struct luff_image *image = luff_check_image(L, 1);
	const char *digest = luff_check_name(L, 2);

	for (size_t i = 0; i < luff_image_layer_count(image); i++) {
		push_layer(L, image, i);
		if (strcmp(luff_layer_descriptor(luff_check_layer(L, -1))->digest.text, digest) == 0)
			return 1;
		lua_pop(L, 1);
	}
	return no_layer(L, "digest", digest);
}

struct find_call {
	struct luff_work base;
	struct luff_image *image;
	struct luff_digest diff_id;
	struct luff_layer *found;
};

static int find_run(struct luff_work *base, struct luff_error *err)
{
	struct find_call *c = (struct find_call *)base;
	int rc = 0;

	for (size_t i = 0; rc == 0 && !c->found && i < luff_image_layer_count(c->image); i++) {
		struct luff_layer *layer = NULL;
		struct luff_digest id;

		rc = luff_image_layer(&layer, c->image, i, err);
		if (rc == 0)
			rc = luff_layer_diff_id(&id, layer, err);
		if (rc == 0 && luff_digest_equal(&id, &c->diff_id))
			c->found = layer;
		else
			luff_layer_unref(layer);
	}
	return rc;
}

static int find_finish(lua_State *L, struct luff_work *base)
{
	struct find_call *c = (struct find_call *)base;
	struct luff_layer **box;

	if (!c->found)
		return no_layer(L, "diff ID", c->diff_id.text);
	box = luff_box(L, sizeof *box, LUFF_LAYER);
	*box = c->found;
	c->found = NULL;
	return 1;
}

static void find_release(struct luff_work *base)
{
	luff_layer_unref(((struct find_call *)base)->found);
	luff_image_unref(((struct find_call *)base)->image);
}

static int image_layer_by_diff_id(lua_State *L)
{
	struct luff_image *image = luff_check_image(L, 1);
	const char *text = luff_check_name(L, 2);
	struct find_call *c = luff_work_new(L, sizeof *c);
	struct luff_error err = {0};

	c->base.run = find_run;
	c->base.finish = find_finish;
	c->base.release = find_release;
	c->image = luff_image_ref(image);
	if (luff_digest_parse(&c->diff_id, text, &err) < 0)
		return luff_raise(L, &err);
	return luff_work_go(L);
}

static int image_files(lua_State *L)
{
	return luff_list_files(L, luff_check_image(L, 1), NULL);
}

static int image_stat(lua_State *L)
{
	return luff_find_file(L, luff_check_image(L, 1), NULL, LUFF_FIND_ENTRY);
}

static int image_open(lua_State *L)
{
	return luff_find_file(L, luff_check_image(L, 1), NULL, LUFF_FIND_READER);
}

static int image_read(lua_State *L)
{
	return luff_find_file(L, luff_check_image(L, 1), NULL, LUFF_FIND_BYTES);
}

static int image_tree(lua_State *L)
{
	return luff_open_tree(L, luff_check_image(L, 1));
}

/* ---- Index ---- */

static int index_gc(lua_State *L)
{
	struct luff_index **box = luaL_checkudata(L, 1, LUFF_INDEX);

	luff_index_unref(*box);
	*box = NULL;
	return 0;
}

static int index_text(lua_State *L)
{
	const struct luff_index *index = luff_check_index(L, 1);

	return describe(L, LUFF_INDEX, luff_index_descriptor(index), (int)luff_index_count(index),
			"manifest");
}

static int index_eq(lua_State *L)
{
	struct luff_index **a = luaL_testudata(L, 1, LUFF_INDEX), **b = luaL_testudata(L, 2, LUFF_INDEX);

	lua_pushboolean(L, a && b && *a && *b &&
				   luff_digest_equal(&luff_index_descriptor(*a)->digest,
						     &luff_index_descriptor(*b)->digest));
	return 1;
}

static int index_media_type(lua_State *L)
{
	return push_text(L, luff_index_descriptor(luff_check_index(L, 1))->media_type);
}

static int index_size(lua_State *L)
{
	lua_pushinteger(L, luff_index_descriptor(luff_check_index(L, 1))->size);
	return 1;
}

static int index_digest(lua_State *L)
{
	return push_text(L, luff_index_descriptor(luff_check_index(L, 1))->digest.text);
}

static int index_raw_manifest(lua_State *L)
{
	const struct luff_index *index = luff_check_index(L, 1);

	lua_pushlstring(L, luff_index_raw_manifest(index), (size_t)luff_index_descriptor(index)->size);
	return 1;
}

static int index_manifest(lua_State *L)
{
	const struct luff_index *index = luff_check_index(L, 1);

	luff_push_json(L, luff_index_raw_manifest(index), (size_t)luff_index_descriptor(index)->size,
		       "manifest");
	return 1;
}

static int index_annotations(lua_State *L)
{
	const struct luff_index *index = luff_check_index(L, 1);

	return push_annotations(L, luff_index_raw_manifest(index), luff_index_descriptor(index)->size);
}

struct child_call {
	struct luff_work base;
	struct luff_index *index;
	struct luff_descriptor descriptor; /* no digest: choose by platform */
	struct luff_platform platform;
	bool any_platform; /* the host's */
	bool wants_index;
	struct luff_image *image;
	struct luff_index *nested;
};

static int child_run(struct luff_work *base, struct luff_error *err)
{
	struct child_call *c = (struct child_call *)base;
	struct luff_medium *m = luff_index_medium(c->index);
	int rc = 0;

	if (!c->descriptor.digest.text[0])
		rc = luff_index_select(&c->descriptor, c->index, c->any_platform ? NULL : &c->platform, err);
	if (rc < 0)
		return rc;
	return c->wants_index ? luff_index_open(&c->nested, m, &c->descriptor, NULL, err)
			      : luff_image_open(&c->image, m, &c->descriptor, NULL, err);
}

static int child_finish(lua_State *L, struct luff_work *base)
{
	struct child_call *c = (struct child_call *)base;

	return luff_push_opened(L, &c->image, &c->nested);
}

static void child_release(struct luff_work *base)
{
	struct child_call *c = (struct child_call *)base;

	luff_index_unref(c->index);
	luff_index_unref(c->nested);
	luff_image_unref(c->image);
}

static int open_child(lua_State *L, bool wants_index)
{
	static const char *const options[] = {"platform", NULL};
	struct luff_index *index = luff_check_index(L, 1);
	const char *digest = lua_type(L, 2) == LUA_TSTRING ? luff_check_name(L, 2) : NULL;
	struct child_call *c;
	size_t i = 0;

	if (wants_index)
		digest = luff_check_name(L, 2);
	if (!digest)
		luff_check_options(L, 2, options);
	c = luff_work_new(L, sizeof *c);
	c->base.run = child_run;
	c->base.finish = child_finish;
	c->base.release = child_release;
	c->index = luff_index_ref(index);
	c->wants_index = wants_index;
	c->any_platform = !digest && !luff_option_platform(&c->platform, L, 2);
	while (digest && i < luff_index_count(index) &&
	       strcmp(luff_index_entry(index, i)->digest.text, digest) != 0)
		i++;
	if (digest && i == luff_index_count(index)) {
		struct luff_error err = {.code = LUFF_ENOTFOUND};

		lua_pushfstring(L, "%s: the index lists no %s", luff_medium_place(luff_index_medium(index)),
				digest);
		strncpy(err.msg, lua_tostring(L, -1), sizeof err.msg - 1);
		return luff_raise(L, &err);
	}
	if (digest)
		c->descriptor = *luff_index_entry(index, i);
	return luff_work_go(L);
}

static int index_image(lua_State *L)
{
	return open_child(L, false);
}

static int index_image_index(lua_State *L)
{
	return open_child(L, true);
}

/* ---- Layer ---- */

static int layer_gc(lua_State *L)
{
	struct luff_layer **box = luaL_checkudata(L, 1, LUFF_LAYER);

	luff_layer_unref(*box);
	*box = NULL;
	return 0;
}

static int layer_text(lua_State *L)
{
	return describe(L, LUFF_LAYER, luff_layer_descriptor(luff_check_layer(L, 1)), 0, NULL);
}

static int layer_eq(lua_State *L)
{
	struct luff_layer **a = luaL_testudata(L, 1, LUFF_LAYER), **b = luaL_testudata(L, 2, LUFF_LAYER);

	lua_pushboolean(L, a && b && *a && *b &&
				   luff_digest_equal(&luff_layer_descriptor(*a)->digest,
						     &luff_layer_descriptor(*b)->digest));
	return 1;
}

static int layer_media_type(lua_State *L)
{
	return push_text(L, luff_layer_descriptor(luff_check_layer(L, 1))->media_type);
}

static int layer_size(lua_State *L)
{
	lua_pushinteger(L, luff_layer_descriptor(luff_check_layer(L, 1))->size);
	return 1;
}

static int layer_digest(lua_State *L)
{
	return push_text(L, luff_layer_descriptor(luff_check_layer(L, 1))->digest.text);
}

struct diff_call {
	struct luff_work base;
	struct luff_layer *layer;
	struct luff_digest id;
};

static int diff_run(struct luff_work *base, struct luff_error *err)
{
	struct diff_call *c = (struct diff_call *)base;

	return luff_layer_diff_id(&c->id, c->layer, err);
}

static int diff_finish(lua_State *L, struct luff_work *base)
{
	return push_text(L, ((struct diff_call *)base)->id.text);
}

static void diff_release(struct luff_work *base)
{
	luff_layer_unref(((struct diff_call *)base)->layer);
}

static int layer_diff_id(lua_State *L)
{
	struct luff_layer *layer = luff_check_layer(L, 1);
	struct diff_call *c = luff_work_new(L, sizeof *c);

	c->base.run = diff_run;
	c->base.finish = diff_finish;
	c->base.release = diff_release;
	c->layer = luff_layer_ref(layer);
	return luff_work_go(L);
}

static int layer_compressed(lua_State *L)
{
	return luff_open_reader(L, luff_check_layer(L, 1), true);
}

static int layer_uncompressed(lua_State *L)
{
	return luff_open_reader(L, luff_check_layer(L, 1), false);
}

static int layer_entries(lua_State *L)
{
	return luff_open_entries(L, luff_check_layer(L, 1), false);
}

void luff_image_types(lua_State *L)
{
	static const luaL_Reg image_meta[] = {
		{"__gc", image_gc}, {"__tostring", image_text}, {"__eq", image_eq}, {NULL, NULL}};
	static const luaL_Reg image_methods[] = {{"media_type", image_media_type},
						 {"size", image_size},
						 {"digest", image_digest},
						 {"config_name", image_config_name},
						 {"config_file", image_config_file},
						 {"raw_config_file", image_raw_config_file},
						 {"manifest", image_manifest},
						 {"raw_manifest", image_raw_manifest},
						 {"layers", image_layers},
						 {"layer_by_digest", image_layer_by_digest},
						 {"layer_by_diff_id", image_layer_by_diff_id},
						 {"platform", image_platform},
						 {"annotations", image_annotations},
						 {"files", image_files},
						 {"stat", image_stat},
						 {"open", image_open},
						 {"read", image_read},
						 {"tree", image_tree},
						 {"export", luff_image_export},
						 {"extract", luff_image_extract},
						 {"save", luff_image_save},
						 {NULL, NULL}};
	static const luaL_Reg index_meta[] = {
		{"__gc", index_gc}, {"__tostring", index_text}, {"__eq", index_eq}, {NULL, NULL}};
	static const luaL_Reg index_methods[] = {{"media_type", index_media_type},
						 {"size", index_size},
						 {"digest", index_digest},
						 {"index_manifest", index_manifest},
						 {"raw_manifest", index_raw_manifest},
						 {"image", index_image},
						 {"image_index", index_image_index},
						 {"annotations", index_annotations},
						 {NULL, NULL}};
	static const luaL_Reg layer_meta[] = {
		{"__gc", layer_gc}, {"__tostring", layer_text}, {"__eq", layer_eq}, {NULL, NULL}};
	static const luaL_Reg layer_methods[] = {
		{"media_type", layer_media_type}, {"size", layer_size},
		{"digest", layer_digest},         {"diff_id", layer_diff_id},
		{"compressed", layer_compressed}, {"uncompressed", layer_uncompressed},
		{"entries", layer_entries},       {NULL, NULL}};

	luff_box_type(L, LUFF_IMAGE, image_meta, image_methods);
	luff_box_type(L, LUFF_INDEX, index_meta, index_methods);
	luff_box_type(L, LUFF_LAYER, layer_meta, layer_methods);
}

void luff_method_tables(lua_State *L)
{
	static const char *const types[] = {LUFF_IMAGE, LUFF_INDEX, LUFF_LAYER};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		luaL_getmetatable(L, types[i]);
		lua_getfield(L, -1, "__index");
		lua_setfield(L, -3, types[i] + strlen("luff."));
		lua_pop(L, 1);
	}
	lua_setfield(L, -2, "methods");
}
