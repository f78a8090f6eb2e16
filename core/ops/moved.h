/* Has the world moved since a plan was made? What concerns manifests that it deletes by their digests. */
#ifndef LUFF_OPS_MOVED_H
#define LUFF_OPS_MOVED_H

#include "medium.h"

/**
 * Checks that no tag reaches by now what the plan deletes at a place, but those that did when it was made, and that those stand
 * for the same. Asks for every tag of the place, if something is deleted there.
 *
 * @param m  the place
 * @return 0; LUFF_EDENIED, which names the tag
 */
int luff_moved_check(const struct luff_planned *steps, size_t count, const char *place, struct luff_medium *m,
		     struct luff_error *err);

#endif
