/* Parts of a tree as a tar. */
#ifndef LUFF_FS_EXPORT_H
#define LUFF_FS_EXPORT_H

#include "fs/plan.h"

/**
 * Those files that the plan has, without what ends a tar.
 *
 * @param folders  by node: whether it goes along; NULL: all
 */
int luff_export_some(struct luff_tree *tree, const struct luff_plan *plan, const bool *folders,
		     luff_write_fn write, void *arg, struct luff_error *err);
/** All of an image's files, likewise. */
int luff_export_image(struct luff_image *image, luff_write_fn write, void *arg, struct luff_error *err);

#endif
