/*
 * A medium that wraps one that is far away: what is read comes from a folder on disk where that has it, else from there, and stays in
 * the folder. Names are always asked for; content is not, once it is here. The folder is an OCI layout without names, shared
 * by any number of processes; what was used least goes when it gets too large. A cache that fails is no failure of who reads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/scope.h"
#include "mediums/mediums.h"
#include "model/descriptor.h"
#include "stream/streams.h"

#define RIGHT 64 /* blobs that need not be looked through once more for a part of them */

/* The folder; shared by the mediums in front of which it lies. */
struct shelf {
	atomic_int refs;
	struct luff_store *store;
	int64_t max;
	pthread_mutex_t lock; /* of what follows */
	bool counted;
	int64_t total;                   /* bytes of blobs, others' of which we may not know */
	struct luff_digest right[RIGHT]; /* of the last that were found so */
	size_t right_next;
};

struct cache {
	struct luff_medium base;
	struct luff_medium_ops ops; /* without what the inner one lacks */
	struct luff_medium *inner;
	struct shelf *shelf;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct shelf *current; /* under the lock; NULL: there is none */

static struct cache *cache_of(struct luff_medium *m)
{
	return (struct cache *)m;
}

static void shelf_unref(struct shelf *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	luff_store_unref(s->store);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct shelf *shelf_ref(struct shelf *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

/* ---- what goes ---- */

static int compare_ages(const void *a, const void *b)
{
	const struct luff_store_blob *x = a, *y = b;

	return x->since != y->since ? (x->since < y->since ? -1 : 1) : strcmp(x->digest.text, y->digest.text);
}

/* Counts what there is, and takes the oldest away while that is too much. The lock is held. */
static void sweep(struct shelf *s)
{
	struct luff_store_blob *blobs = NULL;
	struct luff_error ignored = {0};
	size_t count = 0;

	if (luff_store_list(&blobs, &count, s->store, &ignored) < 0)
		return;
	s->counted = true;
	s->total = 0;
	for (size_t i = 0; i < count; i++)
		s->total += blobs[i].size;
	if (s->total > s->max)
		qsort(blobs, count, sizeof *blobs, compare_ages);
	for (size_t i = 0; i < count && s->total > s->max; i++) {
		/* which somebody may have used just now */
		if (luff_store_reap(s->store, &blobs[i].digest, blobs[i].since, &ignored) == 0)
			s->total -= blobs[i].size;
	}
	free(blobs);
}

static void came_in(struct shelf *s, int64_t size)
{
	pthread_mutex_lock(&s->lock);
	s->total += size;
	if (!s->counted || s->total > s->max)
		sweep(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- what comes ---- */

/* Hands on what the inner medium gives, which is checked, and writes it down. */
struct keep_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct shelf *shelf;
	struct luff_digest digest;
	int64_t size;
	struct luff_store_writer *writer;
	bool begun; /* or given up */
};

static void give_up(struct keep_reader *k, const struct luff_error *why)
{
	if (why && luff_scope_logs())
		luff_scope_log("cache: %s", why->msg);
	luff_store_writer_abort(luff_take(k->writer));
}

static void begin(struct keep_reader *k)
{
	struct luff_error failed = {0};

	if (k->begun)
		return;
	k->begun = true;
	if (luff_store_write(&k->writer, k->shelf->store, false, luff_digest_algorithm(&k->digest), &failed) <
	    0)
		give_up(k, &failed);
}

static int keep_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct keep_reader *k = (struct keep_reader *)r;
	struct luff_error failed = {0};
	int rc = luff_reader_read(n_out, k->inner, buf, len, err);

	if (rc < 0) {
		give_up(k, NULL);
		return rc;
	}
	begin(k);
	if (k->writer && *n_out > 0 && luff_store_writer_append(k->writer, buf, *n_out, &failed) < 0)
		give_up(k, &failed);
	if (*n_out > 0 || !k->writer)
		return 0;
	if (luff_store_writer_commit(luff_take(k->writer), &k->digest, &failed) < 0)
		give_up(k, &failed);
	else
		came_in(k->shelf, k->size);
	return 0;
}

static int keep_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct keep_reader *k = (struct keep_reader *)r;

	k->begun = true;
	give_up(k, NULL);
	return luff_reader_seek(k->inner, offset, err);
}

static void keep_close(struct luff_reader *r)
{
	struct keep_reader *k = (struct keep_reader *)r;

	give_up(k, NULL);
	luff_reader_close(k->inner);
	shelf_unref(k->shelf);
	free(k);
}

static const struct luff_reader_ops keep_ops = {.read = keep_read, .close = keep_close, .seek = keep_seek};

static int open_keep(struct luff_reader **out, struct cache *c, const struct luff_descriptor *d,
		     struct luff_error *err)
{
	struct keep_reader *k;
	int rc = luff_medium_fetch(out, c->inner, d, 0, err);

	if (rc < 0 || d->size > c->shelf->max)
		return rc;
	k = calloc(1, sizeof *k);
	if (!k)
		return 0; /* it is there, and not kept */
	*k = (struct keep_reader){.base.ops = &keep_ops,
				  .inner = *out,
				  .shelf = shelf_ref(c->shelf),
				  .digest = d->digest,
				  .size = d->size};
	luff_reader_inherit(&k->base, *out);
	*out = &k->base;
	return 0;
}

/* ---- what is there ---- */

/* Whether it is, and right: nobody gets half of a blob that turns out wrong in the end. What is wrong goes. */
static bool is_right(struct cache *c, const struct luff_descriptor *d)
{
	struct luff_store *store = c->shelf->store;
	LUFF_AUTO(reader) raw = NULL;
	LUFF_AUTO(reader) checked = NULL;
	struct luff_error why = {0};
	int64_t size;
	int rc = luff_store_keep(&size, store, &d->digest, &why);

	if (rc < 0)
		return false;
	if (size != d->size)
		rc = luff_fail(&why, LUFF_ESIZE, "%s has another size", d->digest.text);
	if (rc == 0)
		rc = luff_store_fetch(&raw, store, &d->digest, 0, &why);
	if (rc == 0)
		rc = luff_reader_open_verify(&checked, luff_take(raw), NULL, &d->digest, size, &why);
	if (rc == 0)
		rc = luff_reader_drain(checked, &why);
	if (rc == LUFF_EDIGEST || rc == LUFF_ESIZE || rc == LUFF_EFORMAT) {
		if (luff_scope_logs())
			luff_scope_log("cache: %s", why.msg);
		(void)luff_store_remove(store, &d->digest, &why);
	}
	return rc == 0;
}

/* A part is checked by who reads it: that all of it is right is to be seen once, not for each part. */
static bool was_right(struct cache *c, const struct luff_descriptor *d)
{
	struct shelf *s = c->shelf;
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < RIGHT; i++)
		found = found || luff_digest_equal(&s->right[i], &d->digest);
	pthread_mutex_unlock(&s->lock);
	if (found || !is_right(c, d))
		return found;
	pthread_mutex_lock(&s->lock);
	s->right[s->right_next++ % RIGHT] = d->digest;
	pthread_mutex_unlock(&s->lock);
	return true;
}

static int cache_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		       int64_t offset, struct luff_error *err)
{
	struct cache *c = cache_of(m);
	struct luff_error ignored = {0};

	if (is_right(c, d) && luff_store_fetch(out, c->shelf->store, &d->digest, offset, &ignored) == 0) {
		if (luff_scope_logs())
			luff_scope_log("cache: has %s", d->digest.text);
		return 0;
	}
	return offset == 0 ? open_keep(out, c, d, err) : luff_medium_fetch(out, c->inner, d, offset, err);
}

