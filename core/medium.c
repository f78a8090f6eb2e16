/* The only callers of a medium's table: arguments are checked, outputs cleared and digests verified here, once for all mediums. */
#include "medium.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/scope.h"
#include "model/descriptor.h"
#include "stream/streams.h"

struct luff_medium *luff_medium_ref(struct luff_medium *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void luff_medium_unref(struct luff_medium *m)
{
	if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
		m->ops->destroy(m);
}

const char *luff_medium_place(const struct luff_medium *m)
{
	return m->place;
}

static int read_only(const struct luff_medium *m, struct luff_error *err)
{
	if (m->sealed)
		return luff_fail(err, LUFF_EDENIED, "the sandbox does not let the script write to %s",
				 m->place);
	return luff_fail(err, LUFF_ENOTSUP, "%s: this medium is read-only", m->place);
}

/* What a server's label leaves open, the document says. A label that claims to be one kind of manifest has to be right. */
static int settle_type(struct luff_descriptor *d, const char *document, struct luff_error *err)
{
	struct luff_document doc;
	bool known = luff_media_is_image(d->media_type) || luff_media_is_index(d->media_type);
	int rc = luff_document_parse(&doc, document, (size_t)d->size, known ? d->media_type : NULL, err);

	if (rc < 0)
		return rc;
	memcpy(d->media_type, doc.media_type, sizeof d->media_type);
	luff_document_release(&doc);
	return 0;
}

int luff_medium_resolve(struct luff_descriptor *out, char **document_out, struct luff_medium *m,
			const struct luff_name *name, struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	struct luff_descriptor d = {0};
	struct luff_digest actual;
	int rc;

	memset(out, 0, sizeof *out);
	if (document_out)
		*document_out = NULL;
	rc = m->ops->resolve(&d, document_out ? &document : NULL, m, name, err);
	if (rc < 0)
		return rc;
	if (document_out) {
		if (!document) {
			rc = luff_medium_fetch_all(&document, m, &d, LUFF_MANIFEST_MAX, err);
			if (rc < 0)
				return rc;
		}
		rc = luff_digest_of(&actual, luff_algorithm_name(luff_digest_algorithm(&d.digest)), document,
				    (size_t)d.size, err);
		if (rc == 0 && !luff_digest_equal(&actual, &d.digest))
			rc = luff_fail(err, LUFF_EDIGEST, "manifest %s has the digest %s", d.digest.text,
				       actual.text);
		if (rc == 0)
			rc = settle_type(&d, document, err);
		if (rc < 0)
			return luff_fail_context(err, "%s", m->place);
		*document_out = luff_take(document);
	}
	*out = d;
	return 0;
}

/* A medium may fetch from another one: what that reads is told once, here. */
static int fetch_untold(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			int64_t offset, struct luff_error *err)
{
	struct luff_scope hush = {0};
	int rc;

	if (!luff_scope_hush(&hush))
		return m->ops->fetch(out, m, d, offset, err);
	luff_scope_enter(&hush);
	rc = m->ops->fetch(out, m, d, offset, err);
	luff_scope_leave(&hush);
	return rc;
}

int luff_medium_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		      int64_t offset, struct luff_error *err)
{
	struct luff_reader *raw = NULL;
	int rc;

	*out = NULL;
	if (offset < 0 || offset > d->size)
		return luff_fail(err, LUFF_EINVAL, "%s: %s has no byte %lld", m->place, d->digest.text,
				 (long long)offset);
	rc = fetch_untold(&raw, m, d, offset, err);
	if (rc < 0)
		return rc;
	if (offset > 0)
		return luff_reader_open_exact(out, raw, m, d->size - offset, err);
	if (luff_reader_verifies(raw, &d->digest, d->size))
		*out = raw;
	else
		rc = luff_reader_open_verify(out, raw, m, &d->digest, d->size, err);
	return rc == 0 && !d->manifest && luff_scope_hearer() ? luff_reader_open_told(out, *out, d, err) : rc;
}

