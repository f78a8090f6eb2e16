/* A store in memory: blobs are shared chunks, counted against a cap. */
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "medium.h"
#include "store/backing.h"

#define CHUNK ((size_t)256 << 10)

/* What is left of a cap that several stores may share. */
struct budget {
	atomic_int refs;
	atomic_llong left;
};

struct blob {
	atomic_int refs;
	struct budget *budget; /* a reference: a reader may outlive the store */
	int64_t charged; /* what goes back to it with the bytes, however many stores and readers shared them */
	struct luff_digest digest;
	int64_t size;
	atomic_llong since; /* as of struct luff_store_blob */
	char **chunks;
	size_t count;
};

struct memory_store {
	struct luff_store base;
	struct budget *budget;
	pthread_mutex_t lock;       /* of the blobs */
	void *blobs;                /* a tree of struct blob (tsearch) */
	pthread_mutex_t index_lock; /* taken before `lock`: who changes the index looks for blobs */
	char *index;
	size_t index_len;
};

struct memory_writer {
	struct luff_store_writer base;
	struct blob *blob;
};

static const struct luff_store_ops memory_ops;

static struct memory_store *memory_of(struct luff_store *s)
{
	return (struct memory_store *)s;
}

static int charge(struct budget *budget, int64_t bytes, struct luff_error *err)
{
	if (atomic_fetch_sub(&budget->left, bytes) >= bytes)
		return 0;
	atomic_fetch_add(&budget->left, bytes);
	return luff_fail(err, LUFF_ELIMIT, "the memory for blobs is full");
}

static void budget_unref(struct budget *budget)
{
	if (atomic_fetch_sub_explicit(&budget->refs, 1, memory_order_acq_rel) == 1)
		free(budget);
}

static void blob_unref(struct blob *blob)
{
	if (atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) != 1)
		return;
	atomic_fetch_add(&blob->budget->left, blob->charged);
	budget_unref(blob->budget);
	for (size_t i = 0; i < blob->count; i++)
		free(blob->chunks[i]);
	free(blob->chunks);
	free(blob);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct blob *)a)->digest.text, ((const struct blob *)b)->digest.text);
}

/* A reference; NULL if there is none. */
static struct blob *find(struct memory_store *m, const struct luff_digest *d)
{
	struct blob key = {.digest = *d}, **at, *blob;

	pthread_mutex_lock(&m->lock);
	at = tfind(&key, &m->blobs, compare);
	blob = at ? *at : NULL;
	if (blob)
		atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&m->lock);
	return blob;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Takes the reference over. That it is there already is fine: it is new again. */
static int insert(struct memory_store *m, struct blob *blob, struct luff_error *err)
{
	struct blob **at;
	bool there, added;

	pthread_mutex_lock(&m->lock);
	/* asked first: what is linked twice is the very same blob */
	at = tfind(blob, &m->blobs, compare);
	there = at != NULL;
	atomic_store(at ? &(*at)->since : &blob->since, now());
	added = !there && tsearch(blob, &m->blobs, compare) != NULL;
	pthread_mutex_unlock(&m->lock);
	if (added)
		return 0;
	blob_unref(blob);
	return there ? 0 : luff_fail_nomem(err);
}

static int missing(const struct luff_digest *d, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND, "no blob %s", d->text);
}

static int memory_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		       struct luff_error *err)
{
	struct blob *blob = find(memory_of(s), d);

	if (!blob)
		return missing(d, err);
	*size_out = blob->size;
	blob_unref(blob);
	return 0;
}

struct blob_reader {
	struct luff_reader base;
	struct blob *blob;
	int64_t start, offset;
};

static int blob_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct blob_reader *b = (struct blob_reader *)r;
	size_t at = (size_t)b->offset % CHUNK, n = CHUNK - at;

	(void)err;
	if ((int64_t)n > b->blob->size - b->offset)
		n = (size_t)(b->blob->size - b->offset);
	if (n > len)
		n = len;
	if (n > 0)
		memcpy(buf, b->blob->chunks[(size_t)b->offset / CHUNK] + at, n);
	b->offset += (int64_t)n;
	*n_out = n;
	return 0;
}

