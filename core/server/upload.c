/* See upload.h. A short array under one lock: looking an id up is nothing beside the bytes that follow. */
#include "server/upload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#define IDLE_MAX (60 * 60 * 1000) /* ms after which nobody is expected to come back */
#define IDLE_MIN (60 * 1000)      /* ms before which no upload goes, however many want to start */
#define OPEN_TRIES 100            /* that the repository goes just then is rare, and over soon */

struct luff_upload_table {
	pthread_mutex_t lock;
	struct luff_repositories *repositories;
	size_t count, cap;
	struct luff_upload *items[];
};

int luff_upload_table_new(struct luff_upload_table **out, struct luff_repositories *repositories, size_t cap,
			  struct luff_error *err)
{
	struct luff_upload_table *table = calloc(1, sizeof *table + cap * sizeof *table->items);

	*out = table;
	if (!table)
		return luff_fail_nomem(err);
	pthread_mutex_init(&table->lock, NULL);
	table->repositories = repositories;
	table->cap = cap;
	return 0;
}

static void free_upload(struct luff_upload *s)
{
	if (!s)
		return;
	luff_store_writer_abort(s->writer);
	luff_repository_unref(s->repository);
	free(s);
}

void luff_upload_table_free(struct luff_upload_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free_upload(table->items[i]);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

/* Takes one out; the lock is held. */
static struct luff_upload *detach(struct luff_upload_table *table, size_t i)
{
	struct luff_upload *s = table->items[i];

	table->items[i] = table->items[--table->count];
	return s;
}

/* The upload that has been idle the longest, if that is long enough for it to go. The lock is held. */
static struct luff_upload *detach_oldest(struct luff_upload_table *table, int64_t now)
{
	int64_t limit = table->count == table->cap ? IDLE_MIN : IDLE_MAX;
	size_t oldest = table->count;

	for (size_t i = 0; i < table->count; i++) {
		const struct luff_upload *s = table->items[i];

		if (!s->claimed && now - s->idle_since >= limit &&
		    (oldest == table->count || s->idle_since < table->items[oldest]->idle_since))
			oldest = i;
	}
	return oldest < table->count ? detach(table, oldest) : NULL;
}

/* Its place in the table, or table->count. The lock is held. */
static size_t find(const struct luff_upload_table *table, const char *repository, const char *id)
{
	size_t i = 0;

	while (i < table->count &&
	       (strcmp(table->items[i]->id, id) != 0 || strcmp(table->items[i]->name, repository) != 0))
		i++;
	return i;
}

static int unknown(const char *id, struct luff_error *err)
{
	return luff_fail(err, LUFF_ENOTFOUND,
			 "no upload %s: it was finished, cancelled, or idle for too long", id);
}

int luff_upload_new(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		    enum luff_algorithm algorithm, struct luff_error *err)
{
	struct luff_upload *s = calloc(1, sizeof *s), *old;
	unsigned char random[LUFF_UPLOAD_ID_LEN / 2];
	bool full;

	*out = NULL;
	if (!s)
		return luff_fail_nomem(err);
	if (getrandom(random, sizeof random, 0) != sizeof random) {
		free(s);
		return luff_fail_errno(err, errno, "getrandom");
	}
	luff_text_hex(s->id, random, sizeof random);
	luff_text_copy(s->name, sizeof s->name, repository);
	s->table = table;
	s->algorithm = algorithm;
	s->claimed = true;
	pthread_mutex_lock(&table->lock);
	old = detach_oldest(table, luff_clock_ms());
	full = table->count == table->cap;
	if (!full)
		table->items[table->count++] = s;
	pthread_mutex_unlock(&table->lock);
	free_upload(old);
	if (full) {
		free_upload(s);
		return luff_fail(err, LUFF_ERATE, "%zu uploads are under way: finish or cancel some",
				 table->cap);
	}
	*out = s;
	return 0;
}

int luff_upload_claim(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		      const char *id, struct luff_error *err)
{
	int rc = 0;
	size_t i;

	*out = NULL;
	pthread_mutex_lock(&table->lock);
	i = find(table, repository, id);
	if (i == table->count)
		rc = unknown(id, err);
	else if (table->items[i]->claimed)
		rc = luff_fail(err, LUFF_EEXISTS, "another request writes to this upload");
	else
		*out = table->items[i];
	if (*out)
		(*out)->claimed = true;
	pthread_mutex_unlock(&table->lock);
	return rc;
}

int luff_upload_size(int64_t *out, struct luff_upload_table *table, const char *repository, const char *id,
		     struct luff_error *err)
{
	int rc = 0;
	size_t i;

	*out = 0;
	pthread_mutex_lock(&table->lock);
	i = find(table, repository, id);
	if (i == table->count)
		rc = unknown(id, err);
	else
		*out = atomic_load(&table->items[i]->size);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

/* Made when it is needed: an upload that never sends a byte costs no file and leaves no repository. */
static int need_writer(struct luff_upload *s, struct luff_error *err)
{
	struct luff_error failed = {0};
	int rc = 0, tries = 0;

	while (!s->writer) {
		if (!s->repository)
			rc = luff_repository_open(&s->repository, s->table->repositories, s->name, true,
						  &failed);
		assert(rc < 0 || s->repository);
		if (rc == 0)
			rc = luff_store_write(&s->writer, s->repository->store, true, s->algorithm, &failed);
		if (rc == 0)
			break;
		/* another process may have unmade the repository, into which nothing had come */
		luff_repository_unref(luff_take(s->repository));
		if (rc != LUFF_ENOTFOUND || tries++ == OPEN_TRIES) {
			*err = failed;
			return rc;
		}
	}
	return 0;
}

int luff_upload_append(struct luff_upload *s, const void *bytes, size_t len, struct luff_error *err)
{
	int rc = need_writer(s, err);

	if (rc == 0)
		rc = luff_store_writer_append(s->writer, bytes, len, err);
	if (rc == 0)
		atomic_fetch_add(&s->size, (long long)len);
	return rc;
}

int luff_upload_commit(struct luff_upload *s, const struct luff_digest *digest, struct luff_error *err)
{
	int rc = need_writer(s, err);

	if (rc == 0)
		rc = luff_store_writer_commit(luff_take(s->writer), digest, err);
	if (rc == 0)
		luff_repository_keep(s->repository);
	luff_upload_drop(s);
	return rc;
}

void luff_upload_release(struct luff_upload *s)
{
	struct luff_upload_table *table = s->table;

	pthread_mutex_lock(&table->lock);
	s->claimed = false;
	s->idle_since = luff_clock_ms();
	pthread_mutex_unlock(&table->lock);
}

void luff_upload_drop(struct luff_upload *s)
{
	struct luff_upload_table *table = s->table;

	pthread_mutex_lock(&table->lock);
	detach(table, find(table, s->name, s->id));
	pthread_mutex_unlock(&table->lock);
	free_upload(s);
}
