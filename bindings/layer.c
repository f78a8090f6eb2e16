/* New layers: from tars, by another compression, and entry by entry (LayerWriter, which lua/luff/edit/layers.lua drives). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "bind.h"
#include "fs/path.h"
#include "stream/streams.h"

/* ---- layers as a whole ---- */

struct layer_call {
	struct luff_work base;
	struct luff_layer *layer; /* to compress anew */
	struct luff_image *image; /* whose layers become one, from `first` on; NULL as well: from a tar */
	size_t first;
	enum luff_compress compress;
	const char *path; /* kept by the user value */
	struct luff_layer *made;
};

static int layer_run(struct luff_work *base, struct luff_error *err)
{
	struct layer_call *c = (struct layer_call *)base;

	if (c->image)
		return luff_squash(&c->made, c->image, c->first, err);
	return c->layer ? luff_layer_recompress(&c->made, c->layer, c->compress, err)
			: luff_layer_from_tar(&c->made, c->path, err);
}

static int layer_finish(lua_State *L, struct luff_work *base)
{
	luff_push_layer(L, &((struct layer_call *)base)->made);
	return 1;
}

static void layer_release(struct luff_work *base)
{
	luff_layer_unref(((struct layer_call *)base)->made);
	luff_layer_unref(((struct layer_call *)base)->layer);
	luff_image_unref(((struct layer_call *)base)->image);
}

static struct layer_call *new_call(lua_State *L)
{
	struct layer_call *c = luff_work_new(L, sizeof *c);

	c->base.run = layer_run;
	c->base.finish = layer_finish;
	c->base.release = layer_release;
	return c;
}

/* core.layer_from_tar(path) */
static int layer_from_tar(lua_State *L)
{
	const char *path = luff_check_name(L, 1);
	struct layer_call *c = new_call(L);

	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	c->path = path;
	return luff_work_go(L);
}

static enum luff_compress check_compress(lua_State *L, int i)
{
	static const char *const names[] = {"none", "gzip", "zstd", NULL};
	static const enum luff_compress values[] = {LUFF_COMPRESS_NONE, LUFF_COMPRESS_GZIP,
						    LUFF_COMPRESS_ZSTD};
	struct luff_error err = {.code = LUFF_EINVAL,
				 .msg = "a compression is \"gzip\", \"zstd\" or \"none\""};
	const char *name = lua_type(L, i) == LUA_TSTRING ? lua_tostring(L, i) : "";

	for (size_t k = 0; names[k]; k++) {
		if (strcmp(name, names[k]) == 0)
			return values[k];
	}
	return (enum luff_compress)luff_raise(L, &err);
}

/* core.recompress(layer, compression) */
static int recompress(lua_State *L)
{
	struct luff_layer *layer = luff_check_layer(L, 1);
	enum luff_compress compress = check_compress(L, 2);
	struct layer_call *c = new_call(L);

	c->layer = luff_layer_ref(layer);
	c->compress = compress;
	return luff_work_go(L);
}

/* core.squash(image, first) */
static int squash(lua_State *L)
{
	struct luff_image *image = luff_check_image(L, 1);
	lua_Integer first = luaL_checkinteger(L, 2);
	struct layer_call *c;

	luaL_argcheck(L, first >= 0 && first <= (lua_Integer)luff_image_layer_count(image), 2,
		      "no such layer");
	c = new_call(L);
	c->image = luff_image_ref(image);
	c->first = (size_t)first;
	return luff_work_go(L);
}

/* ---- LayerWriter ---- */

struct writer_box {
	struct luff_layer_writer *w; /* NULL: closed */
	bool busy;
};

static struct writer_box *check_writer(lua_State *L)
{
	struct writer_box *box = luaL_checkudata(L, 1, LUFF_LAYER_WRITER);

	if (!box->w)
		luaL_error(L, "the writer is closed");
	if (box->busy)
		luaL_error(L, "another task is writing");
	return box;
}

static int writer_close(lua_State *L)
{
	struct writer_box *box = luaL_checkudata(L, 1, LUFF_LAYER_WRITER);

	if (box->busy)
		luaL_error(L, "another task is writing");
	luff_layer_writer_close(box->w);
	box->w = NULL;
	return 0;
}

