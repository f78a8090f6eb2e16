/*
 * Bytes that have to be read twice, or from their end, and come from somewhere that gives them once: they wait in a file without a
 * name, which is gone with the process, however that ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "stream/streams.h"

#define PIECE ((size_t)128 << 10)

/* Not /tmp where nothing is said: on many systems that is memory. */
static const char *folder(void)
{
	const char *chosen = getenv("TMPDIR");

	return chosen && *chosen ? chosen : "/var/tmp";
}

int luff_spool_open(int *fd_out, struct luff_error *err)
{
	LUFF_AUTO(text) path = NULL;
	int fd = open(folder(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	*fd_out = -1;
	if (fd < 0) {
		if (asprintf(&path, "%s/luff-XXXXXX", folder()) < 0)
			return luff_fail_nomem(err);
		fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0)
			return luff_fail_errno(err, errno,
					       "no temporary file in %s ($TMPDIR names another folder)",
					       folder());
		unlink(path);
	}
	*fd_out = fd;
	return 0;
}

int luff_read_at(int fd, void *buf, size_t len, int64_t offset, struct luff_error *err)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = pread(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? luff_fail_errno(err, errno, "cannot read")
				     : luff_fail(err, LUFF_EFORMAT,
						 "a file became shorter while it was read");
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int luff_write_at(int fd, const void *bytes, size_t len, int64_t offset, struct luff_error *err)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "cannot write");
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int luff_spool_write(int fd, const void *bytes, size_t len, int64_t offset, struct luff_error *err)
{
	return luff_write_at(fd, bytes, len, offset, err) < 0
		       ? luff_fail_context(err, "the temporary file in %s ($TMPDIR names another folder)",
					   folder())
		       : 0;
}

/* @param hash  gets the bytes, too; may be NULL */
static int fill(int64_t *size_out, struct luff_hash *hash, int fd, struct luff_reader *src,
		struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc(PIECE);
	int64_t done = 0;
	size_t n = 1;
	char cap[16];
	int rc = 0;

	*size_out = 0;
	if (!buf)
		return luff_fail_nomem(err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, src, buf, PIECE, err);
		if (rc < 0 || n == 0)
			break;
		if ((int64_t)n > LUFF_SPOOL_MAX - done)
			return luff_fail(err, LUFF_ELIMIT,
					 "more than the %s that are kept in a temporary file",
					 luff_text_size(cap, LUFF_SPOOL_MAX));
		rc = luff_spool_write(fd, buf, n, done, err);
		if (rc < 0)
			return rc;
		if (hash)
			luff_hash_update(hash, buf, n);
		done += (int64_t)n;
	}
	*size_out = done;
	return rc;
}

int luff_spool_fill(int64_t *size_out, int fd, struct luff_reader *src, struct luff_error *err)
{
	return fill(size_out, NULL, fd, src, err);
}

int luff_spool_fill_hashed(struct luff_digest *out, int64_t *size_out, int fd, struct luff_reader *src,
			   struct luff_error *err)
{
	struct luff_hash hash;
	int rc;

	luff_hash_init(&hash, LUFF_SHA256);
	rc = fill(size_out, &hash, fd, src, err);
	luff_hash_final(out, &hash);
	return rc;
}
