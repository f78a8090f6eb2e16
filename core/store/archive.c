/* See archive.h. */
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "store/archive_tars.h"
#include "stream/streams.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct luff_archive_blob *)a)->digest.text,
		      ((const struct luff_archive_blob *)b)->digest.text);
}

struct luff_archive_blob *luff_archive_find_in(const struct luff_archive_tar *t, const struct luff_digest *d)
{
	struct luff_archive_blob key = {.digest = *d}, **at = tfind(&key, &t->blobs, compare);

	return at ? *at : NULL;
}

/* Takes `bytes` over. That it is there already is fine. */
int luff_archive_add_to(struct luff_archive_tar *t, const struct luff_digest *d, int64_t offset, int64_t size,
			char *bytes, struct luff_error *err)
{
	struct luff_archive_blob *blob = luff_archive_find_in(t, d) ? NULL : malloc(sizeof *blob);

	if (!blob) {
		bool there = luff_archive_find_in(t, d) != NULL;

		free(bytes);
		return there ? 0 : luff_fail_nomem(err);
	}
	*blob = (struct luff_archive_blob){.digest = *d, .offset = offset, .size = size, .bytes = bytes};
	if (tsearch(blob, &t->blobs, compare))
		return 0;
	free(bytes);
	free(blob);
	return luff_fail_nomem(err);
}

static void free_blob(void *blob)
{
	free(((struct luff_archive_blob *)blob)->bytes);
	free(blob);
}

void luff_archive_release(struct luff_archive_tar *t)
{
	if (t->fd >= 0)
		close(t->fd);
	tdestroy(t->blobs, free_blob);
	free(t->index);
	*t = (struct luff_archive_tar){.fd = -1};
}

void luff_archive_blob_path(char path[LUFF_BLOB_PATH_MAX], const struct luff_digest *d)
{
	snprintf(path, LUFF_BLOB_PATH_MAX, "blobs/%s/%s", luff_algorithm_name(luff_digest_algorithm(d)),
		 luff_digest_hex(d));
}

/* ---- reading ---- */

int luff_archive_open(struct luff_reader **out, struct luff_archive *a, const struct luff_member *member,
		      struct luff_error *err)
{
	int rc = luff_archive_pack_open(out, &a->packs, member->offset, member->size, err), fd;

	if (rc < 0 || *out)
		return rc;
	fd = fcntl(a->old.fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return luff_fail_errno(err, errno, "cannot read the archive");
	return luff_reader_open_range(out, fd, member->offset, member->size, err);
}

int luff_archive_read(char **out, size_t *len_out, struct luff_archive *a, const struct luff_members *members,
		      const char *path, int64_t cap, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_member member;
	int rc = luff_members_find(&member, members, path, err);

	*out = NULL;
	*len_out = 0;
	if (rc == 0 && member.size > cap)
		rc = luff_fail(err, LUFF_ELIMIT, "%s has more than %lld bytes", path, (long long)cap);
	if (rc == 0)
		rc = luff_archive_open(&r, a, &member, err);
	if (rc == 0)
		rc = luff_reader_read_all(out, r, member.size, err);
	*len_out = rc == 0 ? (size_t)member.size : 0;
	return rc;
}

int luff_archive_add(struct luff_archive *a, const struct luff_digest *d, const struct luff_member *member,
		     struct luff_error *err)
{
	return luff_archive_add_to(&a->old, d, member->offset, member->size, NULL, err);
}

int luff_archive_add_bytes(struct luff_archive *a, const struct luff_digest *d, char *bytes, size_t len,
			   struct luff_error *err)
{
	return luff_archive_add_to(&a->old, d, 0, (int64_t)len, bytes, err);
}

int luff_archive_add_layout(struct luff_archive *a, const struct luff_members *members,
			    struct luff_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < luff_members_count(members); i++) {
		struct luff_member member;
		struct luff_digest digest;
		struct luff_error none = {0};
		char text[LUFF_DIGEST_MAX + 1];
		char *slash;

		luff_members_at(&member, members, i);
		if (!luff_text_starts(member.path, "blobs/") ||
		    !luff_text_copy(text, sizeof text, member.path + 6) || !(slash = strchr(text, '/')))
			continue;
		*slash = ':';
		if (luff_digest_parse(&digest, text, &none) == 0)
			rc = luff_archive_add(a, &digest, &member, err);
	}
	return rc;
}