/* core.layer_writer() */
static int layer_writer(lua_State *L)
{
	struct writer_box *box = luff_box(L, sizeof *box, LUFF_LAYER_WRITER);
	struct luff_error err = {0};

	if (luff_layer_writer_open(&box->w, &err) < 0)
		return luff_raise(L, &err);
	return 1;
}

/* Whatever it points to is kept by the user value, a table: of the arguments, and of what was read from them. */
struct writer_call {
	struct luff_work base;
	struct writer_box *box;
	struct luff_entry entry;
	struct luff_xattr *xattrs;
	struct luff_reader *content;    /* of a string or a file */
	struct luff_reader_box *replay; /* of an Entry */
	const char *path, *as;          /* from disk */
	struct luff_disk_options options;
	enum luff_compress compress;
	struct luff_layer *made;
};

static int add_run(struct luff_work *base, struct luff_error *err)
{
	struct writer_call *c = (struct writer_call *)base;
	struct luff_reader *content = c->replay ? c->replay->r : c->content;
	int rc = c->replay ? luff_reader_rewind(content, err) : 0;

	return rc < 0 ? rc : luff_layer_writer_add(c->box->w, &c->entry, content, err);
}

static int add_disk_run(struct luff_work *base, struct luff_error *err)
{
	struct writer_call *c = (struct writer_call *)base;

	return luff_layer_writer_add_disk(c->box->w, c->path, c->as, &c->options, err);
}

static int finish_run(struct luff_work *base, struct luff_error *err)
{
	struct writer_call *c = (struct writer_call *)base;

	return luff_layer_writer_finish(&c->made, c->box->w, c->compress, err);
}

static int no_results(lua_State *L, struct luff_work *base)
{
	(void)L, (void)base;
	return 0;
}

static int finish_finish(lua_State *L, struct luff_work *base)
{
	luff_push_layer(L, &((struct writer_call *)base)->made);
	return 1;
}

static void writer_release(struct luff_work *base)
{
	struct writer_call *c = (struct writer_call *)base;

	luff_reader_close(c->content);
	luff_layer_unref(c->made);
	free(c->xattrs);
	if (c->box && c->replay)
		c->replay->busy = false;
	if (c->box)
		c->box->busy = false;
}

/* Last: what is busy must be let go. */
static int writer_go(lua_State *L, struct writer_call *c, struct writer_box *box)
{
	c->box = box;
	box->busy = true;
	if (c->replay)
		c->replay->busy = true;
	return luff_work_go(L);
}

/* A call that keeps all arguments. [-0, +1] */
static struct writer_call *new_writer_call(lua_State *L, int (*run)(struct luff_work *, struct luff_error *))
{
	int n = lua_gettop(L);
	struct writer_call *c = luff_work_new(L, sizeof *c);

	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		lua_rawseti(L, -2, i);
	}
	lua_setiuservalue(L, -2, 1);
	c->base.run = run;
	c->base.finish = no_results;
	c->base.release = writer_release;
	return c;
}

static int invalid(lua_State *L, const char *what)
{
	struct luff_error err = {.code = LUFF_EINVAL};

	strncpy(err.msg, what, sizeof err.msg - 1);
	return luff_raise(L, &err);
}

#define CALL 5 /* of writer_add() */

/* The value on top stays while the call at CALL does, whatever becomes of the table that it came from. [-0, +0] */
static void keep(lua_State *L)
{
	lua_getiuservalue(L, CALL, 1);
	lua_pushvalue(L, -2);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 1);
}

/* Field of the table of changes at 3, else of what the entry said, at 4. Left on the stack. [-0, +1] */
static int get_field(lua_State *L, const char *name)
{
	if (lua_istable(L, 3) && lua_getfield(L, 3, name) != LUA_TNIL)
		return lua_type(L, -1);
	if (lua_istable(L, 3))
		lua_pop(L, 1);
	if (lua_istable(L, 4))
		lua_getfield(L, 4, name);
	else
		lua_pushnil(L);
	return lua_type(L, -1);
}

static const char *text_field(lua_State *L, const char *name)
{
	const char *text = "";
	size_t len = 0;
	char why[80];

	snprintf(why, sizeof why, "an entry's \"%s\" is text without a NUL in it", name);
	if (get_field(L, name) == LUA_TSTRING)
		text = lua_tolstring(L, -1, &len);
	else if (!lua_isnil(L, -1))
		invalid(L, why);
	if (strlen(text) != len)
		invalid(L, why);
	keep(L);
	lua_pop(L, 1);
	return text;
}

