/* What folders and memory have in common: references, hashing while writing, and the rule that a writer ends once. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "store/backing.h"
#include "stream/streams.h"

#define PART_MIN (1 << 20) /* bytes of a blob that is worth going on with */

struct luff_store *luff_store_ref(struct luff_store *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void luff_store_unref(struct luff_store *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		s->ops->destroy(s);
}

int luff_store_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err)
{
	*size_out = 0;
	return s->ops->stat(size_out, s, d, err);
}

int luff_store_open_at(struct luff_reader **out, int fd, int64_t size, const struct luff_digest *d,
		       int64_t offset, struct luff_error *err)
{
	if (offset <= size)
		return luff_reader_open_fd(out, fd, offset, err);
	close(fd);
	return luff_fail(err, LUFF_ESIZE, "blob %s has only %lld bytes", d->text, (long long)size);
}

int luff_store_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
		     int64_t offset, struct luff_error *err)
{
	*out = NULL;
	return s->ops->fetch(out, s, d, offset, err);
}

int luff_store_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			 struct luff_error *err)
{
	*fd_out = -1;
	return s->ops->open_file(fd_out, s, d, err);
}

int luff_store_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	return s->ops->remove(s, d, err);
}

int luff_store_link(bool *linked, struct luff_store *s, const struct luff_digest *d, struct luff_store *from,
		    struct luff_error *err)
{
	*linked = false;
	return s->ops == from->ops ? s->ops->link(linked, s, d, from, err) : 0;
}

static void set_up(struct luff_store_writer *w, struct luff_store *s, bool hash,
		   enum luff_algorithm algorithm)
{
	w->store = luff_store_ref(s);
	w->expected.size = -1;
	w->hashes = hash;
	if (hash)
		luff_hash_init(&w->hash, algorithm);
}

int luff_store_write(struct luff_store_writer **out, struct luff_store *s, bool hash,
		     enum luff_algorithm algorithm, struct luff_error *err)
{
	int rc;

	*out = NULL;
	rc = s->ops->write(out, s, NULL, err);
	if (rc == 0)
		set_up(*out, s, hash, algorithm);
	return rc;
}

int luff_store_grow(struct luff_store_writer **out, struct luff_store *s, const struct luff_descriptor *d,
		    struct luff_error *err)
{
	int rc;

	*out = NULL;
	if (s->ops->grow && d->size >= PART_MIN) {
		rc = s->ops->grow(out, s, &d->digest, err);
		if (rc == 0)
			set_up(*out, s, false, LUFF_SHA256);
	} else {
		rc = luff_store_write(out, s, false, LUFF_SHA256, err);
	}
	if (rc == 0)
		(*out)->expected = *d;
	return rc;
}

int luff_store_kept(struct luff_reader **out, int64_t *size_out, struct luff_store *s,
		    const struct luff_digest *d, struct luff_error *err)
{
	*out = NULL;
	*size_out = 0;
	return s->ops->kept ? s->ops->kept(out, size_out, s, d, err) : 0;
}

int luff_store_writer_append(struct luff_store_writer *w, const void *bytes, size_t len,
			     struct luff_error *err)
{
	int rc = w->store->ops->append(w, bytes, len, err);

	if (rc < 0)
		return rc;
	if (w->hashes && !w->unhashed)
		luff_hash_update(&w->hash, bytes, len);
	w->size += (int64_t)len;
	return 0;
}

int64_t luff_store_writer_size(const struct luff_store_writer *w)
{
	return w->size;
}

static void end_writer(struct luff_store_writer *w, bool keep)
{
	struct luff_store *s;

	if (!w)
		return;
	s = w->store;
	s->ops->discard(w, keep);
	luff_store_unref(s);
}

void luff_store_writer_abort(struct luff_store_writer *w)
{
	end_writer(w, false);
}

/* An upload's first bytes come before its digest, and so may its algorithm; and other processes may have written some. */
static int hash_again(struct luff_store_writer *w, enum luff_algorithm algorithm, struct luff_error *err)
{
	char buf[16 << 10];
	int64_t offset = 0;
	size_t n = 1;
	int rc = 0;

	luff_hash_init(&w->hash, algorithm);
	while (rc == 0 && n > 0) {
		rc = w->store->ops->read_back(&n, w, buf, sizeof buf, offset, err);
		if (rc == 0)
			luff_hash_update(&w->hash, buf, n);
		offset += (int64_t)n;
	}
	return rc;
}

