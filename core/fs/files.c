/* Files of a tree, and of an image whose tree is only made as far down as it takes. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "fs/path.h"
#include "fs/pax.h"
#include "fs/seek.h"
#include "fs/tar.h"
#include "fs/toc.h"
#include "fs/tree.h"
#include "stream/streams.h"

#define KEPT_MAX ((int64_t)1 << 20) /* bytes of one file */
#define KEPT_COUNT_MAX 16

/* Content that was kept on the way, of files with the name that is wanted. */
struct kept {
	const struct luff_listing *listing;
	size_t record;
	char *bytes;
};

struct luff_files {
	struct luff_tree *tree;
	char *pattern; /* NULL: all */
	bool one;      /* just `node` */
	bool begun, ended;
	uint32_t node;
	struct luff_listing **listings; /* with luff_files_find_in */
	size_t layers;
	struct kept kept[KEPT_COUNT_MAX];
	size_t kept_count;
	const char *wanted; /* the name of what is kept */
	struct luff_entry entry;
	char path[LUFF_PATH_MAX + 2];
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
};

LUFF_DEFINE_AUTO(files, struct luff_files *, luff_files_close);

void luff_files_close(struct luff_files *f)
{
	if (!f)
		return;
	luff_tree_unref(f->tree);
	for (size_t i = 0; f->listings && i < f->layers; i++)
		luff_listing_close(f->listings[i]);
	for (size_t i = 0; i < f->kept_count; i++)
		free(f->kept[i].bytes);
	free(f->listings);
	free(f->pattern);
	free(f);
}

int luff_files_open(struct luff_files **out, struct luff_tree *tree, const char *pattern,
		    struct luff_error *err)
{
	LUFF_AUTO(files) f = calloc(1, sizeof *f);

	*out = NULL;
	if (f && pattern)
		f->pattern = strdup(pattern);
	if (!f || (pattern && !f->pattern))
		return luff_fail_nomem(err);
	f->tree = luff_tree_ref(tree);
	*out = luff_take(f);
	return 0;
}

static int not_found(const char *path, struct luff_error *err)
{
	char shown[256];

	return luff_fail(err, LUFF_ENOTFOUND, "%s: no such file in the image",
			 luff_text_printable(shown, sizeof shown, path));
}

int luff_files_find(struct luff_files **out, struct luff_tree *tree, const char *path, struct luff_error *err)
{
	LUFF_AUTO(files) f = NULL;
	enum luff_walk how;
	int rc = luff_files_open(&f, tree, NULL, err);

	*out = NULL;
	if (rc == 0)
		rc = luff_tree_walk(&how, &f->node, tree, path, false, err);
	if (rc == 0 && how == LUFF_WALK_MISSING)
		rc = not_found(path, err);
	if (rc < 0)
		return rc;
	f->one = true;
	*out = luff_take(f);
	return 0;
}

static int keep_content(struct luff_sink *sink, const struct luff_listing *l, const struct luff_entry *e,
			struct luff_reader *content, struct luff_error *err)
{
	struct luff_files *f = sink->arg;
	LUFF_AUTO(text) bytes = NULL;
	int rc;

	if (e->size > KEPT_MAX || f->kept_count == KEPT_COUNT_MAX ||
	    strcmp(luff_listing_text(l, l->records[l->count - 1].name), f->wanted) != 0)
		return 0;
	rc = luff_reader_read_all(&bytes, content, e->size, err);
	if (rc == 0)
		f->kept[f->kept_count++] = (struct kept){l, l->count - 1, luff_take(bytes)};
	return rc;
}

/* NULL where it was not kept. */
static const char *find_kept(const struct luff_files *f, const struct luff_listing *l, size_t record)
{
	for (size_t i = 0; i < f->kept_count; i++) {
		if (f->kept[i].listing == l && f->kept[i].record == record)
			return f->kept[i].bytes;
	}
	return NULL;
}

