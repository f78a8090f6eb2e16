/*
 * Mediums that a script writes: luff.medium. Each is one function of Lua that gets a request (a table, see lua/luff/medium.lua) and is
 * asked by workers, see question.c. What it gives is checked as what any other medium gives.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "bind.h"
#include "medium.h"
#include "mediums/gate.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"

#define CHUNK_MAX ((size_t)64 << 20) /* bytes that a function gives at once */
#define SCHEME_MAX 31

static const char registered; /* registry key: schemes -> { asker =, what it can do = true } */

struct scripted {
	struct luff_medium base;
	struct luff_medium_ops ops; /* without what the script leaves out */
	char scheme[SCHEME_MAX + 1];
	int64_t asker;
};

static struct scripted *scripted_of(struct luff_medium *m)
{
	return (struct scripted *)m;
}

static const char *inside(const struct luff_medium *m)
{
	return strchr(m->place, ':') + 1;
}

/* ---- what a push reads, lent to the script ---- */

/* The reader of whoever pushes, which may leave while the script reads. */
struct lent {
	pthread_mutex_t lock;
	atomic_int refs;
	struct luff_reader *src; /* NULL: the push is over */
	struct luff_scope *scope;
	int64_t left; /* bytes that are still to come */
	bool ended;   /* all came, and were right */
	struct luff_error failure;
};

static void lent_unref(struct lent *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The last bytes come after the end was looked at: nobody ever has all of something wrong. */
static int read_checked(size_t *n_out, struct lent *l, void *buf, size_t len, struct luff_error *err)
{
	char more;
	size_t n;
	int rc = luff_reader_read(n_out, l->src, buf, len, err);

	if (rc < 0)
		return rc;
	l->left -= (int64_t)*n_out;
	if (*n_out > 0 && l->left <= 0) {
		rc = luff_reader_read(&n, l->src, &more, 1, err);
		if (rc == 0 && n > 0)
			rc = luff_fail(err, LUFF_ESIZE, "there are more bytes than there should be");
	}
	l->ended = rc == 0 && l->left <= 0;
	return rc;
}

struct lent_reader {
	struct luff_reader base;
	struct lent *lent;
};

static int lent_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct lent *l = ((struct lent_reader *)r)->lent;
	struct luff_scope *own;
	int rc;

	pthread_mutex_lock(&l->lock);
	if (!l->src) {
		pthread_mutex_unlock(&l->lock);
		return luff_fail(err, LUFF_EINVAL, "what was to be pushed can be read only meanwhile");
	}
	*n_out = 0;
	if (l->ended) {
		pthread_mutex_unlock(&l->lock);
		return 0;
	}
	own = luff_scope_swap(l->scope);
	rc = read_checked(n_out, l, buf, len, err);
	luff_scope_swap(own);
	if (rc < 0)
		l->failure = *err;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

static void lent_close(struct luff_reader *r)
{
	lent_unref(((struct lent_reader *)r)->lent);
	free(r);
}

static const struct luff_reader_ops lent_ops = {.read = lent_read, .close = lent_close};

static struct lent *lend(struct luff_reader *src, int64_t size)
{
	struct lent *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->refs = 1;
	l->src = src;
	l->scope = luff_scope_current();
	l->left = size;
	return l;
}

/* After the script's push, which went well or failed with *err. Unrefs l. */
static int take_back(struct lent *l, int rc, struct luff_error *err)
{
	char buf[256];
	size_t n;

	pthread_mutex_lock(&l->lock);
	if (l->failure.code) {
		*err = l->failure;
		rc = err->code;
	} else if (rc == 0 && !l->ended) {
		rc = luff_reader_read(&n, l->src, buf, sizeof buf, err);
		if (rc == 0 && n > 0)
			rc = luff_fail(err, LUFF_EINVAL, "its push has not read to the end");
	}
	l->src = NULL;
	pthread_mutex_unlock(&l->lock);
	lent_unref(l);
	return rc;
}

/* ---- requests ---- */

enum kind { NOTHING, YES, NUMBER, BYTES, DESCRIPTOR };

struct request {
	struct luff_question base;
	const char *op; /* static */
	int64_t stream; /* from 1 on */
	/* in the frame of who asks, each NULL, 0 or false where it is not said: */
	const char *place, *tag, *digest, *artifact_type;
	const struct luff_descriptor *descriptor;
	int64_t offset;
	bool force;
	struct lent *lent;

	enum kind kind; /* of the answer */
	int64_t number;
	char *bytes; /* NUL-terminated */
	size_t len;
	struct luff_descriptor found;
};

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

static void push_lent(lua_State *L, struct lent *l)
{
	struct luff_reader_box *box = luff_push_reader(L);
	struct lent_reader *r = calloc(1, sizeof *r);

	if (!r) {
		luaL_error(L, "out of memory");
		return;
	}
	atomic_fetch_add(&l->refs, 1);
	*r = (struct lent_reader){.base.ops = &lent_ops, .lent = l};
	box->r = &r->base;
}

static void put(lua_State *L, struct luff_question *base)
{
	const struct request *q = (struct request *)base;

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
		push_lent(L, q->lent);
		lua_setfield(L, -2, "reader");
	}
}

