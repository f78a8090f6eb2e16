/*
 * What a tree takes to be written: which of each layer's files are still there, and under which names. Shared by export and
 * extraction.
 */
#ifndef LUFF_FS_PLAN_H
#define LUFF_FS_PLAN_H

#include "fs/contents.h"
#include "fs/tree.h"

struct luff_plan {
	uint32_t *first; /* node of each record, 0: it is not there any more */
	uint32_t *more;  /* by node: another one with the same record (a hard link), 0: none */
	const struct luff_contents *contents; /* borrowed; NULL: layers are read for it */
};

int luff_plan_init(struct luff_plan *plan, const struct luff_tree *tree, struct luff_error *err);
void luff_plan_release(struct luff_plan *plan);
/**
 * Calls fn for each file of one layer that is still there, in the layer's order, with its content. Where the plan's
 * contents lack one, the layer is read to its end, and checked.
 */
int luff_plan_each(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer,
		   int (*fn)(void *arg, uint32_t node, struct luff_reader *content, struct luff_error *err),
		   void *arg, struct luff_error *err);

#endif
