/*
 * One queue, one lock, threads on demand. A job is queued, running or done; who waits for a queued one runs it
 * itself, which is why a pool that is full of waiting jobs still moves.
 */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/scope.h"

enum { QUEUED = 1, RUNNING, DONE };

#define STACK_SIZE (1 << 20) /* getaddrinfo, TLS and a sanitizer's thread-local data are the hungriest */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work; /* the queue grew or the pool closes */
	pthread_cond_t done; /* some job is done */
	struct luff_job *head, **tail;
	pthread_t threads[LUFF_POOL_INSIST_MAX];
	int count, idle, queued;
	bool closing;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
	  .work = PTHREAD_COND_INITIALIZER,
	  .done = PTHREAD_COND_INITIALIZER,
	  .tail = &pool.head};

/* Runs a job that was taken from the queue; the lock is held before and after. */
static void run(struct luff_job *job)
{
	struct luff_scope *old;

	job->state = RUNNING;
	pthread_mutex_unlock(&pool.lock);
	old = luff_scope_swap(job->scope);
	job->run(job);
	luff_scope_swap(old);
	pthread_mutex_lock(&pool.lock);
	job->state = DONE;
	pthread_cond_broadcast(&pool.done);
}

/* A thread is idle, and counted so, from its making on but for the time of its jobs. */
static void *work(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct luff_job *job = pool.head;

		if (job) {
			pool.head = job->next;
			if (!pool.head)
				pool.tail = &pool.head;
			pool.queued--;
			pool.idle--;
			run(job);
			pool.idle++;
		} else if (pool.closing) {
			break;
		} else {
			pthread_cond_wait(&pool.work, &pool.lock);
		}
	}
	pool.idle--;
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* One more thread, unless the idle ones suffice for what is queued, or there are `most`. The lock is held. */
static void grow(int most)
{
	pthread_attr_t attr;

	if (pool.idle >= pool.queued || pool.count >= most || pthread_attr_init(&attr) != 0)
		return;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	if (pthread_create(&pool.threads[pool.count], &attr, work, NULL) == 0) {
		pool.count++;
		pool.idle++;
	}
	pthread_attr_destroy(&attr);
}

/* The lock is held. */
static void enqueue(struct luff_job *job, struct luff_job **at)
{
	job->scope = luff_scope_current();
	job->state = QUEUED;
	job->next = *at;
	*at = job;
	if (pool.tail == at)
		pool.tail = &job->next;
	pool.queued++;
	pthread_cond_signal(&pool.work);
}

int luff_pool_submit(struct luff_job *job, struct luff_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&pool.lock);
	pool.queued++;
	grow(LUFF_POOL_MAX);
	pool.queued--;
	if (pool.count > 0)
		enqueue(job, pool.tail);
	else
		rc = luff_fail(err, LUFF_ENOMEM, "cannot start a thread");
	pthread_mutex_unlock(&pool.lock);
	return rc;
}

int luff_pool_insist(struct luff_job *job, struct luff_error *err)
{
	int rc = 0, before;

	pthread_mutex_lock(&pool.lock);
	before = pool.count;
	pool.queued++;
	grow(LUFF_POOL_INSIST_MAX);
	pool.queued--;
	if (pool.count > before || pool.idle > pool.queued)
		enqueue(job, &pool.head);
	else
		rc = luff_fail(err, LUFF_ENOMEM, "cannot start a thread");
	pthread_mutex_unlock(&pool.lock);
	return rc;
}

bool luff_pool_start(struct luff_job *job)
{
	bool taken;

	pthread_mutex_lock(&pool.lock);
	pool.queued++;
	grow(LUFF_POOL_MAX);
	pool.queued--;
	taken = pool.idle > pool.queued;
	if (taken)
		enqueue(job, &pool.head);
	pthread_mutex_unlock(&pool.lock);
	return taken;
}

/* Out of the queue; the lock is held. False: it is not in there. */
static bool dequeue(struct luff_job *job)
{
	if (job->state != QUEUED)
		return false;
	for (struct luff_job **p = &pool.head; *p; p = &(*p)->next) {
		if (*p == job) {
			*p = job->next;
			if (!*p)
				pool.tail = p;
			pool.queued--;
			return true;
		}
	}
	return false;
}

bool luff_pool_take_back(struct luff_job *job)
{
	bool taken;

	pthread_mutex_lock(&pool.lock);
	taken = dequeue(job);
	if (taken)
		job->state = DONE;
	pthread_mutex_unlock(&pool.lock);
	return taken;
}

void luff_pool_wait(struct luff_job *job)
{
	pthread_mutex_lock(&pool.lock);
	if (dequeue(job))
		run(job);
	while (job->state != DONE)
		pthread_cond_wait(&pool.done, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}

void luff_pool_shutdown(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.closing = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (int i = 0; i < pool.count; i++)
		pthread_join(pool.threads[i], NULL);
	pool.count = 0;
	pool.closing = false;
}

/* ---- each ---- */

struct each {
	size_t count, next;
	bool stop;
	int (*fn)(void *arg, size_t i, struct luff_error *err);
	void *arg;
	pthread_mutex_t lock;
	struct luff_error err; /* the first failure; code 0: none */
};

struct helper {
	struct luff_job job;
	struct each *each;
};

static void each_run(struct each *e)
{
	for (;;) {
		struct luff_error err = {0};
		size_t i;
		bool stop;

		pthread_mutex_lock(&e->lock);
		stop = e->stop || e->next == e->count;
		i = stop ? 0 : e->next++;
		pthread_mutex_unlock(&e->lock);
		if (stop)
			return;
		if (luff_scope_check(&err) == 0 && e->fn(e->arg, i, &err) == 0)
			continue;
		pthread_mutex_lock(&e->lock);
		/* a call that was cancelled because another failed may get here before that one */
		if (!e->stop || e->err.code == LUFF_ECANCELED)
			e->err = err;
		e->stop = true;
		pthread_mutex_unlock(&e->lock);
		return;
	}
}

static void help(struct luff_job *job)
{
	each_run(((struct helper *)job)->each);
}

int luff_pool_each(size_t count, int jobs, int (*fn)(void *arg, size_t i, struct luff_error *err), void *arg,
		   struct luff_error *err)
{
	struct each e = {.count = count, .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER};
	size_t wanted = jobs > LUFF_POOL_MAX ? LUFF_POOL_MAX : jobs > 1 ? (size_t)jobs - 1 : 0, n = 0;
	struct helper *helpers = NULL; /* not on the stack, which is small and may see several of these */
	struct luff_error ignored = {0};

	if (wanted + 1 > count)
		wanted = count > 0 ? count - 1 : 0;
	if (wanted > 0)
		helpers = calloc(wanted, sizeof *helpers);
	/* whoever cannot be hired is not missed: the caller does the work */
	while (helpers && n < wanted) {
		helpers[n] = (struct helper){.job = {.run = help}, .each = &e};
		if (luff_pool_submit(&helpers[n].job, &ignored) < 0)
			break;
		n++;
	}
	each_run(&e);
	for (size_t i = 0; i < n; i++) {
		if (!luff_pool_take_back(&helpers[i].job))
			luff_pool_wait(&helpers[i].job);
	}
	free(helpers);
	pthread_mutex_destroy(&e.lock);
	if (e.err.code)
		*err = e.err;
	return e.err.code;
}