int luff_medium_fetch_part(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			   int64_t offset, int64_t size, struct luff_error *err)
{
	struct luff_reader *raw = NULL;
	int rc;

	*out = NULL;
	if (offset < 0 || size < 0 || offset > d->size || size > d->size - offset)
		return luff_fail(err, LUFF_EFORMAT, "%s: %s ends before the part that is wanted", m->place,
				 d->digest.text);
	rc = m->ops->fetch_part ? m->ops->fetch_part(&raw, m, d, offset, size, err)
				: m->ops->fetch(&raw, m, d, offset, err);
	if (rc == 0)
		rc = luff_reader_open_part(&raw, raw, 0, size, err);
	return rc < 0 ? rc : luff_reader_open_exact(out, raw, m, size, err);
}

void luff_medium_pack(struct luff_medium *m)
{
	if (m->ops->pack)
		m->ops->pack(m);
}

int luff_medium_packed(int *fd_out, struct luff_descriptor *out, struct luff_medium *m,
		       const struct luff_descriptor *d, struct luff_error *err)
{
	*fd_out = -1;
	return m->ops->packed ? m->ops->packed(fd_out, out, m, d, err) : 0;
}

/* What was kept of a blob, then the rest, which is asked for when its turn has come. */
struct rest_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_medium *medium; /* of the rest; a reference */
	struct luff_descriptor d;
	int64_t kept;
	int64_t left; /* of what was kept; -1: the rest has begun */
};

static int rest_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len, struct luff_error *err)
{
	struct rest_reader *r = (struct rest_reader *)base;
	int rc = 0;

	if (r->left == 0) {
		luff_reader_close(luff_take(r->inner));
		rc = r->medium->ops->fetch(&r->inner, r->medium, &r->d, r->kept, err);
		r->left = -1;
	}
	if (r->left > 0 && (int64_t)len > r->left)
		len = (size_t)r->left;
	if (rc == 0)
		rc = luff_reader_read(n_out, r->inner, buf, len, err);
	if (rc == 0 && *n_out == 0 && r->left > 0)
		return luff_fail(err, LUFF_EDIGEST, "what was kept of %s is not there any more",
				 r->d.digest.text);
	if (r->left > 0)
		r->left -= (int64_t)*n_out;
	return rc;
}

static void rest_close(struct luff_reader *base)
{
	struct rest_reader *r = (struct rest_reader *)base;

	luff_reader_close(r->inner);
	luff_medium_unref(r->medium);
	free(r);
}

static const struct luff_reader_ops rest_ops = {.read = rest_read, .close = rest_close};

int luff_medium_fetch_for(struct luff_reader **out, int64_t *kept_out, struct luff_medium *m,
			  const struct luff_descriptor *d, struct luff_medium *dst, struct luff_error *err)
{
	LUFF_AUTO(reader) kept = NULL;
	struct rest_reader *rest;
	int rc = 0;

	*out = NULL;
	*kept_out = 0;
	if (dst->ops->kept)
		rc = dst->ops->kept(&kept, kept_out, dst, d, err);
	if (rc < 0)
		return rc;
	if (*kept_out == 0 || *kept_out > d->size) {
		*kept_out = 0;
		return luff_medium_fetch(out, m, d, 0, err);
	}
	rest = malloc(sizeof *rest);
	if (!rest)
		return luff_fail_nomem(err);
	*rest = (struct rest_reader){.base.ops = &rest_ops,
				     .inner = luff_take(kept),
				     .medium = luff_medium_ref(m),
				     .d = *d,
				     .kept = *kept_out,
				     .left = *kept_out};
	return luff_reader_open_verify(out, &rest->base, m, &d->digest, d->size, err);
}

int luff_medium_fetch_all(char **out, struct luff_medium *m, const struct luff_descriptor *d, int64_t cap,
			  struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int rc;

	*out = NULL;
	if (d->size > cap)
		return luff_fail(err, LUFF_ELIMIT, "%s: %s has %lld bytes, more than %lld", m->place,
				 d->digest.text, (long long)d->size, (long long)cap);
	rc = luff_medium_fetch(&r, m, d, 0, err);
	return rc < 0 ? rc : luff_reader_read_all(out, r, d->size, err);
}

int luff_medium_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
		       struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_error ignored = {0};
	int rc;

	*out = false;
	if (m->ops->exists)
		return m->ops->exists(out, m, d, err);
	rc = m->ops->fetch(&r, m, d, 0, &ignored);
	*out = rc == 0;
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return 0;
	*err = ignored;
	return rc;
}

