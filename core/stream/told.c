/* Tells whoever listens (struct luff_scope) how far the reading of a blob is. */
#include <stdlib.h>

#include "base/error.h"
#include "base/scope.h"
#include "stream/streams.h"

struct told_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	struct luff_descriptor d;
	int64_t at, told; /* what is read again is not told again */
	bool begun, over; /* START was told; READ was, too */
};

static void tell(const struct told_reader *t, enum luff_progress_kind kind, int64_t bytes)
{
	luff_scope_tell(luff_scope_hearer(),
			&(struct luff_progress){.kind = kind, .descriptor = &t->d, .bytes = bytes});
}

static int told_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct told_reader *t = (struct told_reader *)r;
	int rc;

	if (!t->begun)
		tell(t, LUFF_PROGRESS_START, 0);
	t->begun = true;
	rc = luff_reader_read(n_out, t->inner, buf, len, err);
	if (rc < 0)
		return rc;
	t->at += (int64_t)*n_out;
	if (t->at > t->told) {
		tell(t, LUFF_PROGRESS_BYTES, t->at - t->told);
		t->told = t->at;
	} else if (*n_out == 0 && !t->over) {
		tell(t, LUFF_PROGRESS_READ, 0);
		t->over = true;
	}
	return 0;
}

static int told_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct told_reader *t = (struct told_reader *)r;

	t->at = offset;
	return luff_reader_seek(t->inner, offset, err);
}

static void told_close(struct luff_reader *r)
{
	struct told_reader *t = (struct told_reader *)r;

	if (t->begun && !t->over)
		tell(t, LUFF_PROGRESS_LEFT, 0);
	luff_reader_close(t->inner);
	free(t);
}

static const struct luff_reader_ops told_ops = {.read = told_read, .close = told_close, .seek = told_seek};

int luff_reader_open_told(struct luff_reader **out, struct luff_reader *inner,
			  const struct luff_descriptor *d, struct luff_error *err)
{
	struct told_reader *t = calloc(1, sizeof *t);

	*out = NULL;
	if (!t) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*t = (struct told_reader){.base.ops = &told_ops, .inner = inner, .d = *d};
	luff_reader_inherit(&t->base, inner);
	*out = &t->base;
	return 0;
}
