/*
 * A tree as one tar. Folders come first, then all that has no content, then the files of each layer from the base on, and each
 * hard link behind its file: whoever unpacks it from front to back finds what he needs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fs/export.h"
#include "fs/pax.h"
#include "fs/write.h"

#define COPY ((size_t)256 << 10)

struct export
{
	struct luff_tree *tree;
	const struct luff_plan *plan;
	const bool *folders; /* by node: which of them; NULL: all */
	luff_write_fn write;
	void *arg;
	struct luff_buffer header;
	char *copy;
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	char path[LUFF_PATH_MAX + 2], link[LUFF_PATH_MAX + 1];
};

static int write_header(struct export *x, const struct luff_entry *e, struct luff_error *err)
{
	int rc;

	x->header.len = 0;
	rc = luff_tar_write_entry(&x->header, e, err);
	return rc < 0 ? rc : x->write(x->arg, x->header.data, x->header.len, err);
}

/* The entry of a node; a folder's name ends with a slash. */
static void describe(struct luff_entry *e, struct export *x, uint32_t n)
{
	size_t layer;

	luff_tree_path(x->path, x->tree, n);
	luff_tree_describe(e, x->xattrs, &layer, x->tree, n);
	if (e->type == LUFF_ENTRY_FOLDER) {
		size_t len = strlen(x->path);

		x->path[len] = '/';
		x->path[len + 1] = '\0';
	}
	e->path = n ? x->path : "./";
}

static int write_links(struct export *x, struct luff_entry *e, uint32_t n, struct luff_error *err)
{
	int rc = 0;

	luff_tree_path(x->link, x->tree, n);
	while (rc == 0 && (n = x->plan->more[n])) {
		e->type = LUFF_ENTRY_HARD_LINK;
		e->size = 0;
		e->link = x->link;
		e->xattr_count = 0;
		luff_tree_path(x->path, x->tree, n);
		e->path = x->path;
		rc = write_header(x, e, err);
	}
	return rc;
}

static int write_file(void *arg, uint32_t n, struct luff_reader *content, struct luff_error *err)
{
	static const char zeros[512];
	struct export *x = arg;
	struct luff_entry e;
	int64_t size;
	size_t len = 1;
	int rc;

	describe(&e, x, n);
	size = e.size;
	rc = write_header(x, &e, err);
	while (rc == 0 && len > 0) {
		rc = luff_reader_read(&len, content, x->copy, COPY, err);
		if (rc == 0 && len > 0)
			rc = x->write(x->arg, x->copy, len, err);
	}
	if (rc == 0 && (size & 511))
		rc = x->write(x->arg, zeros, (size_t)(-size & 511), err);
	return rc < 0 ? rc : write_links(x, &e, n, err);
}

/* Folders, or all else but files. */
static int write_rest(struct export *x, bool folders, struct luff_error *err)
{
	uint32_t n = 0;
	int rc = 0;

	do {
		struct luff_entry e;

		describe(&e, x, n);
		if (n == 0 && luff_tree_node(x->tree, 0)->record == LUFF_NODE_IMPLIED)
			continue;
		if ((e.type == LUFF_ENTRY_FOLDER) != folders || e.type == LUFF_ENTRY_FILE)
			continue;
		if (folders && x->folders && !x->folders[n])
			continue;
		if (!folders && x->plan->first[luff_tree_node(x->tree, n)->record] != n)
			continue;
		rc = write_header(x, &e, err);
		if (rc == 0 && !folders)
			rc = write_links(x, &e, n, err);
	} while (rc == 0 && (n = luff_tree_after(x->tree, n)));
	return rc;
}

int luff_export_some(struct luff_tree *tree, const struct luff_plan *plan, const bool *folders,
		     luff_write_fn write, void *arg, struct luff_error *err)
{
	struct export *x = calloc(1, sizeof *x);
	int rc;

	if (!x)
		return luff_fail_nomem(err);
	x->tree = tree;
	x->plan = plan;
	x->folders = folders;
	x->write = write;
	x->arg = arg;
	x->copy = malloc(COPY);
	luff_buffer_init(&x->header, (size_t)2 << 20);
	rc = x->copy ? write_rest(x, true, err) : luff_fail_nomem(err);
	if (rc == 0)
		rc = write_rest(x, false, err);
	for (size_t i = 0; rc == 0 && i < luff_tree_layer_count(tree); i++)
		rc = luff_plan_each(plan, tree, i, write_file, x, err);
	luff_buffer_release(&x->header);
	free(x->copy);
	free(x);
	return rc;
}

int luff_export_image(struct luff_image *image, luff_write_fn write, void *arg, struct luff_error *err)
{
	LUFF_AUTO(contents) contents = NULL;
	LUFF_AUTO(tree) tree = NULL;
	struct luff_plan plan = {0};
	struct luff_sink sink;
	int rc = luff_contents_open(&contents, image, 0, err);

	if (rc < 0)
		return rc;
	sink = luff_contents_sink(contents);
	rc = luff_tree_open_with(&tree, image, &sink, err);
	if (rc == 0)
		rc = luff_plan_init(&plan, tree, err);
	plan.contents = contents;
	if (rc == 0)
		rc = luff_export_some(tree, &plan, NULL, write, arg, err);
	luff_plan_release(&plan);
	return rc;
}

int luff_export(struct luff_image *image, luff_write_fn write, void *arg, struct luff_error *err)
{
	static const char end[1024];
	int rc = luff_export_image(image, write, arg, err);

	return rc < 0 ? rc : write(arg, end, sizeof end, err);
}
