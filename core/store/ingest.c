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
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "store/inside.h"

#define NAME_LEN 32 /* of a file in ingest/ */
#define TRIES 100   /* that others take empty folders away is rare, and over soon */

#define UPLOAD ".upload"
#define PART ".part"

static void part_path(char name[LUFF_INGEST_PATH], const struct luff_digest *d)
{
	snprintf(name, LUFF_INGEST_PATH, LUFF_INGEST "/%s-%s" PART,
		 luff_algorithm_name(luff_digest_algorithm(d)), luff_digest_hex(d));
}

/* "sha256-….part", a part of d. */
static bool is_part(struct luff_digest *d, const char *name)
{
	struct luff_error ignored = {0};
	char text[LUFF_INGEST_PATH];
	size_t len = strlen(name), stem = len - (sizeof PART - 1);
	char *dash;

	if (len < sizeof PART || len >= sizeof text || strcmp(name + stem, PART) != 0)
		return false;
	snprintf(text, sizeof text, "%.*s", (int)stem, name);
	dash = strchr(text, '-');
	if (!dash)
		return false;
	*dash = ':';
	return luff_digest_parse(d, text, &ignored) == 0;
}

/* By whom a file is: other tools have names of their own, and no locks. */
static bool is_ours(const char *name)
{
	size_t len = strspn(name, "0123456789abcdef");
	struct luff_digest d;

	return (len == NAME_LEN && (name[len] == '\0' || strcmp(name + len, UPLOAD) == 0)) ||
	       is_part(&d, name);
}

static bool has_blob(const struct luff_folder *f, const struct luff_digest *d)
{
	char path[LUFF_INGEST_PATH];
	struct stat st;

	snprintf(path, sizeof path, "blobs/%s/%s", luff_algorithm_name(luff_digest_algorithm(d)),
		 luff_digest_hex(d));
	return fstatat(f->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_idle(const struct luff_folder *f, const char *name, const struct stat *st, int64_t idle)
{
	int64_t age = (int64_t)time(NULL) - (int64_t)st->st_mtime;
	struct luff_digest d;

	if (is_part(&d, name))
		return age >= LUFF_INGEST_GRACE || has_blob(f, &d);
	return strlen(name) == NAME_LEN || age >= idle;
}

/* The lock holds nobody off where the name stands for something else by now. */
static bool is_named(int fd, const char *name, int dir)
{
	struct stat open, named;

	return fstat(fd, &open) == 0 && fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

void luff_ingest_sweep(struct luff_folder *f, int64_t idle, bool dry, int64_t *files, int64_t *bytes)
{
	int fd = openat(f->fd, LUFF_INGEST, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;

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
		if (flock(file, LOCK_EX | LOCK_NB) == 0 && fstat(file, &st) == 0 &&
		    is_named(file, entry->d_name, fd) && is_idle(f, entry->d_name, &st, idle) &&
		    (dry || unlinkat(fd, entry->d_name, 0) == 0)) {
			if (files)
				++*files;
			if (bytes)
				*bytes += st.st_size;
		}
		close(file);
	}
	closedir(dir);
}

static void upload_path(char name[LUFF_INGEST_PATH], const char *id)
{
	snprintf(name, LUFF_INGEST_PATH, LUFF_INGEST "/%s" UPLOAD, id);
}

static int temporary_path(char name[LUFF_INGEST_PATH], struct luff_error *err)
{
	unsigned char random[NAME_LEN / 2];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return luff_fail_errno(err, errno, "getrandom");
	memcpy(name, LUFF_INGEST "/", sizeof LUFF_INGEST);
	luff_text_hex(name + sizeof LUFF_INGEST, random, sizeof random);
	return 0;
}

static void sweep_once(struct luff_folder *f)
{
	if (!atomic_exchange(&f->swept, true))
		luff_ingest_sweep(f, LUFF_STORE_UPLOAD_IDLE, false, NULL, NULL);
}

/* Gives a file that was made by O_TMPFILE its name. False: errno says why not. */
static bool name_file(int fd, int dir, const char *name)
{
	char self[48];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) == 0;
}

/* A new file that is locked before it has a name: a sweep would take it for left behind. -1: the file system cannot. */
static int create_locked(const struct luff_folder *f, const char *name)
{
	LUFF_AUTO(fd) dir = luff_inside_open(f->fd, LUFF_INGEST, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);

	if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) < 0 || !name_file(fd, dir, name + sizeof LUFF_INGEST))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int luff_ingest_create(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f, const char *id,
		       struct luff_error *err)
{
	sweep_once(f);
	for (int tries = 0; tries < TRIES; tries++) {
		int fd, rc = 0;

		if (id)
			upload_path(name, id);
		else
			rc = temporary_path(name, err);
		if (rc < 0)
			return rc;
		*fd_out = create_locked(f, name);
		if (*fd_out >= 0)
			return 0;
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
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, name, f->fd)) {
			*fd_out = fd;
			return 0;
		}
		unlinkat(f->fd, name, 0);
		close(fd);
	}
	return luff_fail(err, LUFF_EIO, "cannot keep a file in " LUFF_INGEST);
}