/* What is not here does not come to stay for a part of it. */
static int cache_fetch_part(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			    int64_t offset, int64_t size, struct luff_error *err)
{
	struct cache *c = cache_of(m);
	struct luff_error ignored = {0};

	if (was_right(c, d) && luff_store_fetch(out, c->shelf->store, &d->digest, offset, &ignored) == 0)
		return 0;
	return luff_medium_fetch_part(out, c->inner, d, offset, size, err);
}

/* By its digest alone: if it is here and a manifest, its bytes say all. */
static bool find_manifest(struct luff_descriptor *out, char **document, struct cache *c,
			  const struct luff_digest *digest)
{
	struct luff_descriptor d = {.digest = *digest, .manifest = true};
	LUFF_AUTO(reader) raw = NULL;
	LUFF_AUTO(text) text = NULL;
	struct luff_error ignored = {0};
	struct luff_document doc;

	if (luff_store_stat(&d.size, c->shelf->store, digest, &ignored) < 0 || d.size > LUFF_MANIFEST_MAX ||
	    !is_right(c, &d) || luff_store_fetch(&raw, c->shelf->store, digest, 0, &ignored) < 0 ||
	    luff_reader_read_all(&text, raw, d.size, &ignored) < 0 ||
	    luff_document_parse(&doc, text, (size_t)d.size, NULL, &ignored) < 0)
		return false;
	memcpy(d.media_type, doc.media_type, sizeof d.media_type);
	luff_document_release(&doc);
	if (document)
		*document = luff_take(text);
	*out = d;
	return true;
}

