/* The worker pool: every call is made once, nobody waits for ever, and the failure that is told is the cause. */
#include "base/pool.h"

#include <pthread.h>
#include <time.h>

#include "base/error.h"
#include "base/scope.h"
#include "check.h"

static void nap(int ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* ---- jobs ---- */

struct counter {
	struct luff_job job;
	struct luff_scope *scope;
	atomic_int *sum;
	pthread_t thread;
};

static void count(struct luff_job *job)
{
	struct counter *c = (struct counter *)job;

	c->scope = luff_scope_current();
	c->thread = pthread_self();
	atomic_fetch_add(c->sum, 1);
}

static void runs_jobs(void)
{
	static struct counter jobs[1000];
	struct luff_scope scope = {0};
	struct luff_error err;
	atomic_int sum = 0;
	size_t taken = 0;

	luff_scope_enter(&scope);
	for (size_t i = 0; i < 1000; i++) {
		jobs[i] = (struct counter){.job.run = count, .sum = &sum};
		OK(luff_pool_submit(&jobs[i].job, &err));
	}
	/* from the last, so that most are found in the queue's middle */
	for (size_t i = 1000; i-- > 0;) {
		if (i % 3 == 0 && luff_pool_take_back(&jobs[i].job)) {
			taken++;
			CHECK(!jobs[i].scope);
		} else {
			luff_pool_wait(&jobs[i].job);
			CHECK(jobs[i].scope == &scope);
		}
		CHECK(!luff_pool_take_back(&jobs[i].job));
	}
	luff_scope_leave(&scope);
	CHECK_INT(atomic_load(&sum) + (int)taken, 1000);
	CHECK(!luff_scope_current());
}

/* What is started runs in another thread, at once, whatever else is queued. */
static void starts_jobs(void)
{
	struct counter job;
	atomic_int sum = 0;

	for (int i = 0; i < 1000; i++) {
		job = (struct counter){.job.run = count, .sum = &sum};
		if (!CHECK(luff_pool_start(&job.job)))
			return;
		for (int k = 0; k < 5000 && atomic_load(&sum) == i; k++)
			nap(1);
		CHECK_INT(atomic_load(&sum), i + 1);
		CHECK(!pthread_equal(job.thread, pthread_self()));
		luff_pool_wait(&job.job);
	}
}

struct waiter {
	struct luff_job job;
	atomic_int *open;
};

static void wait_until_open(struct luff_job *job)
{
	while (!atomic_load(((struct waiter *)job)->open))
		nap(1);
}

/* What is insisted on runs although all threads wait, and more than they wait before it. */
static void insists(void)
{
	static struct waiter waiters[2 * LUFF_POOL_MAX];
	struct luff_error err;
	struct counter job;
	atomic_int open = 0, sum = 0;

	for (size_t i = 0; i < 2 * LUFF_POOL_MAX; i++) {
		waiters[i] = (struct waiter){.job.run = wait_until_open, .open = &open};
		OK(luff_pool_submit(&waiters[i].job, &err));
	}
	for (int i = 0; i < 3; i++) {
		job = (struct counter){.job.run = count, .sum = &sum};
		OK(luff_pool_insist(&job.job, &err));
		for (int k = 0; k < 10000 && atomic_load(&sum) == i; k++)
			nap(1);
		CHECK_INT(atomic_load(&sum), i + 1);
		CHECK(!pthread_equal(job.thread, pthread_self()));
		luff_pool_wait(&job.job);
	}
	atomic_store(&open, 1);
	for (size_t i = 0; i < 2 * LUFF_POOL_MAX; i++)
		luff_pool_wait(&waiters[i].job);
}

/* ---- each ---- */

struct visit {
	int depth;
	atomic_int *calls, *now, *most;
	int jobs;
};

static int visit(void *arg, size_t i, struct luff_error *err)
{
	struct visit *v = arg, below = *v;
	int now = atomic_fetch_add(v->now, 1) + 1, most = atomic_load(v->most);
	int rc = 0;

	(void)i;
	while (now > most && !atomic_compare_exchange_weak(v->most, &most, now))
		;
	atomic_fetch_add(v->calls, 1);
	if (--below.depth > 0)
		rc = luff_pool_each(2, v->jobs, visit, &below, err);
	atomic_fetch_sub(v->now, 1);
	return rc;
}

/* More levels of waiting than there are threads: who waits works. */
static void nests(void)
{
	for (int jobs = 1; jobs <= 64; jobs *= 8) {
		atomic_int calls = 0, now = 0, most = 0;
		struct visit v = {.depth = 11, .calls = &calls, .now = &now, .most = &most, .jobs = jobs};
		struct luff_error err;

		OK(luff_pool_each(2, jobs, visit, &v, &err));
		CHECK_INT(atomic_load(&calls), 4094);
	}
}

static int go_down(void *arg, size_t i, struct luff_error *err)
{
	int depth = *(int *)arg + 1;

	return i == 0 && depth < LUFF_POOL_MAX + 16 ? luff_pool_each(2, 2, go_down, &depth, err) : 0;
}

static void nests_deeper_than_threads(void)
{
	int depth = 0;
	struct luff_error err;

	OK(luff_pool_each(2, 2, go_down, &depth, &err));
}

static int note(void *arg, size_t i, struct luff_error *err)
{
	atomic_int *calls = arg;

	(void)err;
	atomic_fetch_add(&calls[i], 1);
	if (i % 16 == 0)
		nap(1);
	return 0;
}

static void calls_each_once(void)
{
	static atomic_int calls[1000];
	struct luff_error err;

	OK(luff_pool_each(0, 4, note, calls, &err));
	CHECK_INT(atomic_load(&calls[0]), 0);
	for (int jobs = 0; jobs <= 100; jobs += 20) {
		memset(calls, 0, sizeof calls);
		OK(luff_pool_each(1000, jobs, note, calls, &err));
		for (size_t i = 0; i < 1000; i++)
			CHECK_INT(atomic_load(&calls[i]), 1);
	}
}

static int observe(void *arg, size_t i, struct luff_error *err)
{
	atomic_int *seen = arg; /* now, most */
	int now = atomic_fetch_add(&seen[0], 1) + 1, most = atomic_load(&seen[1]);

	(void)i;
	(void)err;
	while (now > most && !atomic_compare_exchange_weak(&seen[1], &most, now))
		;
	nap(2);
	atomic_fetch_sub(&seen[0], 1);
	return 0;
}

static void keeps_to_its_jobs(void)
{
	for (int jobs = 1; jobs <= 8; jobs *= 2) {
		atomic_int seen[2] = {0, 0};
		struct luff_error err;

		OK(luff_pool_each(40, jobs, observe, seen, &err));
		CHECK(atomic_load(&seen[1]) <= jobs);
	}
}

static int fail_at(void *arg, size_t i, struct luff_error *err)
{
	atomic_int *calls = arg;

	atomic_fetch_add(calls, 1);
	nap(1);
	return i == 5 ? luff_fail(err, LUFF_EFORMAT, "number %zu", i) : 0;
}

static void stops_at_a_failure(void)
{
	for (int jobs = 1; jobs <= 16; jobs *= 4) {
		atomic_int calls = 0;
		struct luff_error err;

		FAILS(luff_pool_each(10000, jobs, fail_at, &calls, &err), LUFF_EFORMAT, "number 5");
		CHECK(atomic_load(&calls) < 200);
	}
}

/* The first one fails and cancels the others, as a copy does it; their cancellations arrive before its failure. */
static int fail_slowly(void *arg, size_t i, struct luff_error *err)
{
	struct luff_scope *scope = arg;
	int rc;

	if (i == 0) {
		nap(2);
		luff_scope_cancel(scope);
		nap(20);
		return luff_fail(err, LUFF_EDIGEST, "the cause");
	}
	while ((rc = luff_scope_check(err)) == 0)
		nap(1);
	return rc;
}

static void tells_the_cause(void)
{
	for (int i = 0; i < 10; i++) {
		struct luff_scope scope = {0};
		struct luff_error err;

		luff_scope_enter(&scope);
		FAILS(luff_pool_each(4, 4, fail_slowly, &scope, &err), LUFF_EDIGEST, "the cause");
		luff_scope_leave(&scope);
	}
}

static int cancel_at(void *arg, size_t i, struct luff_error *err)
{
	struct luff_scope *scope = arg;

	(void)err;
	if (i == 7)
		luff_scope_cancel(scope);
	return 0;
}

static void cancels(void)
{
	struct luff_scope scope = {0}, inner = {0};
	struct luff_error err;
	atomic_int calls[4] = {0};

	luff_scope_enter(&scope);
	luff_scope_enter(&inner);
	FAILS(luff_pool_each(100000000, 4, cancel_at, &scope, &err), LUFF_ECANCELED, "cancelled");
	FAILS(luff_pool_each(4, 2, note, calls, &err), LUFF_ECANCELED, "cancelled");
	CHECK_INT(atomic_load(&calls[0]) + atomic_load(&calls[3]), 0);
	luff_scope_leave(&inner);
	luff_scope_leave(&scope);
	/* a scope inside does not cancel the one around it */
	scope = inner = (struct luff_scope){0};
	luff_scope_enter(&scope);
	luff_scope_enter(&inner);
	luff_scope_cancel(&inner);
	luff_scope_leave(&inner);
	OK(luff_scope_check(&err));
	luff_scope_leave(&scope);
}

static void *use_the_pool(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		atomic_int calls[3] = {0, 0, 0};
		struct luff_error err;

		OK(luff_pool_each(3, 3, note, calls, &err));
	}
	return NULL;
}

