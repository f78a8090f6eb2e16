/*
 * Several layers as one. What they leave is what the image's tree has from them; what they take away is what the tree of the layers
 * below has beyond that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fs/export.h"
#include "fs/pax.h"
#include "fs/write.h"
#include "ops/new_layer.h"

struct squash {
	struct luff_layer_writer *writer;
	struct luff_tree *whole, *lower;
	size_t first;
	struct luff_plan plan;
	struct luff_contents *contents;
	bool *folders; /* by node of the whole: they go into the layer */
	struct luff_buffer header;
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	char path[LUFF_PATH_MAX + 8], link[LUFF_PATH_MAX + 1];
};

static int write_bytes(void *arg, const void *bytes, size_t len, struct luff_error *err)
{
	return luff_layer_writer_bytes(arg, bytes, len, err);
}

static int write_header(struct squash *s, const struct luff_entry *e, struct luff_error *err)
{
	int rc;

	s->header.len = 0;
	rc = luff_tar_write_entry(&s->header, e, err);
	return rc < 0 ? rc : luff_layer_writer_bytes(s->writer, s->header.data, s->header.len, err);
}

static bool is_folder(const struct luff_tree *t, uint32_t n)
{
	uint32_t record = luff_tree_node(t, n)->record;
	const struct luff_listing *l;
	size_t layer;

	return record == LUFF_NODE_IMPLIED ||
	       (record < LUFF_NODE_UNKNOWN &&
		luff_tree_record(&l, &layer, t, record)->kind == LUFF_ENTRY_FOLDER);
}

/* The first of n and those that follow it which is there. */
static uint32_t present(const struct luff_tree *t, uint32_t n)
{
	while (n && luff_tree_node(t, n)->record == LUFF_NODE_ABSENT)
		n = luff_tree_node(t, n)->next;
	return n;
}

/* ---- what is taken away ---- */

