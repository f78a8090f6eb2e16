/* See inside.h. */
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include "base/cleanup.h"
#include "base/error.h"

#define COMPONENT_MAX 256
#define OPEN_TRIES 1000

static int open_without_links(int dir, const char *path, int flags)
{
	LUFF_AUTO(fd) above = -1;
	size_t len;

	for (; path[len = strcspn(path, "/")]; path += len + 1) {
		char name[COMPONENT_MAX];
		int fd;

		snprintf(name, sizeof name, "%.*s", (int)len, path);
		fd = openat(above < 0 ? dir : above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (above >= 0)
			close(above);
		above = fd;
	}
	return openat(above < 0 ? dir : above, path, flags | O_NOFOLLOW, 0644);
}

/* Links may point elsewhere in the folder (the official busybox layouts have such blobs), never out of it: that is EXDEV. */
int luff_inside_open(int dir, const char *path, int flags)
{
#ifdef SYS_openat2
	struct open_how how = {.flags = (unsigned)flags,
			       .mode = flags & O_CREAT ? 0644 : 0,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	long fd = -1;

	/* a ".." in a link is refused for the moment whenever anything is renamed on the machine */
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return (int)fd;
#endif
	/* an older kernel: no links at all is the safe answer */
	return open_without_links(dir, path, flags);
}

int luff_inside_leads_out(const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "%s is a link that leads out of the folder", what);
}

/* A regular file inside the folder and its size. `what` goes into the message. */
int luff_inside_open_file(int *fd_out, int64_t *size_out, int dir, const char *path, const char *what,
			  struct luff_error *err)
{
	struct stat st;
	int fd = luff_inside_open(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*fd_out = -1;
	if (fd < 0 && errno == EXDEV)
		return luff_inside_leads_out(what, err);
	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", what);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return luff_fail(err, LUFF_EFORMAT, "%s is no regular file", what);
	}
	*fd_out = fd;
	*size_out = st.st_size;
	return 0;
}
int luff_inside_read(char **out, size_t *len_out, int dir, const char *name, size_t cap,
		     struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	LUFF_AUTO(text) text = NULL;
	int64_t size;
	size_t len = 0;
	int rc = luff_inside_open_file(&fd, &size, dir, name, name, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (size > (int64_t)cap)
		return luff_fail(err, LUFF_ELIMIT, "%s has more than %zu bytes", name, cap);
	text = malloc((size_t)size + 1);
	if (!text)
		return luff_fail_nomem(err);
	while (len < (size_t)size) {
		ssize_t n = read(fd, text + len, (size_t)size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "%s", name);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*len_out = len;
	*out = luff_take(text);
	return 0;
}
