/* What a script's medium is asked (lua/luff/medium.lua has the tables that it gets), and what it answers, piece by piece perhaps. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "scripted.h"

#define CHUNK_MAX ((size_t)64 << 20) /* bytes that a function gives at once */

static void set_text(lua_State *L, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

static void push_descriptor(lua_State *L, const struct luff_descriptor *d)
{
	lua_createtable(L, 0, 4);
	set_text(L, "mediaType", d->media_type);
	set_text(L, "digest", d->digest.text);
	lua_pushinteger(L, d->size);
	lua_setfield(L, -2, "size");
	if (d->manifest) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, "manifest");
	}
}

static void put(lua_State *L, struct luff_question *base)
{
	const struct luff_request *q = (struct luff_request *)base;

	lua_pushvalue(L, 2);
	lua_createtable(L, 0, 8);
	set_text(L, "op", q->op);
	set_text(L, "place", q->place);
	set_text(L, "tag", q->tag);
	set_text(L, "digest", q->digest);
	set_text(L, "artifact_type", q->artifact_type);
	lua_pushinteger(L, q->stream ? q->stream : q->offset);
	lua_setfield(L, -2, q->stream ? "stream" : "offset");
	lua_pushboolean(L, q->force);
	lua_setfield(L, -2, "force");
	if (q->descriptor) {
		push_descriptor(L, q->descriptor);
		lua_setfield(L, -2, "descriptor");
	}
	if (q->lent) {
		luff_lent_push(L, q->lent);
		lua_setfield(L, -2, "reader");
	}
}

static void take_bytes(lua_State *L, struct luff_request *q, struct luff_error *err)
{
	const char *bytes = lua_tolstring(L, 3, &q->len);

	if (q->len > CHUNK_MAX) {
		luff_fail(err, LUFF_ELIMIT, "more than %zu MiB at once: give them piece by piece",
			  CHUNK_MAX >> 20);
		return;
	}
	q->bytes = malloc(q->len + 1);
	if (q->bytes)
		memcpy(q->bytes, bytes, q->len + 1);
	else
		luff_fail_nomem(err);
	q->kind = LUFF_ANSWER_BYTES;
}

static const char *field(lua_State *L, const char *name, size_t max)
{
	size_t len = 0;
	const char *text;

	lua_pushstring(L, name);
	text = lua_rawget(L, 3) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
	return text && strlen(text) == len && len <= max ? text : NULL;
}

static bool is_set(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	return lua_rawget(L, 3) != LUA_TNIL;
}

static void take_descriptor(lua_State *L, struct luff_request *q, struct luff_error *err)
{
	const char *digest = field(L, "digest", LUFF_DIGEST_MAX), *type = NULL;
	bool typed = is_set(L, "mediaType");
	int is_size;

	lua_pushliteral(L, "size");
	lua_rawget(L, 3);
	q->found.size = lua_tointegerx(L, -1, &is_size);
	if (typed)
		type = field(L, "mediaType", LUFF_MEDIA_TYPE_MAX);
	if (!digest || (typed && !type) || !is_size || q->found.size < 0) {
		luff_fail(err, LUFF_EINVAL, "a descriptor is { mediaType =, digest =, size = }");
		return;
	}
	luff_text_copy(q->found.media_type, sizeof q->found.media_type, type ? type : "");
	luff_digest_parse(&q->found.digest, digest, err);
	q->kind = LUFF_ANSWER_DESCRIPTOR;
}

static void take(lua_State *L, struct luff_question *base, struct luff_error *err)
{
	struct luff_request *q = (struct luff_request *)base;

	lua_settop(L, 3);
	if (lua_isinteger(L, 3)) {
		q->number = lua_tointeger(L, 3);
		q->kind = LUFF_ANSWER_NUMBER;
	} else if (lua_type(L, 3) == LUA_TSTRING) {
		take_bytes(L, q, err);
	} else if (lua_istable(L, 3)) {
		take_descriptor(L, q, err);
	} else {
		q->kind = lua_toboolean(L, 3) ? LUFF_ANSWER_YES : LUFF_ANSWER_NOTHING;
	}
}

static void release(struct luff_question *base)
{
	struct luff_request *q = (struct luff_request *)base;

	luff_lent_unref(q->lent);
	free(q->bytes);
}

static const struct luff_question_kind kind = {.put = put, .take = take, .release = release};

struct luff_request *luff_request_new(struct luff_medium *m, const char *op, struct luff_error *err)
{
	struct luff_request *q = luff_question_new(sizeof *q, &kind, ((struct luff_scripted *)m)->asker);

	if (!q) {
		luff_fail_nomem(err);
		return NULL;
	}
	q->base.about = "";
	q->op = op;
	q->place = strchr(m->place, ':') + 1;
	return q;
}

void luff_request_unref(struct luff_request *q)
{
	luff_question_unref(&q->base);
}

