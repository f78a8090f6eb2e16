/* See pack.h. */
#include "fs/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "fs/members.h"

#define PIECE ((size_t)128 << 10)
#define DEPTH_MAX 256
#define LINKS_MAX 1000000 /* files with several names */

/* A file that has several names, by the first. */
struct linked {
	dev_t device;
	ino_t inode;
	char *path;
};

struct pack {
	luff_write_fn write;
	void *arg;
	void *links; /* a tree of struct linked (tsearch) */
	size_t link_count;
	char *buf; /* PIECE */
};

static int compare_links(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;

	return x->device != y->device ? (x->device < y->device ? -1 : 1)
	       : x->inode != y->inode ? (x->inode < y->inode ? -1 : 1)
				      : 0;
}

static void free_link(void *link)
{
	free(((struct linked *)link)->path);
	free(link);
}

/* The first name of a file that came before; *out is NULL where this one is the first. */
static int find_link(const char **out, struct pack *p, const struct stat *st, const char *path,
		     struct luff_error *err)
{
	struct linked *key = calloc(1, sizeof *key), **at;

	*out = NULL;
	if (!key)
		return luff_fail_nomem(err);
	*key = (struct linked){.device = st->st_dev, .inode = st->st_ino};
	at = tfind(key, &p->links, compare_links);
	if (at) {
		free(key);
		*out = (*at)->path;
		return 0;
	}
	key->path = strdup(path);
	if (++p->link_count > LINKS_MAX || !key->path || !tsearch(key, &p->links, compare_links)) {
		free_link(key);
		return luff_fail_nomem(err);
	}
	return 0;
}

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

static int add_folder(struct pack *p, int fd, const char *path, int depth, struct luff_error *err);

static int add_regular(struct pack *p, int folder, const char *name, struct luff_tar_file *file,
		       struct luff_error *err)
{
	LUFF_AUTO(fd) fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return luff_fail_errno(err, errno, "%s", file->path);
	if (!S_ISREG(st.st_mode))
		return luff_fail(err, LUFF_EIO, "%s became another file while it was read", file->path);
	if (st.st_nlink > 1) {
		rc = find_link(&file->link, p, &st, file->path, err);
		if (rc < 0)
			return rc;
		file->type = file->link ? '1' : '0';
	}
	file->size = file->link ? 0 : st.st_size;
	rc = append_header(p, file, err);
	return rc < 0 || file->link ? rc : append_content(p, fd, file->path, file->size, err);
}

static int add_symlink(struct pack *p, int folder, const char *name, struct luff_tar_file *file,
		       struct luff_error *err)
{
	char target[LUFF_MEMBER_PATH_MAX + 1];
	ssize_t len = readlinkat(folder, name, target, sizeof target - 1);

	if (len < 0)
		return luff_fail_errno(err, errno, "%s", file->path);
	target[len] = '\0';
	file->type = '2';
	file->mode = 0777;
	file->link = target;
	return append_header(p, file, err);
}

static int add_entry(struct pack *p, int folder, const char *name, const char *path, int depth,
		     struct luff_error *err)
{
	struct luff_tar_file file = {.path = path, .type = '0'};
	LUFF_AUTO(fd) below = -1;
	LUFF_AUTO(text) slashed = NULL;
	struct stat st;
	int rc;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return luff_fail_errno(err, errno, "%s", path);
	file.mode = st.st_mode & 07777;
	if (S_ISREG(st.st_mode))
		return add_regular(p, folder, name, &file, err);
	if (S_ISLNK(st.st_mode))
		return add_symlink(p, folder, name, &file, err);
	if (S_ISSOCK(st.st_mode))
		return 0;
	file.type = S_ISDIR(st.st_mode) ? '5' : S_ISCHR(st.st_mode) ? '3' : S_ISBLK(st.st_mode) ? '4' : '6';
	file.major = major(st.st_rdev);
	file.minor = minor(st.st_rdev);
	if (!S_ISDIR(st.st_mode))
		return append_header(p, &file, err);
	below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return luff_fail_errno(err, errno, "%s", path);
	if (asprintf(&slashed, "%s/", path) < 0)
		return luff_fail_nomem(err);
	file.path = slashed;
	rc = append_header(p, &file, err);
	return rc < 0 ? rc : add_folder(p, below, slashed, depth + 1, err);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* `path` is "" or ends with a slash. */
static int add_folder(struct pack *p, int fd, const char *path, int depth, struct luff_error *err)
{
	struct dirent **entries = NULL;
	int count = depth > DEPTH_MAX ? 0 : scandirat(fd, ".", &entries, is_entry, by_name), rc = 0;

	if (depth > DEPTH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "folders are nested deeper than %d", DEPTH_MAX);
	if (count < 0)
		return luff_fail_errno(err, errno, "%s", path);
	for (int i = 0; i < count; i++) {
		LUFF_AUTO(text) whole = NULL;

		if (rc == 0 && asprintf(&whole, "%s%s", path, entries[i]->d_name) < 0) {
			whole = NULL;
			rc = luff_fail_nomem(err);
		}
		if (rc == 0 && whole && strlen(whole) >= LUFF_MEMBER_PATH_MAX)
			rc = luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes",
				       LUFF_MEMBER_PATH_MAX);
		if (rc == 0)
			rc = add_entry(p, fd, entries[i]->d_name, whole, depth, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
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
		rc = add_folder(&p, fd, prefix, 1, err);
	if (rc == 0)
		rc = write(arg, zeros, sizeof zeros, err);
	tdestroy(p.links, free_link);
	free(p.buf);
	return rc;
}
