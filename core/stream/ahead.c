/*
 * A reader whose inner reader runs in a thread of its own, so that receiving and hashing overlap with writing or sending. A
 * ring of fixed slots stands between the two. Where no thread or no processor is free the reader reads for itself: it never
 * waits for a worker that may not come.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/scope.h"
#include "stream/streams.h"

#define SLOTS 4
#define SLOT_SIZE ((size_t)128 << 10)
#define TICK_NS 100000000 /* the consumer's scope may be another one than the producer's */

static atomic_int producers; /* of the process; more of them than processors only cost memory and switches */

struct ahead_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_job job;
	struct luff_scope scope; /* the producer's own; cancelled on close */
	bool alone;              /* no thread was free: read inline */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *ring;            /* SLOTS * SLOT_SIZE */
	size_t lens[SLOTS];    /* bytes in each slot */
	size_t head, filled;   /* slots head … head + filled - 1 wait for the consumer */
	size_t taken;          /* bytes of the head slot that are consumed */
	bool ended, closing;   /* ended: nothing comes after the filled slots but err */
	struct luff_error err; /* how the inner reader failed; code 0: it ended */
};

/* A whole slot, so that a source of small pieces costs few wake-ups. False: the inner reader ended or failed. */
static bool fill(size_t *len_out, struct ahead_reader *a, char *slot)
{
	size_t n;

	for (*len_out = 0; *len_out < SLOT_SIZE; *len_out += n) {
		if (luff_reader_read(&n, a->inner, slot + *len_out, SLOT_SIZE - *len_out, &a->err) < 0 ||
		    n == 0)
			return false;
	}
	return true;
}

static void produce(struct luff_job *job)
{
	struct ahead_reader *a = (struct ahead_reader *)((char *)job - offsetof(struct ahead_reader, job));
	struct luff_scope *outer = luff_scope_current();

	luff_scope_enter(&a->scope);
	pthread_mutex_lock(&a->lock);
	while (!a->ended) {
		size_t i, len;
		bool more;

		while (a->filled == SLOTS && !a->closing)
			pthread_cond_wait(&a->changed, &a->lock);
		if (a->closing)
			break;
		i = (a->head + a->filled) % SLOTS;
		pthread_mutex_unlock(&a->lock);
		more = fill(&len, a, a->ring + i * SLOT_SIZE);
		pthread_mutex_lock(&a->lock);
		a->lens[i] = len;
		a->filled += len > 0;
		a->ended = !more;
		pthread_cond_signal(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	luff_scope_swap(outer);
}

/* Until something comes; the lock is held. */
static int await(struct ahead_reader *a, struct luff_error *err)
{
	int rc = 0;

	while (rc == 0 && a->filled == 0 && !a->ended) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&a->changed, &a->lock, &until);
		rc = luff_scope_check(err);
	}
	return rc;
}

static int take(size_t *n_out, struct ahead_reader *a, void *buf, size_t len, struct luff_error *err)
{
	const char *slot;
	bool some;
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = await(a, err);
	some = a->filled > 0;
	pthread_mutex_unlock(&a->lock);
	if (rc < 0)
		return rc;
	if (!some) {
		if (a->err.code)
			*err = a->err;
		return a->err.code;
	}
	/* the head slot is the consumer's until it is given back */
	slot = a->ring + a->head * SLOT_SIZE;
	*n_out = len < a->lens[a->head] - a->taken ? len : a->lens[a->head] - a->taken;
	memcpy(buf, slot + a->taken, *n_out);
	a->taken += *n_out;
	if (a->taken == a->lens[a->head]) {
		pthread_mutex_lock(&a->lock);
		a->head = (a->head + 1) % SLOTS;
		a->filled--;
		a->taken = 0;
		pthread_cond_signal(&a->changed);
		pthread_mutex_unlock(&a->lock);
	}
	return 0;
}

static int ahead_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct ahead_reader *a = (struct ahead_reader *)r;

	return a->alone ? luff_reader_read(n_out, a->inner, buf, len, err) : take(n_out, a, buf, len, err);
}

static bool start(struct ahead_reader *a)
{
	if (atomic_fetch_add(&producers, 1) < sysconf(_SC_NPROCESSORS_ONLN)) {
		if (!a->ring)
			a->ring = malloc(SLOTS * SLOT_SIZE);
		if (a->ring && luff_pool_start(&a->job))
			return true;
	}
	atomic_fetch_sub(&producers, 1);
	return false;
}

static void stop(struct ahead_reader *a)
{
	pthread_mutex_lock(&a->lock);
	a->closing = true;
	luff_scope_cancel(&a->scope);
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	luff_pool_wait(&a->job);
	atomic_fetch_sub(&producers, 1);
}

static int ahead_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct ahead_reader *a = (struct ahead_reader *)r;
	int rc;

	if (!a->alone)
		stop(a);
	a->alone = true;
	rc = luff_reader_seek(a->inner, offset, err);
	if (rc < 0)
		return rc;
	a->scope = (struct luff_scope){0};
	a->err = (struct luff_error){0};
	a->head = a->filled = a->taken = 0;
	a->ended = a->closing = false;
	a->alone = !start(a);
	return 0;
}

static void ahead_close(struct luff_reader *r)
{
	struct ahead_reader *a = (struct ahead_reader *)r;

	if (!a->alone)
		stop(a);
	luff_reader_close(a->inner);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a->ring);
	free(a);
}

static const struct luff_reader_ops ahead_ops = {
	.read = ahead_read, .close = ahead_close, .seek = ahead_seek};

int luff_reader_open_ahead(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct ahead_reader *a = calloc(1, sizeof *a);
	pthread_condattr_t monotonic;

	*out = NULL;
	if (!a) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	a->base.ops = &ahead_ops;
	a->inner = inner;
	luff_reader_inherit(&a->base, inner);
	a->job.run = produce;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	a->alone = !start(a);
	*out = &a->base;
	return 0;
}
