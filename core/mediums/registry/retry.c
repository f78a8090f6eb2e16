/* See retry.h. */
#include "mediums/registry/retry.h"

#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "http/curl.h"

#define FIRST_MS 100

bool luff_retry_is_broken(const struct luff_error *err)
{
	return err->code == LUFF_ENET && luff_error_may_pass(err);
}

bool luff_retry_is_busy(const struct luff_exchange *x)
{
	return luff_status_may_pass(luff_exchange_status(x));
}

/* Seconds from the server's own clock to a date (RFC 9110 5.6.7), where it tells its time; -1: no date. */
static int64_t seconds_until(const struct luff_exchange *x, const char *date)
{
	time_t then = luff_curl.getdate(date, NULL), now = -1;
	const char *here = luff_exchange_header(x, "date", 0);

	if (then == -1)
		return -1;
	if (here)
		now = luff_curl.getdate(here, NULL);
	if (now == -1)
		now = time(NULL);
	return then > now ? (int64_t)then - now : 0;
}

int64_t luff_retry_after(const struct luff_exchange *x)
{
	const char *value = luff_exchange_header(x, "retry-after", 0);
	int64_t seconds;

	if (!value)
		return -1;
	return luff_text_int64(&seconds, value) ? seconds : seconds_until(x, value);
}

int luff_retry_pause(int nth, const struct luff_exchange *x, struct luff_error *err)
{
	int64_t seconds = x ? luff_retry_after(x) : -1;

	if (seconds > LUFF_RETRY_AFTER_MAX)
		return luff_fail(err, LUFF_ERATE, "the server wants to be left alone for %lld s",
				 (long long)seconds);
	return luff_scope_sleep(seconds >= 0 ? seconds * 1000 : luff_clock_backoff(FIRST_MS, nth), err);
}