static void take_bytes(lua_State *L, struct request *q, struct luff_error *err)
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
	q->kind = BYTES;
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

static void take_descriptor(lua_State *L, struct request *q, struct luff_error *err)
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
	q->kind = DESCRIPTOR;
}

static void take(lua_State *L, struct luff_question *base, struct luff_error *err)
{
	struct request *q = (struct request *)base;

	lua_settop(L, 3);
	if (lua_isinteger(L, 3)) {
		q->number = lua_tointeger(L, 3);
		q->kind = NUMBER;
	} else if (lua_type(L, 3) == LUA_TSTRING) {
		take_bytes(L, q, err);
	} else if (lua_istable(L, 3)) {
		take_descriptor(L, q, err);
	} else {
		q->kind = lua_toboolean(L, 3) ? YES : NOTHING;
	}
}

static void release(struct luff_question *base)
{
	struct request *q = (struct request *)base;

	lent_unref(q->lent);
	free(q->bytes);
}

static const struct luff_question_kind kind = {.put = put, .take = take, .release = release};

static struct request *new_request(struct luff_medium *m, const char *op, struct luff_error *err)
{
	struct request *q = luff_question_new(sizeof *q, &kind, scripted_of(m)->asker);

	if (!q) {
		luff_fail_nomem(err);
		return NULL;
	}
	q->base.about = "";
	q->op = op;
	q->place = inside(m);
	return q;
}

static void request_unref(struct request *q)
{
	luff_question_unref(&q->base);
}

LUFF_DEFINE_AUTO(request, struct request *, request_unref);

static int ask(struct request *q, struct luff_medium *m, struct luff_error *err)
{
	return luff_ask(&q->base, 0, err) < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

static int not_found(struct luff_medium *m, const char *what, const char *which, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "%s: no %s%s", m->place, what, which);
}

/* ---- streams: what a fetch or a list gives piece by piece ---- */

static int next_piece(struct request **out, struct luff_medium *m, int64_t stream, struct luff_error *err)
{
	struct request *q = new_request(m, "next", err);
	int rc;

	*out = q;
	if (!q)
		return err->code;
	q->stream = stream;
	rc = ask(q, m, err);
	if (rc == 0 && q->kind != BYTES && q->kind != NOTHING)
		rc = luff_fail(err, LUFF_EINVAL, "%s: a piece that is no string", m->place);
	return rc;
}

