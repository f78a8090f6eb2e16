/* See contents.h. Files lie one after the other in the spool; zeros are its holes. */
#include "fs/contents.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "stream/streams.h"

#define PIECE ((size_t)64 << 10)

/* Where the content of a layer's records is, by their number; 0: nowhere, else its place in the spool + 1. */
struct places {
	int64_t *at;
	size_t count;
};

struct luff_contents {
	int spool; /* -1: there is none */
	size_t first, layers;
	atomic_int_fast64_t end; /* of the spool */
	atomic_bool full;
	struct places *places;
};

int luff_contents_open(struct luff_contents **out, struct luff_image *image, size_t first,
		       struct luff_error *err)
{
	LUFF_AUTO(contents) c = calloc(1, sizeof *c);
	struct luff_error none = {0};

	*out = NULL;
	if (!c)
		return luff_fail_nomem(err);
	c->first = first;
	c->layers = luff_image_layer_count(image);
	c->places = calloc(c->layers + 1, sizeof *c->places);
	if (!c->places)
		return luff_fail_nomem(err);
	if (luff_spool_open(&c->spool, &none) < 0 && luff_scope_logs())
		luff_scope_log("layers are read twice: %s", none.msg);
	*out = luff_take(c);
	return 0;
}

static int64_t *place(struct places *p, size_t record, struct luff_error *err)
{
	if (record >= p->count) {
		size_t count = p->count ? 2 * p->count : 256;
		int64_t *at;

		while (count <= record)
			count *= 2;
		at = realloc(p->at, count * sizeof *at);
		if (!at) {
			luff_fail_nomem(err);
			return NULL;
		}
		memset(at + p->count, 0, (count - p->count) * sizeof *at);
		p->at = at;
		p->count = count;
	}
	return &p->at[record];
}

static bool is_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* From `at` to `end`. *whole is false where the disk has no room: then the layer will be read again. */
static int pour(bool *whole, struct luff_contents *c, int64_t at, int64_t end, struct luff_reader *content,
		struct luff_error *err)
{
	struct luff_error full = {0};
	char piece[PIECE];
	size_t n = 1;
	int rc = 0;

	*whole = true;
	while (rc == 0 && *whole && n > 0) {
		rc = luff_reader_read(&n, content, piece, PIECE, err);
		/* the last piece makes the spool as long as it should be */
		if (rc == 0 && n > 0 && (at + (int64_t)n == end || !is_zero(piece, n)))
			*whole = luff_spool_write(c->spool, piece, n, at, &full) == 0;
		at += (int64_t)n;
	}
	if (!*whole && !atomic_exchange(&c->full, true) && luff_scope_logs())
		luff_scope_log("layers are read twice: %s", full.msg);
	return rc;
}

static int take(struct luff_sink *sink, const struct luff_listing *l, const struct luff_entry *e,
		struct luff_reader *content, struct luff_error *err)
{
	struct luff_contents *c = sink->arg;
	struct places *p = &c->places[sink->layer];
	int64_t at, *to;
	bool whole;
	int rc;

	if (c->spool < 0 || sink->layer < c->first || atomic_load(&c->full) || e->size == 0)
		return 0;
	/* a layer alone has LUFF_UNPACKED_MAX at most, so the sum is far from its type's end */
	at = atomic_fetch_add(&c->end, e->size);
	if (at + e->size > LUFF_SPOOL_MAX) {
		atomic_store(&c->full, true);
		return 0;
	}
	to = place(p, l->count - 1, err);
	if (!to)
		return LUFF_ENOMEM;
	rc = pour(&whole, c, at, at + e->size, content, err);
	*to = rc == 0 && whole ? at + 1 : 0;
	return rc;
}

struct luff_sink luff_contents_sink(struct luff_contents *c)
{
	return (struct luff_sink){.take = take, .arg = c};
}

bool luff_contents_has(const struct luff_contents *c, size_t layer, size_t record)
{
	return record < c->places[layer].count && c->places[layer].at[record] > 0;
}

struct content_reader {
	struct luff_reader base;
	int spool; /* borrowed */
	int64_t at, left;
};

static int content_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct content_reader *c = (struct content_reader *)r;
	int64_t n = (int64_t)len < c->left ? (int64_t)len : c->left;
	int rc = n > 0 ? luff_read_at(c->spool, buf, (size_t)n, c->at, err) : 0;

	if (rc < 0)
		return rc;
	c->at += n;
	c->left -= n;
	*n_out = (size_t)n;
	return 0;
}

static void content_close(struct luff_reader *r)
{
	free(r);
}

int luff_contents_read(struct luff_reader **out, const struct luff_contents *c, size_t layer, size_t record,
		       int64_t size, struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = content_read, .close = content_close};
	struct content_reader *r = calloc(1, sizeof *r);

	*out = NULL;
	if (!r)
		return luff_fail_nomem(err);
	*r = (struct content_reader){
		.base.ops = &ops, .spool = c->spool, .at = c->places[layer].at[record] - 1, .left = size};
	*out = &r->base;
	return 0;
}

void luff_contents_close(struct luff_contents *c)
{
	if (!c)
		return;
	if (c->spool >= 0)
		close(c->spool);
	for (size_t i = 0; c->places && i < c->layers; i++)
		free(c->places[i].at);
	free(c->places);
	free(c);
}
