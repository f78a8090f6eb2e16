/* The contract of luff_reader_read(), kept in one place for all readers, and the readers over bytes and files. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "stream/streams.h"

int luff_reader_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	int rc;

	*n_out = 0;
	assert(len > 0);
	if (r->failed)
		return luff_fail(err, LUFF_EINVAL, "read after a failure");
	if (r->ended)
		return 0;
	r->begun = true;
	rc = luff_scope_check(err);
	if (rc == 0)
		rc = r->ops->read(n_out, r, buf, len, err);
	r->failed = rc < 0;
	r->ended = rc == 0 && *n_out == 0;
	if (rc < 0)
		*n_out = 0;
	return rc;
}

int luff_reader_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	int rc;

	if (r->ops->seek)
		rc = r->ops->seek(r, offset, err);
	else
		rc = luff_fail(err, LUFF_ENOTSUP, "this source can be read once only");
	r->failed = rc < 0;
	r->ended = false;
	return rc;
}

void luff_reader_close(struct luff_reader *r)
{
	if (r)
		r->ops->close(r);
}

bool luff_reader_verifies(const struct luff_reader *r, const struct luff_digest *digest, int64_t size)
{
	return r->digest && !r->begun && r->size == size && luff_digest_equal(r->digest, digest);
}

void luff_reader_inherit(struct luff_reader *r, const struct luff_reader *inner)
{
	if (inner->begun)
		return;
	r->digest = inner->digest;
	r->size = inner->size;
}

int luff_reader_drain(struct luff_reader *r, struct luff_error *err)
{
	char buf[32 << 10];
	size_t n;
	int rc;

	do
		rc = luff_reader_read(&n, r, buf, sizeof buf, err);
	while (rc == 0 && n > 0);
	return rc;
}

int luff_reader_read_all(char **out, struct luff_reader *r, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(text) bytes = malloc((size_t)size + 1);
	size_t done = 0, n = 1;
	int rc = 0;

	*out = NULL;
	if (!bytes)
		return luff_fail_nomem(err);
	/* one byte more than there should be, so that the reader is asked for its end */
	while (rc == 0 && n > 0 && done <= (size_t)size) {
		rc = luff_reader_read(&n, r, bytes + done, (size_t)size + 1 - done, err);
		done += n;
	}
	if (rc == 0 && done != (size_t)size)
		rc = luff_fail(err, LUFF_ESIZE, "%s bytes than the %lld that there should be",
			       done < (size_t)size ? "fewer" : "more", (long long)size);
	if (rc < 0)
		return rc;
	bytes[size] = '\0';
	*out = luff_take(bytes);
	return 0;
}

int luff_cursor_next(const char **out, struct luff_cursor *c, struct luff_error *err)
{
	*out = NULL;
	return c->ops->next(out, c, err);
}

void luff_cursor_close(struct luff_cursor *c)
{
	if (c)
		c->ops->close(c);
}

/* ---- bytes ---- */

struct bytes_reader {
	struct luff_reader base;
	const char *bytes;
	char *owned;
	size_t at, len;
};

static int bytes_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct bytes_reader *b = (struct bytes_reader *)r;

	(void)err;
	*n_out = len < b->len - b->at ? len : b->len - b->at;
	memcpy(buf, b->bytes + b->at, *n_out);
	b->at += *n_out;
	return 0;
}

static int bytes_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	(void)err;
	((struct bytes_reader *)r)->at = (size_t)offset;
	return 0;
}

static void bytes_close(struct luff_reader *r)
{
	free(((struct bytes_reader *)r)->owned);
	free(r);
}

static const struct luff_reader_ops bytes_ops = {
	.read = bytes_read, .close = bytes_close, .seek = bytes_seek};

int luff_reader_open_bytes(struct luff_reader **out, const void *bytes, size_t len, struct luff_error *err)
{
	struct bytes_reader *b = calloc(1, sizeof *b);

	*out = NULL;
	if (!b)
		return luff_fail_nomem(err);
	*b = (struct bytes_reader){.base.ops = &bytes_ops, .bytes = len ? bytes : "", .len = len};
	*out = &b->base;
	return 0;
}

int luff_reader_open_owned(struct luff_reader **out, char *bytes, size_t len, struct luff_error *err)
{
	int rc = luff_reader_open_bytes(out, bytes, len, err);

	if (rc < 0)
		free(bytes);
	else
		((struct bytes_reader *)*out)->owned = bytes;
	return rc;
}

/* ---- fd ---- */

struct fd_reader {
	struct luff_reader base;
	int fd;
	int64_t start;
	int64_t offset; /* -1: a pipe, which has none */
	int64_t left;   /* -1: to the file's end */
};

/* Who writes into a pipe may take long; a scope that is cancelled does not wait for that. */
static int await_input(int fd, struct luff_error *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int rc = luff_scope_check(err);

	while (rc == 0 && poll(&p, 1, 100) == 0)
		rc = luff_scope_check(err);
	return rc;
}

static int fd_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len, struct luff_error *err)
{
	struct fd_reader *f = (struct fd_reader *)r;
	ssize_t n;

	if (f->left >= 0 && (int64_t)len > f->left)
		len = (size_t)f->left;
	if (len == 0)
		return 0;
	if (f->offset < 0) {
		int rc = await_input(f->fd, err);

		if (rc < 0)
			return rc;
	}
	do
		n = f->offset < 0 ? read(f->fd, buf, len) : pread(f->fd, buf, len, f->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return luff_fail_errno(err, errno, "cannot read");
	if (n == 0 && f->left > 0)
		return luff_fail(err, LUFF_EFORMAT, "the file became shorter");
	f->offset += f->offset < 0 ? 0 : n;
	f->left -= f->left < 0 ? 0 : n;
	*n_out = (size_t)n;
	return 0;
}

static int fd_seek(struct luff_reader *r, int64_t offset, struct luff_error *err)
{
	struct fd_reader *f = (struct fd_reader *)r;

	(void)err;
	if (f->left >= 0)
		f->left += f->offset - (f->start + offset);
	f->offset = f->start + offset;
	return 0;
}

static void fd_close(struct luff_reader *r)
{
	close(((struct fd_reader *)r)->fd);
	free(r);
}

static const struct luff_reader_ops fd_ops = {.read = fd_read, .close = fd_close, .seek = fd_seek};
static const struct luff_reader_ops pipe_ops = {.read = fd_read, .close = fd_close};

static int open_fd(struct luff_reader **out, int fd, int64_t offset, int64_t left, struct luff_error *err)
{
	struct fd_reader *f = calloc(1, sizeof *f);

	*out = NULL;
	if (!f) {
		close(fd);
		return luff_fail_nomem(err);
	}
	*f = (struct fd_reader){.base.ops = offset < 0 ? &pipe_ops : &fd_ops,
				.fd = fd,
				.start = offset,
				.offset = offset,
				.left = left};
	*out = &f->base;
	return 0;
}

int luff_reader_open_fd(struct luff_reader **out, int fd, int64_t offset, struct luff_error *err)
{
	return open_fd(out, fd, offset, -1, err);
}

int luff_reader_open_range(struct luff_reader **out, int fd, int64_t offset, int64_t size,
			   struct luff_error *err)
{
	return open_fd(out, fd, offset, size, err);
}

int luff_reader_open_pipe(struct luff_reader **out, int fd, struct luff_error *err)
{
	return open_fd(out, fd, -1, -1, err);
}