static void close_stream(struct luff_medium *m, int64_t stream)
{
	struct luff_error ignored = {0};
	struct request *q = stream ? new_request(m, "close", &ignored) : NULL;

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
	struct request *piece;      /* NULL: none */
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
			request_unref(luff_take(r->piece));
		r->at = 0;
		rc = next_piece(&r->piece, r->medium, r->stream, err);
		if (rc == 0 && r->piece->kind == NOTHING)
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
		request_unref(r->piece);
	free(r);
}

static const struct luff_reader_ops stream_ops = {.read = stream_read, .close = stream_close};

struct scripted_cursor {
	struct luff_cursor base;
	struct luff_medium *medium; /* a reference */
	int64_t stream;
	size_t max;            /* bytes of an item */
	struct request *piece; /* NULL: none */
};

static int cursor_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct scripted_cursor *c = (struct scripted_cursor *)base;
	int rc;

	*out = NULL;
	if (c->piece)
		request_unref(luff_take(c->piece));
	rc = next_piece(&c->piece, c->medium, c->stream, err);
	if (rc < 0 || c->piece->kind == NOTHING)
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
		request_unref(c->piece);
	free(c);
}

static const struct luff_cursor_ops cursor_ops = {.next = cursor_next, .close = cursor_close};

/* ---- the medium's table ---- */

/* A descriptor without a type: the bytes say what it is. */
static int find_type(struct luff_descriptor *d, char **document, struct luff_medium *m,
		     struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	struct luff_document doc;
	int rc = luff_medium_fetch_all(&text, m, d, LUFF_MANIFEST_MAX, err);

	if (rc < 0)
		return rc;
	if (luff_document_parse(&doc, text, (size_t)d->size, NULL, err) < 0)
		return luff_fail_context(err, "%s", m->place);
	memcpy(d->media_type, doc.media_type, sizeof doc.media_type);
	luff_document_release(&doc);
	if (document)
		*document = luff_take(text);
	return 0;
}

static int scripted_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			    const struct luff_name *name, struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "resolve", err);
	const char *which = name->digest.text[0] ? name->digest.text : name->tag;

	if (!q)
		return err->code;
	q->tag = name->tag;
	q->digest = name->digest.text;
	if (ask(q, m, err) < 0)
		return err->code;
	if (q->kind != DESCRIPTOR)
		return *which ? not_found(m, "manifest ", which, err)
			      : luff_fail(err, LUFF_ENOTFOUND, "%s: choose one image by its tag", m->place);
	if (name->digest.text[0] && !luff_digest_equal(&name->digest, &q->found.digest))
		return luff_fail(err, LUFF_EDIGEST, "%s: asked for %s, and it has %s", m->place,
				 name->digest.text, q->found.digest.text);
	*out = q->found;
	out->manifest = true;
	return out->media_type[0] ? 0 : find_type(out, document, m, err);
}

/* What is given as a whole is read from the request's bytes. */
static int scripted_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			  int64_t offset, struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "fetch", err);
	struct stream_reader *r;

	if (!q)
		return err->code;
	q->descriptor = d;
	q->offset = offset;
	if (ask(q, m, err) < 0)
		return err->code;
	if (q->kind != BYTES && q->kind != NUMBER)
		return not_found(m, "blob ", d->digest.text, err);
	r = calloc(1, sizeof *r);
	if (!r)
		return luff_fail_nomem(err);
	*r = (struct stream_reader){
		.base.ops = &stream_ops, .medium = luff_medium_ref(m), .stream = q->number};
	if (q->kind == BYTES)
		r->piece = luff_take(q);
	*out = &r->base;
	return 0;
}

static int scripted_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			   struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "exists", err);

	if (!q)
		return err->code;
	q->descriptor = d;
	if (ask(q, m, err) < 0)
		return err->code;
	*out = q->kind != NOTHING;
	return 0;
}

static int scripted_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "push", err);
	struct lent *lent;
	int rc;

	if (!q)
		return err->code;
	lent = lend(src, d->size);
	if (!lent)
		return luff_fail_nomem(err);
	atomic_fetch_add(&lent->refs, 1);
	q->lent = lent;
	q->descriptor = d;
	rc = luff_ask(&q->base, 0, err);
	rc = take_back(lent, rc, err);
	return rc < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

