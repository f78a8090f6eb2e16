/* See chunks.h. */
#include "fs/chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "medium.h"
#include "model/layer.h"

#define MORE (4 * LUFF_POINTS_CHUNK) /* asked for where it turns out that more is read */

struct chunks_reader {
	struct luff_reader base;
	struct luff_layer *layer;
	const struct luff_points *points;
	struct luff_reader *part; /* the bytes from `at` to `until`; NULL: not asked for yet */
	int64_t at, until;        /* whole chunks, but at the layer's end */
	size_t begin, end;        /* checked bytes are buf[begin, end) */
	size_t skip;              /* of the next chunk */
	unsigned char buf[LUFF_POINTS_CHUNK];
};

static int ask(struct chunks_reader *c, struct luff_error *err)
{
	if (c->part && c->at < c->until)
		return 0;
	luff_reader_close(luff_take(c->part));
	if (c->until <= c->at)
		c->until = c->points->packed - c->at < MORE ? c->points->packed : c->at + MORE;
	return luff_medium_fetch_part(&c->part, luff_layer_medium(c->layer), luff_layer_descriptor(c->layer),
				      c->at, c->until - c->at, err);
}

static int check(const struct chunks_reader *c, struct luff_error *err)
{
	const struct luff_chunk *chunk = &c->points->chunks[c->at / LUFF_POINTS_CHUNK];
	unsigned char sha256[32];
	struct luff_hash hash;

	luff_hash_init(&hash, LUFF_SHA256);
	luff_hash_update(&hash, c->buf, c->end);
	luff_hash_final_sha256(sha256, &hash);
	return memcmp(sha256, chunk->sha256, sizeof sha256) == 0
		       ? 0
		       : luff_fail(err, LUFF_EDIGEST, "a part of %s is not what it was",
				   luff_layer_descriptor(c->layer)->digest.text);
}

static int fill(struct chunks_reader *c, struct luff_error *err)
{
	int64_t left = c->points->packed - c->at;
	size_t size = left < LUFF_POINTS_CHUNK ? (size_t)left : (size_t)LUFF_POINTS_CHUNK, n;
	int rc = ask(c, err);

	c->begin = c->end = 0;
	while (rc == 0 && c->end < size) {
		rc = luff_reader_read(&n, c->part, c->buf + c->end, size - c->end, err);
		if (rc == 0 && n == 0)
			rc = luff_fail(err, LUFF_EFORMAT, "a part of %s is cut off",
				       luff_layer_descriptor(c->layer)->digest.text);
		c->end += n;
	}
	if (rc == 0)
		rc = check(c, err);
	if (rc < 0)
		return rc;
	c->at += (int64_t)size;
	c->begin = c->skip;
	c->skip = 0;
	return 0;
}

static int chunks_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct chunks_reader *c = (struct chunks_reader *)r;

	if (c->begin == c->end) {
		int rc = c->at < c->points->packed ? fill(c, err) : 0;

		if (rc < 0 || c->begin == c->end)
			return rc;
	}
	*n_out = len < c->end - c->begin ? len : c->end - c->begin;
	memcpy(buf, c->buf + c->begin, *n_out);
	c->begin += *n_out;
	return 0;
}

static void chunks_close(struct luff_reader *r)
{
	struct chunks_reader *c = (struct chunks_reader *)r;

	luff_reader_close(c->part);
	luff_layer_unref(c->layer);
	free(c);
}

int luff_chunks_open(struct luff_reader **out, struct luff_layer *layer, const struct luff_points *points,
		     int64_t from, int64_t until, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = chunks_read, .close = chunks_close};
	struct chunks_reader *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &ops;
	c->layer = luff_layer_ref(layer);
	c->points = points;
	c->skip = (size_t)(from % LUFF_POINTS_CHUNK);
	c->at = from - (int64_t)c->skip;
	c->until = until;
	*out = &c->base;
	return 0;
}