int luff_store_writer_commit(struct luff_store_writer *w, const struct luff_digest *d, struct luff_error *err)
{
	struct luff_digest actual;
	int rc = 0;

	if (w->hashes && (w->unhashed || w->hash.algorithm != luff_digest_algorithm(d)))
		rc = hash_again(w, luff_digest_algorithm(d), err);
	if (rc == 0 && w->hashes) {
		luff_hash_final(&actual, &w->hash);
		if (!luff_digest_equal(&actual, d))
			rc = luff_fail(err, LUFF_EDIGEST, "the bytes of %s have the digest %s", d->text,
				       actual.text);
	}
	if (rc == 0)
		rc = w->store->ops->commit(w, d, err);
	luff_store_writer_abort(w);
	return rc;
}

int luff_store_sync(struct luff_store *s, struct luff_error *err)
{
	return s->ops->sync ? s->ops->sync(s, err) : 0;
}

/* ---- garbage ---- */

int luff_store_keep(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err)
{
	*size_out = 0;
	return s->ops->keep ? s->ops->keep(size_out, s, d, err) : s->ops->stat(size_out, s, d, err);
}

int luff_store_list(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		    struct luff_error *err)
{
	*out = NULL;
	*count_out = 0;
	return s->ops->list ? s->ops->list(out, count_out, s, err)
			    : luff_fail(err, LUFF_ENOTSUP, "nothing is swept out of it");
}

int luff_store_reap(struct luff_store *s, const struct luff_digest *d, int64_t before, struct luff_error *err)
{
	return s->ops->reap(s, d, before, err);
}

void luff_store_reap_uploads(struct luff_store *s, int64_t idle, bool dry, int64_t *files, int64_t *bytes)
{
	s->ops->reap_uploads(s, idle, dry, files, bytes);
}

/* ---- uploads ---- */

int luff_store_begin(struct luff_store_writer **out, struct luff_store *s, const char *id,
		     enum luff_algorithm algorithm, struct luff_error *err)
{
	int rc;

	*out = NULL;
	rc = s->ops->write(out, s, id, err);
	if (rc < 0)
		return rc;
	set_up(*out, s, true, algorithm);
	(*out)->upload = true;
	return 0;
}

int luff_store_resume(struct luff_store_writer **out, struct luff_store *s, const char *id,
		      struct luff_error *err)
{
	int rc;

	*out = NULL;
	rc = s->ops->resume(out, s, id, err);
	if (rc < 0)
		return rc;
	set_up(*out, s, true, LUFF_SHA256);
	(*out)->upload = true;
	return 0;
}

void luff_store_writer_rest(struct luff_store_writer *w)
{
	w->store->ops->rest(w);
}

int luff_store_writer_wake(struct luff_store_writer *w, struct luff_error *err)
{
	return w->store->ops->wake(w, err);
}

void luff_store_writer_hash_as(struct luff_store_writer *w, enum luff_algorithm algorithm)
{
	if (w->size == 0)
		luff_hash_init(&w->hash, algorithm);
}

void luff_store_writer_leave(struct luff_store_writer *w)
{
	end_writer(w, true);
}

int luff_store_upload_size(int64_t *out, struct luff_store *s, const char *id, struct luff_error *err)
{
	*out = 0;
	return s->ops->upload_size(out, s, id, err);
}

/* ---- the root document ---- */

int luff_store_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	*out = NULL;
	*len_out = 0;
	return s->ops->read_index(out, len_out, s, err);
}

struct checked_change {
	int (*change)(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err);
	void *arg;
};

/* What could not be read again must not be written. */
static int change_checked(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	struct checked_change *c = arg;
	int rc = c->change(out_text, c->arg, text, len, err);
	size_t size;

	if (rc < 0 || !*out_text)
		return rc;
	size = strlen(*out_text);
	if (size > LUFF_STORE_INDEX_MAX)
		rc = luff_fail(err, LUFF_ELIMIT, "index.json would have more than %d bytes",
			       LUFF_STORE_INDEX_MAX);
	else
		rc = luff_json_scan(*out_text, size, LUFF_JSON_VALUES_MAX, "the new index.json", err);
	if (rc < 0)
		free(luff_take(*out_text));
	return rc;
}

int luff_store_change_index(struct luff_store *s,
			    int (*change)(char **out_text, void *arg, const char *text, size_t len,
					  struct luff_error *err),
			    void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct checked_change checked = {.change = change, .arg = arg};

	return s->ops->change_index(s, change_checked, &checked, removed, err);
}

static int no_change(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	(void)out_text;
	(void)arg;
	(void)text;
	(void)len;
	(void)err;
	return 0;
}

int luff_store_flush(struct luff_store *s, struct luff_error *err)
{
	return s->ops->deferred ? s->ops->change_index(s, no_change, NULL, NULL, err) : 0;
}