/* Layer i, and the tree from there on: whether that answers for the path. */
static int look(bool *certain, struct luff_files *f, struct luff_image *image, size_t i, const char *path,
		bool content, struct luff_error *err)
{
	LUFF_AUTO(layer) layer = NULL;
	const char *name = strrchr(path, '/');
	enum luff_walk how = LUFF_WALK_UNCERTAIN;
	struct luff_sink sink = {.take = keep_content, .arg = f, .layer = i};
	struct luff_error misfit = {0};
	int rc = luff_image_layer(&layer, image, i, err);

	f->wanted = name ? name + 1 : path;
	if (rc == 0)
		rc = luff_toc_list_any(&f->listings[i], layer, &sink, err);
	luff_tree_unref(f->tree);
	f->tree = NULL;
	if (rc < 0)
		return rc;
	rc = luff_tree_new_partial(&f->tree, image, f->listings, i, &misfit);
	if (rc == 0)
		rc = luff_tree_walk(&how, &f->node, f->tree, path, content, &misfit);
	if (rc == LUFF_EFORMAT && i > 0) { /* they may fit together with those below */
		*certain = false;
		return 0;
	}
	if (rc < 0)
		*err = misfit;
	*certain = how != LUFF_WALK_UNCERTAIN;
	return rc == 0 && how == LUFF_WALK_MISSING ? not_found(path, err) : rc;
}

int luff_files_find_in(struct luff_files **out, struct luff_image *image, const char *path, bool content,
		       struct luff_error *err)
{
	LUFF_AUTO(files) f = calloc(1, sizeof *f);
	bool certain = false;
	int rc = 0;

	*out = NULL;
	if (!f)
		return luff_fail_nomem(err);
	f->one = true;
	f->layers = luff_image_layer_count(image);
	f->listings = calloc(f->layers + 1, sizeof(struct luff_listing *));
	if (!f->listings)
		return luff_fail_nomem(err);
	for (size_t i = f->layers; rc == 0 && !certain && i > 0; i--)
		rc = look(&certain, f, image, i - 1, path, content, err);
	if (rc == 0 && !certain)
		rc = not_found(path, err); /* no layers */
	if (rc == 0)
		*out = luff_take(f);
	return rc;
}

int luff_files_next(const struct luff_entry **out, size_t *layer_out, struct luff_files *f,
		    struct luff_error *err)
{
	size_t layer = 0;

	(void)err;
	*out = NULL;
	if (f->ended)
		return 0;
	do {
		if (f->begun && (f->one || !(f->node = luff_tree_after(f->tree, f->node)))) {
			f->ended = true;
			return 0;
		}
		f->begun = true;
		f->path[0] = '/';
		luff_tree_path(f->path + 1, f->tree, f->node);
	} while (f->pattern && !luff_path_match(f->pattern, f->path + 1));
	luff_tree_describe(&f->entry, f->xattrs, &layer, f->tree, f->node);
	f->entry.path = f->path;
	if (layer_out)
		*layer_out = luff_tree_node(f->tree, f->node)->record == LUFF_NODE_IMPLIED ? 0 : layer + 1;
	*out = &f->entry;
	return 0;
}

/* ---- content ---- */

/* More of a tar than a file's bytes is read: its headers. */
#define HEADERS ((int64_t)8 << 10)

struct content_reader {
	struct luff_reader base;
	struct luff_layer *layer;
	struct luff_seek *seek; /* NULL: the layer is read from its first byte on, and checked as a whole */
	int64_t offset;         /* of the file's header */
	int64_t size;
	int64_t done; /* bytes that were read */
	struct luff_tar *tar;
	struct luff_placed placed; /* in place of these where it says so */
	struct luff_reader *part;
};

static int skip_to(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	char buf[32 << 10];
	int rc = 0;

	while (rc == 0 && offset > 0) {
		size_t n = offset < (int64_t)sizeof buf ? (size_t)offset : sizeof buf;

		rc = luff_reader_read(&n, r, buf, n, err);
		offset -= (int64_t)n;
		if (rc == 0 && n == 0)
			rc = luff_fail(err, LUFF_EFORMAT, "the layer became shorter while it was read");
	}
	return rc;
}

static int open_plain(struct luff_reader **out, struct content_reader *c, struct luff_error *err)
{
	int rc = c->seek ? luff_seek_open(out, c->seek, c->layer, c->offset, c->offset + c->size + HEADERS,
					  err)
			 : luff_layer_open_uncompressed(out, c->layer, err);

	return rc == 0 && !c->seek ? skip_to(*out, c->offset, err) : rc;
}

