/* The scope is the one thing that a thread carries with it: cancelling and tracing reach every call without an argument. */
#include "base/scope.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"

#define TICK_MS 50

static _Thread_local struct luff_scope *current;

struct luff_scope *luff_scope_current(void)
{
	return current;
}

struct luff_scope *luff_scope_swap(struct luff_scope *scope)
{
	struct luff_scope *old = current;

	current = scope;
	return old;
}

void luff_scope_enter(struct luff_scope *scope)
{
	scope->parent = current;
	current = scope;
}

void luff_scope_leave(struct luff_scope *scope)
{
	assert(current == scope);
	current = scope->parent;
}

/* A relaxed atomic store is one plain instruction: no signal handler is too narrow for it. */
void luff_scope_cancel(struct luff_scope *scope)
{
	__atomic_store_n(&scope->cancelled, 1, __ATOMIC_RELAXED);
}

int luff_scope_check(struct luff_error *err)
{
	for (const struct luff_scope *s = current; s; s = s->parent) {
		if (__atomic_load_n(&s->cancelled, __ATOMIC_RELAXED))
			return luff_fail(err, LUFF_ECANCELED, "cancelled");
	}
	return 0;
}

int luff_scope_sleep(int64_t ms, struct luff_error *err)
{
	int64_t until = luff_clock_ms() + ms, left = ms;
	int rc = luff_scope_check(err);

	for (; rc == 0 && left > 0; left = until - luff_clock_ms()) {
		struct timespec tick = {.tv_nsec = (left < TICK_MS ? left : TICK_MS) * 1000000L};

		nanosleep(&tick, NULL);
		rc = luff_scope_check(err);
	}
	return rc;
}

static const struct luff_scope *listener(void)
{
	const struct luff_scope *s = current;

	while (s && !s->log)
		s = s->parent;
	return s;
}

bool luff_scope_logs(void)
{
	return listener() != NULL;
}

void luff_scope_log(const char *fmt, ...)
{
	const struct luff_scope *s = listener();
	char line[1024];
	va_list ap;

	if (!s)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	s->log(s->log_arg, line);
}

/* ---- Progress ---- */

static void tell_nobody(void *arg, const struct luff_progress *event)
{
	(void)arg, (void)event;
}

const struct luff_scope *luff_scope_hearer(void)
{
	const struct luff_scope *s = current;

	while (s && !s->progress)
		s = s->parent;
	return s && s->progress != tell_nobody ? s : NULL;
}

void luff_scope_tell(const struct luff_scope *to, const struct luff_progress *event)
{
	if (to)
		to->progress(to->progress_arg, event);
}

const struct luff_scope *luff_scope_hush(struct luff_scope *scope)
{
	scope->progress = tell_nobody;
	return luff_scope_hearer();
}
