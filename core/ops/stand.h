/* What an edited image or index stands on: new parts in front of what the old one stood on. */
#ifndef LUFF_OPS_STAND_H
#define LUFF_OPS_STAND_H

#include "medium.h"

struct luff_stand {
	struct luff_medium *front; /* the new parts */
	struct luff_medium *old;   /* parts of the one it is made from; borrowed, NULL: none */
	struct luff_medium *back;  /* what is read where there is no part; borrowed, NULL: nothing */
};

/**
 * @param m      what the old one stands on, which outlives the stand; NULL: there is no old one
 * @param place  how messages call the new one then
 *
 * After a failure, too, release is due.
 */
int luff_stand_init(struct luff_stand *s, struct luff_medium *m, const char *place, struct luff_error *err);
void luff_stand_release(struct luff_stand *s);
/** What the old one has as a part stays one. */
int luff_stand_keep(struct luff_stand *s, const struct luff_descriptor *d, struct luff_error *err);
int luff_stand_keep_all(struct luff_stand *s, struct luff_error *err);
/** The whole; a reference. */
int luff_stand_medium(struct luff_medium **out, struct luff_stand *s, struct luff_error *err);

#endif