/* A name says which manifest; its bytes are perhaps here. */
static int cache_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			 const struct luff_name *name, struct luff_error *err)
{
	struct cache *c = cache_of(m);

	if (name->digest.text[0] && find_manifest(out, document, c, &name->digest))
		return 0;
	return luff_medium_resolve(out, NULL, c->inner, name, err);
}

static int cache_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
		      struct luff_error *err)
{
	struct cache *c = cache_of(m);
	struct luff_error ignored = {0};

	return luff_store_stat(size_out, c->shelf->store, digest, &ignored) == 0
		       ? 0
		       : luff_medium_stat(size_out, c->inner, digest, err);
}

/* ---- what is the inner medium's own ---- */

static int cache_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			struct luff_error *err)
{
	return luff_medium_exists(out, cache_of(m)->inner, d, err);
}

static int cache_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		      struct luff_error *err)
{
	return luff_medium_push(cache_of(m)->inner, d, src, err);
}

static int cache_kept(struct luff_reader **out, int64_t *size_out, struct luff_medium *m,
		      const struct luff_descriptor *d, struct luff_error *err)
{
	struct luff_medium *inner = cache_of(m)->inner;

	return inner->ops->kept(out, size_out, inner, d, err);
}

static int cache_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
		       struct luff_medium *from, struct luff_error *err)
{
	return luff_medium_mount(mounted, cache_of(m)->inner, d, from, err);
}

static const char *cache_home(const struct luff_medium *m)
{
	return luff_medium_home(((const struct cache *)m)->inner);
}

static struct luff_medium *cache_origin(struct luff_medium *m, const struct luff_descriptor *d)
{
	(void)d;
	return cache_of(m)->inner;
}

static int cache_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		     const char *tag, struct luff_error *err)
{
	return luff_medium_tag(cache_of(m)->inner, d, bytes, tag, err);
}

static int cache_tag_all(struct luff_medium *m, const struct luff_tagging *list, size_t count,
			 struct luff_error *err)
{
	return luff_medium_tag_all(cache_of(m)->inner, list, count, err);
}

static int cache_flush(struct luff_medium *m, struct luff_error *err)
{
	return luff_medium_flush(cache_of(m)->inner, err);
}

static int cache_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err)
{
	return luff_medium_tags(out, cache_of(m)->inner, err);
}

static int cache_referrers(struct luff_cursor **out, struct luff_medium *m, const struct luff_digest *subject,
			   const char *artifact_type, struct luff_error *err)
{
	return luff_medium_referrers(out, cache_of(m)->inner, subject, artifact_type, err);
}

/* What goes there, goes here. */
static void forget(struct cache *c, const struct luff_digest *digest)
{
	struct luff_error ignored = {0};

	if (digest->text[0])
		(void)luff_store_remove(c->shelf->store, digest, &ignored);
}