static void serves_many_threads(void)
{
	pthread_t threads[16];

	for (size_t i = 0; i < 16; i++)
		CHECK(pthread_create(&threads[i], NULL, use_the_pool, NULL) == 0);
	for (size_t i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
}

static void log_line(void *arg, const char *line)
{
	snprintf(arg, 64, "%s", line);
}

static int say(void *arg, size_t i, struct luff_error *err)
{
	(void)arg;
	(void)err;
	if (i == 3)
		luff_scope_log("line %zu", i);
	return 0;
}

/* Worker threads have the caller's scope, its listener too. */
static void carries_the_scope(void)
{
	char line[64] = "";
	struct luff_scope scope = {.log = log_line, .log_arg = line}, inner = {0};
	struct luff_error err;

	CHECK(!luff_scope_logs());
	luff_scope_enter(&scope);
	luff_scope_enter(&inner);
	CHECK(luff_scope_logs());
	OK(luff_pool_each(4, 4, say, NULL, &err));
	CHECK_STR(line, "line 3");
	luff_scope_leave(&inner);
	luff_scope_leave(&scope);
}

int main(void)
{
	struct luff_error err;

	/* the pool comes back after it was shut down */
	for (int i = 0; i < 3; i++) {
		OK(luff_init(&err));
		runs_jobs();
		starts_jobs();
		insists();
		luff_shutdown();
	}
	OK(luff_init(&err));
	nests();
	nests_deeper_than_threads();
	calls_each_once();
	keeps_to_its_jobs();
	stops_at_a_failure();
	tells_the_cause();
	cancels();
	serves_many_threads();
	carries_the_scope();
	luff_shutdown();
	return check_end();
}
