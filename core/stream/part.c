/* A piece out of the middle of another reader's bytes. */
#include <stdlib.h>

#include "base/error.h"
#include "stream/streams.h"

struct part_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	int64_t skip, left;
};

static int cut_off(struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "the content ends before the part that is wanted does");
}

static int skip(struct part_reader *p, struct luff_error *err)
{
	char scratch[16 << 10];

	while (p->skip > 0) {
		size_t n = p->skip < (int64_t)sizeof scratch ? (size_t)p->skip : sizeof scratch;
		int rc = luff_reader_read(&n, p->inner, scratch, n, err);

		if (rc < 0)
			return rc;
		if (n == 0)
			return cut_off(err);
		p->skip -= (int64_t)n;
	}
	return 0;
}

static int part_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct part_reader *p = (struct part_reader *)r;
	int rc = skip(p, err);

	if (rc < 0 || p->left == 0)
		return rc;
	rc = luff_reader_read(n_out, p->inner, buf, (int64_t)len < p->left ? len : (size_t)p->left, err);
	if (rc < 0)
		return rc;
	p->left -= (int64_t)*n_out;
	return *n_out > 0 ? 0 : cut_off(err);
}

static void part_close(struct luff_reader *r)
{
	luff_reader_close(((struct part_reader *)r)->inner);
	free(r);
}

int luff_reader_open_part(struct luff_reader **out, struct luff_reader *inner, int64_t offset, int64_t size,
			  struct luff_error *err)
{
	static const struct luff_reader_ops ops = {.read = part_read, .close = part_close};
	struct part_reader *p = calloc(1, sizeof *p);

	*out = NULL;
	if (!p) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*p = (struct part_reader){.base.ops = &ops, .inner = inner, .skip = offset, .left = size};
	*out = &p->base;
	return 0;
}
