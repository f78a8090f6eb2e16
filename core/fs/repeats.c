/* Paths that one layer has more than once (image-spec, layer.md "Distributable Format": it must not). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fs/listing.h"

static int compare(const void *a, const void *b, void *arg)
{
	const struct luff_listing *l = arg;
	const struct luff_record *x = &l->records[*(const uint32_t *)a],
				 *y = &l->records[*(const uint32_t *)b];
	int hidden = (x->kind > LUFF_ENTRY_FIFO) - (y->kind > LUFF_ENTRY_FIFO), order;

	/* ".wh.a" and "a" are two paths */
	if (hidden)
		return hidden;
	order = strcmp(luff_listing_text(l, x->folder), luff_listing_text(l, y->folder));
	return order ? order : strcmp(luff_listing_text(l, x->name), luff_listing_text(l, y->name));
}

int luff_listing_repeats(size_t *count_out, uint32_t *first_out, const struct luff_listing *l,
			 struct luff_error *err)
{
	uint32_t *order = malloc((l->count + 1) * sizeof *order);

	*count_out = 0;
	*first_out = 0;
	if (!order)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < l->count; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, l->count, sizeof *order, compare, (void *)l);
	for (size_t i = 1; i < l->count; i++) {
		if (compare(&order[i - 1], &order[i], (void *)l) != 0)
			continue;
		if ((*count_out)++ == 0)
			*first_out = order[i];
	}
	free(order);
	return 0;
}