static lua_Integer number_field(lua_State *L, const char *name, lua_Integer absent, lua_Integer least,
				lua_Integer most)
{
	lua_Integer n = absent;
	char why[80];
	int whole = 1;

	snprintf(why, sizeof why, "an entry's \"%s\" is a whole number from %lld to %lld", name,
		 (long long)least, (long long)most);
	if (get_field(L, name) != LUA_TNIL)
		n = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &whole) : least - 1;
	if (!whole || n < least || n > most)
		invalid(L, why);
	lua_pop(L, 1);
	return n;
}

static void type_field(struct luff_entry *e, lua_State *L)
{
	const char *text = text_field(L, "type");

	for (int type = LUFF_ENTRY_FILE; type <= LUFF_ENTRY_FIFO; type++) {
		if (strcmp(text, luff_entry_type_name((enum luff_entry_type)type)) == 0) {
			e->type = (enum luff_entry_type)type;
			return;
		}
	}
	invalid(L,
		"an entry's \"type\" is \"file\", \"hardlink\", \"symlink\", \"folder\", \"char\", \"block\" or "
		"\"fifo\"");
}

/* Name and value are on top. */
static void add_xattr(struct writer_call *c, lua_State *L, size_t count)
{
	struct luff_xattr *more = realloc(c->xattrs, (count + 1) * sizeof *more);

	if (!more) {
		luaL_error(L, "out of memory");
		return;
	}
	c->xattrs = more;
	more[count] = (struct luff_xattr){.name = lua_tostring(L, -2)};
	more[count].value = lua_tolstring(L, -1, &more[count].len);
}

static void xattr_fields(struct writer_call *c, lua_State *L)
{
	size_t count = 0;

	if (get_field(L, "xattrs") == LUA_TTABLE) {
		lua_pushnil(L);
		while (lua_next(L, -2)) {
			if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
				invalid(L, "an entry's \"xattrs\" are text by name");
			add_xattr(c, L, count++);
			keep(L);
			lua_pop(L, 1);
			keep(L);
		}
	} else if (!lua_isnil(L, -1)) {
		invalid(L, "an entry's \"xattrs\" are text by name");
	}
	lua_pop(L, 1);
	c->entry.xattrs = c->xattrs;
	c->entry.xattr_count = count;
}

static void open_file(struct writer_call *c, lua_State *L, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct luff_error err = {0};
	struct stat st;

	if (fd < 0) {
		luff_fail_errno(&err, errno, "%s", path);
		luff_raise(L, &err);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		luff_fail(&err, LUFF_EINVAL, "%s is no regular file", path);
		luff_raise(L, &err);
	}
	c->entry.size = st.st_size;
	if (get_field(L, "mode") == LUA_TNIL)
		c->entry.mode = st.st_mode & 07777;
	lua_pop(L, 1);
	if (luff_reader_open_range(&c->content, fd, 0, st.st_size, &err) < 0)
		luff_raise(L, &err);
}

/* The content of the Entry at i, from its beginning. */
static void replay(struct writer_call *c, lua_State *L, int i)
{
	struct luff_reader_box *content = luff_entry_content(L, i);

	lua_pop(L, 1);
	if (!content) {
		invalid(L, "the entry has no content");
		return;
	}
	content->rest.len = content->start = 0;
	content->ended = false;
	c->replay = content;
}

static void content_of(struct writer_call *c, lua_State *L)
{
	struct luff_error err = {0};
	const char *bytes;
	size_t len;

	if (lua_istable(L, 3) && lua_getfield(L, 3, "content") == LUA_TSTRING) {
		keep(L);
		bytes = lua_tolstring(L, -1, &len);
		c->entry.size = (int64_t)len;
		if (luff_reader_open_bytes(&c->content, bytes, len, &err) < 0)
			luff_raise(L, &err);
		return;
	}
	if (lua_istable(L, 3) && !lua_isnil(L, -1)) {
		int i = lua_gettop(L);

		luaL_checkudata(L, i, LUFF_ENTRY);
		keep(L);
		luff_entry_fields(L, i);
		lua_getfield(L, -1, "size");
		c->entry.size = lua_tointeger(L, -1);
		replay(c, L, i);
		return;
	}
	if (lua_istable(L, 3) && lua_getfield(L, 3, "file") != LUA_TNIL) {
		open_file(c, L, luff_check_name(L, lua_gettop(L)));
		return;
	}
	if (lua_isuserdata(L, 2))
		replay(c, L, 2);
}

