/* See artifact.h. What is here decides what a title and a folder may be; save.c puts them into a folder. */
#include "ops/artifact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "fs/pack.h"
#include "fs/pax.h"
#include "fs/tree.h"
#include "stream/streams.h"

int luff_artifact_title(char *out, const char *title, struct luff_error *err)
{
	char shown[256];
	size_t len = strlen(title), end = 0;

	if (len > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a title of more than %d bytes", LUFF_PATH_MAX);
	while (len > 0 && title[len - 1] == '/')
		len--;
	for (const char *p = title; p < title + len;) {
		size_t n = strcspn(p, "/");

		if (n > (size_t)(title + len - p))
			n = (size_t)(title + len - p);
		if ((n == 0 && p == title) || (n == 2 && memcmp(p, "..", 2) == 0))
			return luff_fail(err, LUFF_EFORMAT, "the title \"%s\" leads out of the folder",
					 luff_text_printable(shown, sizeof shown, title));
		if (n > 0 && !(n == 1 && *p == '.')) {
			if (end > 0)
				out[end++] = '/';
			memcpy(out + end, p, n);
			end += n;
		}
		p += n + (p + n < title + len);
	}
	out[end] = '\0';
	return end > 0 ? 0
		       : luff_fail(err, LUFF_EFORMAT, "the title \"%s\" names no file",
				   luff_text_printable(shown, sizeof shown, title));
}

/*
 * Only ".." in front, and no more than there are folders around the link: its folder has no links in its path, so that way goes
 * up in the tree itself, and what comes after it goes down, by links of which the same holds.
 */
static bool stays_inside(const char *target, int depth)
{
	bool down = false;

	if (*target == '/')
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && memcmp(target, "..", 2) == 0) {
			if (down || --depth < 0)
				return false;
		} else {
			down |= n > 0 && !(n == 1 && *target == '.');
		}
		target += n;
		target += *target == '/';
	}
	return true;
}

int luff_artifact_check_tree(struct luff_tree *tree, const char *title, struct luff_error *err)
{
	char path[LUFF_PATH_MAX + 1], shown[256];
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	size_t len = strlen(title);
	bool found = false;

	for (uint32_t n = luff_tree_after(tree, 0); n; n = luff_tree_after(tree, n)) {
		struct luff_entry e;
		size_t layer, at;
		int depth = 0;

		luff_tree_path(path, tree, n);
		at = strlen(path);
		luff_tree_describe(&e, xattrs, &layer, tree, n);
		luff_text_printable(shown, sizeof shown, path);
		if (at < len && strncmp(path, title, at) == 0 && title[at] == '/')
			continue; /* on the way */
		if (strncmp(path, title, len) != 0 || (path[len] && path[len] != '/'))
			return luff_fail(err, LUFF_EFORMAT, "%s is not in the folder \"%s\"", shown, title);
		if (!path[len] && e.type != LUFF_ENTRY_FOLDER)
			return luff_fail(err, LUFF_EFORMAT, "%s is no folder", shown);
		found = true;
		for (const char *p = path + len; *p; p++)
			depth += *p == '/';
		if (e.type == LUFF_ENTRY_SYMLINK && !stays_inside(e.link, depth - 1))
			return luff_fail(err, LUFF_EFORMAT, "%s is a link that leads out of the folder",
					 shown);
		if (e.type != LUFF_ENTRY_SYMLINK && e.type != LUFF_ENTRY_FOLDER && e.type != LUFF_ENTRY_FILE)
			return luff_fail(err, LUFF_EFORMAT, "%s is a %s", shown,
					 luff_entry_type_name(e.type));
	}
	return found ? 0 : luff_fail(err, LUFF_EFORMAT, "no folder \"%s\" is in it", title);
}

/* ---- packing ---- */

struct spool {
	int fd;
	int64_t size;
	struct luff_hash hash;
};

static int append(void *arg, const void *bytes, size_t len, struct luff_error *err)
{
	struct spool *s = arg;
	int rc;

	if ((int64_t)len > LUFF_SPOOL_MAX - s->size)
		return luff_fail(err, LUFF_ELIMIT, "more than a temporary file may have");
	rc = luff_spool_write(s->fd, bytes, len, s->size, err);
	luff_hash_update(&s->hash, bytes, len);
	s->size += (int64_t)len;
	return rc;
}

static int open_spool(struct spool *s, struct luff_error *err)
{
	*s = (struct spool){.fd = -1};
	luff_hash_init(&s->hash, LUFF_SHA256);
	return luff_spool_open(&s->fd, err);
}

static int compress(struct spool *packed, int plain, struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc((size_t)128 << 10);
	LUFF_AUTO(reader) r = NULL;
	int copy = fcntl(plain, F_DUPFD_CLOEXEC, 0);
	size_t n = 1;
	int rc = !buf || copy < 0 ? luff_fail(err, LUFF_ENOMEM, "no memory, or too many open files")
				  : luff_reader_open_fd(&r, copy, 0, err);

	if (rc == 0)
		rc = luff_reader_open_deflate(&r, luff_take(r), false, err);
	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, (size_t)128 << 10, err);
		if (rc == 0)
			rc = append(packed, buf, n, err);
	}
	return rc;
}

int luff_artifact_pack(int *fd_out, struct luff_digest *content_out, const char *folder, const char *title,
		       struct luff_error *err)
{
	char path[LUFF_PATH_MAX + 1], prefix[LUFF_PATH_MAX + 2];
	struct spool plain = {.fd = -1}, packed = {.fd = -1};
	LUFF_AUTO(fd) fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? luff_fail_errno(err, errno, "%s", folder) : luff_artifact_title(path, title, err);

	*fd_out = -1;
	if (rc == 0)
		rc = open_spool(&plain, err);
	if (rc == 0) {
		snprintf(prefix, sizeof prefix, "%s/", path);
		rc = luff_pack_folder(fd, prefix, append, &plain, err);
	}
	if (rc < 0)
		luff_fail_context(err, "%s", folder);
	if (rc == 0)
		rc = open_spool(&packed, err);
	if (rc == 0)
		rc = compress(&packed, plain.fd, err);
	if (rc == 0) {
		luff_hash_final(content_out, &plain.hash);
		*fd_out = packed.fd;
		packed.fd = -1;
	}
	luff_auto_fd(&plain.fd);
	luff_auto_fd(&packed.fd);
	return rc;
}
