/* Is there anything to copy? What a tag of the destination stands for is asked first, and costs less than the source's manifest. */
#ifndef LUFF_OPS_CURRENT_H
#define LUFF_OPS_CURRENT_H

#include "medium.h"

/**
 * What a tag stands for at a destination.
 *
 * @param out  "" where that is nothing, or nothing that counts: a destination that does not show what it has, or has it damaged,
 *             may still take what it gets
 */
int luff_current_find(struct luff_digest *out, struct luff_medium *dst, const char *tag,
		      struct luff_error *err);
/**
 * Whether the source's name stands for what is there already. Moves no manifest where the source can tell without.
 *
 * @param root_out  what it stands for; set where *out is
 */
int luff_current_is(bool *out, struct luff_descriptor *root_out, const struct luff_digest *there,
		    struct luff_medium *src, const struct luff_name *name, struct luff_error *err);

#endif
