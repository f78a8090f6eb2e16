/*
 * A medium that wraps one, counts what is asked of it, and fails on demand: at the nth call, or in the middle of a blob. It
 * also watches over the order of writes: a manifest comes after what it lists.
 */
#ifndef LUFF_SPEC_FAULTY_H
#define LUFF_SPEC_FAULTY_H

#include <pthread.h>

#include "base/error.h"
#include "check.h"
#include "medium.h"
#include "model/descriptor.h"

struct faulty {
	struct luff_medium base;
	struct luff_medium_ops ops; /* its own: a test takes callbacks away */
	struct luff_medium *inner;
	atomic_int calls, resolves, fetches, exists, pushes, mounts, tags;
	int fail_at;      /* this call fails, from 1 on; 0: none */
	int64_t break_at; /* readers break after so many bytes; -1: never */
	int64_t flip_at;  /* readers flip a bit of this byte; -1: none */
	bool can_mount;   /* takes over whatever the other medium has */
	struct luff_medium *_Atomic mounted_from;
	void (*on_call)(void *arg); /* may be NULL */
	void *on_call_arg;
};

#define INJECTED LUFF_ENET

static inline struct faulty *faulty_of(struct luff_medium *m)
{
	return (struct faulty *)m;
}

/* Every call passes here. */
static inline int faulty_call(struct faulty *f, atomic_int *counter, struct luff_error *err)
{
	int call = atomic_fetch_add(&f->calls, 1) + 1;

	atomic_fetch_add(counter, 1);
	if (f->on_call)
		f->on_call(f->on_call_arg);
	return call == f->fail_at ? luff_fail(err, INJECTED, "injected at call %d", call) : 0;
}

static inline int faulty_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
				 const struct luff_name *name, struct luff_error *err)
{
	struct faulty *f = faulty_of(m);
	int rc = faulty_call(f, &f->resolves, err);

	return rc < 0 ? rc : f->inner->ops->resolve(out, document, f->inner, name, err);
}

struct faulty_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	int64_t at, break_at, flip_at;
};

static inline int faulty_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len,
			      struct luff_error *err)
{
	struct faulty_reader *f = (struct faulty_reader *)r;
	int rc;

	if (f->break_at >= 0 && f->at >= f->break_at)
		return luff_fail(err, INJECTED, "injected after %" PRId64 " bytes", f->at);
	if (f->break_at >= 0 && (int64_t)len > f->break_at - f->at)
		len = (size_t)(f->break_at - f->at);
	rc = luff_reader_read(n_out, f->inner, buf, len, err);
	if (rc == 0 && f->flip_at >= f->at && f->flip_at < f->at + (int64_t)*n_out)
		((char *)buf)[f->flip_at - f->at] ^= 1;
	f->at += (int64_t)*n_out;
	return rc;
}

static inline void faulty_close(struct luff_reader *r)
{
	luff_reader_close(((struct faulty_reader *)r)->inner);
	free(r);
}

static inline int faulty_fetch(struct luff_reader **out, struct luff_medium *m,
			       const struct luff_descriptor *d, int64_t offset, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = faulty_read, .close = faulty_close};
	struct faulty *f = faulty_of(m);
	struct luff_reader *inner = NULL;
	struct faulty_reader *r;
	int rc = faulty_call(f, &f->fetches, err);

	if (rc == 0)
		rc = f->inner->ops->fetch(&inner, f->inner, d, offset, err);
	if (rc < 0)
		return rc;
	r = calloc(1, sizeof *r);
	*r = (struct faulty_reader){.base.ops = &ops, .inner = inner, .at = offset};
	r->break_at = d->manifest ? -1 : f->break_at;
	r->flip_at = d->manifest ? -1 : f->flip_at;
	*out = &r->base;
	return 0;
}

static inline int faulty_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
				struct luff_error *err)
{
	struct faulty *f = faulty_of(m);
	int rc = faulty_call(f, &f->exists, err);

	return rc < 0 ? rc : luff_medium_exists(out, f->inner, d, err);
}

static inline bool faulty_is_foreign(const struct luff_descriptor *d)
{
	return strstr(d->media_type, "foreign") || strstr(d->media_type, "nondistributable");
}

/* Everything that a manifest lists is there before it. */
static inline void check_complete(struct luff_medium *m, const char *bytes, int64_t size)
{
	struct luff_document doc;
	struct luff_error err;
	bool there = true;

	if (!OK(luff_document_parse(&doc, bytes, (size_t)size, NULL, &err)))
		return;
	for (size_t i = 0; i < doc.count && there; i++) {
		if (!faulty_is_foreign(&doc.entries[i]))
			OK(luff_medium_exists(&there, m, &doc.entries[i], &err));
	}
	if (there && !doc.is_index)
		OK(luff_medium_exists(&there, m, &doc.config, &err));
	CHECK(there);
	luff_document_release(&doc);
}

static inline int faulty_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			      struct luff_error *err)
{
	struct faulty *f = faulty_of(m);
	char *bytes = NULL;
	size_t done = 0, n = 1;
	int rc = faulty_call(f, &f->pushes, err);

	if (rc < 0 || !d->manifest)
		return rc < 0 ? rc : f->inner->ops->push(f->inner, d, src, err);
	bytes = calloc(1, (size_t)d->size + 2);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, src, bytes + done, (size_t)d->size + 1 - done, err);
		done += n;
	}
	if (rc == 0) {
		check_complete(f->inner, bytes, d->size);
		rc = luff_medium_push_bytes(f->inner, d, bytes, err);
	}
	free(bytes);
	return rc;
}

static inline int faulty_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
			       struct luff_medium *from, struct luff_error *err)
{
	struct faulty *f = faulty_of(m);
	struct luff_reader *r = NULL;
	int rc = faulty_call(f, &f->mounts, err);

	if (rc < 0 || !f->can_mount)
		return rc;
	f->mounted_from = from;
	rc = luff_medium_fetch(&r, from, d, 0, err);
	if (rc == 0)
		rc = luff_medium_push(f->inner, d, r, err);
	luff_reader_close(r);
	*mounted = rc == 0;
	return rc;
}

static inline int faulty_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			     const char *tag, struct luff_error *err)
{
	struct faulty *f = faulty_of(m);
	int rc = faulty_call(f, &f->tags, err);

	if (rc < 0)
		return rc;
	check_complete(f->inner, bytes, d->size);
	return luff_medium_tag(f->inner, d, bytes, tag, err);
}

static inline void faulty_destroy(struct luff_medium *m)
{
	luff_medium_unref(faulty_of(m)->inner);
	free(m);
}

static inline void faulty_reset(struct faulty *f)
{
	f->calls = f->resolves = f->fetches = f->exists = f->pushes = f->mounts = f->tags = 0;
	f->fail_at = 0;
	f->break_at = f->flip_at = -1;
}

/* Takes the reference over. */
static inline struct faulty *faulty_new(struct luff_medium *inner)
{
	struct faulty *f = calloc(1, sizeof *f);

	f->ops = (struct luff_medium_ops){.scheme = "faulty",
					  .resolve = faulty_resolve,
					  .fetch = faulty_fetch,
					  .exists = faulty_exists,
					  .push = faulty_push,
					  .mount = faulty_mount,
					  .tag = faulty_tag,
					  .destroy = faulty_destroy};
	f->base.ops = &f->ops;
	f->base.refs = 1;
	f->base.place = (char *)"faulty";
	f->inner = inner;
	faulty_reset(f);
	return f;
}

#endif