int luff_request_ask(struct luff_request *q, struct luff_medium *m, struct luff_error *err)
{
	return luff_ask(&q->base, 0, err) < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

/* ---- streams: what a fetch or a list gives piece by piece ---- */

static int next_piece(struct luff_request **out, struct luff_medium *m, int64_t stream,
		      struct luff_error *err)
{
	struct luff_request *q = luff_request_new(m, "next", err);
	int rc;

	*out = q;
	if (!q)
		return err->code;
	q->stream = stream;
	rc = luff_request_ask(q, m, err);
	if (rc == 0 && q->kind != LUFF_ANSWER_BYTES && q->kind != LUFF_ANSWER_NOTHING)
		rc = luff_fail(err, LUFF_EINVAL, "%s: a piece that is no string", m->place);
	return rc;
}

static void close_stream(struct luff_medium *m, int64_t stream)
{
	struct luff_error ignored = {0};
	struct luff_request *q = stream ? luff_request_new(m, "close", &ignored) : NULL;

	if (!q)
		return;
	q->place = NULL;
	q->stream = stream;
	luff_tell(&q->base);
}

struct stream_reader {
	struct luff_reader base;
	struct luff_medium *medium; /* a reference */
	int64_t stream;             /* 0: piece is all */
	struct luff_request *piece; /* NULL: none */
	size_t at;
};

static int stream_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct stream_reader *r = (struct stream_reader *)base;
	int rc = 0;

	*n_out = 0;
	while (rc == 0 && (!r->piece || r->at == r->piece->len)) {
		if (!r->stream)
			return 0; /* it came as a whole */
		if (r->piece)
			luff_request_unref(luff_take(r->piece));
		r->at = 0;
		rc = next_piece(&r->piece, r->medium, r->stream, err);
		if (rc == 0 && r->piece->kind == LUFF_ANSWER_NOTHING)
			return 0;
	}
	if (rc < 0)
		return rc;
	*n_out = r->piece->len - r->at < len ? r->piece->len - r->at : len;
	memcpy(buf, r->piece->bytes + r->at, *n_out);
	r->at += *n_out;
	return 0;
}

static void stream_close(struct luff_reader *base)
{
	struct stream_reader *r = (struct stream_reader *)base;

	close_stream(r->medium, r->stream);
	luff_medium_unref(r->medium);
	if (r->piece)
		luff_request_unref(r->piece);
	free(r);
}

static const struct luff_reader_ops stream_ops = {.read = stream_read, .close = stream_close};

struct scripted_cursor {
	struct luff_cursor base;
	struct luff_medium *medium; /* a reference */
	int64_t stream;
	size_t max;                 /* bytes of an item */
	struct luff_request *piece; /* NULL: none */
};

static int cursor_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct scripted_cursor *c = (struct scripted_cursor *)base;
	int rc;

	*out = NULL;
	if (c->piece)
		luff_request_unref(luff_take(c->piece));
	rc = next_piece(&c->piece, c->medium, c->stream, err);
	if (rc < 0 || c->piece->kind == LUFF_ANSWER_NOTHING)
		return rc;
	if (c->piece->len > c->max || strlen(c->piece->bytes) != c->piece->len)
		return luff_fail(err, LUFF_EFORMAT, "%s: it lists what is too long or has a NUL in it",
				 c->medium->place);
	*out = c->piece->bytes;
	return 0;
}

static void cursor_close(struct luff_cursor *base)
{
	struct scripted_cursor *c = (struct scripted_cursor *)base;

	close_stream(c->medium, c->stream);
	luff_medium_unref(c->medium);
	if (c->piece)
		luff_request_unref(c->piece);
	free(c);
}

static const struct luff_cursor_ops cursor_ops = {.next = cursor_next, .close = cursor_close};

int luff_request_reader(struct luff_reader **out, struct luff_request *q, struct luff_medium *m,
			struct luff_error *err)
{
	struct stream_reader *r = calloc(1, sizeof *r);

	if (!r) {
		luff_request_unref(q);
		return luff_fail_nomem(err);
	}
	*r = (struct stream_reader){
		.base.ops = &stream_ops, .medium = luff_medium_ref(m), .stream = q->number};
	if (q->kind == LUFF_ANSWER_BYTES)
		r->piece = q;
	else
		luff_request_unref(q);
	*out = &r->base;
	return 0;
}

int luff_request_cursor(struct luff_cursor **out, const struct luff_request *q, size_t max,
			struct luff_medium *m, struct luff_error *err)
{
	struct scripted_cursor *c = calloc(1, sizeof *c);

	if (!c)
		return luff_fail_nomem(err);
	*c = (struct scripted_cursor){
		.base.ops = &cursor_ops, .medium = luff_medium_ref(m), .stream = q->number, .max = max};
	*out = &c->base;
	return 0;
}