static int blob_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct blob_reader *b = (struct blob_reader *)r;

	(void)err;
	b->offset = b->start + offset;
	return 0;
}

static void blob_close(struct luff_reader *r)
{
	blob_unref(((struct blob_reader *)r)->blob);
	free(r);
}

static const struct luff_reader_ops blob_ops = {.read = blob_read, .close = blob_close, .seek = blob_seek};

static int memory_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
			int64_t offset, struct luff_error *err)
{
	struct blob *blob = find(memory_of(s), d);
	struct blob_reader *r = blob ? calloc(1, sizeof *r) : NULL;

	if (!blob)
		return missing(d, err);
	if (!r || offset > blob->size) {
		int64_t size = blob->size;

		free(r);
		blob_unref(blob);
		return r ? luff_fail(err, LUFF_ESIZE, "blob %s has only %lld bytes", d->text, (long long)size)
			 : luff_fail_nomem(err);
	}
	*r = (struct blob_reader){.base.ops = &blob_ops, .blob = blob, .start = offset, .offset = offset};
	*out = &r->base;
	return 0;
}

static int memory_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			    struct luff_error *err)
{
	(void)fd_out;
	(void)s;
	(void)d;
	return luff_fail(err, LUFF_ENOTSUP, "no file in memory");
}

static int memory_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	struct memory_store *m = memory_of(s);
	struct blob key = {.digest = *d}, **at, *blob;

	pthread_mutex_lock(&m->lock);
	at = tfind(&key, &m->blobs, compare);
	blob = at ? *at : NULL;
	if (blob)
		tdelete(blob, &m->blobs, compare);
	pthread_mutex_unlock(&m->lock);
	if (!blob)
		return missing(d, err);
	blob_unref(blob);
	return 0;
}

/* What is shared is charged once; by another cap, it would not be at all. */
static int memory_link(bool *linked, struct luff_store *s, const struct luff_digest *d,
		       struct luff_store *from, struct luff_error *err)
{
	struct memory_store *m = memory_of(s), *other = memory_of(from);
	struct blob *blob = m->budget == other->budget ? find(other, d) : NULL;
	int rc = blob ? insert(m, blob, err) : 0;

	*linked = blob && rc == 0;
	return rc;
}

static int memory_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
			struct luff_error *err)
{
	struct memory_writer *w = calloc(1, sizeof *w);

	(void)id;
	if (w)
		w->blob = calloc(1, sizeof *w->blob);
	if (!w || !w->blob) {
		free(w);
		return luff_fail_nomem(err);
	}
	w->blob->refs = 1;
	w->blob->budget = memory_of(s)->budget;
	atomic_fetch_add(&w->blob->budget->refs, 1);
	*out = &w->base;
	return 0;
}

/* One more chunk; the array of chunks doubles. */
static int grow(struct blob *blob, struct luff_error *err)
{
	if ((blob->count & (blob->count - 1)) == 0) {
		size_t size = blob->count ? 2 * blob->count : 1;
		char **chunks = realloc(blob->chunks, size * sizeof *chunks);

		if (!chunks)
			return luff_fail_nomem(err);
		blob->chunks = chunks;
	}
	blob->chunks[blob->count] = malloc(CHUNK);
	if (!blob->chunks[blob->count])
		return luff_fail_nomem(err);
	blob->count++;
	return 0;
}

static int memory_append(struct luff_store_writer *base, const void *bytes, size_t len,
			 struct luff_error *err)
{
	struct blob *blob = ((struct memory_writer *)base)->blob;
	const char *from = bytes;
	int rc = charge(blob->budget, (int64_t)len, err);

