/*
 * A store in a folder as skopeo's "dir:" has it: one image or index, whose manifest is manifest.json, with its blobs beside under the
 * hex digits of their digests, and the manifests of an index as HEX.manifest.json. It has no names; what is written replaces
 * what was there, when manifest.json takes its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/descriptor.h"
#include "store/backing.h"
#include "stream/streams.h"

#define MANIFEST "manifest.json"
#define VERSION "Directory Transport Version: 1.1\n"
#define FILE_NAME_MAX 160 /* 128 hex digits and ".manifest.json" */

struct dir_store {
	struct luff_store base;
	char *path;
	pthread_mutex_t lock; /* of changes of manifest.json */
};

struct dir_writer {
	struct luff_store_writer base;
	int folder, fd;
	char name[48]; /* "" once renamed */
};

static struct dir_store *dir_of(struct luff_store *s)
{
	return (struct dir_store *)s;
}

static int open_folder(int *fd_out, const struct dir_store *s, struct luff_error *err)
{
	*fd_out = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd_out >= 0 ? 0 : luff_fail_errno(err, errno, "cannot open the folder");
}

/* A regular file right in the folder; links are not followed. -1 with errno. */
static int open_plain(int folder, const char *name, int64_t *size_out)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = ELOOP;
		return -1;
	}
	if (fd >= 0)
		*size_out = st.st_size;
	return fd;
}

/* manifest.json, NUL-terminated, and its digest. *out stays NULL where there is none. */
static int read_manifest(char **out, size_t *len_out, struct luff_digest *digest, int folder,
			 struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	int64_t size = 0;
	int fd = open_plain(folder, MANIFEST, &size), rc;

	*out = NULL;
	*len_out = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : luff_fail(err, LUFF_EFORMAT, "manifest.json is no regular file");
	if (size > LUFF_MANIFEST_MAX) {
		close(fd);
		return luff_fail(err, LUFF_ELIMIT, "manifest.json has more than %d bytes", LUFF_MANIFEST_MAX);
	}
	rc = luff_reader_open_fd(&r, fd, 0, err);
	if (rc == 0)
		rc = luff_reader_read_all(out, r, size, err);
	if (rc < 0)
		return rc;
	*len_out = (size_t)size;
	return luff_digest_of(digest, "sha256", *out, *len_out, err);
}

/* The file of a blob or manifest. */
static int open_blob(int *fd_out, int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		     struct luff_error *err)
{
	LUFF_AUTO(fd) folder = -1;
	LUFF_AUTO(text) manifest = NULL;
	struct luff_digest digest = {""};
	char name[FILE_NAME_MAX];
	size_t len;
	int rc = open_folder(&folder, dir_of(s), err);

	if (rc < 0)
		return rc;
	*fd_out = open_plain(folder, luff_digest_hex(d), size_out);
	if (*fd_out < 0 && errno == ENOENT) {
		snprintf(name, sizeof name, "%s.manifest.json", luff_digest_hex(d));
		*fd_out = open_plain(folder, name, size_out);
	}
	if (*fd_out < 0 && errno == ENOENT) {
		rc = read_manifest(&manifest, &len, &digest, folder, err);
		if (rc < 0)
			return rc;
		errno = ENOENT;
		if (manifest && luff_digest_algorithm(d) == LUFF_SHA512)
			rc = luff_digest_of(&digest, "sha512", manifest, len, err);
		if (rc == 0 && manifest && luff_digest_equal(&digest, d))
			*fd_out = open_plain(folder, MANIFEST, size_out);
	}
	if (*fd_out >= 0)
		return 0;
	return errno == ENOENT ? luff_fail(err, LUFF_ENOTFOUND, "no blob %s", d->text)
			       : luff_fail(err, LUFF_EFORMAT, "blob %s is no regular file", d->text);
}

static int dir_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		    struct luff_error *err)
{
	int fd = -1, rc = open_blob(&fd, size_out, s, d, err);

	if (rc == 0)
		close(fd);
	return rc;
}

static int dir_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
		     int64_t offset, struct luff_error *err)
{
	int64_t size;
	int fd = -1, rc = open_blob(&fd, &size, s, d, err);

	return rc < 0 ? rc : luff_store_open_at(out, fd, size, d, offset, err);
}

static int dir_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			 struct luff_error *err)
{
	int64_t size;

	return open_blob(fd_out, &size, s, d, err);
}