/* Blobs of both tars: a new one that is complete, or an old one. */
static int open_blob(struct luff_reader **out, int64_t *size_out, struct luff_archive *a,
		     const struct luff_digest *d, int64_t offset, struct luff_error *err)
{
	const struct luff_archive_blob *blob;
	LUFF_AUTO(text) bytes = NULL;
	struct luff_archive_blob found = {.size = 0};
	int fd, sys_errno, rc;

	pthread_mutex_lock(&a->lock);
	blob = luff_archive_find_in(&a->new, d);
	fd = blob ? a->new.fd : a->old.fd;
	blob = blob ? blob : luff_archive_find_in(&a->old, d);
	if (blob)
		found = *blob;
	if (blob && found.bytes && out && offset <= found.size) {
		bytes = malloc((size_t)(found.size - offset) + 1);
		if (bytes)
			memcpy(bytes, found.bytes + offset, (size_t)(found.size - offset));
	}
	fd = blob && !found.bytes && out ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	sys_errno = errno;
	pthread_mutex_unlock(&a->lock);
	if (!blob)
		return luff_fail(err, LUFF_ENOTFOUND, "no blob %s", d->text);
	*size_out = found.size;
	if (!out)
		return 0;
	if (offset > found.size) {
		if (fd >= 0)
			close(fd);
		return luff_fail(err, LUFF_ESIZE, "blob %s has only %lld bytes", d->text,
				 (long long)found.size);
	}
	if (found.bytes)
		return bytes ? luff_reader_open_owned(out, luff_take(bytes), (size_t)(found.size - offset),
						      err)
			     : luff_fail_nomem(err);
	if (fd < 0)
		return luff_fail_errno(err, sys_errno, "cannot read the archive");
	rc = luff_archive_pack_open(out, &a->packs, found.offset + offset, found.size - offset, err);
	if (rc < 0 || *out) {
		close(fd);
		return rc;
	}
	return luff_reader_open_range(out, fd, found.offset + offset, found.size - offset, err);
}

bool luff_archive_has(struct luff_archive *a, const struct luff_digest *d)
{
	struct luff_error none = {0};
	int64_t size;

	return open_blob(NULL, &size, a, d, 0, &none) == 0;
}

int luff_archive_read_blob(char **out, struct luff_archive *a, const struct luff_descriptor *d, int64_t cap,
			   struct luff_error *err)
{
	struct luff_reader *raw = NULL;
	LUFF_AUTO(reader) r = NULL;
	int64_t size;
	int rc;

	*out = NULL;
	if (d->size > cap)
		return luff_fail(err, LUFF_ELIMIT, "%s has more than %lld bytes", d->digest.text,
				 (long long)cap);
	rc = open_blob(&raw, &size, a, &d->digest, 0, err);
	if (rc == 0)
		rc = luff_reader_open_verify(&r, raw, NULL, &d->digest, d->size, err);
	return rc < 0 ? rc : luff_reader_read_all(out, r, d->size, err);
}

/* A compressed archive, or one that can be read but once, becomes a file. *fd_out takes the place of the descriptor. */
static int spool(int *fd_out, struct luff_archive *a, struct luff_reader *src, struct luff_error *err)
{
	LUFF_AUTO(reader) plain = NULL;
	LUFF_AUTO(fd) fd = -1;
	int64_t size;
	int rc = luff_reader_open_inflate(&plain, src, err);

	if (rc == 0)
		rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = a->packing ? luff_archive_pack_fill(&a->packs, fd, plain, LUFF_ARCHIVE_PACK_MIN, err)
				: luff_spool_fill(&size, fd, plain, err);
	if (rc == 0) {
		*fd_out = fd;
		fd = -1;
	}
	return rc;
}

