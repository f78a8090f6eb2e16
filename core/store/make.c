/* Layouts in folders come and go: made, opened, and unmade where nothing came into them. Declared in store.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "store/ingest.h"
#include "store/inside.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_MAX 4096

int luff_store_make_folder(const char *path, struct luff_error *err)
{
	LUFF_AUTO(text) copy = strdup(path);
	int tries = 0;

	if (!copy)
		return luff_fail_nomem(err);
	for (char *p = copy + 1; *copy; p++) {
		char end = *p;

		if (end != '/' && end != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) == 0 || errno == EEXIST) {
			*p = end;
			if (end == '\0')
				break;
		} else if (errno == ENOENT && tries++ < LUFF_FOLDER_TRIES) {
			/* who takes an empty layout away takes the empty folders above along */
			*p = end;
			p = copy;
		} else {
			return luff_fail_errno(err, errno, "cannot make the folder %s", copy);
		}
	}
	return 0;
}

/* image-layout.md "oci-layout file": must be there, must be a version that is known */
static int check_layout(struct luff_folder *f, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) tree = NULL;
	const char *version;
	size_t len;
	int rc = luff_inside_read(&text, &len, f->fd, "oci-layout", LAYOUT_MAX, err);

	if (rc == LUFF_ENOTFOUND)
		return rc;
	if (rc == 0)
		rc = luff_json_parse(&tree, text, len, "oci-layout", err);
	if (rc < 0)
		return rc;
	version = luff_json_string(tree, "imageLayoutVersion");
	if (!version || !luff_text_starts(version, "1."))
		return luff_fail(err, LUFF_ENOTSUP, "an OCI layout of another version than 1");
	return 0;
}

/* A folder with files of its own was meant for something else; folders in it may be other repositories. */
static int check_vacant(const struct luff_folder *f, struct luff_error *err)
{
	int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;

	if (!dir) {
		rc = luff_fail_errno(err, errno, "cannot read the folder");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(dir))) {
		/* another process may just have made the layout */
		if (strcmp(entry->d_name, "oci-layout") == 0 || strcmp(entry->d_name, "index.json") == 0)
			continue;
		if (fstatat(f->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
			rc = luff_fail(
				err, LUFF_EFORMAT,
				"no OCI layout: it has no oci-layout file, but other files: choose another folder");
	}
	closedir(dir);
	return rc;
}

static int prepare(struct luff_folder *f, bool create, struct luff_error *err)
{
	struct luff_error missing = {0};
	struct stat st;
	bool vacant;
	int rc = check_layout(f, &missing);

	if (rc == LUFF_ENOTFOUND && !create)
		return luff_fail(err, LUFF_EFORMAT, "no OCI layout: it has no oci-layout file");
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = missing;
		return rc;
	}
	/* oci-layout says that the folder is a layout: it comes last */
	vacant = rc == LUFF_ENOTFOUND;
	rc = vacant ? check_vacant(f, err) : 0;
	if (rc == 0 && create && fstatat(f->fd, "index.json", &st, 0) < 0)
		rc = luff_ingest_write_small(f, "index.json", LUFF_STORE_EMPTY_INDEX, false, err);
	if (rc == 0 && vacant)
		rc = luff_ingest_write_small(f, "oci-layout", LAYOUT, false, err);
	return rc;
}

static int open_store(struct luff_store **out, const char *path, bool create, struct luff_error *err)
{
	struct luff_folder *f;
	int rc = create ? luff_store_make_folder(path, err) : 0;

	if (rc < 0)
		return rc;
	f = calloc(1, sizeof *f);
	if (!f)
		return luff_fail_nomem(err);
	f->base.ops = &luff_folder_ops;
	f->base.refs = 1;
	f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0)
		rc = luff_fail_errno(err, errno, "%s", path);
	else if (prepare(f, create, err) < 0)
		rc = luff_fail_context(err, "%s", path);
	if (rc < 0) {
		if (f->fd >= 0)
			close(f->fd);
		free(f);
		return rc;
	}
	*out = &f->base;
	return 0;
}

int luff_store_open_folder(struct luff_store **out, const char *path, bool create, struct luff_error *err)
{
	struct luff_error failed = {0};
	int rc, tries = 0;

	*out = NULL;
	/* it may be unmade between two steps of making it */
	do
		rc = open_store(out, path, create, &failed);
	while (rc == LUFF_ENOTFOUND && create && tries++ < LUFF_FOLDER_TRIES);
	if (rc < 0)
		*err = failed;
	return rc;
}

static bool has_content(int dir)
{
	return faccessat(dir, "blobs", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(dir, LUFF_INGEST, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool luff_store_unmake_folder(const char *path)
{
	LUFF_AUTO(fd) dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	LUFF_AUTO(fd) lock = dir < 0 ? -1 : openat(dir, "oci-layout", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct luff_error ignored = {0};
	struct luff_store *again;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || luff_folder_is_removed(lock) ||
	    has_content(dir))
		return false;
	/* what says that the folder is a layout came last, and goes first */
	unlinkat(dir, "oci-layout", 0);
	unlinkat(dir, "index.json", 0);
	if (rmdir(path) == 0)
		return true;
	/* somebody began to write in between (see luff_folder_check_alive): it is a layout after all */
	if (has_content(dir) && luff_store_open_folder(&again, path, true, &ignored) == 0)
		luff_store_unref(again);
	return false;
}
