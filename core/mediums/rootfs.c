/* rootfs: a folder or a tar as an image of one layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fs/pack.h"
#include "mediums/made.h"
#include "stream/streams.h"

#define PIECE ((size_t)128 << 10)

/* As it is, but for the compression. */
static int pack_tar(struct luff_made *made, int fd, struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc(PIECE);
	LUFF_AUTO(reader) r = NULL;
	char head[512] = "";
	size_t n = 1;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int rc = copy < 0 ? luff_fail_errno(err, errno, "cannot read it")
			  : luff_reader_open_fd(&r, copy, 0, err);

	if (rc == 0 && !buf)
		rc = luff_fail_nomem(err);
	if (rc == 0)
		rc = luff_reader_open_inflate(&r, luff_take(r), err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, PIECE, err);
		if (rc == 0)
			rc = luff_made_append(made, buf, n, err);
	}
	if (rc == 0 && pread(made->fd, head, sizeof head, made->layer) < 0)
		rc = luff_fail_errno(err, errno, "cannot read a temporary file");
	if (rc == 0 && memcmp(head + 257, "ustar", 5) != 0)
		rc = luff_fail(err, LUFF_EFORMAT, "is neither a folder nor a tar");
	return rc;
}

static int append(void *arg, const void *bytes, size_t len, struct luff_error *err)
{
	return luff_made_append(arg, bytes, len, err);
}

int luff_rootfs_make(int *fd_out, const char *path, struct luff_error *err)
{
	struct luff_made made = {.fd = -1};
	LUFF_AUTO(fd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct luff_platform host;
	struct stat st = {0};
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = luff_fail_errno(err, errno, "cannot open it");
	if (rc == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		rc = luff_fail(err, LUFF_EFORMAT, "is neither a folder nor a tar");
	if (rc == 0)
		rc = luff_made_begin(&made, err);
	if (rc == 0) {
		luff_made_begin_layer(&made);
		rc = S_ISDIR(st.st_mode) ? luff_pack_folder(fd, "", append, &made, err)
					 : pack_tar(&made, fd, err);
	}
	if (rc == 0)
		rc = luff_made_end_layer(&made, err);
	luff_platform_host(&host);
	if (rc == 0)
		rc = luff_made_end(fd_out, &made, &host, "rootfs", err);
	luff_made_release(&made);
	return rc;
}
