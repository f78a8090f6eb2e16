/* See gather.h. Whatever somebody does to the folder meanwhile, nothing outside of it is read. */
#include "fs/gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "fs/pax.h"

#define DEPTH_MAX 256
#define LINKS_MAX 1000000          /* files with several names */
#define XATTRS_MAX (1 << 20)       /* bytes of all of one file */
#define XATTR_NAMES_MAX (64 << 10) /* as Linux has it */

/* A file that has several names, by the first. */
struct linked {
	dev_t device;
	ino_t inode;
	char *path;
};

struct gather {
	luff_gather_fn fn;
	void *arg;
	void *links; /* a tree of struct linked (tsearch) */
	size_t link_count;
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	char *names, *values; /* of them */
	char target[LUFF_PATH_MAX + 1];
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

/* The first name of a file that came before; *out is "" where this one is the first. */
static int find_link(const char **out, struct gather *g, const struct stat *st, const char *path,
		     struct luff_error *err)
{
	struct linked *key = calloc(1, sizeof *key), **at;

	*out = "";
	if (!key)
		return luff_fail_nomem(err);
	*key = (struct linked){.device = st->st_dev, .inode = st->st_ino};
	at = tfind(key, &g->links, compare_links);
	if (at) {
		free(key);
		*out = (*at)->path;
		return 0;
	}
	if (++g->link_count > LINKS_MAX) {
		free_link(key);
		return luff_fail(err, LUFF_ELIMIT, "%s: more than %d files with several names", path,
				 LINKS_MAX);
	}
	key->path = strdup(path);
	if (!key->path || !tsearch(key, &g->links, compare_links)) {
		free_link(key);
		return luff_fail_nomem(err);
	}
	return 0;
}

/* Those of a disk alone (SELinux's labels, access control lists) are not a layer's. */
static bool is_carried(const char *name)
{
	return luff_text_starts(name, "user.") || strcmp(name, "security.capability") == 0;
}

/* `path`: by which the system finds the file, which may be a link. File systems without attributes have none. */
static int read_xattrs(struct luff_entry *e, struct gather *g, const char *path, struct luff_error *err)
{
	ssize_t len = llistxattr(path, g->names, XATTR_NAMES_MAX);
	size_t used = 0;

	e->xattrs = g->xattrs;
	for (const char *name = g->names; len > 0 && name < g->names + len; name += strlen(name) + 1) {
		ssize_t size;

		if (!is_carried(name))
			continue;
		/* without room, lgetxattr() would tell the size of what it did not write */
		size = used < XATTRS_MAX ? lgetxattr(path, name, g->values + used, XATTRS_MAX - used) : -1;
		if (used == XATTRS_MAX || (size < 0 && errno == ERANGE) || e->xattr_count == LUFF_XATTR_MAX)
			return luff_fail(err, LUFF_ELIMIT, "%s: too many extended attributes", e->path);
		if (size < 0)
			continue;
		g->xattrs[e->xattr_count++] =
			(struct luff_xattr){.name = name, .value = g->values + used, .len = (size_t)size};
		used += (size_t)size;
	}
	return 0;
}

static int gather_entry(struct gather *g, int folder, const char *name, const char *path, int depth,
			struct luff_error *err);

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
static int gather_folder(struct gather *g, int fd, const char *path, int depth, struct luff_error *err)
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
		if (rc == 0 && whole && strlen(whole) >= LUFF_PATH_MAX)
			rc = luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
		if (rc == 0)
			rc = gather_entry(g, fd, entries[i]->d_name, whole, depth, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int gather_file(struct gather *g, struct luff_entry *e, int folder, const char *name,
		       struct luff_error *err)
{
	LUFF_AUTO(fd) fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return luff_fail_errno(err, errno, "%s", e->path);
	if (!S_ISREG(st.st_mode))
		return luff_fail(err, LUFF_EIO, "%s became another file while it was read", e->path);
	e->size = st.st_size;
	if (st.st_nlink > 1)
		rc = find_link(&e->link, g, &st, e->path, err);
	if (rc == 0 && *e->link) {
		e->type = LUFF_ENTRY_HARD_LINK;
		e->size = 0;
		e->xattr_count = 0;
	}
	return rc < 0 ? rc : g->fn(g->arg, e, *e->link ? -1 : fd, err);
}

static int gather_below(struct gather *g, struct luff_entry *e, int folder, const char *name, int depth,
			struct luff_error *err)
{
	LUFF_AUTO(fd) below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	LUFF_AUTO(text) slashed = NULL;
	int rc;

	if (below < 0)
		return luff_fail_errno(err, errno, "%s", e->path);
	if (asprintf(&slashed, "%s/", e->path) < 0) {
		slashed = NULL;
		return luff_fail_nomem(err);
	}
	e->path = slashed;
	rc = g->fn(g->arg, e, -1, err);
	return rc < 0 ? rc : gather_folder(g, below, slashed, depth + 1, err);
}

static int gather_entry(struct gather *g, int folder, const char *name, const char *path, int depth,
			struct luff_error *err)
{
	struct luff_entry e = {.path = path, .link = "", .user = "", .group = ""};
	char real[64 + NAME_MAX];
	struct stat st;
	ssize_t len;
	int rc = luff_scope_check(err);

	if (rc < 0)
		return rc;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return luff_fail_errno(err, errno, "%s", path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	e.mode = st.st_mode & 07777;
	e.uid = st.st_uid;
	e.gid = st.st_gid;
	e.mtime = st.st_mtim.tv_sec;
	e.mtime_ns = (int32_t)st.st_mtim.tv_nsec;
	if (folder == AT_FDCWD)
		rc = read_xattrs(&e, g, name, err);
	else if ((size_t)snprintf(real, sizeof real, "/proc/self/fd/%d/%s", folder, name) < sizeof real)
		rc = read_xattrs(&e, g, real, err);
	if (rc < 0)
		return rc;
	if (S_ISREG(st.st_mode))
		return gather_file(g, &e, folder, name, err);
	if (S_ISDIR(st.st_mode)) {
		e.type = LUFF_ENTRY_FOLDER;
		return gather_below(g, &e, folder, name, depth, err);
	}
	e.type = S_ISLNK(st.st_mode)   ? LUFF_ENTRY_SYMLINK
		 : S_ISCHR(st.st_mode) ? LUFF_ENTRY_CHAR
		 : S_ISBLK(st.st_mode) ? LUFF_ENTRY_BLOCK
				       : LUFF_ENTRY_FIFO;
	e.major = major(st.st_rdev);
	e.minor = minor(st.st_rdev);
	if (e.type == LUFF_ENTRY_SYMLINK) {
		len = readlinkat(folder, name, g->target, sizeof g->target - 1);
		if (len < 0)
			return luff_fail_errno(err, errno, "%s", path);
		g->target[len] = '\0';
		e.mode = 0777;
		e.link = g->target;
	}
	return g->fn(g->arg, &e, -1, err);
}

static int gather_new(struct gather **out, luff_gather_fn fn, void *arg, struct luff_error *err)
{
	struct gather *g = calloc(1, sizeof *g);

	*out = g;
	if (!g)
		return luff_fail_nomem(err);
	g->fn = fn;
	g->arg = arg;
	g->names = malloc(XATTR_NAMES_MAX);
	g->values = malloc(XATTRS_MAX);
	return g->names && g->values ? 0 : luff_fail_nomem(err);
}

static void gather_free(struct gather *g)
{
	if (!g)
		return;
	tdestroy(g->links, free_link);
	free(g->names);
	free(g->values);
	free(g);
}

int luff_gather_folder(int fd, const char *prefix, luff_gather_fn fn, void *arg, struct luff_error *err)
{
	struct gather *g;
	int rc = gather_new(&g, fn, arg, err);

	if (rc == 0)
		rc = gather_folder(g, fd, prefix, 1, err);
	gather_free(g);
	return rc;
}

int luff_gather(const char *path, const char *as, luff_gather_fn fn, void *arg, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	struct gather *g;
	int rc;

	if (!*as || as[strlen(as) - 1] == '/') {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? luff_fail_errno(err, errno, "%s", path)
			      : luff_gather_folder(fd, as, fn, arg, err);
	}
	rc = gather_new(&g, fn, arg, err);
	if (rc == 0)
		rc = gather_entry(g, AT_FDCWD, path, as, 1, err);
	gather_free(g);
	return rc;
}
