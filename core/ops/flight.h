/* One blob moves to one place once at a time, however many copies of the process need it there: the others wait and find it. */
#ifndef LUFF_OPS_FLIGHT_H
#define LUFF_OPS_FLIGHT_H

#include "luff.h"

struct luff_flight {
	struct luff_flight *next;
	const char *home;
	const struct luff_digest *digest;
};

/**
 * Waits until nobody moves that digest there; leave afterwards. Whoever is inside enters no other one, so that nobody waits for
 * somebody who waits.
 *
 * @param home, digest  borrowed until luff_flight_leave()
 * @return 0; LUFF_ECANCELED
 */
int luff_flight_enter(struct luff_flight *f, const char *home, const struct luff_digest *digest,
		      struct luff_error *err);
void luff_flight_leave(struct luff_flight *f);

#endif