static int cache_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			bool force, struct luff_error *err)
{
	struct cache *c = cache_of(m);
	int rc = luff_medium_remove(out, c->inner, name, force, err);

	if (rc == 0)
		forget(c, out);
	return rc;
}

static int cache_unnames(bool *out, struct luff_medium *m, struct luff_error *err)
{
	return luff_medium_unnames(out, cache_of(m)->inner, err);
}

static int cache_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	struct cache *c = cache_of(m);
	int rc = luff_medium_remove_blob(c->inner, digest, err);

	if (rc == 0)
		forget(c, digest);
	return rc;
}

static void cache_destroy(struct luff_medium *m)
{
	struct cache *c = cache_of(m);

	luff_medium_unref(c->inner);
	shelf_unref(c->shelf);
	free(m->place);
	free(m);
}

static void set_ops(struct luff_medium_ops *ops, const struct luff_medium_ops *inner)
{
	*ops = (struct luff_medium_ops){.scheme = inner->scheme,
					.complete = inner->complete,
					.resolve = cache_resolve,
					.fetch = cache_fetch,
					.fetch_part = cache_fetch_part,
					.exists = cache_exists,
					.home = cache_home,
					.origin = cache_origin,
					.destroy = cache_destroy};
	ops->push = inner->push ? cache_push : NULL;
	ops->kept = inner->kept ? cache_kept : NULL;
	ops->mount = inner->mount ? cache_mount : NULL;
	ops->tag = inner->tag ? cache_tag : NULL;
	ops->tag_all = inner->tag_all ? cache_tag_all : NULL;
	ops->flush = inner->flush ? cache_flush : NULL;
	ops->tags = inner->tags ? cache_tags : NULL;
	ops->referrers = inner->referrers ? cache_referrers : NULL;
	ops->remove = inner->remove ? cache_remove : NULL;
	ops->unnames = inner->unnames ? cache_unnames : NULL;
	ops->stat = inner->stat ? cache_stat : NULL;
	ops->remove_blob = inner->remove_blob ? cache_remove_blob : NULL;
}

/* ---- the setting ---- */

int luff_cache_set(const char *folder, int64_t max, struct luff_error *err)
{
	struct luff_store *store = NULL;
	struct shelf *s = NULL, *old;
	int rc = 0;

	if (max < 0)
		return luff_fail(err, LUFF_EINVAL, "a cache of fewer than no bytes");
	if (folder) {
		rc = luff_store_open_folder(&store, folder, true, err);
		if (rc < 0)
			return luff_fail_context(err, "the cache");
		s = calloc(1, sizeof *s);
		if (!s) {
			luff_store_unref(store);
			return luff_fail_nomem(err);
		}
		pthread_mutex_init(&s->lock, NULL);
		s->refs = 1;
		s->store = store;
		s->max = max ? max : LUFF_CACHE_MAX;
	}
	pthread_mutex_lock(&lock);
	old = current;
	current = s;
	pthread_mutex_unlock(&lock);
	shelf_unref(old);
	return 0;
}

int luff_cache_wrap(struct luff_medium **m, struct luff_error *err)
{
	struct luff_medium *inner = *m;
	struct shelf *shelf;
	struct cache *c;

	pthread_mutex_lock(&lock);
	shelf = current ? shelf_ref(current) : NULL;
	pthread_mutex_unlock(&lock);
	if (!shelf)
		return 0;
	c = calloc(1, sizeof *c);
	if (c)
		c->base.place = strdup(inner->place);
	if (!c || !c->base.place) {
		free(c);
		shelf_unref(shelf);
		luff_medium_unref(luff_take(*m));
		return luff_fail_nomem(err);
	}
	set_ops(&c->ops, inner->ops);
	c->base.ops = &c->ops;
	c->base.refs = 1;
	c->base.naming = inner->naming;
	c->base.unpacked = inner->unpacked;
	c->inner = inner;
	c->shelf = shelf;
	*m = &c->base;
	return 0;
}
