/* See standing.h. Who deletes by digest has to know which names go with it. */
#include "mediums/standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/text.h"

#define JOBS 8

struct list {
	struct luff_standing *items;
	size_t count, size;
	struct luff_medium *medium;
};

static int add(struct list *l, const char *tag, struct luff_error *err)
{
	struct luff_standing *longer;
	size_t size = l->size ? 2 * l->size : 64;

	if (l->count == LUFF_STANDING_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: more than %d tags", luff_medium_place(l->medium),
				 LUFF_STANDING_MAX);
	if (l->count == l->size) {
		longer = realloc(l->items, size * sizeof *longer);
		if (!longer)
			return luff_fail_nomem(err);
		l->items = longer;
		l->size = size;
	}
	l->items[l->count] = (struct luff_standing){.d = {.size = 0}};
	if (luff_text_copy(l->items[l->count].tag, sizeof l->items[0].tag, tag))
		l->count++;
	return 0;
}

static int read_tags(struct list *l, struct luff_error *err)
{
	struct luff_cursor *c = NULL;
	const char *tag = "";
	int rc = luff_medium_tags(&c, l->medium, err);

	while (rc == 0 && tag) {
		rc = luff_cursor_next(&tag, c, err);
		if (rc == 0 && tag)
			rc = add(l, tag, err);
	}
	luff_cursor_close(c);
	return rc;
}

static int look(void *arg, size_t i, struct luff_error *err)
{
	struct list *l = arg;
	struct luff_name name = {.digest = {""}};
	struct luff_error missing = {0};
	int rc;

	luff_text_copy(name.tag, sizeof name.tag, l->items[i].tag);
	rc = luff_medium_resolve(&l->items[i].d, NULL, l->medium, &name, &missing);
	if (rc == LUFF_ENOTFOUND) {
		l->items[i].d = (struct luff_descriptor){.size = 0};
		return 0;
	}
	if (rc < 0)
		*err = missing;
	return rc;
}

int luff_standing_list(struct luff_standing **out, size_t *count_out, struct luff_medium *m,
		       struct luff_error *err)
{
	struct list l = {.medium = m};
	struct luff_error missing = {0};
	int rc;

	*out = NULL;
	*count_out = 0;
	if (m->naming == LUFF_NAMES_IMAGES)
		return 0;
	rc = read_tags(&l, &missing);
	if (rc == 0)
		rc = luff_pool_each(l.count, JOBS, look, &l, &missing);
	if (rc < 0) {
		free(l.items);
		if (rc == LUFF_ENOTFOUND || rc == LUFF_ENOTSUP)
			return 0;
		*err = missing;
		return rc;
	}
	*out = l.items;
	*count_out = l.count;
	return 0;
}