/* Lends a reader whose owner is somebody else to a chain that closes what it wraps. */
struct lent_reader {
	struct luff_reader base;
	struct luff_reader *owner;
};

static int lent_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	return luff_reader_read(n_out, ((struct lent_reader *)r)->owner, buf, len, err);
}

static int lent_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	return luff_reader_seek(((struct lent_reader *)r)->owner, offset, err);
}

static void lent_close(struct luff_reader *r)
{
	free(r);
}

static const struct luff_reader_ops lent_ops = {.read = lent_read, .close = lent_close, .seek = lent_seek};

static int open_lent(struct luff_reader **out, struct luff_reader *owner, struct luff_error *err)
{
	struct lent_reader *lent = calloc(1, sizeof *lent);

	if (!lent)
		return luff_fail_nomem(err);
	lent->base.ops = &lent_ops;
	lent->owner = owner;
	luff_reader_inherit(&lent->base, owner);
	*out = &lent->base;
	return 0;
}

struct push {
	const struct luff_descriptor *descriptor;
	const struct luff_scope *hearer;
};

static void tell(const struct push *p, enum luff_progress_kind kind, size_t bytes)
{
	luff_scope_tell(
		p->hearer,
		&(struct luff_progress){.kind = kind, .descriptor = p->descriptor, .bytes = (int64_t)bytes});
}

static void count_bytes(void *arg, size_t n)
{
	tell(arg, LUFF_PROGRESS_BYTES, n);
}

/* Tells how far it is, as long as somebody listens. `src` stays the caller's. */
static int push_checked(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			struct luff_error *err)
{
	LUFF_AUTO(reader) counted = NULL;
	struct luff_scope hush = {0};
	struct push p = {d, luff_scope_hush(&hush)};
	int rc;

	if (d->manifest || !p.hearer)
		return m->ops->push(m, d, src, err);
	rc = open_lent(&counted, src, err);
	if (rc == 0)
		rc = luff_reader_open_count(&counted, counted, count_bytes, &p, err);
	if (rc < 0)
		return rc;
	tell(&p, LUFF_PROGRESS_START, 0);
	luff_scope_enter(&hush);
	rc = m->ops->push(m, d, counted, err);
	luff_scope_leave(&hush);
	tell(&p, rc < 0 ? LUFF_PROGRESS_LEFT : LUFF_PROGRESS_DONE, 0);
	return rc;
}

int luff_medium_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		     struct luff_error *err)
{
	LUFF_AUTO(reader) checked = NULL;
	int rc;

	if (!m->ops->push || m->sealed)
		return read_only(m, err);
	if (luff_reader_verifies(src, &d->digest, d->size))
		return push_checked(m, d, src, err);
	rc = open_lent(&checked, src, err);
	if (rc == 0)
		rc = luff_reader_open_verify(&checked, checked, NULL, &d->digest, d->size, err);
	return rc < 0 ? rc : push_checked(m, d, checked, err);
}

int luff_medium_push_bytes(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			   struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int rc = luff_reader_open_bytes(&r, bytes, (size_t)d->size, err);

	return rc < 0 ? rc : luff_medium_push(m, d, r, err);
}

struct luff_medium *luff_medium_origin(struct luff_medium *m, const struct luff_descriptor *d)
{
	struct luff_medium *inside = m;

	while (inside) {
		m = inside;
		inside = m->ops->origin ? m->ops->origin(m, d) : NULL;
	}
	return m;
}

int luff_medium_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
		      struct luff_medium *from, struct luff_error *err)
{
	*mounted = false;
	return m->ops->mount && !m->sealed ? m->ops->mount(mounted, m, d, luff_medium_origin(from, d), err)
					   : 0;
}

const char *luff_medium_home(const struct luff_medium *m)
{
	return m->ops->home ? m->ops->home(m) : m->place;
}

