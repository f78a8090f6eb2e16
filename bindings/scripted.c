/*
 * Mediums that a script writes: luff.medium. Each is one function of Lua that gets a request (a table, see lua/luff/medium.lua) and is
 * asked by workers, see question.c. What it gives is checked as what any other medium gives.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mediums/gate.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "scripted.h"

static const char registered; /* registry key: schemes -> { asker =, what it can do = true } */

static int not_found(struct luff_medium *m, const char *what, const char *which, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "%s: no %s%s", m->place, what, which);
}

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
	LUFF_AUTO(request) q = luff_request_new(m, "resolve", err);
	const char *which = name->digest.text[0] ? name->digest.text : name->tag;

	if (!q)
		return err->code;
	q->tag = name->tag;
	q->digest = name->digest.text;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	if (q->kind != LUFF_ANSWER_DESCRIPTOR)
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
	LUFF_AUTO(request) q = luff_request_new(m, "fetch", err);

	if (!q)
		return err->code;
	q->descriptor = d;
	q->offset = offset;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	if (q->kind != LUFF_ANSWER_BYTES && q->kind != LUFF_ANSWER_NUMBER)
		return not_found(m, "blob ", d->digest.text, err);
	return luff_request_reader(out, luff_take(q), m, err);
}

static int scripted_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			   struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "exists", err);

	if (!q)
		return err->code;
	q->descriptor = d;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	*out = q->kind != LUFF_ANSWER_NOTHING;
	return 0;
}

static int scripted_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "push", err);
	struct luff_lent *lent;
	int rc;

	if (!q)
		return err->code;
	lent = luff_lend(src, d->size);
	if (!lent)
		return luff_fail_nomem(err);
	q->lent = luff_lent_ref(lent);
	q->descriptor = d;
	rc = luff_ask(&q->base, 0, err);
	rc = luff_lent_take_back(lent, rc, err);
	return rc < 0 ? luff_fail_context(err, "%s", m->place) : 0;
}

static int scripted_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			const char *tag, struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "tag", err);
	int rc;

	if (!q)
		return err->code;
	q->descriptor = d;
	q->tag = tag;
	rc = luff_medium_push_bytes(m, d, bytes, err);
	return rc < 0 ? rc : luff_request_ask(q, m, err);
}

/* Takes `request`, which may be NULL, over. */
static int open_list(struct luff_cursor **out, struct luff_medium *m, struct luff_request *request,
		     size_t max, struct luff_error *err)
{
	LUFF_AUTO(request) q = request;

	if (!q || luff_request_ask(q, m, err) < 0)
		return err->code;
	return luff_request_cursor(out, q, max, m, err);
}

static int scripted_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	return open_list(out, m, luff_request_new(m, "tags", err), LUFF_TAG_MAX, err);
}

static int scripted_referrers(struct luff_cursor **out, struct luff_medium *m,
			      const struct luff_digest *subject, const char *artifact_type,
			      struct luff_error *err)
{
	struct luff_request *q = luff_request_new(m, "referrers", err);

	if (q) {
		q->digest = subject->text;
		q->artifact_type = artifact_type;
	}
	return open_list(out, m, q, LUFF_MANIFEST_MAX, err);
}

static int scripted_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			   bool force, struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "remove", err);

	if (!q)
		return err->code;
	q->tag = name->tag;
	q->digest = name->digest.text;
	q->force = force;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	if (q->kind == LUFF_ANSWER_BYTES)
		return luff_digest_parse(out, q->bytes, err);
	if (q->kind == LUFF_ANSWER_NOTHING)
		return not_found(m, "manifest ", *q->digest ? q->digest : q->tag, err);
	return 0;
}

static int scripted_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
			 struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "stat", err);

	if (!q)
		return err->code;
	q->digest = digest->text;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	if (q->kind != LUFF_ANSWER_NUMBER || q->number < 0)
		return not_found(m, "blob ", digest->text, err);
	*size_out = q->number;
	return 0;
}

static int scripted_remove_blob(struct luff_medium *m, const struct luff_digest *digest,
				struct luff_error *err)
{
	LUFF_AUTO(request) q = luff_request_new(m, "remove_blob", err);

	if (!q)
		return err->code;
	q->digest = digest->text;
	if (luff_request_ask(q, m, err) < 0)
		return err->code;
	return q->kind == LUFF_ANSWER_NOTHING ? not_found(m, "blob ", digest->text, err) : 0;
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
static void set_ops(struct luff_scripted *s, lua_State *L)
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
	struct luff_scripted *s = calloc(1, sizeof *s);
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

	if (!colon || colon - text > LUFF_SCHEME_MAX)
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

	luaL_argcheck(L, strlen(scheme) <= LUFF_SCHEME_MAX, 1, "the scheme is too long");
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
