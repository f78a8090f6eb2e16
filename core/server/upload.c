/*
 * See upload.h. A short array under one lock: looking an id up is nothing beside the bytes that follow. It keeps the writers of
 * this process between their requests, as they know the hash so far; what it does not know may still be on disk.
 */
#include "server/upload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#define IDLE_MAX (LUFF_STORE_UPLOAD_IDLE * 1000) /* ms after which nobody is expected to come back */
#define IDLE_MIN (60 * 1000) /* ms before which no upload goes, however many want to start */
#define OPEN_TRIES 100       /* that the repository goes just then is rare, and over soon */

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

/* Ends it, or leaves what is on disk to others. */
static void free_upload(struct luff_upload *s, bool keep)
{
	if (!s)
		return;
	if (keep)
		luff_store_writer_leave(s->writer);
	else
		luff_store_writer_abort(s->writer);
	luff_repository_unref(s->repository);
	free(s);
}

/* Nobody came back here; but another process may have gone on with it. */
static void expire(struct luff_upload *s)
{
	struct luff_error ignored = {0};

	if (s)
		free_upload(s, luff_store_writer_wake(s->writer, &ignored) < 0 ||
				       luff_store_writer_size(s->writer) != atomic_load(&s->size));
}

void luff_upload_table_free(struct luff_upload_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free_upload(table->items[i], true);
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

/* Room for it, claimed: LUFF_ERATE where there is none. */
static int insert(struct luff_upload_table *table, struct luff_upload *s, struct luff_error *err)
{
	struct luff_upload *old;
	bool full;

	s->table = table;
	s->claimed = true;
	pthread_mutex_lock(&table->lock);
	old = detach_oldest(table, luff_clock_ms());
	full = table->count == table->cap;
	if (!full)
		table->items[table->count++] = s;
	pthread_mutex_unlock(&table->lock);
	expire(old);
	return full ? luff_fail(err, LUFF_ERATE, "%zu uploads are under way: finish or cancel some",
				table->cap)
		    : 0;
}

/* Takes one out that is claimed. Where a process lost sight of an upload and found it again, two may have the same id. */
static void take_out(struct luff_upload *s)
{
	struct luff_upload_table *table = s->table;
	size_t i = 0;

	pthread_mutex_lock(&table->lock);
	while (table->items[i] != s)
		i++;
	detach(table, i);
	pthread_mutex_unlock(&table->lock);
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

static struct luff_upload *new_upload(const char *repository, const char *id)
{
	struct luff_upload *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	luff_text_copy(s->id, sizeof s->id, id);
	luff_text_copy(s->name, sizeof s->name, repository);
	return s;
}

static int begin(struct luff_upload *s, enum luff_algorithm algorithm, struct luff_error *err)
{
	struct luff_error failed = {0};
	int rc, tries = 0;

	for (;;) {
		rc = luff_repository_open(&s->repository, s->table->repositories, s->name, true, &failed);
		if (rc < 0)
			break;
		assert(s->repository);
		rc = luff_store_begin(&s->writer, s->repository->store, s->id, algorithm, &failed);
		if (rc == 0)
			return 0;
		/* another process may have unmade the repository, into which nothing had come */
		luff_repository_unref(luff_take(s->repository));
		if (rc != LUFF_ENOTFOUND || tries++ == OPEN_TRIES)
			break;
	}
	*err = failed;
	return rc;
}

int luff_upload_new(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		    enum luff_algorithm algorithm, struct luff_error *err)
{
	unsigned char random[LUFF_UPLOAD_ID_LEN / 2];
	char id[LUFF_UPLOAD_ID_LEN + 1];
	struct luff_upload *s;
	int rc;

	*out = NULL;
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return luff_fail_errno(err, errno, "getrandom");
	luff_text_hex(id, random, sizeof random);
	s = new_upload(repository, id);
	if (!s)
		return luff_fail_nomem(err);
	rc = insert(table, s, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	rc = begin(s, algorithm, err);
	if (rc < 0)
		luff_upload_drop(s);
	else
		*out = s;
	return rc;
}

/* What another process began, or this one before it was started again. */
static int resume(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		  const char *id, struct luff_error *err)
{
	struct luff_upload *s = new_upload(repository, id);
	int rc;

	if (!s)
		return luff_fail_nomem(err);
	rc = luff_repository_open(&s->repository, table->repositories, repository, false, err);
	if (rc == 0)
		rc = luff_store_resume(&s->writer, s->repository->store, id, err);
	if (rc == 0)
		rc = insert(table, s, err);
	if (rc < 0) {
		free_upload(s, true);
		return rc == LUFF_ENOTFOUND ? unknown(id, err) : rc;
	}
	*out = s;
	return 0;
}

int luff_upload_claim(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		      const char *id, struct luff_error *err)
{
	struct luff_upload *s = NULL;
	bool busy = false;
	int rc;
	size_t i;

	*out = NULL;
	pthread_mutex_lock(&table->lock);
	i = find(table, repository, id);
	if (i < table->count) {
		s = table->items[i];
		busy = s->claimed;
		s->claimed = true;
	}
	pthread_mutex_unlock(&table->lock);
	if (busy)
		return luff_fail(err, LUFF_EEXISTS, "another request writes to this upload");
	rc = s ? luff_store_writer_wake(s->writer, err) : resume(&s, table, repository, id, err);
	if (rc == 0) {
		atomic_store(&s->size, luff_store_writer_size(s->writer));
		*out = s;
	} else if (s && rc == LUFF_ENOTFOUND) {
		/* another process finished or cancelled it */
		take_out(s);
		free_upload(s, true);
		return unknown(id, err);
	} else if (s) {
		luff_upload_release(s);
	}
	return rc;
}

int luff_upload_size(int64_t *out, struct luff_upload_table *table, const char *repository, const char *id,
		     struct luff_error *err)
{
	LUFF_AUTO(repository) opened = NULL;
	int rc;
	size_t i;

	rc = luff_repository_open(&opened, table->repositories, repository, false, err);
	if (rc == 0)
		rc = luff_store_upload_size(out, opened->store, id, err);
	if (rc != LUFF_ENOTSUP)
		return rc == LUFF_ENOTFOUND ? unknown(id, err) : rc;
	pthread_mutex_lock(&table->lock);
	i = find(table, repository, id);
	rc = i == table->count ? unknown(id, err) : 0;
	if (rc == 0)
		*out = atomic_load(&table->items[i]->size);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

int luff_upload_append(struct luff_upload *s, const void *bytes, size_t len, struct luff_error *err)
{
	int rc = luff_store_writer_append(s->writer, bytes, len, err);

	if (rc == 0)
		atomic_fetch_add(&s->size, (long long)len);
	return rc;
}

int luff_upload_commit(struct luff_upload *s, const struct luff_digest *digest, struct luff_error *err)
{
	int rc = luff_store_writer_commit(luff_take(s->writer), digest, err);

	if (rc == 0)
		luff_repository_keep(s->repository);
	luff_upload_drop(s);
	return rc;
}

void luff_upload_release(struct luff_upload *s)
{
	struct luff_upload_table *table = s->table;

	luff_store_writer_rest(s->writer);
	pthread_mutex_lock(&table->lock);
	s->claimed = false;
	s->idle_since = luff_clock_ms();
	pthread_mutex_unlock(&table->lock);
}

void luff_upload_drop(struct luff_upload *s)
{
	take_out(s);
	free_upload(s, false);
}
