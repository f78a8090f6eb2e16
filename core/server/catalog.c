/* See catalog.h. */
#include "server/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "server/route.h"

/* Adds the folders inside root/<parent> whose names a repository may have. */
static int add_folders(struct luff_names *names, int root, const char *parent, struct luff_error *err)
{
	int fd = openat(root, *parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		/* gone since it was listed, or not ours to read */
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (rc == 0 && (entry = readdir(dir))) {
		LUFF_AUTO(text) name = NULL;

		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (asprintf(&name, "%s%s%s", parent, *parent ? "/" : "", entry->d_name) < 0) {
			name = NULL;
			rc = luff_fail_nomem(err);
		} else if (luff_route_is_repository(name)) {
			rc = luff_names_add(names, name, err);
		}
	}
	closedir(dir);
	return rc;
}

/* With anything in it but uploads that are under way, unless `all` are wanted. */
static int is_layout(bool *out, int root, const char *name, bool all, struct luff_error *err)
{
	static const char *const files[] = {"oci-layout", "blobs"};

	*out = true;
	for (size_t i = 0; i < (all ? 1 : sizeof files / sizeof *files) && *out; i++) {
		LUFF_AUTO(text) path = NULL;

		if (asprintf(&path, "%s/%s", name, files[i]) < 0) {
			path = NULL;
			*out = false;
			return luff_fail_nomem(err);
		}
		*out = faccessat(root, path, F_OK, 0) == 0;
	}
	return 0;
}

/* The list is the queue of folders that are still to be looked into; at the end only layouts stay in it. */
int luff_catalog_walk(struct luff_names *names, const char *root, bool all, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t kept = 0;
	int rc = 0;

	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", root);
	rc = add_folders(names, fd, "", err);
	for (size_t i = 0; i < names->count && rc == 0; i++)
		rc = add_folders(names, fd, names->items[i], err);
	for (size_t i = 0; i < names->count; i++) {
		bool there = false;

		if (rc == 0)
			rc = is_layout(&there, fd, names->items[i], all, err);
		if (there)
			names->items[kept++] = names->items[i];
		else
			free(names->items[i]);
	}
	names->count = kept;
	return rc;
}