static int dir_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	LUFF_AUTO(fd) folder = -1;
	char name[FILE_NAME_MAX];
	int rc = open_folder(&folder, dir_of(s), err);

	if (rc < 0)
		return rc;
	snprintf(name, sizeof name, "%s.manifest.json", luff_digest_hex(d));
	/* the root itself has gone with the change of the root document */
	if (unlinkat(folder, luff_digest_hex(d), 0) < 0 && errno == ENOENT)
		unlinkat(folder, name, 0);
	return 0;
}

static int dir_link(bool *linked, struct luff_store *s, const struct luff_digest *d, struct luff_store *from,
		    struct luff_error *err)
{
	(void)s;
	(void)d;
	(void)from;
	(void)err;
	*linked = false;
	return 0;
}

/* ---- writing ---- */

static int dir_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
		     struct luff_error *err)
{
	struct dir_writer *w = calloc(1, sizeof *w);
	uint64_t number;
	int rc;

	(void)id; /* no server stands on such a folder */
	if (!w)
		return luff_fail_nomem(err);
	w->fd = w->folder = -1;
	rc = luff_store_make_folder(dir_of(s)->path, err);
	if (rc == 0)
		rc = open_folder(&w->folder, dir_of(s), err);
	if (rc == 0 && getrandom(&number, sizeof number, 0) != sizeof number)
		rc = luff_fail_errno(err, errno, "no random number");
	if (rc == 0) {
		snprintf(w->name, sizeof w->name, ".luff-%016llx", (unsigned long long)number);
		w->fd = openat(w->folder, w->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (w->fd < 0)
			rc = luff_fail_errno(err, errno, "cannot write in the folder");
	}
	if (rc < 0) {
		if (w->folder >= 0)
			close(w->folder);
		free(w);
		return rc;
	}
	*out = &w->base;
	return 0;
}

static int dir_append(struct luff_store_writer *base, const void *bytes, size_t len, struct luff_error *err)
{
	return luff_write_at(((struct dir_writer *)base)->fd, bytes, len, base->size, err);
}

static int dir_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len, int64_t offset,
			 struct luff_error *err)
{
	ssize_t n = pread(((struct dir_writer *)base)->fd, buf, len, offset);

	if (n < 0)
		return luff_fail_errno(err, errno, "cannot read");
	*n_out = (size_t)n;
	return 0;
}

static int dir_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err)
{
	struct dir_writer *w = (struct dir_writer *)base;

	if (fsync(w->fd) < 0 || renameat(w->folder, w->name, w->folder, luff_digest_hex(d)) < 0)
		return luff_fail_errno(err, errno, "cannot write");
	w->name[0] = '\0';
	return 0;
}

static void dir_discard(struct luff_store_writer *base, bool keep)
{
	struct dir_writer *w = (struct dir_writer *)base;

	(void)keep;
	if (w->name[0])
		unlinkat(w->folder, w->name, 0);
	close(w->fd);
	close(w->folder);
	free(w);
}

/* ---- the root document, which is made from manifest.json ---- */

static int make_index(char **out, int folder, struct luff_error *err)
{
	LUFF_AUTO(text) manifest = NULL;
	struct luff_document doc;
	struct luff_digest digest;
	char type[LUFF_MEDIA_TYPE_MAX + 1];
	size_t len;
	int rc = read_manifest(&manifest, &len, &digest, folder, err);

	if (rc < 0)
		return rc;
	if (!manifest) {
		*out = strdup(LUFF_STORE_EMPTY_INDEX);
		return *out ? 0 : luff_fail_nomem(err);
	}
	rc = luff_document_parse(&doc, manifest, len, NULL, err);
	if (rc < 0)
		return luff_fail_context(err, MANIFEST);
	memcpy(type, doc.media_type, sizeof type);
	luff_document_release(&doc);
	if (asprintf(
		    out,
		    "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}]}",
		    type, digest.text, len) < 0) {
		*out = NULL;
		return luff_fail_nomem(err);
	}
	return 0;
}

static int dir_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	LUFF_AUTO(fd) folder = -1;
	int rc = open_folder(&folder, dir_of(s), err);

	if (rc == 0)
		rc = make_index(out, folder, err);
	*len_out = rc == 0 ? strlen(*out) : 0;
	return rc;
}