static int check_tagging(const struct luff_medium *m, const struct luff_tagging *t, struct luff_error *err)
{
	const struct luff_descriptor *d = t->descriptor;
	struct luff_digest actual;
	int rc;

	if (*t->tag && m->naming == LUFF_NAMES_NONE)
		return luff_fail(err, LUFF_ENOTSUP, "%s: has no names, and holds one image", m->place);
	if ((!*t->tag && m->naming == LUFF_NAMES_TAGS) || strlen(t->tag) > LUFF_TAG_MAX)
		return luff_fail(err, LUFF_ENAME, "%s: the tag is %s", m->place,
				 *t->tag ? "too long" : "empty");
	rc = luff_digest_of(&actual, luff_algorithm_name(luff_digest_algorithm(&d->digest)), t->bytes,
			    (size_t)d->size, err);
	if (rc == 0 && !luff_digest_equal(&actual, &d->digest))
		rc = luff_fail(err, LUFF_EDIGEST, "%s: manifest %s has the digest %s", m->place,
			       d->digest.text, actual.text);
	return rc;
}

int luff_medium_tag_all(struct luff_medium *m, const struct luff_tagging *list, size_t count,
			struct luff_error *err)
{
	int rc = 0;

	if (!m->ops->tag || m->sealed)
		return read_only(m, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = check_tagging(m, &list[i], err);
	if (rc == 0 && m->ops->tag_all)
		return m->ops->tag_all(m, list, count, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = m->ops->tag(m, list[i].descriptor, list[i].bytes, list[i].tag, err);
	return rc;
}

int luff_medium_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		    const char *tag, struct luff_error *err)
{
	struct luff_tagging one = {.descriptor = d, .bytes = bytes, .tag = tag};

	return luff_medium_tag_all(m, &one, 1, err);
}

int luff_medium_alias(struct luff_descriptor *out, struct luff_medium *m, const struct luff_name *name,
		      const char *tag, struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	int rc;

	if (m->ops->alias) {
		memset(out, 0, sizeof *out);
		return m->ops->alias(out, m, name, tag, err);
	}
	rc = luff_medium_resolve(out, &document, m, name, err);
	return rc < 0 ? rc : luff_medium_tag(m, out, document, tag, err);
}

int luff_medium_flush(struct luff_medium *m, struct luff_error *err)
{
	return m->ops->flush ? m->ops->flush(m, err) : 0;
}

int luff_medium_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	*out = NULL;
	if (!m->ops->tags)
		return luff_fail(err, LUFF_ENOTSUP, "%s: this medium lists no tags", m->place);
	return m->ops->tags(out, m, err);
}

int luff_medium_referrers(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
			  const char *artifact_type, struct luff_error *err)
{
	*out = NULL;
	if (!m->ops->referrers)
		return luff_fail(err, LUFF_ENOTSUP, "%s: this medium lists no referrers", m->place);
	if (artifact_type && strlen(artifact_type) > LUFF_MEDIA_TYPE_MAX)
		return luff_fail(err, LUFF_EINVAL, "an artifact type of more than %d characters",
				 LUFF_MEDIA_TYPE_MAX);
	return m->ops->referrers(out, m, subject, artifact_type ? artifact_type : "", err);
}

int luff_medium_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
		       bool force, struct luff_error *err)
{
	struct luff_digest gone = {""};
	int rc;

	*out = gone;
	if (!m->ops->remove || m->sealed)
		return read_only(m, err);
	rc = m->ops->remove(&gone, m, name, force, err);
	if (rc == 0)
		*out = gone;
	return rc;
}

int luff_medium_unnames(bool *out, struct luff_medium *m, struct luff_error *err)
{
	*out = true;
	return m->ops->unnames ? m->ops->unnames(out, m, err) : 0;
}

int luff_medium_remove_annotated(int64_t *count_out, struct luff_medium *m, const char *key,
				 const char *value, struct luff_error *err)
{
	*count_out = 0;
	if (m->sealed)
		return read_only(m, err);
	if (!m->ops->remove_annotated)
		return luff_fail(err, LUFF_ENOTSUP, "%s: this medium has no list with annotations", m->place);
	return m->ops->remove_annotated(count_out, m, key, value, err);
}

int luff_medium_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		     struct luff_error *err)
{
	*size_out = 0;
	if (!m->ops->stat)
		return luff_fail(err, LUFF_ENOTSUP, "%s: this medium gives no blobs by their digest alone",
				 m->place);
	return m->ops->stat(size_out, m, digest, err);
}

int luff_medium_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	if (!m->ops->remove_blob || m->sealed)
		return read_only(m, err);
	return m->ops->remove_blob(m, digest, err);
}
