/* When to ask a registry once more, and how long to wait before. */
#ifndef LUFF_REGISTRY_RETRY_H
#define LUFF_REGISTRY_RETRY_H

#include "mediums/registry/exchange.h"

#define LUFF_RETRY_MAX 3 /* more tries after the first */

/** A connection that was there and broke. Nobody listening, no such host or no trust do not pass by themselves. */
bool luff_retry_is_broken(const struct luff_error *err);
/** An answer that may be another one soon: 408, 425, 429 and the 5xx of servers that are busy or restart. */
bool luff_retry_is_busy(const struct luff_exchange *x);
/**
 * Waits before a try: a tenth of a second, then three times as long, and so on; or as long as the answer says (Retry-After).
 *
 * @param nth  0 before the second try
 * @param x    the answer, if there was one
 * @return 0; LUFF_ECANCELED; LUFF_ERATE if the server wants a longer pause than anybody would sit out
 */
int luff_retry_pause(int nth, const struct luff_exchange *x, struct luff_error *err);

#endif
