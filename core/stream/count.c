/* Progress: tells how many bytes went by, each of them once. */
#include <stdlib.h>

#include "base/error.h"
#include "stream/streams.h"

struct count_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	void (*fn)(void *arg, size_t n);
	void *arg;
	int64_t at, told;
};

static int count_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct count_reader *c = (struct count_reader *)r;
	int rc = luff_reader_read(n_out, c->inner, buf, len, err);

	if (rc < 0)
		return rc;
	c->at += (int64_t)*n_out;
	if (c->at > c->told) {
		c->fn(c->arg, (size_t)(c->at - c->told));
		c->told = c->at;
	}
	return 0;
}

static int count_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct count_reader *c = (struct count_reader *)r;

	c->at = offset;
	return luff_reader_seek(c->inner, offset, err);
}

static void count_close(struct luff_reader *r)
{
	luff_reader_close(((struct count_reader *)r)->inner);
	free(r);
}

static const struct luff_reader_ops count_ops = {
	.read = count_read, .close = count_close, .seek = count_seek};

int luff_reader_open_count(struct luff_reader **out, struct luff_reader *inner,
			   void (*fn)(void *arg, size_t n), void *arg, struct luff_error *err)
{
	struct count_reader *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*c = (struct count_reader){.base.ops = &count_ops, .inner = inner, .fn = fn, .arg = arg};
	luff_reader_inherit(&c->base, inner);
	*out = &c->base;
	return 0;
}
