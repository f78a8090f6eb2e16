/* What all tags of a medium stand for, at one time. */
#ifndef LUFF_MEDIUMS_STANDING_H
#define LUFF_MEDIUMS_STANDING_H

#include "medium.h"

#define LUFF_STANDING_MAX 250000 /* tags */

struct luff_standing {
	char tag[LUFF_TAG_MAX + 1];
	struct luff_descriptor d; /* digest "": it went meanwhile */
};

/**
 * Asks for each tag, several at a time. Places of whole names have none here: to ask a daemon may be to have an image saved.
 *
 * @param out  free() it; NULL where there is none, which a place that is not there or lists nothing is, too
 * @return 0; LUFF_ELIMIT over LUFF_STANDING_MAX
 */
int luff_standing_list(struct luff_standing **out, size_t *count_out, struct luff_medium *m,
		       struct luff_error *err);

#endif
