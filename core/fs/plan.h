/*
 * What a tree takes to be written: which of each layer's files are still there, and under which names. Shared by export and
 * extraction.
 */
#ifndef LUFF_FS_PLAN_H
#define LUFF_FS_PLAN_H

#include "fs/tree.h"

struct luff_plan {
	uint32_t *first; /* node of each record, 0: it is not there any more */
	uint32_t *more;  /* by node: another one with the same record (a hard link), 0: none */
};

int luff_plan_init(struct luff_plan *plan, const struct luff_tree *tree, struct luff_error *err);
void luff_plan_release(struct luff_plan *plan);
/**
 * Calls fn for each file of one layer that is still there, in the layer's order, with its content in `entries`. Reads the layer
 * to its end, and checks it, unless there is no such file.
 */
int luff_plan_each(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer,
		   int (*fn)(void *arg, uint32_t node, struct luff_reader *content, struct luff_error *err),
		   void *arg, struct luff_error *err);

#endif