/* By the first bytes, as layers are. */
static bool is_packed(int fd)
{
	static const char *const magic[] = {"\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "\xfd\x37zXZ"};
	char head[5] = "";

	if (pread(fd, head, sizeof head, 0) != sizeof head)
		return false;
	for (int i = 0; i < 3; i++) {
		if (memcmp(head, magic[i], strlen(magic[i])) == 0)
			return true;
	}
	return false;
}

/* The descriptor of a file as an archive that can be read at any place; takes `fd` over. */
static int prepare(int *fd_out, struct luff_archive *a, int fd, struct luff_error *err)
{
	struct luff_reader *src = NULL;
	int rc;

	if (fstat(fd, &a->old.stat) < 0)
		a->old.stat.st_mode = 0;
	if (S_ISDIR(a->old.stat.st_mode)) {
		close(fd);
		return luff_fail(err, LUFF_EFORMAT, "is a folder, not an archive");
	}
	a->packed = is_packed(fd);
	if (S_ISREG(a->old.stat.st_mode) && !a->packed) {
		*fd_out = fd;
		return 0;
	}
	rc = S_ISREG(a->old.stat.st_mode) ? luff_reader_open_fd(&src, fd, 0, err)
					  : luff_reader_open_pipe(&src, fd, err);
	return rc < 0 ? rc : spool(fd_out, a, src, err);
}

/* What is in the tar a->old.fd. */
int luff_archive_read_tar(struct luff_archive *a, struct luff_error *err)
{
	struct luff_members *members = NULL;
	int rc = luff_members_open(&members, a->old.fd, err);

	if (rc == 0)
		rc = a->dialect->read(&a->old.index, a, members, err);
	luff_members_free(members);
	return rc;
}

bool luff_archive_is_file(const struct luff_archive *a)
{
	struct stat st;

	return a->path && strcmp(a->path, "-") != 0 && (stat(a->path, &st) < 0 || S_ISREG(st.st_mode));
}

static int open_source(struct luff_archive *a, struct luff_error *err)
{
	int fd;

	/* what is written to a pipe or a terminal begins anew */
	if (a->path && a->writing && !luff_archive_is_file(a))
		return 0;
	if (a->make)
		return a->make(&a->old.fd, a->text, err);
	if (!a->path)
		return a->src ? spool(&a->old.fd, a, luff_take(a->src), err) : 0;
	if (strcmp(a->path, "-") == 0) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	} else {
		fd = open(a->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0 && errno == ENOENT && a->writing)
			return 0;
	}
	if (fd < 0)
		return errno == ENOENT ? luff_fail(err, LUFF_ENOTFOUND, "no such file")
				       : luff_fail_errno(err, errno, "cannot open the archive");
	return prepare(&a->old.fd, a, fd, err);
}

/* What is there goes to a->old; the lock is held. An archive that is not there yet is empty. */
int luff_archive_load(struct luff_archive *a, struct luff_error *err)
{
	int rc;

	if (a->loaded) {
		if (a->failed.code)
			*err = a->failed;
		return a->failed.code;
	}
	luff_archive_release(&a->old);
	a->packed = false;
	rc = open_source(a, err);
	if (rc == 0 && a->old.fd >= 0)
		rc = luff_archive_read_tar(a, err);
	if (rc == 0 && !a->old.index) {
		a->old.index = strdup(LUFF_STORE_EMPTY_INDEX);
		rc = a->old.index ? 0 : luff_fail_nomem(err);
	}
	a->loaded = true;
	a->failed = rc < 0 ? *err : (struct luff_error){0};
	return rc;
}

static int ensure(struct luff_archive *a, struct luff_error *err)
{
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = luff_archive_load(a, err);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int archive_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
			struct luff_error *err)
{
	int rc = ensure(luff_archive_of(s), err);

	return rc < 0 ? rc : open_blob(NULL, size_out, luff_archive_of(s), d, 0, err);
}

static int archive_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
			 int64_t offset, struct luff_error *err)
{
	int64_t size;
	int rc = ensure(luff_archive_of(s), err);

	return rc < 0 ? rc : open_blob(out, &size, luff_archive_of(s), d, offset, err);
}

void luff_store_archive_pack(struct luff_store *s)
{
	struct luff_archive *a = luff_archive_of(s);

	pthread_mutex_lock(&a->lock);
	a->packing = true;
	pthread_mutex_unlock(&a->lock);
}

int luff_store_archive_packed(int *fd_out, struct luff_descriptor *out, struct luff_store *s,
			      const struct luff_descriptor *d, struct luff_error *err)
{
	struct luff_archive *a = luff_archive_of(s);
	int rc = ensure(a, err);

	*fd_out = -1;
	for (int i = 0; rc == 0 && i < a->packs.count; i++) {
		const struct luff_archive_pack *p = &a->packs.list[i];

		if (p->size != d->size || !luff_digest_equal(&p->plain, &d->digest))
			continue;
		*fd_out = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
		if (*fd_out < 0)
			return luff_fail(err, LUFF_EIO, "too many open files");
		out->digest = p->becomes.digest;
		out->size = p->becomes.size;
		break;
	}
	return rc;
}

static int archive_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			     struct luff_error *err)
{
	(void)fd_out;
	(void)s;
	(void)d;
	return luff_fail(err, LUFF_ENOTSUP, "a blob in an archive is no file");
}

static int archive_link(bool *linked, struct luff_store *s, const struct luff_digest *d,
			struct luff_store *from, struct luff_error *err)
{
	(void)s;
	(void)d;
	(void)from;
	(void)err;
	*linked = false;
	return 0;
}

