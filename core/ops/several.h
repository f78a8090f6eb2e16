/* The two halves of a copy: all of an image, and its name. Who copies several images gives them their names at once. */
#ifndef LUFF_OPS_SEVERAL_H
#define LUFF_OPS_SEVERAL_H

#include "luff.h"

/* The manifest that is still to be written by its name. */
struct luff_copy_root {
	struct luff_descriptor descriptor;
	char *document; /* malloc'ed; NULL: nothing is left to do */
	char tag[LUFF_TAG_MAX + 1];
};

/**
 * luff_copy() without its last step, which luff_medium_tag() and luff_medium_flush() are.
 *
 * @param result  zeroed, or what came of the images before, to which this one is added
 * @param total   bytes of all blobs that were found so far, likewise
 */
int luff_copy_content(struct luff_copy_root *root, struct luff_copy_result *result, int64_t *total,
		      struct luff_medium *dst, const struct luff_name *dst_name,
		      const struct luff_copy_source *src, const struct luff_copy_options *options,
		      struct luff_error *err);

#endif
