/* See names.h. */
#include "server/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int luff_names_add(struct luff_names *names, const char *name, struct luff_error *err)
{
	if (names->count == names->size) {
		size_t size = names->size ? 2 * names->size : 64;
		char **items = realloc(names->items, size * sizeof *items);

		if (!items)
			return luff_fail_nomem(err);
		names->items = items;
		names->size = size;
	}
	names->items[names->count] = strdup(name);
	if (!names->items[names->count])
		return luff_fail_nomem(err);
	names->count++;
	return 0;
}

void luff_names_sort(struct luff_names *names, int (*compare)(const void *a, const void *b))
{
	size_t kept = 0;

	if (names->count > 0)
		qsort(names->items, names->count, sizeof *names->items, compare);
	for (size_t i = 0; i < names->count; i++) {
		if (kept > 0 && compare(&names->items[kept - 1], &names->items[i]) == 0)
			free(names->items[i]);
		else
			names->items[kept++] = names->items[i];
	}
	names->count = kept;
}

void luff_names_release(struct luff_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct luff_names){0};
}