static int write_whiteout(struct squash *s, uint32_t folder, const char *name, struct luff_error *err)
{
	struct luff_entry e = {.path = s->path, .link = "", .user = "", .group = ""};
	size_t len;

	luff_tree_path(s->path, s->whole, folder);
	len = strlen(s->path);
	if (len + strlen(name) + 6 > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
	snprintf(s->path + len, sizeof s->path - len, "%s.wh.%s", len ? "/" : "", name);
	return write_header(s, &e, err);
}

/* Two folders of one path, in the whole and below: both lists have the order of names. */
static int compare_folders(struct squash *s, uint32_t whole, uint32_t lower, struct luff_error *err)
{
	uint32_t w = present(s->whole, luff_tree_node(s->whole, whole)->child);
	uint32_t l = present(s->lower, luff_tree_node(s->lower, lower)->child);
	int rc = 0;

	/* gone and there again without saying how */
	if (luff_tree_node(s->whole, whole)->record == LUFF_NODE_IMPLIED)
		s->folders[whole] = luff_tree_node(s->lower, lower)->record != LUFF_NODE_IMPLIED;
	while (rc == 0 && l) {
		const char *name = luff_tree_name(s->lower, l);
		int order = w ? strcmp(luff_tree_name(s->whole, w), name) : 1;

		if (order > 0)
			rc = write_whiteout(s, whole, name, err);
		else if (order == 0 && is_folder(s->whole, w) && is_folder(s->lower, l))
			rc = compare_folders(s, w, l, err);
		if (order <= 0)
			w = present(s->whole, luff_tree_node(s->whole, w)->next);
		if (order >= 0)
			l = present(s->lower, luff_tree_node(s->lower, l)->next);
	}
	return rc;
}

/* ---- what is there ---- */

static bool is_new(const struct squash *s, uint32_t n)
{
	return luff_tree_node(s->whole, n)->layer >= s->first;
}

/*
 * Files of the layers below stay in those. A new name of one is a hard link to one that was there before; where there is none any
 * more, the file comes along. `links` gets the first name of those that stay.
 */
static void plan_lower_files(struct squash *s, uint32_t *links)
{
	uint32_t end = luff_tree_layer_start(s->whole, s->first);

	for (uint32_t record = 0; record < end; record++) {
		uint32_t old = s->plan.first[record];

		while (old && is_new(s, old))
			old = s->plan.more[old];
		if (!old)
			continue;
		links[record] = s->plan.first[record];
		s->plan.first[record] = 0;
	}
}

static int write_links(struct squash *s, const uint32_t *links, struct luff_error *err)
{
	uint32_t end = luff_tree_layer_start(s->whole, s->first);
	struct luff_entry e;
	size_t layer;
	int rc = 0;

	for (uint32_t record = 0; rc == 0 && record < end; record++) {
		uint32_t old = links[record];

		while (old && is_new(s, old))
			old = s->plan.more[old];
		if (!old || is_folder(s->whole, old))
			continue;
		luff_tree_path(s->link, s->whole, old);
		for (uint32_t n = links[record]; rc == 0 && n; n = s->plan.more[n]) {
			if (!is_new(s, n))
				continue;
			/* some who unpack give the file what the link says */
			luff_tree_describe(&e, s->xattrs, &layer, s->whole, n);
			luff_tree_path(s->path, s->whole, n);
			e.type = LUFF_ENTRY_HARD_LINK;
			e.path = s->path;
			e.link = s->link;
			e.size = 0;
			e.xattr_count = 0;
			rc = write_header(s, &e, err);
		}
	}
	return rc;
}

/* Those that the layers bring, and such as are only there because something was in them once. */
static void plan_folders(struct squash *s)
{
	uint32_t end = luff_tree_layer_start(s->whole, s->first), n = 0;

	do {
		const struct luff_node *node = luff_tree_node(s->whole, n);

		if (node->record == LUFF_NODE_IMPLIED)
			s->folders[n] = !present(s->whole, node->child);
		else if (node->record < LUFF_NODE_UNKNOWN && node->record >= end)
			s->folders[n] = is_folder(s->whole, n);
	} while ((n = luff_tree_after(s->whole, n)) != 0);
}

static int write_layer(struct squash *s, uint32_t *links, struct luff_error *err)
{
	int rc = luff_plan_init(&s->plan, s->whole, err);

	plan_folders(s);
	if (rc == 0)
		rc = compare_folders(s, 0, 0, err);
	if (rc < 0)
		return rc;
	plan_lower_files(s, links);
	s->plan.contents = s->contents;
	rc = luff_export_some(s->whole, &s->plan, s->folders, write_bytes, s->writer, err);
	return rc < 0 ? rc : write_links(s, links, err);
}

static int squash_trees(struct squash *s, struct luff_error *err)
{
	uint32_t *links = calloc((size_t)luff_tree_layer_start(s->whole, s->first) + 1, sizeof *links);
	int rc;

	s->folders = calloc(luff_tree_node_count(s->whole), sizeof *s->folders);
	luff_buffer_init(&s->header, (size_t)2 << 20);
	rc = links && s->folders ? write_layer(s, links, err) : luff_fail_nomem(err);
	luff_plan_release(&s->plan);
	luff_buffer_release(&s->header);
	free(s->folders);
	free(links);
	return rc;
}

/* The layers from the first on, where there are others below. */
static int squash_upper(struct squash *s, struct luff_image *image, struct luff_error *err)
{
	struct luff_sink sink;
	int rc = luff_contents_open(&s->contents, image, s->first, err);

	if (rc < 0)
		return rc;
	sink = luff_contents_sink(s->contents);
	rc = luff_tree_open_with(&s->whole, image, &sink, err);
	if (rc == 0)
		rc = luff_tree_new_lower(&s->lower, s->whole, s->first, err);
	if (rc == 0)
		rc = squash_trees(s, err);
	luff_tree_unref(s->lower);
	luff_tree_unref(s->whole);
	luff_contents_close(s->contents);
	return rc;
}

int luff_squash(struct luff_layer **out, struct luff_image *image, size_t first, struct luff_error *err)
{
	struct luff_layer_writer *writer = NULL;
	struct squash *s;
	int rc = 0;

	*out = NULL;
	if (first > luff_image_layer_count(image))
		return luff_fail(err, LUFF_EINVAL, "the image has only %zu layers",
				 luff_image_layer_count(image));
	s = calloc(1, sizeof *s);
	if (!s)
		return luff_fail_nomem(err);
	rc = luff_layer_writer_open(&writer, err);
	s->writer = writer;
	s->first = first;
	if (rc == 0)
		rc = first > 0 ? squash_upper(s, image, err)
			       : luff_export_image(image, write_bytes, writer, err);
	free(s);
	if (rc == 0)
		rc = luff_layer_writer_finish(out, writer, LUFF_COMPRESS_GZIP, err);
	luff_layer_writer_close(writer);
	return rc;
}
