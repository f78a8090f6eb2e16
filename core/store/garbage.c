/*
 * The age of blobs in a folder, and their end; declared in folder.h and store.h. A blob's age is its file's change time (ctime), which
 * nobody can set back and which does not come along when a folder is copied: what rsync has just brought is new, however old it
 * was. To make a blob new again, its access time is set, which nobody compares.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/folder.h"

static struct luff_folder *folder_of(struct luff_store *s)
{
	return (struct luff_folder *)s;
}

static int64_t since(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

void luff_garbage_hold(int blobs)
{
	while (flock(blobs, LOCK_SH) < 0 && errno == EINTR)
		continue;
}

void luff_garbage_touch(int blobs, const char *hex)
{
	const struct timespec times[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};

	/* who may not even do that can remove nothing here, either */
	(void)utimensat(blobs, hex, times, AT_SYMLINK_NOFOLLOW);
}

int luff_garbage_keep(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		      struct luff_error *err)
{
	LUFF_AUTO(fd) blobs = -1;
	int rc = luff_folder_open_blobs(&blobs, folder_of(s), luff_digest_algorithm(d), false, err);

	if (rc < 0)
		return luff_fail_context(err, "blob %s", d->text);
	luff_garbage_hold(blobs);
	rc = s->ops->stat(size_out, s, d, err);
	if (rc == 0)
		luff_garbage_touch(blobs, luff_digest_hex(d));
	return rc;
}

struct list {
	struct luff_store_blob *items;
	size_t count, size;
};

static int add_blob(struct list *list, int dir, enum luff_algorithm algorithm, const char *name,
		    struct luff_error *err)
{
	struct luff_store_blob blob = {0};
	char text[LUFF_DIGEST_MAX + 1];
	struct luff_error ignored = {0};
	struct stat st;

	/* what is no digest is no blob */
	if (snprintf(text, sizeof text, "%s:%s", luff_algorithm_name(algorithm), name) >= (int)sizeof text ||
	    luff_digest_parse(&blob.digest, text, &ignored) < 0 ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	/* a link is somebody's work, and its bytes are elsewhere: it never gets old */
	blob.since = S_ISLNK(st.st_mode) ? INT64_MAX : since(&st);
	if ((S_ISLNK(st.st_mode) && fstatat(dir, name, &st, 0) < 0) || !S_ISREG(st.st_mode))
		return 0;
	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 256;
		struct luff_store_blob *items = realloc(list->items, size * sizeof *items);

		if (!items)
			return luff_fail_nomem(err);
		list->items = items;
		list->size = size;
	}
	blob.size = st.st_size;
	list->items[list->count++] = blob;
	return 0;
}

static int list_blobs(struct list *list, struct luff_folder *f, enum luff_algorithm algorithm,
		      struct luff_error *err)
{
	struct luff_error failed = {0};
	struct dirent *entry;
	DIR *dir;
	int fd, rc = luff_folder_open_blobs(&fd, f, algorithm, false, &failed);

	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc < 0) {
		*err = failed;
		return rc;
	}
	dir = fdopendir(fd);
	if (!dir) {
		rc = luff_fail_errno(err, errno, "cannot read blobs");
		close(fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(dir)))
		rc = add_blob(list, fd, algorithm, entry->d_name, err);
	closedir(dir);
	return rc;
}

int luff_garbage_list(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		      struct luff_error *err)
{
	struct list list = {0};
	int rc = list_blobs(&list, folder_of(s), LUFF_SHA256, err);

	if (rc == 0)
		rc = list_blobs(&list, folder_of(s), LUFF_SHA512, err);
	if (rc < 0) {
		free(list.items);
		return rc;
	}
	*out = list.items;
	*count_out = list.count;
	return 0;
}

int luff_garbage_reap(struct luff_store *s, const struct luff_digest *d, int64_t before,
		      struct luff_error *err)
{
	LUFF_AUTO(fd) blobs = -1;
	struct stat st;
	int rc = luff_folder_open_blobs(&blobs, folder_of(s), luff_digest_algorithm(d), false, err);

	if (rc < 0)
		return luff_fail_context(err, "blob %s", d->text);
	while (flock(blobs, LOCK_EX) < 0) {
		if (errno != EINTR)
			return luff_fail_errno(err, errno, "cannot lock blobs");
	}
	if (fstatat(blobs, luff_digest_hex(d), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return luff_fail_errno(err, errno, "blob %s", d->text);
	if (S_ISLNK(st.st_mode) || since(&st) > before)
		return luff_fail(err, LUFF_EEXISTS, "blob %s is new", d->text);
	if (unlinkat(blobs, luff_digest_hex(d), 0) < 0)
		return luff_fail_errno(err, errno, "blob %s", d->text);
	return 0;
}
