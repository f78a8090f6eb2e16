/* See ingest.h. */
#include "store/ingest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "store/inside.h"

#define NAME_LEN 32 /* of a file in ingest/ */
#define TRIES 100   /* that others take empty folders away is rare, and over soon */

/* By whom a file is: other tools have names of their own, and no locks. */
static bool is_ours(const char *name)
{
	return strlen(name) == NAME_LEN && strspn(name, "0123456789abcdef") == NAME_LEN;
}

/* Removes what has no living writer. */
static void sweep(struct luff_folder *f)
{
	int fd = openat(f->fd, LUFF_INGEST, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		int file = is_ours(entry->d_name)
				   ? openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
				   : -1;

		if (file < 0)
			continue;
		if (flock(file, LOCK_EX | LOCK_NB) == 0)
			unlinkat(fd, entry->d_name, 0);
		close(file);
	}
	closedir(dir);
}

/* A new file that is ours: created, locked, and not swept away between the two. */
int luff_ingest_create(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f,
		       struct luff_error *err)
{
	if (!atomic_exchange(&f->swept, true))
		sweep(f);
	for (int tries = 0; tries < TRIES; tries++) {
		unsigned char random[NAME_LEN / 2];
		struct stat st;
		int fd;

		if (getrandom(random, sizeof random, 0) != sizeof random)
			return luff_fail_errno(err, errno, "getrandom");
		memcpy(name, LUFF_INGEST "/", sizeof LUFF_INGEST);
		luff_text_hex(name + sizeof LUFF_INGEST, random, sizeof random);
		fd = luff_inside_open(f->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			if (mkdirat(f->fd, LUFF_INGEST, 0755) < 0 && errno != EEXIST)
				return luff_fail_errno(err, errno, "cannot make " LUFF_INGEST);
			continue;
		}
		if (fd < 0 && errno == EXDEV)
			return luff_inside_leads_out(LUFF_INGEST, err);
		if (fd < 0)
			return luff_fail_errno(err, errno, "cannot write");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1) {
			*fd_out = fd;
			return 0;
		}
		unlinkat(f->fd, name, 0);
		close(fd);
	}
	return luff_fail(err, LUFF_EIO, "cannot keep a file in " LUFF_INGEST);
}

int luff_ingest_write_all(int fd, const char *bytes, size_t len, struct luff_error *err)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "cannot write");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes a small file anew: all of it or nothing. `replace`: false leaves one that is there as it is. */
int luff_ingest_write_small(struct luff_folder *f, const char *name, const char *text, bool replace,
			    struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	char temporary[LUFF_INGEST_PATH];
	int rc = luff_ingest_create(&fd, temporary, f, err);

	if (rc < 0)
		return rc;
	rc = luff_ingest_write_all(fd, text, strlen(text), err);
	if (rc == 0 && fsync(fd) < 0)
		rc = luff_fail_errno(err, errno, "cannot write %s", name);
	if (rc == 0 && replace && renameat(f->fd, temporary, f->fd, name) == 0)
		temporary[0] = '\0';
	else if (rc == 0 && (replace || (linkat(f->fd, temporary, f->fd, name, 0) < 0 && errno != EEXIST)))
		rc = luff_fail_errno(err, errno, "cannot write %s", name);
	if (temporary[0])
		unlinkat(f->fd, temporary, 0);
	if (rc == 0 && fsync(f->fd) < 0)
		rc = luff_fail_errno(err, errno, "cannot sync");
	return rc;
}
