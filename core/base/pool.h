/*
 * The process's worker threads. They start when there is work and none is idle, up to LUFF_POOL_MAX, and end with
 * luff_shutdown(). Work may block. Who waits for work helps with it, so nested waits cannot deadlock. Who waits for something
 * else, which needs work done itself, has that done by luff_pool_insist().
 */
#ifndef LUFF_BASE_POOL_H
#define LUFF_BASE_POOL_H

#include "luff.h"

#define LUFF_POOL_MAX 64
#define LUFF_POOL_INSIST_MAX 512 /* threads, where all others wait for each other */

/* One piece of work; the memory is the caller's until it is done or taken back. Fields belong to the pool but run. */
struct luff_job {
	void (*run)(struct luff_job *job); /* under the scope that was current at luff_pool_submit */
	struct luff_scope *scope;
	struct luff_job *next;
	int state;
};

/** Queues the job. LUFF_ENOMEM where not even one thread could be started: then run it yourself. */
int luff_pool_submit(struct luff_job *job, struct luff_error *err);
/** The same, but it goes before all that is queued, and gets a thread where none is free, even over LUFF_POOL_MAX. */
int luff_pool_insist(struct luff_job *job, struct luff_error *err);
/** Hands the job to a thread that is free right now; false, and nothing happened, where none is. */
bool luff_pool_start(struct luff_job *job);
/** True: it had not begun and never will; run it yourself or drop it. False: it runs or is done. */
bool luff_pool_take_back(struct luff_job *job);
/** Waits until a submitted job is done; runs it right here if it has not begun. */
void luff_pool_wait(struct luff_job *job);

/**
 * Calls fn(arg, i) for every i below count, at most `jobs` at a time, the caller's thread among them. The first failure
 * stops further calls and is returned, a cancellation only where nothing else failed. Done when all have returned.
 */
int luff_pool_each(size_t count, int jobs, int (*fn)(void *arg, size_t i, struct luff_error *err), void *arg,
		   struct luff_error *err);

/** Joins all threads; part of luff_shutdown(). */
void luff_pool_shutdown(void);

#endif