static int scripted_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			const char *tag, struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "tag", err);
	int rc;

	if (!q)
		return err->code;
	q->descriptor = d;
	q->tag = tag;
	rc = luff_medium_push_bytes(m, d, bytes, err);
	return rc < 0 ? rc : ask(q, m, err);
}

/* Takes `request`, which may be NULL, over. */
static int open_list(struct luff_cursor **out, struct luff_medium *m, struct request *request, size_t max,
		     struct luff_error *err)
{
	LUFF_AUTO(request) q = request;
	struct scripted_cursor *c;

	if (!q || ask(q, m, err) < 0)
		return err->code;
	c = calloc(1, sizeof *c);
	if (!c)
		return luff_fail_nomem(err);
	*c = (struct scripted_cursor){
		.base.ops = &cursor_ops, .medium = luff_medium_ref(m), .stream = q->number, .max = max};
	*out = &c->base;
	return 0;
}

static int scripted_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	return open_list(out, m, new_request(m, "tags", err), LUFF_TAG_MAX, err);
}

static int scripted_referrers(struct luff_cursor **out, struct luff_medium *m,
			      const struct luff_digest *subject, const char *artifact_type,
			      struct luff_error *err)
{
	struct request *q = new_request(m, "referrers", err);

	if (q) {
		q->digest = subject->text;
		q->artifact_type = artifact_type;
	}
	return open_list(out, m, q, LUFF_MANIFEST_MAX, err);
}

static int scripted_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			   bool force, struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "remove", err);

	if (!q)
		return err->code;
	q->tag = name->tag;
	q->digest = name->digest.text;
	q->force = force;
	if (ask(q, m, err) < 0)
		return err->code;
	if (q->kind == BYTES)
		return luff_digest_parse(out, q->bytes, err);
	if (q->kind == NOTHING)
		return not_found(m, "manifest ", *q->digest ? q->digest : q->tag, err);
	return 0;
}

static int scripted_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
			 struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "stat", err);

	if (!q)
		return err->code;
	q->digest = digest->text;
	if (ask(q, m, err) < 0)
		return err->code;
	if (q->kind != NUMBER || q->number < 0)
		return not_found(m, "blob ", digest->text, err);
	*size_out = q->number;
	return 0;
}

static int scripted_remove_blob(struct luff_medium *m, const struct luff_digest *digest,
				struct luff_error *err)
{
	LUFF_AUTO(request) q = new_request(m, "remove_blob", err);

	if (!q)
		return err->code;
	q->digest = digest->text;
	if (ask(q, m, err) < 0)
		return err->code;
	return q->kind == NOTHING ? not_found(m, "blob ", digest->text, err) : 0;
}

static void scripted_destroy(struct luff_medium *m)
{
	free(m->place);
	free(m);
}

/* ---- names ---- */

/* "PLACE[:TAG][@DIGEST]": the tag is behind the last colon that is behind the last slash. Returns the length of PLACE. */
static size_t split(struct luff_name *name, const char *text, const char *scheme, struct luff_error *err)
{
	const char *at = NULL, *end, *slash, *colon;
	size_t len;

	for (const char *p = strchr(text, '@'); p; p = strchr(p + 1, '@'))
		at = luff_text_starts(p, "@sha256:") || luff_text_starts(p, "@sha512:") ? p : at;
	end = at ? at : text + strlen(text);
	slash = memrchr(text, '/', (size_t)(end - text));
	slash = slash ? slash : text;
	colon = memrchr(slash, ':', (size_t)(end - slash));
	len = (size_t)((colon ? colon : end) - text);
	if (colon && (end - colon == 1 || end - colon - 1 > LUFF_TAG_MAX))
		luff_fail(err, LUFF_ENAME, "%s: the tag is %s", scheme,
			  end - colon == 1 ? "empty" : "too long");
	else if (len == 0)
		luff_fail(err, LUFF_ENAME, "%s: the place is missing, write %s:PLACE:TAG", scheme, scheme);
	else if (at)
		luff_digest_parse(&name->digest, at + 1, err);
	if (colon && !err->code)
		memcpy(name->tag, colon + 1, (size_t)(end - colon) - 1);
	return len;
}

