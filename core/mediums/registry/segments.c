/* See segments.h. */
#include "mediums/registry/segments.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/pool.h"
#include "base/scope.h"
#include "mediums/registry/header.h"

#define PIECE ((size_t)128 << 10)
#define TICK_NS 100000000 /* the reader's scope may be another one than the workers' */

static atomic_int workers; /* of the process, each with a segment */

/* Fetches one segment after the other into its buffer: the nth of n those whose number is n apart. */
struct worker {
	struct luff_job job;
	struct luff_scope
		scope; /* cancelled on close; within none: whoever reads may do so in another one each time */
	struct segments *all;
	char *buf;
	int64_t start;             /* of the segment that is in the buffer */
	size_t len, filled, taken; /* filled and taken under the lock */
	bool running;              /* the job is to be waited for */
	struct luff_error err;     /* why no more comes; code 0: it does */
};

struct segments {
	struct luff_reader base;
	struct luff_medium *medium;
	struct luff_descriptor d;
	luff_download_ask *ask;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct worker workers[LUFF_SEGMENTS_MAX];
	int count, turn; /* whose segment is read */
	bool closing;
};

/* ---- A worker ---- */

static int check_part(const struct worker *w, struct luff_exchange *x, struct luff_error *err)
{
	const char *range = luff_exchange_header(x, "content-range", 0);
	int64_t first, last, total;

	if (luff_exchange_status(x) == 206 && range &&
	    luff_header_content_range(&first, &last, &total, range) && first == w->start &&
	    last == w->start + (int64_t)w->len - 1 && (total < 0 || total == w->all->d.size))
		return 0;
	return luff_fail(err, LUFF_EFORMAT, "status %d in place of a part", luff_exchange_status(x));
}

/* Bytes are told of as they come: the reader may be waiting for them. */
static int fill(struct worker *w, struct luff_exchange *x, struct luff_error *err)
{
	for (size_t at = 0; at < w->len;) {
		size_t want = w->len - at < PIECE ? w->len - at : PIECE, n;
		int rc = luff_reader_read(&n, luff_exchange_reader(x), w->buf + at, want, err);

		if (rc < 0)
			return rc;
		if (n == 0)
			return luff_fail(err, LUFF_EFORMAT, "a part ends early");
		at += n;
		pthread_mutex_lock(&w->all->lock);
		w->filled = at;
		pthread_cond_broadcast(&w->all->changed);
		pthread_mutex_unlock(&w->all->lock);
	}
	return 0;
}

static int fetch(struct worker *w, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	char range[64];
	int rc;

	snprintf(range, sizeof range, "bytes=%" PRId64 "-%" PRId64, w->start, w->start + (int64_t)w->len - 1);
	rc = w->all->ask(&x, w->all->medium, &w->all->d, range, err);
	if (rc == 0)
		rc = check_part(w, x, err);
	return rc < 0 ? rc : fill(w, x, err);
}

/* The lock is held. False: there is none. */
static bool next_segment(struct worker *w)
{
	struct segments *all = w->all;

	while (w->taken < w->len && !all->closing)
		pthread_cond_wait(&all->changed, &all->lock);
	w->start += all->count * LUFF_SEGMENT_SIZE;
	if (all->closing || w->start >= all->d.size)
		return false;
	w->len = (size_t)(all->d.size - w->start < LUFF_SEGMENT_SIZE ? all->d.size - w->start
								     : LUFF_SEGMENT_SIZE);
	w->filled = w->taken = 0;
	return true;
}

static void run(struct luff_job *job)
{
	struct worker *w = (struct worker *)((char *)job - offsetof(struct worker, job));
	struct segments *all = w->all;
	struct luff_scope *outer = luff_scope_swap(&w->scope);
	struct luff_error failure = {0};

	pthread_mutex_lock(&all->lock);
	do {
		pthread_mutex_unlock(&all->lock);
		fetch(w, &failure);
		pthread_mutex_lock(&all->lock);
	} while (!failure.code && next_segment(w));
	w->err = failure;
	pthread_cond_broadcast(&all->changed);
	pthread_mutex_unlock(&all->lock);
	luff_scope_swap(outer);
}