static int start(struct content_reader *c, struct luff_error *err)
{
	LUFF_AUTO(reader) plain = NULL;
	const struct luff_entry *e = NULL;
	int rc = open_plain(&plain, c, err);

	if (rc == 0)
		rc = luff_tar_open(&c->tar, luff_take(plain), err);
	if (rc == 0)
		rc = luff_tar_next(&e, c->tar, err);
	if (rc == 0 && (!e || (c->seek && (e->type != LUFF_ENTRY_FILE || e->size != c->size))))
		rc = luff_fail(err, LUFF_EFORMAT, "the layer became shorter while it was read");
	return rc;
}

/* From c->done on. */
static int read_some(size_t *n_out, struct content_reader *c, void *buf, size_t len, struct luff_error *err)
{
	int rc = c->tar ? 0 : start(c, err);

	return rc < 0 ? rc : luff_tar_read(n_out, c->tar, buf, len, err);
}

/* What was known of the layer is wrong, or the layer is: its digest will tell. */
static int start_anew(struct content_reader *c, const struct luff_error *why, struct luff_error *err)
{
	char buf[16 << 10];
	int64_t left = c->done;
	size_t n = 1;
	int rc = 0;

	if (luff_scope_logs())
		luff_scope_log("layer %.19s: read as a whole: %s",
			       luff_layer_descriptor(c->layer)->digest.text, why->msg);
	luff_seek_forget(c->layer);
	luff_seek_unref(luff_take(c->seek));
	luff_tar_close(luff_take(c->tar));
	for (; rc == 0 && left > 0 && n > 0; left -= (int64_t)n)
		rc = read_some(&n, c, buf, left < (int64_t)sizeof buf ? (size_t)left : sizeof buf, err);
	return rc;
}

static int content_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct content_reader *c = (struct content_reader *)r;
	const struct luff_entry *e = NULL;
	struct luff_error wrong = {0};
	int rc;

	if (c->placed.size > 0) {
		rc = c->part ? 0 : luff_toc_open(&c->part, c->layer, &c->placed, err);
		return rc < 0 ? rc : luff_reader_read(n_out, c->part, buf, len, err);
	}
	rc = read_some(n_out, c, buf, len, c->seek ? &wrong : err);
	if (c->seek && (rc == LUFF_EFORMAT || rc == LUFF_EDIGEST || rc == LUFF_ESIZE)) {
		*n_out = 0;
		rc = start_anew(c, &wrong, err);
		if (rc == 0)
			rc = read_some(n_out, c, buf, len, err);
	} else if (rc < 0 && c->seek) {
		*err = wrong;
	}
	if (rc == 0)
		c->done += (int64_t)*n_out;
	if (rc == 0 && *n_out == 0 && !c->seek) {
		/* the end only after the layer was found right */
		do
			rc = luff_tar_next(&e, c->tar, err);
		while (rc == 0 && e);
	}
	return rc;
}

static void content_close(struct luff_reader *r)
{
	struct content_reader *c = (struct content_reader *)r;

	luff_tar_close(c->tar);
	luff_reader_close(c->part);
	luff_seek_unref(c->seek);
	luff_layer_unref(c->layer);
	free(c);
}

int luff_files_content(struct luff_reader **out, struct luff_files *f, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = content_read, .close = content_close};
	const struct luff_listing *l = NULL;
	uint32_t record = luff_tree_node(f->tree, f->node)->record;
	size_t layer = 0;
	const struct luff_record *r = luff_tree_record(&l, &layer, f->tree, record);
	struct content_reader *c;
	const char *kept;
	char shown[256];

	*out = NULL;
	if (!r || r->kind != LUFF_ENTRY_FILE)
		return luff_fail(err, LUFF_EINVAL, "%s: a %s has no content",
				 luff_text_printable(shown, sizeof shown, f->path),
				 luff_entry_type_name(r ? (enum luff_entry_type)r->kind : LUFF_ENTRY_FOLDER));
	kept = find_kept(f, l, record - luff_tree_layer_start(f->tree, layer));
	if (kept || r->size == 0) {
		char *bytes = malloc((size_t)r->size + 1);

		if (!bytes)
			return luff_fail_nomem(err);
		if (r->size > 0)
			memcpy(bytes, kept, (size_t)r->size);
		return luff_reader_open_owned(out, bytes, (size_t)r->size, err);
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &ops;
	c->layer = luff_layer_ref(l->layer);
	c->seek = l->seek ? luff_seek_ref(l->seek) : NULL;
	c->offset = r->offset;
	c->size = r->size;
	if (l->placed)
		luff_toc_place(&c->placed, l, r);
	*out = &c->base;
	return 0;
}