/* The manifests of an index get the names that skopeo looks for. */
static int name_children(struct luff_store *s, int folder, const struct luff_digest *d, int depth,
			 struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	LUFF_AUTO(text) text = NULL;
	struct luff_document doc;
	int64_t size = 0;
	int fd = -1, rc = open_blob(&fd, &size, s, d, err);

	if (rc < 0)
		return rc;
	rc = luff_reader_open_fd(&r, fd, 0, err);
	if (rc == 0 && (size > LUFF_MANIFEST_MAX || depth > LUFF_DEPTH_MAX))
		rc = luff_fail(err, LUFF_ELIMIT, "a manifest that is too large, or too deep");
	if (rc == 0)
		rc = luff_reader_read_all(&text, r, size, err);
	if (rc == 0)
		rc = luff_document_parse(&doc, text, (size_t)size, NULL, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && doc.is_index && i < doc.count; i++) {
		const struct luff_digest *child = &doc.entries[i].digest;
		char name[FILE_NAME_MAX];
		struct luff_error missing = {0};

		if (!doc.entries[i].manifest)
			continue;
		/* an index may list what is not here */
		rc = name_children(s, folder, child, depth + 1, &missing);
		if (rc == LUFF_ENOTFOUND)
			rc = 0;
		else if (rc < 0)
			*err = missing;
		snprintf(name, sizeof name, "%s.manifest.json", luff_digest_hex(child));
		renameat(folder, luff_digest_hex(child), folder, name);
	}
	luff_document_release(&doc);
	return rc;
}

static int write_version(int folder, struct luff_error *err)
{
	LUFF_AUTO(fd)
	fd = openat(folder, "version", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno == EEXIST ? 0 : luff_fail_errno(err, errno, "cannot write in the folder");
	return luff_write_at(fd, VERSION, strlen(VERSION), 0, err);
}

/* The last entry is the image that the folder holds from now on. */
static int apply_index(struct luff_store *s, int folder, const char *text, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	struct luff_descriptor d;
	const cJSON *entries;
	int count, rc = luff_json_parse(&tree, text, strlen(text), "index.json", err);

	if (rc < 0)
		return rc;
	entries = luff_json_array(tree, "manifests");
	count = cJSON_GetArraySize(entries);
	if (count == 0)
		return unlinkat(folder, MANIFEST, 0) < 0 && errno != ENOENT
			       ? luff_fail_errno(err, errno, "cannot remove manifest.json")
			       : 0;
	rc = luff_descriptor_parse(&d, cJSON_GetArrayItem(entries, count - 1), "index.json", err);
	if (rc == 0)
		rc = name_children(s, folder, &d.digest, 1, err);
	if (rc == 0)
		rc = write_version(folder, err);
	if (rc < 0)
		return rc;
	if (renameat(folder, luff_digest_hex(&d.digest), folder, MANIFEST) < 0 && errno != ENOENT)
		return luff_fail_errno(err, errno, "cannot write manifest.json");
	return fsync(folder) < 0 ? luff_fail_errno(err, errno, "cannot write in the folder") : 0;
}

static int dir_change_index(struct luff_store *s,
			    int (*change)(char **out_text, void *arg, const char *text, size_t len,
					  struct luff_error *err),
			    void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct dir_store *dir = dir_of(s);
	LUFF_AUTO(fd) folder = -1;
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(text) changed = NULL;
	int rc = open_folder(&folder, dir, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&dir->lock);
	rc = make_index(&text, folder, err);
	if (rc == 0)
		rc = change(&changed, arg, text, strlen(text), err);
	if (rc == 0 && changed)
		rc = apply_index(s, folder, changed, err);
	if (rc == 0 && removed)
		rc = dir_remove(s, removed, err);
	pthread_mutex_unlock(&dir->lock);
	return rc;
}

static void dir_destroy(struct luff_store *s)
{
	pthread_mutex_destroy(&dir_of(s)->lock);
	free(dir_of(s)->path);
	free(s);
}

static const struct luff_store_ops dir_ops = {
	.stat = dir_stat,
	.fetch = dir_fetch,
	.open_file = dir_open_file,
	.remove = dir_remove,
	.link = dir_link,
	.write = dir_write,
	.append = dir_append,
	.read_back = dir_read_back,
	.commit = dir_commit,
	.discard = dir_discard,
	.read_index = dir_read_index,
	.change_index = dir_change_index,
	.destroy = dir_destroy,
};

int luff_store_open_dir(struct luff_store **out, const char *path, struct luff_error *err)
{
	struct dir_store *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		free(s);
		return luff_fail_nomem(err);
	}
	s->base.ops = &dir_ops;
	s->base.refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	*out = &s->base;
	return 0;
}
