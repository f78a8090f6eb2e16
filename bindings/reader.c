/* Reader: bytes of a layer, read by count, by line or to the end; to be closed. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bind.h"

#define ALL_MAX ((size_t)64 << 20) /* of read "a": more must be asked for by its number */
#define CHUNK ((size_t)64 << 10)

struct read_call {
	struct luff_work base;
	struct luff_reader_box *reader;
	char mode; /* 'n', 'a', 'l', 'L' */
	size_t want;
	size_t seen;       /* bytes ahead that hold no line's end */
	size_t take, skip; /* what the call found: bytes to hand out, and to drop behind them */
};

/* Whether what was read ahead answers the call. */
static bool find(struct read_call *c)
{
	const struct luff_reader_box *b = c->reader;
	size_t len = b->rest.len - b->start;
	const char *data = len > 0 ? b->rest.data + b->start : "", *line = NULL;

	if (c->mode == 'n' || c->mode == 'a') {
		c->take = len < c->want ? len : c->want;
		return b->ended || len >= c->want;
	}
	if (len > c->seen)
		line = memchr(data + c->seen, '\n', len - c->seen);
	c->seen = len;
	c->take = line ? (size_t)(line - data) + (c->mode == 'L') : len;
	c->skip = line && c->mode == 'l';
	return b->ended || line;
}

/* Reads some more ahead, no more than a number asks for. */
static int read_ahead(struct luff_reader_box *b, size_t want, char *chunk, struct luff_error *err)
{
	size_t n = want < CHUNK ? want : CHUNK;
	int rc = luff_reader_read(&n, b->r, chunk, n, err);

	if (rc == 0 && b->start > 0) {
		b->rest.len -= b->start;
		memmove(b->rest.data, b->rest.data + b->start, b->rest.len);
		b->start = 0;
	}
	if (rc == 0)
		rc = luff_buffer_append(&b->rest, chunk, n, err);
	b->ended = rc == 0 && n == 0;
	return rc;
}

static int read_run(struct luff_work *base, struct luff_error *err)
{
	struct read_call *c = (struct read_call *)base;
	struct luff_reader_box *b = c->reader;
	char *chunk = malloc(CHUNK);
	int rc = chunk ? 0 : luff_fail_nomem(err);

	while (rc == 0 && !find(c) && c->take <= ALL_MAX)
		rc = read_ahead(b, c->mode == 'n' || c->mode == 'a' ? c->want - c->take : CHUNK, chunk, err);
	free(chunk);
	if (rc == 0 && c->mode != 'n' && c->take > ALL_MAX)
		rc = luff_fail(err, LUFF_ELIMIT, "more than 64 MiB to read at once: read it in pieces");
	return rc;
}

/* Pushes what was found. [-0, +1] */
static int hand_out(lua_State *L, const struct read_call *c)
{
	struct luff_reader_box *b = c->reader;

	if (c->take + c->skip == 0 && c->mode != 'a' && c->want > 0)
		lua_pushnil(L);
	else
		lua_pushlstring(L, c->take > 0 ? b->rest.data + b->start : "", c->take);
	b->start += c->take + c->skip;
	if (b->start == b->rest.len)
		b->start = b->rest.len = 0;
	return 1;
}

static int read_finish(lua_State *L, struct luff_work *base)
{
	return hand_out(L, (struct read_call *)base);
}

static void read_release(struct luff_work *base)
{
	((struct read_call *)base)->reader->busy = false;
}

struct luff_reader_box *luff_check_reader(lua_State *L, int i)
{
	struct luff_reader_box *b = luaL_checkudata(L, i, LUFF_READER);

	if (!b->r)
		luaL_error(L, "the reader is closed");
	if (b->busy)
		luaL_error(L, "another task is reading");
	return b;
}

static int start_read(lua_State *L, int reader, char mode, size_t want)
{
	struct read_call at_hand = {.reader = luff_check_reader(L, reader), .mode = mode, .want = want}, *c;

	if (find(&at_hand) && at_hand.take <= ALL_MAX)
		return hand_out(L, &at_hand);
	c = luff_work_new(L, sizeof *c);
	lua_pushvalue(L, reader);
	lua_setiuservalue(L, -2, 1);
	c->base.run = read_run;
	c->base.finish = read_finish;
	c->base.release = read_release;
	c->reader = at_hand.reader;
	c->mode = mode;
	c->want = want;
	c->reader->busy = true;
	return luff_work_go(L);
}

int luff_reader_read_method(lua_State *L)
{
	const char *mode;

	luff_check_reader(L, 1);
	if (lua_isinteger(L, 2)) {
		lua_Integer n = lua_tointeger(L, 2);

		luaL_argcheck(L, n >= 0 && n <= (lua_Integer)1 << 30, 2, "want 0 to 1 GiB");
		return start_read(L, 1, 'n', (size_t)n);
	}
	mode = luaL_optstring(L, 2, "l");
	mode += *mode == '*';
	luaL_argcheck(L, *mode && strchr("alL", *mode), 2, "want a number, \"a\", \"l\" or \"L\"");
	return start_read(L, 1, *mode, *mode == 'a' ? ALL_MAX + 1 : 1);
}

void luff_close_reader(lua_State *L, struct luff_reader_box *b)
{
	if (b->busy)
		luaL_error(L, "another task is reading");
	luff_reader_close(b->r);
	b->r = NULL;
	luff_buffer_release(&b->rest);
}

static int reader_close(lua_State *L)
{
	luff_close_reader(L, luaL_checkudata(L, 1, LUFF_READER));
	return 0;
}

static int next_line(lua_State *L)
{
	return start_read(L, lua_upvalueindex(1), 'l', 1);
}

int luff_reader_lines_method(lua_State *L)
{
	luff_check_reader(L, 1);
	lua_pushvalue(L, 1);
	luff_push_closure(L, next_line, 1);
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushvalue(L, 1);
	return 4;
}

static int reader_text(lua_State *L)
{
	const struct luff_reader_box *b = luaL_checkudata(L, 1, LUFF_READER);

	lua_pushstring(L, b->r ? "luff.Reader<open>" : "luff.Reader<closed>");
	return 1;
}

struct luff_reader_box *luff_push_reader(lua_State *L)
{
	struct luff_reader_box *b = luff_box(L, sizeof *b, LUFF_READER);

	luff_buffer_init(&b->rest, (size_t)2 << 30);
	return b;
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
	struct luff_reader_box *b = luff_push_reader(L);

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
	static const luaL_Reg methods[] = {{"read", luff_reader_read_method},
					   {"lines", luff_reader_lines_method},
					   {"close", reader_close},
					   {NULL, NULL}};

	luff_box_type(L, LUFF_READER, meta, methods);
}
