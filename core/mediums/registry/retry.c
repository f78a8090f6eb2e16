/* See retry.h. */
#include "mediums/registry/retry.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"

#define FIRST_MS 100
#define RETRY_AFTER_MAX 60 /* seconds that are waited for */
#define TICK_MS 50

bool luff_retry_is_broken(const struct luff_error *err)
{
	return err->code == LUFF_ENET && (err->sys_errno == ECONNRESET || err->sys_errno == EPIPE);
}

bool luff_retry_is_busy(const struct luff_exchange *x)
{
	static const int statuses[] = {408, 425, 429, 500, 502, 503, 504, 522};

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		if (luff_exchange_status(x) == statuses[i])
			return true;
	}
	return false;
}

/* Between half of it and all of it, so that many who failed together do not come back together. */
static int64_t spread(int64_t ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ms / 2 + now.tv_nsec / 1000 % (ms / 2 + 1);
}

int luff_retry_pause(int nth, const struct luff_exchange *x, struct luff_error *err)
{
	const char *after = x ? luff_exchange_header(x, "retry-after", 0) : NULL;
	int64_t ms = FIRST_MS, until, seconds;
	int rc = 0;

	while (nth-- > 0)
		ms *= 3;
	ms = spread(ms);
	if (after && luff_text_int64(&seconds, after)) {
		if (seconds > RETRY_AFTER_MAX)
			return luff_fail(err, LUFF_ERATE, "the server wants to be left alone for %lld s",
					 (long long)seconds);
		ms = seconds * 1000;
	}
	for (until = luff_clock_ms() + ms; rc == 0 && luff_clock_ms() < until;) {
		struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};

		nanosleep(&tick, NULL);
		rc = luff_scope_check(err);
	}
	return rc;
}
