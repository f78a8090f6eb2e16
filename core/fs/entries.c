/* The entries of a layer: its tar, inflated on the way, and messages that say which layer it is. */
#include "fs/entries.h"

#include <stdlib.h>

#include "base/error.h"
#include "medium.h"
#include "model/layer.h"
#include "stream/streams.h"

struct luff_entries {
	struct luff_layer *layer;
	struct luff_tar *tar;
};

const char *luff_entry_type_name(enum luff_entry_type type)
{
	static const char *const names[] = {"file", "hardlink", "symlink", "char", "block", "folder", "fifo"};

	return names[type];
}

int luff_entries_open_plain(struct luff_entries **out, struct luff_layer *layer, struct luff_reader *plain,
			    struct luff_error *err)
{
	struct luff_entries *entries = calloc(1, sizeof *entries);
	int rc;

	*out = NULL;
	if (!entries) {
		luff_reader_close(plain);
		return luff_fail_nomem(err);
	}
	rc = luff_tar_open(&entries->tar, plain, err);
	if (rc < 0) {
		free(entries);
		return rc;
	}
	entries->layer = luff_layer_ref(layer);
	*out = entries;
	return 0;
}

int luff_entries_open(struct luff_entries **out, struct luff_layer *layer, struct luff_error *err)
{
	struct luff_reader *plain = NULL;
	int rc = luff_layer_open_uncompressed(&plain, layer, err);

	*out = NULL;
	return rc < 0 ? rc : luff_entries_open_plain(out, layer, plain, err);
}

int luff_entries_next(const struct luff_entry **out, struct luff_entries *entries, struct luff_error *err)
{
	return luff_layer_blame(entries->layer, luff_tar_next(out, entries->tar, err), err);
}

int luff_entries_read(size_t *n_out, struct luff_entries *entries, void *buf, size_t len,
		      struct luff_error *err)
{
	return luff_layer_blame(entries->layer, luff_tar_read(n_out, entries->tar, buf, len, err), err);
}

int64_t luff_entries_offset(const struct luff_entries *entries)
{
	return luff_tar_offset(entries->tar);
}

struct content_reader {
	struct luff_reader base;
	struct luff_entries *entries;
};

static int content_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	return luff_entries_read(n_out, ((struct content_reader *)r)->entries, buf, len, err);
}

static void content_close(struct luff_reader *r)
{
	free(r);
}

int luff_entries_content(struct luff_reader **out, struct luff_entries *entries, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = content_read, .close = content_close};
	struct content_reader *r = calloc(1, sizeof *r);

	*out = NULL;
	if (!r)
		return luff_fail_nomem(err);
	*r = (struct content_reader){.base.ops = &ops, .entries = entries};
	*out = &r->base;
	return 0;
}

void luff_entries_close(struct luff_entries *entries)
{
	if (!entries)
		return;
	luff_tar_close(entries->tar);
	luff_layer_unref(entries->layer);
	free(entries);
}
