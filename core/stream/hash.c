/* The digest of what goes by, for who needs it beside the bytes. */
#include <stdlib.h>

#include "base/error.h"
#include "stream/streams.h"

struct hash_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_hash *hash;
};

static int hash_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct hash_reader *h = (struct hash_reader *)r;
	int rc = luff_reader_read(n_out, h->inner, buf, len, err);

	if (rc == 0)
		luff_hash_update(h->hash, buf, *n_out);
	return rc;
}

static void hash_close(struct luff_reader *r)
{
	luff_reader_close(((struct hash_reader *)r)->inner);
	free(r);
}

static const struct luff_reader_ops hash_ops = {.read = hash_read, .close = hash_close};

int luff_reader_open_hash(struct luff_reader **out, struct luff_reader *inner, struct luff_hash *hash,
			  struct luff_error *err)
{
	struct hash_reader *h = calloc(1, sizeof *h);

	*out = NULL;
	if (!h) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*h = (struct hash_reader){.base.ops = &hash_ops, .inner = inner, .hash = hash};
	*out = &h->base;
	return 0;
}
