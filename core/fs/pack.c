/* See pack.h. */
#include "fs/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scope.h"
#include "fs/gather.h"
#include "fs/members.h"

#define PIECE ((size_t)128 << 10)

struct pack {
	luff_write_fn write;
	void *arg;
	char *buf; /* PIECE */
};

static int append_header(struct pack *p, const struct luff_tar_file *file, struct luff_error *err)
{
	char header[LUFF_TAR_FILE_MAX];

	return p->write(p->arg, header, luff_tar_file_header(header, file), err);
}

static int append_content(struct pack *p, int fd, const char *path, int64_t size, struct luff_error *err)
{
	int64_t left = size;
	int rc = 0;

	while (rc == 0 && left > 0) {
		ssize_t n = read(fd, p->buf, left < (int64_t)PIECE ? (size_t)left : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? luff_fail_errno(err, errno, "%s", path)
				     : luff_fail(err, LUFF_EIO, "%s became shorter while it was read", path);
		rc = p->write(p->arg, p->buf, (size_t)n, err);
		left -= n;
		if (rc == 0)
			rc = luff_scope_check(err);
	}
	memset(p->buf, 0, 512);
	return rc < 0 ? rc : p->write(p->arg, p->buf, (size_t)(LUFF_TAR_PADDED(size) - size), err);
}

static int add_entry(void *arg, const struct luff_entry *e, int fd, struct luff_error *err)
{
	static const char types[] = "0123456"; /* luff.h has tar's order */
	struct pack *p = arg;
	struct luff_tar_file file = {.path = e->path,
				     .link = *e->link ? e->link : NULL,
				     .type = types[e->type],
				     .mode = e->mode,
				     .major = e->major,
				     .minor = e->minor,
				     .size = e->size};
	int rc = append_header(p, &file, err);

	return rc < 0 || fd < 0 ? rc : append_content(p, fd, e->path, e->size, err);
}

int luff_pack_folder(int fd, const char *prefix, luff_write_fn write, void *arg, struct luff_error *err)
{
	static const char zeros[2 * 512];
	struct pack p = {.write = write, .arg = arg, .buf = malloc(PIECE)};
	struct luff_tar_file top = {.path = prefix, .type = '5'};
	struct stat st;
	int rc = p.buf ? 0 : luff_fail_nomem(err);

	if (rc == 0 && *prefix && fstat(fd, &st) < 0)
		rc = luff_fail_errno(err, errno, "%s", prefix);
	if (rc == 0 && *prefix) {
		top.mode = st.st_mode & 07777;
		rc = append_header(&p, &top, err);
	}
	if (rc == 0)
		rc = luff_gather_folder(fd, prefix, add_entry, &p, err);
	if (rc == 0)
		rc = write(arg, zeros, sizeof zeros, err);
	free(p.buf);
	return rc;
}
