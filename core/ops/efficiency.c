/*
 * What layers hold in vain. The score is dive's (wagoodman/dive, dive/filetree/efficiency.go): each path counts with the smallest
 * size that it ever had, out of all bytes that any layer has for it; a path that a later layer removes has 0 as its smallest. In a
 * folder that is removed as a whole dive leaves its files at their size; here they are removed, as each would be alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fs/plan.h"

/* A file of a layer that is not in the tree any more. */
struct lost {
	const struct luff_listing *listing;
	const struct luff_record *record;
};

struct losses {
	struct lost *list;
	size_t count, room;
};

static int add_lost(struct losses *l, const struct luff_listing *listing, const struct luff_record *record,
		    struct luff_error *err)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		struct lost *more = realloc(l->list, room * sizeof *more);

		if (!more)
			return luff_fail_nomem(err);
		l->list = more;
		l->room = room;
	}
	l->list[l->count++] = (struct lost){listing, record};
	return 0;
}

static int add_layer(struct luff_efficiency *e, struct losses *l, const struct luff_plan *plan,
		     const struct luff_tree *tree, size_t layer, struct luff_error *err)
{
	const struct luff_listing *listing = luff_tree_listing(tree, layer);
	uint32_t start = luff_tree_layer_start(tree, layer);
	struct luff_efficiency_layer *sums = &e->layers[layer];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < listing->count; i++) {
		const struct luff_record *r = &listing->records[i];

		if (r->kind != LUFF_ENTRY_FILE)
			continue;
		sums->files++;
		sums->bytes += r->size;
		if (plan->first[start + i])
			continue;
		sums->wasted += r->size;
		rc = add_lost(l, listing, r, err);
	}
	e->bytes += sums->bytes;
	e->wasted += sums->wasted;
	return rc;
}

static int compare_lost(const void *a, const void *b)
{
	const struct lost *x = a, *y = b;
	int order = strcmp(luff_listing_text(x->listing, x->record->folder),
			   luff_listing_text(y->listing, y->record->folder));

	return order ? order
		     : strcmp(luff_listing_text(x->listing, x->record->name),
			      luff_listing_text(y->listing, y->record->name));
}

static int compare_paths(const void *a, const void *b)
{
	const struct luff_efficiency_path *x = a, *y = b;

	return x->wasted != y->wasted ? (x->wasted < y->wasted ? 1 : -1) : strcmp(x->path, y->path);
}

static char *path_of(const struct lost *lost)
{
	const char *folder = luff_listing_text(lost->listing, lost->record->folder),
		   *name = luff_listing_text(lost->listing, lost->record->name);
	size_t size = strlen(folder) + strlen(name) + 3;
	char *path = malloc(size);

	if (path)
		snprintf(path, size, "/%s%s%s", folder, *folder ? "/" : "", name);
	return path;
}

/* The size of what has the path now; -1: it is no file, or gone. */
static int64_t size_now(struct luff_tree *tree, const char *path)
{
	const struct luff_listing *listing;
	const struct luff_record *r;
	struct luff_error ignored = {0};
	enum luff_walk how;
	uint32_t n;
	size_t layer;

	if (luff_tree_walk(&how, &n, tree, path, true, &ignored) < 0 || how != LUFF_WALK_FOUND)
		return -1;
	r = luff_tree_record(&listing, &layer, tree, luff_tree_node(tree, n)->record);
	return r && r->kind == LUFF_ENTRY_FILE ? r->size : -1;
}

/* The lost ones of one path, from `lost` on. *least is the smallest size that the path ever had. */
static int add_path(struct luff_efficiency_path *p, int64_t *least, struct luff_tree *tree,
		    const struct lost *lost, size_t count, struct luff_error *err)
{
	int64_t now;

	p->path = path_of(lost);
	if (!p->path)
		return luff_fail_nomem(err);
	*least = lost->record->size;
	for (size_t i = 0; i < count; i++) {
		p->wasted += lost[i].record->size;
		*least = lost[i].record->size < *least ? lost[i].record->size : *least;
	}
	now = size_now(tree, p->path);
	p->removed = now < 0;
	p->count = (int64_t)count + !p->removed;
	p->bytes = p->wasted + (p->removed ? 0 : now);
	*least = p->removed ? 0 : now < *least ? now : *least;
	return 0;
}

static int add_paths(struct luff_efficiency *e, struct losses *l, struct luff_tree *tree,
		     struct luff_error *err)
{
	int64_t least = 0, smallest = e->bytes;
	int rc = 0;

	if (l->count > 1)
		qsort(l->list, l->count, sizeof *l->list, compare_lost);
	e->paths = calloc(l->count + 1, sizeof *e->paths);
	if (!e->paths)
		return luff_fail_nomem(err);
	for (size_t i = 0, end; rc == 0 && i < l->count; i = end) {
		for (end = i + 1; end < l->count && compare_lost(&l->list[i], &l->list[end]) == 0;)
			end++;
		rc = add_path(&e->paths[e->path_count], &least, tree, &l->list[i], end - i, err);
		if (rc == 0)
			smallest -= e->paths[e->path_count++].bytes - least;
	}
	e->score = e->bytes > 0 ? (double)smallest / (double)e->bytes : 1;
	if (rc == 0 && e->path_count > 1)
		qsort(e->paths, e->path_count, sizeof *e->paths, compare_paths);
	return rc;
}

int luff_efficiency_of(struct luff_efficiency *out, struct luff_tree *tree, struct luff_error *err)
{
	struct luff_efficiency e = {.layer_count = luff_tree_layer_count(tree)};
	struct luff_plan plan = {0};
	struct losses losses = {0};
	int rc = luff_plan_init(&plan, tree, err);

	memset(out, 0, sizeof *out);
	e.layers = calloc(e.layer_count + 1, sizeof *e.layers);
	if (rc == 0 && !e.layers)
		rc = luff_fail_nomem(err);
	for (size_t i = 0; rc == 0 && i < e.layer_count; i++)
		rc = add_layer(&e, &losses, &plan, tree, i, err);
	if (rc == 0)
		rc = add_paths(&e, &losses, tree, err);
	luff_plan_release(&plan);
	free(losses.list);
	if (rc < 0)
		luff_efficiency_release(&e);
	else
		*out = e;
	return rc;
}

void luff_efficiency_release(struct luff_efficiency *e)
{
	for (size_t i = 0; i < e->path_count; i++)
		free(e->paths[i].path);
	free(e->paths);
	free(e->layers);
	memset(e, 0, sizeof *e);
}
