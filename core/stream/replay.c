/* Content that streams by, for who may want it once more: what was read of it is kept in a temporary file until then. */
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "stream/streams.h"

struct replay_reader {
	struct luff_reader base;
	struct luff_reader *inner;
	int fd;       /* -1: nothing is kept yet */
	int64_t kept; /* bytes in it */
	int64_t at;   /* that were handed out since the last seek */
	bool last;    /* nobody will go back any more */
};

static int replay_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct replay_reader *p = (struct replay_reader *)r;
	int rc = 0;

	if (p->at < p->kept) {
		int64_t left = p->kept - p->at;

		*n_out = (int64_t)len < left ? len : (size_t)left;
		rc = luff_read_at(p->fd, buf, *n_out, p->at, err);
		p->at += (int64_t)*n_out;
		return rc;
	}
	rc = luff_reader_read(n_out, p->inner, buf, len, err);
	if (rc < 0 || p->last)
		return rc;
	if (p->fd < 0)
		rc = luff_spool_open(&p->fd, err);
	if (rc == 0 && (int64_t)*n_out > LUFF_SPOOL_MAX - p->kept)
		rc = luff_fail(err, LUFF_ELIMIT, "more than is kept in a temporary file");
	if (rc == 0)
		rc = luff_spool_write(p->fd, buf, *n_out, p->kept, err);
	p->kept += (int64_t)*n_out;
	p->at = p->kept;
	return rc;
}

static int replay_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct replay_reader *p = (struct replay_reader *)r;

	(void)err;
	p->at = offset;
	return 0;
}

static void replay_close(struct luff_reader *r)
{
	struct replay_reader *p = (struct replay_reader *)r;

	luff_reader_close(p->inner);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static const struct luff_reader_ops replay_ops = {
	.read = replay_read, .close = replay_close, .seek = replay_seek};

int luff_reader_open_replay(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err)
{
	struct replay_reader *p = calloc(1, sizeof *p);

	*out = NULL;
	if (!p) {
		luff_reader_close(inner);
		return luff_fail_nomem(err);
	}
	*p = (struct replay_reader){.base.ops = &replay_ops, .inner = inner, .fd = -1};
	*out = &p->base;
	return 0;
}

int luff_reader_rewind(struct luff_reader *r, struct luff_error *err)
{
	if (r->ops == &replay_ops)
		((struct replay_reader *)r)->last = true;
	return r->begun ? luff_reader_seek(r, 0, err) : 0;
}