/* writer:add(entry or nil, changes or nil) */
static int writer_add(lua_State *L)
{
	struct writer_box *box = check_writer(L);
	struct writer_call *c;
	struct luff_entry *e;

	lua_settop(L, 3);
	if (lua_isnil(L, 2)) {
		lua_pushnil(L);
	} else {
		luaL_checkudata(L, 2, LUFF_ENTRY);
		luff_entry_fields(L, 2);
	}
	c = new_writer_call(L, add_run);
	e = &c->entry;
	type_field(e, L);
	e->path = text_field(L, "path");
	e->link = text_field(L, "link");
	e->user = text_field(L, "user");
	e->group = text_field(L, "group");
	e->mode = (uint32_t)number_field(L, "mode", 0644, 0, 07777);
	e->uid = (uint32_t)number_field(L, "uid", 0, 0, UINT32_MAX);
	e->gid = (uint32_t)number_field(L, "gid", 0, 0, UINT32_MAX);
	e->mtime = number_field(L, "mtime", 0, -(INT64_C(1) << 40), INT64_C(1) << 40);
	e->mtime_ns = (int32_t)number_field(L, "mtime_ns", 0, 0, 999999999);
	e->major = (uint32_t)number_field(L, "major", 0, 0, 07777777);
	e->minor = (uint32_t)number_field(L, "minor", 0, 0, 07777777);
	e->size = number_field(L, "size", 0, 0, INT64_MAX);
	xattr_fields(c, L);
	if (e->type == LUFF_ENTRY_FILE)
		content_of(c, L);
	lua_settop(L, CALL);
	return writer_go(L, c, box);
}

/* writer:add_disk(path, as, { keep_owner =, keep_times =, time = }) */
static int writer_add_disk(lua_State *L)
{
	struct writer_box *box = check_writer(L);
	const char *path = luff_check_name(L, 2), *as = luff_check_name(L, 3);
	struct writer_call *c;
	lua_Integer time;

	lua_settop(L, 4);
	luaL_checktype(L, 4, LUA_TTABLE);
	lua_getfield(L, 4, "time");
	time = luaL_checkinteger(L, -1);
	lua_settop(L, 4);
	c = new_writer_call(L, add_disk_run);
	c->path = path;
	c->as = as;
	c->options = (struct luff_disk_options){.keep_owner = luff_option_bool(L, 4, "keep_owner"),
						.keep_times = luff_option_bool(L, 4, "keep_times"),
						.time = time};
	return writer_go(L, c, box);
}

/* writer:finish(compression) */
static int writer_finish(lua_State *L)
{
	struct writer_box *box = check_writer(L);
	enum luff_compress compress = check_compress(L, 2);
	struct writer_call *c = new_writer_call(L, finish_run);

	c->base.finish = finish_finish;
	c->compress = compress;
	return writer_go(L, c, box);
}

/* core.replay_entries(layer) */
static int replay_entries(lua_State *L)
{
	return luff_open_entries(L, luff_check_layer(L, 1), true);
}

/* core.path_match(pattern, path): as img:files() has it, of a clean path */
static int path_match(lua_State *L)
{
	lua_pushboolean(L, luff_path_match(luff_check_name(L, 1), luff_check_name(L, 2)));
	return 1;
}

void luff_layer_functions(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{"layer_from_tar", layer_from_tar},
		{"recompress", recompress},
		{"layer_writer", layer_writer},
		{"replay_entries", replay_entries},
		{"path_match", path_match},
		{"squash", squash},
		{NULL, NULL},
	};
	static const luaL_Reg meta[] = {{"__gc", writer_close}, {"__close", writer_close}, {NULL, NULL}};
	static const luaL_Reg methods[] = {
		{"add", writer_add},
		{"add_disk", writer_add_disk},
		{"finish", writer_finish},
		{"close", writer_close},
		{NULL, NULL},
	};

	luff_box_type(L, LUFF_LAYER_WRITER, meta, methods);
	luaL_setfuncs(L, functions, 0);
}