	if (rc < 0)
		return rc;
	blob->charged += (int64_t)len;
	while (len > 0) {
		size_t at = (size_t)blob->size % CHUNK, n = CHUNK - at < len ? CHUNK - at : len;

		if (at == 0 && (size_t)blob->size == blob->count * CHUNK) {
			rc = grow(blob, err);
			if (rc < 0)
				return rc;
		}
		memcpy(blob->chunks[(size_t)blob->size / CHUNK] + at, from, n);
		blob->size += (int64_t)n;
		from += n;
		len -= n;
	}
	return 0;
}

static int memory_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len,
			    int64_t offset, struct luff_error *err)
{
	struct blob_reader r = {.blob = ((struct memory_writer *)base)->blob, .offset = offset};

	return blob_read(n_out, &r.base, buf, len, err);
}

/* What many small blobs do not use of their last chunks would soon be more than what they hold. */
static void trim(struct blob *blob)
{
	size_t used = (size_t)blob->size % CHUNK;
	char **last, *small = used && blob->count ? malloc(used) : NULL;

	if (!small)
		return;
	last = &blob->chunks[blob->count - 1];
	memcpy(small, *last, used);
	free(*last);
	*last = small;
}

static int memory_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err)
{
	struct blob *blob = luff_take(((struct memory_writer *)base)->blob);

	blob->digest = *d;
	trim(blob);
	return insert(memory_of(base->store), blob, err);
}

static void memory_discard(struct luff_store_writer *base, bool keep)
{
	struct memory_writer *w = (struct memory_writer *)base;

	(void)keep;
	if (w->blob)
		blob_unref(w->blob);
	free(w);
}

/* ---- garbage ---- */

static int memory_keep(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		       struct luff_error *err)
{
	struct memory_store *m = memory_of(s);
	struct blob key = {.digest = *d}, **at;
	bool there;

	pthread_mutex_lock(&m->lock);
	at = tfind(&key, &m->blobs, compare);
	there = at != NULL;
	if (there) {
		*size_out = (*at)->size;
		atomic_store(&(*at)->since, now());
	}
	pthread_mutex_unlock(&m->lock);
	return there ? 0 : missing(d, err);
}

struct list {
	struct luff_store_blob *items;
	size_t count;
};

static void add_blob(const void *node, VISIT which, void *arg)
{
	const struct blob *blob = *(struct blob *const *)node;
	struct list *list = arg;

	if (which != postorder && which != leaf)
		return;
	if (list->items)
		list->items[list->count] = (struct luff_store_blob){
			.digest = blob->digest, .size = blob->size, .since = atomic_load(&blob->since)};
	list->count++;
}

static int memory_list(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		       struct luff_error *err)
{
	struct memory_store *m = memory_of(s);
	struct list list = {0};

	pthread_mutex_lock(&m->lock);
	twalk_r(m->blobs, add_blob, &list);
	list.items = calloc(list.count + 1, sizeof *list.items);
	list.count = 0;
	if (list.items)
		twalk_r(m->blobs, add_blob, &list);
	pthread_mutex_unlock(&m->lock);
	*out = list.items;
	*count_out = list.count;
	return list.items ? 0 : luff_fail_nomem(err);
}

static int memory_reap(struct luff_store *s, const struct luff_digest *d, int64_t before,
		       struct luff_error *err)
{
	struct memory_store *m = memory_of(s);
	struct blob key = {.digest = *d}, **at, *blob;
	bool is_new = false;

	pthread_mutex_lock(&m->lock);
	at = tfind(&key, &m->blobs, compare);
	blob = at ? *at : NULL;
	if (blob)
		is_new = atomic_load(&blob->since) > before;
	if (blob && !is_new)
		tdelete(blob, &m->blobs, compare);
	pthread_mutex_unlock(&m->lock);
	if (!blob)
		return missing(d, err);
	if (is_new)
		return luff_fail(err, LUFF_EEXISTS, "blob %s is new", d->text);
	blob_unref(blob);
	return 0;
}

