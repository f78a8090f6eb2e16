/* See plan.h. */
#include "fs/plan.h"

#include <stdlib.h>

#include "base/error.h"
#include "fs/entries.h"
#include "fs/toc.h"
#include "stream/streams.h"

int luff_plan_init(struct luff_plan *plan, const struct luff_tree *tree, struct luff_error *err)
{
	plan->contents = NULL;
	plan->first = calloc(luff_tree_record_count(tree) + 1, sizeof *plan->first);
	plan->more = calloc(luff_tree_node_count(tree), sizeof *plan->more);
	if (!plan->first || !plan->more) {
		luff_plan_release(plan);
		return luff_fail_nomem(err);
	}
	for (uint32_t n = luff_tree_after(tree, 0); n; n = luff_tree_after(tree, n)) {
		uint32_t record = luff_tree_node(tree, n)->record, first;

		if (record >= LUFF_NODE_UNKNOWN)
			continue;
		first = plan->first[record];
		if (!first) {
			/* in the order of names: this one is the file, others are links to it */
			plan->first[record] = n;
			continue;
		}
		plan->more[n] = plan->more[first];
		plan->more[first] = n;
	}
	return 0;
}

void luff_plan_release(struct luff_plan *plan)
{
	free(plan->first);
	free(plan->more);
	*plan = (struct luff_plan){0};
}

/* From which a file of the layer that is still there begins; 0: it is not, or is no file. */
static uint32_t node_of(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer, size_t i)
{
	const struct luff_listing *l = luff_tree_listing(tree, layer);

	return l->records[i].kind == LUFF_ENTRY_FILE ? plan->first[luff_tree_layer_start(tree, layer) + i]
						     : 0;
}

/* Whether the layer has such a file whose content is only found by going through its tar. */
static bool lacks(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer)
{
	const struct luff_listing *l = luff_tree_listing(tree, layer);

	for (size_t i = 0; i < l->count && !l->placed; i++) {
		if (node_of(plan, tree, layer, i) && l->records[i].size > 0 &&
		    !(plan->contents && luff_contents_has(plan->contents, layer, i)))
			return true;
	}
	return false;
}

typedef int (*each_fn)(void *arg, uint32_t node, struct luff_reader *content, struct luff_error *err);

static int open_kept(struct luff_reader **out, const struct luff_plan *plan, const struct luff_listing *l,
		     size_t layer, size_t i, struct luff_error *err)
{
	const struct luff_record *r = &l->records[i];
	struct luff_placed placed;

	if (r->size == 0)
		return luff_reader_open_bytes(out, "", 0, err);
	if (!l->placed)
		return luff_contents_read(out, plan->contents, layer, i, r->size, err);
	luff_toc_place(&placed, l, r);
	return luff_toc_open(out, l->layer, &placed, err);
}

static int each_kept(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer, each_fn fn,
		     void *arg, struct luff_error *err)
{
	const struct luff_listing *l = luff_tree_listing(tree, layer);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->count; i++) {
		LUFF_AUTO(reader) content = NULL;
		uint32_t node = node_of(plan, tree, layer, i);

		if (!node)
			continue;
		rc = open_kept(&content, plan, l, layer, i, err);
		if (rc == 0)
			rc = fn(arg, node, content, err);
	}
	return rc;
}

int luff_plan_each(const struct luff_plan *plan, const struct luff_tree *tree, size_t layer,
		   int (*fn)(void *arg, uint32_t node, struct luff_reader *content, struct luff_error *err),
		   void *arg, struct luff_error *err)
{
	const struct luff_listing *l = luff_tree_listing(tree, layer);
	LUFF_AUTO(entries) entries = NULL;
	const struct luff_entry *e = NULL;
	uint32_t start = luff_tree_layer_start(tree, layer);
	size_t i = 0;
	int rc;

	if (!lacks(plan, tree, layer))
		return each_kept(plan, tree, layer, fn, arg, err);
	rc = luff_entries_open(&entries, l->layer, err);
	while (rc == 0 && (rc = luff_entries_next(&e, entries, err)) == 0 && e) {
		LUFF_AUTO(reader) content = NULL;

		/* the layer is the same as when it was listed: that is its digest's affair */
		while (i < l->count && l->records[i].offset < luff_entries_offset(entries))
			i++;
		if (i == l->count || l->records[i].offset != luff_entries_offset(entries) ||
		    l->records[i].kind != LUFF_ENTRY_FILE || !plan->first[start + i])
			continue;
		if (e->type != LUFF_ENTRY_FILE || e->size != l->records[i].size)
			return luff_fail(err, LUFF_EFORMAT, "the layer changed while it was read");
		rc = luff_entries_content(&content, entries, err);
		if (rc == 0)
			rc = fn(arg, plan->first[start + i], content, err);
	}
	return rc;
}