static int archive_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	struct luff_archive *a = luff_archive_of(s);
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = luff_archive_load(a, err);
	if (rc == 0) {
		*out = strdup(a->old.index);
		*len_out = *out ? strlen(*out) : 0;
		rc = *out ? 0 : luff_fail_nomem(err);
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static void archive_destroy(struct luff_store *s)
{
	struct luff_archive *a = luff_archive_of(s);

	luff_archive_release(&a->old);
	luff_archive_packs_release(&a->packs);
	luff_archive_drop_new(a);
	luff_reader_close(a->src);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->change_lock);
	free(a->path);
	free(a->text);
	free(a);
}

static const struct luff_store_ops archive_ops = {
	.deferred = true,
	.stat = archive_stat,
	.fetch = archive_fetch,
	.open_file = archive_open_file,
	.remove = luff_archive_remove,
	.link = archive_link,
	.write = luff_archive_write,
	.append = luff_archive_append_blob,
	.read_back = luff_archive_read_back,
	.commit = luff_archive_commit,
	.discard = luff_archive_discard,
	.read_index = archive_read_index,
	.change_index = luff_archive_change_index,
	.destroy = archive_destroy,
};

static struct luff_archive *new_archive(const struct luff_archive_dialect *dialect)
{
	struct luff_archive *a = calloc(1, sizeof *a);
	pthread_mutexattr_t recursive;

	if (!a)
		return NULL;
	a->base.ops = &archive_ops;
	a->base.refs = 1;
	a->dialect = dialect;
	a->old.fd = a->new.fd = -1;
	pthread_mutex_init(&a->change_lock, NULL);
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&a->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	return a;
}

int luff_store_open_archive(struct luff_store **out, const char *path, bool writing,
			    const struct luff_archive_dialect *dialect, struct luff_error *err)
{
	struct luff_archive *a = new_archive(dialect);

	*out = NULL;
	if (a)
		a->path = strdup(path);
	if (!a || !a->path) {
		luff_store_unref(a ? &a->base : NULL);
		return luff_fail_nomem(err);
	}
	a->writing = writing;
	*out = &a->base;
	return 0;
}

int luff_store_open_archive_stream(struct luff_store **out, struct luff_reader *src,
				   int (*publish)(void *arg, int fd, int64_t size, struct luff_error *err),
				   void *arg, const struct luff_archive_dialect *dialect,
				   struct luff_error *err)
{
	struct luff_archive *a = new_archive(dialect);

	*out = NULL;
	if (!a) {
		luff_reader_close(src);
		return luff_fail_nomem(err);
	}
	a->src = src;
	a->publish = publish;
	a->publish_arg = arg;
	*out = &a->base;
	return 0;
}

int luff_store_open_archive_made(struct luff_store **out, const char *text,
				 int (*make)(int *fd_out, const char *text, struct luff_error *err),
				 const struct luff_archive_dialect *dialect, struct luff_error *err)
{
	struct luff_archive *a = new_archive(dialect);

	*out = NULL;
	if (a)
		a->text = strdup(text);
	if (!a || !a->text) {
		luff_store_unref(a ? &a->base : NULL);
		return luff_fail_nomem(err);
	}
	a->make = make;
	*out = &a->base;
	return 0;
}

/* ---- an OCI layout as it is ---- */

static int read_oci(char **index_out, struct luff_archive *a, const struct luff_members *members,
		    struct luff_error *err)
{
	struct luff_error missing = {0};
	struct luff_member ignored;
	size_t len;
	int rc = luff_archive_read(index_out, &len, a, members, "index.json", LUFF_STORE_INDEX_MAX, &missing);

	if (rc == LUFF_ENOTFOUND) {
		bool docker = luff_members_find(&ignored, members, "manifest.json", &missing) == 0;

		return luff_fail(err, LUFF_EFORMAT, "no OCI layout: it has no index.json%s",
				 docker ? ", but a manifest.json: open it as docker-archive:" : "");
	}
	if (rc < 0) {
		*err = missing;
		return rc;
	}
	return luff_archive_add_layout(a, members, err);
}

static int write_oci(struct luff_archive *a, const char *index, struct luff_error *err)
{
	int rc = luff_archive_append(a, "oci-layout", LAYOUT, strlen(LAYOUT), err);

	return rc < 0 ? rc : luff_archive_append(a, "index.json", index, strlen(index), err);
}

const struct luff_archive_dialect luff_archive_oci = {.read = read_oci, .write = write_oci};
