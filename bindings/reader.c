/* Reader: bytes of a layer, read by count, by line or to the end; to be closed. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "bind.h"

#define ALL_MAX ((size_t)64 << 20) /* of read "a": more must be asked for by its number */
#define CHUNK ((size_t)64 << 10)

struct reader {
	struct luff_reader *r; /* NULL: closed */
	struct luff_buffer rest;
	bool ended, busy;
};

struct read_call {
	struct luff_work base;
	struct reader *reader; /* kept by the call's user value */
	char mode;             /* 'n', 'a', 'l', 'L' */
	size_t want;
	size_t take, skip; /* what the call found: bytes to hand out, and to drop behind them */
};

static int read_run(struct luff_work *base, struct luff_error *err)
{
	struct read_call *c = (struct read_call *)base;
	struct reader *b = c->reader;
	char *chunk = malloc(CHUNK), *line = NULL;
	size_t seen = 0, n;
	int rc = 0;

	if (!chunk)
		return err->code = LUFF_ENOMEM;
	for (;;) {
		bool lines = c->mode == 'l' || c->mode == 'L';

		line = lines && b->rest.len > seen ? memchr(b->rest.data + seen, '\n', b->rest.len - seen)
						   : NULL;
		seen = b->rest.len;
		if (line || b->ended || b->rest.len >= (lines ? ALL_MAX : c->want))
			break;
		n = !lines && c->want - b->rest.len < CHUNK ? c->want - b->rest.len : CHUNK;
		rc = luff_reader_read(&n, b->r, chunk, n, err);
		if (rc == 0)
			rc = luff_buffer_append(&b->rest, chunk, n, err);
		if (rc < 0)
			break;
		b->ended = n == 0;
	}
	free(chunk);
	if (rc < 0)
		return rc;
	if (!line && !b->ended && c->mode != 'n') {
		err->code = LUFF_ELIMIT;
		strncpy(err->msg, "more than 64 MiB to read at once: read it in pieces", sizeof err->msg - 1);
		return LUFF_ELIMIT;
	}
	c->take = line ? (size_t)(line - b->rest.data) : b->rest.len;
	if (c->mode == 'n' && c->take > c->want)
		c->take = c->want;
	c->skip = line ? 1 : 0;
	if (line && c->mode == 'L') {
		c->take++;
		c->skip = 0;
	}
	return 0;
}

static int read_finish(lua_State *L, struct luff_work *base)
{
	struct read_call *c = (struct read_call *)base;
	struct luff_buffer *b = &c->reader->rest;

	c->reader->busy = false;
	if (c->take + c->skip == 0 && c->mode != 'a' && c->want > 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushlstring(L, b->len ? b->data : "", c->take);
	if (b->len) {
		b->len -= c->take + c->skip;
		memmove(b->data, b->data + c->take + c->skip, b->len);
	}
	return 1;
}

static void read_release(struct luff_work *base)
{
	((struct read_call *)base)->reader->busy = false;
}

static struct reader *check_open(lua_State *L, int i)
{
	struct reader *b = luaL_checkudata(L, i, LUFF_READER);

	if (!b->r)
		luaL_error(L, "the reader is closed");
	if (b->busy)
		luaL_error(L, "another task is reading");
	return b;
}

struct luff_reader **luff_check_reader(lua_State *L, int i)
{
	return &check_open(L, i)->r;
}

static int start_read(lua_State *L, int reader, char mode, size_t want)
{
	struct reader *b = check_open(L, reader);
	struct read_call *c;

	reader = lua_absindex(L, reader);
	c = luff_work_new(L, sizeof *c);
	lua_pushvalue(L, reader);
	lua_setiuservalue(L, -2, 1);
	c->reader = b;
	c->mode = mode;
	c->want = want;
	c->base.run = read_run;
	c->base.finish = read_finish;
	c->base.release = read_release;
	b->busy = true;
	return luff_work_go(L);
}

static int reader_read(lua_State *L)
{
	const char *mode;

	check_open(L, 1);
	if (lua_isinteger(L, 2)) {
		lua_Integer n = lua_tointeger(L, 2);

		luaL_argcheck(L, n >= 0 && n <= (lua_Integer)1 << 30, 2, "want 0 to 1 GiB");
		return start_read(L, 1, 'n', (size_t)n);
	}
	mode = luaL_optstring(L, 2, "l");
	mode += *mode == '*';
	luaL_argcheck(L, *mode && strchr("alL", *mode), 2, "want a number, \"a\", \"l\" or \"L\"");
	return start_read(L, 1, *mode, *mode == 'a' ? ALL_MAX : 1);
}

static int reader_close(lua_State *L)
{
	struct reader *b = luaL_checkudata(L, 1, LUFF_READER);

	if (b->busy)
		return luaL_error(L, "another task is reading");
	luff_reader_close(b->r);
	b->r = NULL;
	luff_buffer_release(&b->rest);
	return 0;
}

static int next_line(lua_State *L)
{
	return start_read(L, lua_upvalueindex(1), 'l', 1);
}

static int reader_lines(lua_State *L)
{
	check_open(L, 1);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, next_line, 1);
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, 1);
	return 4;
}

static int reader_text(lua_State *L)
{
	const struct reader *b = luaL_checkudata(L, 1, LUFF_READER);

	lua_pushstring(L, b->r ? "luff.Reader<open>" : "luff.Reader<closed>");
	return 1;
}

struct open_call {
	struct luff_work base;
	struct luff_layer *layer;
	bool compressed;
	struct luff_reader *r;
};

static int open_run(struct luff_work *base, struct luff_error *err)
{
	struct open_call *c = (struct open_call *)base;

	return c->compressed ? luff_layer_open_compressed(&c->r, c->layer, err)
			     : luff_layer_open_uncompressed(&c->r, c->layer, err);
}

static int open_finish(lua_State *L, struct luff_work *base)
{
	struct open_call *c = (struct open_call *)base;
	struct reader *b = luff_box(L, sizeof *b, LUFF_READER);

	luff_buffer_init(&b->rest, (size_t)2 << 30);
	b->r = c->r;
	c->r = NULL;
	return 1;
}

static void open_release(struct luff_work *base)
{
	struct open_call *c = (struct open_call *)base;

	luff_reader_close(c->r);
	luff_layer_unref(c->layer);
}

int luff_open_reader(lua_State *L, struct luff_layer *layer, bool compressed)
{
	struct open_call *c = luff_work_new(L, sizeof *c);

	c->base.run = open_run;
	c->base.finish = open_finish;
	c->base.release = open_release;
	c->layer = luff_layer_ref(layer);
	c->compressed = compressed;
	return luff_work_go(L);
}

void luff_reader_type(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{"__gc", reader_close}, {"__close", reader_close}, {"__tostring", reader_text}, {NULL, NULL}};
	static const luaL_Reg methods[] = {
		{"read", reader_read}, {"lines", reader_lines}, {"close", reader_close}, {NULL, NULL}};

	luff_box_type(L, LUFF_READER, meta, methods);
}