/* ---- The reader ---- */

/* Until the segment whose turn it is has more; the lock is held. */
static int await(struct segments *s, const struct worker *w, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && w->filled == w->taken && !w->err.code) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&s->changed, &s->lock, &until);
		rc = luff_scope_check(err);
	}
	return rc;
}

static int segments_read(size_t *n_out, struct luff_reader *base, void *buf, size_t len,
			 struct luff_error *err)
{
	struct segments *s = (struct segments *)base;
	struct worker *w = &s->workers[s->turn];
	size_t n = 0;
	int rc;

	pthread_mutex_lock(&s->lock);
	if (w->start + (int64_t)w->taken >= s->d.size) { /* the end */
		pthread_mutex_unlock(&s->lock);
		return 0;
	}
	rc = await(s, w, err);
	if (rc == 0)
		n = w->filled - w->taken < len ? w->filled - w->taken : len;
	if (rc == 0 && n == 0) {
		*err = w->err;
		rc = w->err.code;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc < 0)
		return rc;
	/* what is filled is the reader's until it is taken */
	memcpy(buf, w->buf + w->taken, n);
	pthread_mutex_lock(&s->lock);
	w->taken += n;
	if (w->taken == w->len && w->start + (int64_t)w->len < s->d.size) {
		s->turn = (s->turn + 1) % s->count;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	*n_out = n;
	return 0;
}

static void segments_close(struct luff_reader *base)
{
	struct segments *s = (struct segments *)base;

	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < s->count; i++)
		luff_scope_cancel(&s->workers[i].scope);
	for (int i = 0; i < s->count; i++) {
		if (s->workers[i].running)
			luff_pool_wait(&s->workers[i].job);
		free(s->workers[i].buf);
	}
	atomic_fetch_sub(&workers, s->count);
	luff_medium_unref(s->medium);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct luff_reader_ops segments_ops = {.read = segments_read, .close = segments_close};

/* As many as there may be of this blob and in all; they are taken. */
static int take_workers(int most)
{
	int had = atomic_load(&workers), n;

	do {
		n = 2 * LUFF_SEGMENTS_MAX - had < LUFF_SEGMENTS_MAX ? 2 * LUFF_SEGMENTS_MAX - had
								    : LUFF_SEGMENTS_MAX;
		n = n < most ? n : most;
		if (n < 2)
			return 0;
	} while (!atomic_compare_exchange_weak(&workers, &had, had + n));
	return n;
}

static bool start_workers(struct segments *s, int64_t offset)
{
	for (int i = 0; i < s->count; i++) {
		struct worker *w = &s->workers[i];

		w->all = s;
		w->start = offset + i * LUFF_SEGMENT_SIZE;
		w->len = LUFF_SEGMENT_SIZE;
		w->job.run = run;
		w->buf = malloc(LUFF_SEGMENT_SIZE);
		w->running = w->buf && luff_pool_start(&w->job);
		if (!w->running)
			return false;
	}
	return true;
}

int luff_segments_open(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		       int64_t offset, int most, luff_download_ask *ask, struct luff_error *err)
{
	struct segments *s;
	pthread_condattr_t monotonic;

	*out = NULL;
	if (d->size - offset < LUFF_SEGMENTS_MAX * LUFF_SEGMENT_SIZE)
		return 0;
	s = calloc(1, sizeof *s);
	if (!s)
		return luff_fail_nomem(err);
	s->base.ops = &segments_ops;
	s->medium = luff_medium_ref(m);
	s->d = *d;
	s->ask = ask;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->count = take_workers(most);
	if (s->count == 0 || !start_workers(s, offset)) {
		luff_reader_close(&s->base);
		return 0;
	}
	*out = &s->base;
	return 0;
}