int luff_ingest_lock(int fd, const char *name, const struct luff_folder *f, struct luff_error *err)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? luff_fail(err, LUFF_EEXISTS, "another writer is at work on it")
					    : luff_fail_errno(err, errno, "cannot lock");
	if (is_named(fd, name, f->fd))
		return 0;
	flock(fd, LOCK_UN);
	return luff_fail(err, LUFF_ENOTFOUND, "no such upload");
}

int luff_ingest_reopen(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f, const char *id,
		       struct luff_error *err)
{
	struct stat st;
	int fd, rc;

	upload_path(name, id);
	fd = luff_inside_open(f->fd, name, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return luff_fail(err, LUFF_ENOTFOUND, "no such upload");
	}
	rc = luff_ingest_lock(fd, name, f, err);
	if (rc < 0)
		close(fd);
	else
		*fd_out = fd;
	return rc;
}

/* A file that is written to, or believed, must be no other one by another name. */
static bool lock_part(struct stat *st, int fd, int how, const char *name, const struct luff_folder *f)
{
	return flock(fd, how | LOCK_NB) == 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
	       st->st_nlink == 1 && is_named(fd, name, f->fd);
}

bool luff_ingest_grow(int *fd_out, char name[LUFF_INGEST_PATH], int64_t *size_out, struct luff_folder *f,
		      const struct luff_digest *d)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;
	int fd;

	*fd_out = -1;
	*size_out = 0;
	sweep_once(f);
	part_path(name, d);
	fd = luff_inside_open(f->fd, name, flags);
	if (fd < 0 && errno == ENOENT && (mkdirat(f->fd, LUFF_INGEST, 0755) == 0 || errno == EEXIST))
		fd = luff_inside_open(f->fd, name, flags);
	if (fd < 0)
		return false;
	if (!lock_part(&st, fd, LOCK_EX, name, f) || lseek(fd, st.st_size, SEEK_SET) < 0) {
		close(fd);
		return false;
	}
	*fd_out = fd;
	*size_out = st.st_size;
	return true;
}

bool luff_ingest_look(int *fd_out, int64_t *size_out, const struct luff_folder *f,
		      const struct luff_digest *d)
{
	char name[LUFF_INGEST_PATH];
	struct stat st;
	int fd;

	part_path(name, d);
	fd = luff_inside_open(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (!lock_part(&st, fd, LOCK_SH, name, f) || flock(fd, LOCK_UN) < 0 || st.st_size == 0) {
		close(fd);
		return false;
	}
	*fd_out = fd;
	*size_out = st.st_size;
	return true;
}

int luff_ingest_size(int64_t *out, const struct luff_folder *f, const char *id, struct luff_error *err)
{
	char name[LUFF_INGEST_PATH];
	struct stat st;

	upload_path(name, id);
	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return luff_fail(err, LUFF_ENOTFOUND, "no such upload");
	*out = st.st_size;
	return 0;
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

/* A new file that has no name before it is whole: who is killed leaves nothing. False where the file system cannot. */
static bool write_nameless(const struct luff_folder *f, const char *name, const char *text)
{
	LUFF_AUTO(fd) fd = openat(f->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	struct luff_error ignored = {0};

	return fd >= 0 && luff_ingest_write_all(fd, text, strlen(text), &ignored) == 0 && fsync(fd) == 0 &&
	       (name_file(fd, f->fd, name) || errno == EEXIST);
}

int luff_ingest_write_small(struct luff_folder *f, const char *name, const char *text, bool replace,
			    struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	char temporary[LUFF_INGEST_PATH];
	int rc;

	if (!replace && write_nameless(f, name, text))
		return fsync(f->fd) < 0 ? luff_fail_errno(err, errno, "cannot sync") : 0;
	rc = luff_ingest_create(&fd, temporary, f, NULL, err);
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
