/* When to ask a registry once more, and how long to wait before. */
#ifndef LUFF_REGISTRY_RETRY_H
#define LUFF_REGISTRY_RETRY_H

#include "http/exchange.h"

#define LUFF_RETRY_MAX 5        /* more tries after the first */
#define LUFF_RETRY_AFTER_MAX 60 /* seconds that are waited for */

/** A connection that was there and broke, see luff_error_may_pass(). */
bool luff_retry_is_broken(const struct luff_error *err);
/** An answer that may be another one soon, see luff_status_may_pass(). */
bool luff_retry_is_busy(const struct luff_exchange *x);
/** Seconds that the answer asks for (Retry-After, a number or a date); -1 where it does not. */
int64_t luff_retry_after(const struct luff_exchange *x);
/**
 * Waits before a try: about a tenth of a second, then twice as long, and so on; or as long as the answer says.
 *
 * @param nth  0 before the second try
 * @param x    the answer, if there was one
 * @return 0; LUFF_ECANCELED; LUFF_ERATE if the server wants a longer pause than anybody would sit out
 */
int luff_retry_pause(int nth, const struct luff_exchange *x, struct luff_error *err);

#endif