static bool can(lua_State *L, const char *what)
{
	bool is;

	lua_pushstring(L, what);
	lua_rawget(L, -2);
	is = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return is;
}

/* The functions that the script wrote; the rest is NULL. Its table is on top. */
static void set_ops(struct scripted *s, lua_State *L)
{
	struct luff_medium_ops *ops = &s->ops;

	*ops = (struct luff_medium_ops){.scheme = s->scheme,
					.resolve = scripted_resolve,
					.fetch = scripted_fetch,
					.destroy = scripted_destroy};
	ops->exists = can(L, "exists") ? scripted_exists : NULL;
	ops->push = can(L, "push") ? scripted_push : NULL;
	ops->tag = can(L, "tag") ? scripted_tag : NULL;
	ops->tags = can(L, "tags") ? scripted_tags : NULL;
	ops->referrers = can(L, "referrers") ? scripted_referrers : NULL;
	ops->remove = can(L, "remove") ? scripted_remove : NULL;
	ops->stat = can(L, "stat") ? scripted_stat : NULL;
	ops->remove_blob = can(L, "remove_blob") ? scripted_remove_blob : NULL;
}

/* Its table is on top. */
static int open_scripted(struct luff_medium **out, struct luff_name *name, lua_State *L, const char *text,
			 size_t scheme, struct luff_error *err)
{
	struct scripted *s = calloc(1, sizeof *s);
	struct luff_name picked = {.tag = ""};

	if (!s)
		return luff_fail_nomem(err);
	memcpy(s->scheme, text, scheme);
	s->base.place = strndup(text, scheme + 1 + split(&picked, text + scheme + 1, s->scheme, err));
	if (!err->code && !s->base.place)
		luff_fail_nomem(err);
	if (err->code) {
		scripted_destroy(&s->base);
		return err->code;
	}
	set_ops(s, L);
	lua_pushliteral(L, "asker");
	lua_rawget(L, -2);
	s->asker = lua_tointeger(L, -1);
	lua_pop(L, 1);
	s->base.ops = &s->ops;
	s->base.refs = 1;
	*name = picked;
	*out = &s->base;
	return luff_cache_wrap(out, err) < 0 ? err->code : luff_gate_wrap(out, false, err);
}

bool luff_scripted_open(int *rc, struct luff_medium **out, struct luff_name *name, lua_State *L,
			const char *text, struct luff_error *err)
{
	const char *colon = strchr(text, ':');
	bool known;

	if (!colon || colon - text > SCHEME_MAX)
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &registered);
	lua_pushlstring(L, text, (size_t)(colon - text));
	known = lua_rawget(L, -2) == LUA_TTABLE;
	if (known)
		*rc = open_scripted(out, name, L, text, (size_t)(colon - text), err);
	lua_pop(L, 2);
	return known;
}

/* core.medium(scheme, can, f): f(request) from now on answers for "SCHEME:…" */
static int register_medium(lua_State *L)
{
	const char *scheme = luff_check_name(L, 1);

	luaL_argcheck(L, strlen(scheme) <= SCHEME_MAX, 1, "the scheme is too long");
	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	lua_settop(L, 3);
	lua_pushinteger(L, (lua_Integer)luff_asker_new(L));
	lua_setfield(L, 2, "asker");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &registered);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, scheme);
	return 0;
}

void luff_scripted_functions(lua_State *L)
{
	lua_newtable(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &registered);
	lua_pushcfunction(L, register_medium);
	lua_setfield(L, -2, "medium");
}