static void memory_reap_uploads(struct luff_store *s, int64_t idle, bool dry, int64_t *files, int64_t *bytes)
{
	(void)s;
	(void)idle;
	(void)dry;
	(void)files;
	(void)bytes;
}

/* ---- uploads: a writer is all there is of one ---- */

static int memory_resume(struct luff_store_writer **out, struct luff_store *s, const char *id,
			 struct luff_error *err)
{
	(void)out;
	(void)s;
	(void)id;
	return luff_fail(err, LUFF_ENOTFOUND, "no such upload");
}

static void memory_rest(struct luff_store_writer *w)
{
	(void)w;
}

static int memory_wake(struct luff_store_writer *w, struct luff_error *err)
{
	(void)w;
	(void)err;
	return 0;
}

static int memory_upload_size(int64_t *out, struct luff_store *s, const char *id, struct luff_error *err)
{
	(void)out;
	(void)s;
	(void)id;
	return luff_fail(err, LUFF_ENOTSUP, "in memory, only the writer knows");
}

static int memory_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	struct memory_store *m = memory_of(s);

	pthread_mutex_lock(&m->index_lock);
	*out = malloc(m->index_len + 1);
	if (*out) {
		memcpy(*out, m->index, m->index_len + 1);
		*len_out = m->index_len;
	}
	pthread_mutex_unlock(&m->index_lock);
	return *out ? 0 : luff_fail_nomem(err);
}

static int memory_change_index(struct luff_store *s,
			       int (*change)(char **out_text, void *arg, const char *text, size_t len,
					     struct luff_error *err),
			       void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct memory_store *m = memory_of(s);
	char *text = NULL;
	int rc;

	pthread_mutex_lock(&m->index_lock);
	rc = change(&text, arg, m->index, m->index_len, err);
	if (rc == 0 && text) {
		free(m->index);
		m->index = text;
		m->index_len = strlen(text);
	}
	if (rc == 0 && removed)
		rc = memory_remove(s, removed, err);
	pthread_mutex_unlock(&m->index_lock);
	return rc;
}

static void drop_blob(void *blob)
{
	blob_unref(blob);
}

static void memory_destroy(struct luff_store *s)
{
	struct memory_store *m = memory_of(s);

	tdestroy(m->blobs, drop_blob);
	budget_unref(m->budget);
	pthread_mutex_destroy(&m->lock);
	pthread_mutex_destroy(&m->index_lock);
	free(m->index);
	free(m);
}

static const struct luff_store_ops memory_ops = {
	.stat = memory_stat,
	.fetch = memory_fetch,
	.open_file = memory_open_file,
	.remove = memory_remove,
	.link = memory_link,
	.write = memory_write,
	.append = memory_append,
	.read_back = memory_read_back,
	.commit = memory_commit,
	.discard = memory_discard,
	.resume = memory_resume,
	.rest = memory_rest,
	.wake = memory_wake,
	.upload_size = memory_upload_size,
	.keep = memory_keep,
	.list = memory_list,
	.reap = memory_reap,
	.reap_uploads = memory_reap_uploads,
	.read_index = memory_read_index,
	.change_index = memory_change_index,
	.destroy = memory_destroy,
};

int luff_store_new_memory(struct luff_store **out, int64_t cap, struct luff_store *share,
			  struct luff_error *err)
{
	struct memory_store *m = calloc(1, sizeof *m);

	*out = NULL;
	if (m) {
		m->index = strdup(LUFF_STORE_EMPTY_INDEX);
		m->budget = share ? memory_of(share)->budget : calloc(1, sizeof *m->budget);
	}
	if (!m || !m->index || !m->budget) {
		if (m) {
			free(m->index);
			free(share ? NULL : m->budget);
		}
		free(m);
		return luff_fail_nomem(err);
	}
	if (!share)
		m->budget->left = cap;
	m->budget->refs++;
	m->index_len = strlen(m->index);
	m->base.ops = &memory_ops;
	m->base.refs = 1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->index_lock, NULL);
	*out = &m->base;
	return 0;
}
