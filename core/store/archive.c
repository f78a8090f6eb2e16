/* See archive.h. */
#include "store/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "store/backing.h"
#include "stream/streams.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define PIECE ((size_t)256 << 10)
#define PUBLISH_TRIES 100 /* that others make and remove the archive just then is rare */

struct blob {
	struct luff_digest digest;
	int64_t offset, size;
	char *bytes; /* of a blob that the archive does not hold; else NULL */
};

/* A tar, complete or in the making, and the blobs in it. */
struct tar {
	int fd;           /* -1: none */
	void *blobs;      /* a tree of struct blob (tsearch) */
	char *index;      /* the root document; NULL where the tar is not complete */
	int64_t end;      /* where the next member goes */
	struct stat stat; /* what the file was when it was read */
};

struct luff_archive {
	struct luff_store base;
	const struct luff_archive_dialect *dialect;
	char *path;              /* NULL: a stream */
	struct luff_reader *src; /* a stream that was not read yet */
	int (*make)(int *fd_out, const char *text, struct luff_error *err); /* of an archive that is made */
	char *text;
	int (*publish)(void *arg, int fd, int64_t size,
		       struct luff_error *err); /* of a stream; NULL: read-only */
	void *publish_arg;
	bool writing;   /* a file need not be there */
	bool published; /* standard output cannot be taken back */

	pthread_mutex_t change_lock; /* held while the archive is written; taken before `lock` */
	pthread_mutex_t lock;        /* recursive; of what follows, and held while the archive is read */
	bool loaded;
	bool packed;              /* the file is compressed: it is read by way of a temporary file */
	struct luff_error failed; /* how reading it ended */
	struct tar old, new;
	char *new_path; /* of `new`, where the file system knows no files without a name */
	bool broken;    /* a blob broke off in the middle of `new` */
};

struct archive_writer {
	struct luff_store_writer base;
	int64_t at;   /* of its content in the new tar; -1: no place yet */
	int64_t head; /* of its header */
	bool there;   /* the new tar has the blob already: what comes is dropped */
	bool committed;
};

static struct luff_archive *archive_of(struct luff_store *s)
{
	return (struct luff_archive *)s;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct blob *)a)->digest.text, ((const struct blob *)b)->digest.text);
}

static struct blob *find_in(const struct tar *t, const struct luff_digest *d)
{
	struct blob key = {.digest = *d}, **at = tfind(&key, &t->blobs, compare);

	return at ? *at : NULL;
}

/* Takes `bytes` over. That it is there already is fine. */
static int add_to(struct tar *t, const struct luff_digest *d, int64_t offset, int64_t size, char *bytes,
		  struct luff_error *err)
{
	struct blob *blob = find_in(t, d) ? NULL : malloc(sizeof *blob);

	if (!blob) {
		bool there = find_in(t, d) != NULL;

		free(bytes);
		return there ? 0 : luff_fail_nomem(err);
	}
	*blob = (struct blob){.digest = *d, .offset = offset, .size = size, .bytes = bytes};
	if (tsearch(blob, &t->blobs, compare))
		return 0;
	free(bytes);
	free(blob);
	return luff_fail_nomem(err);
}

static void free_blob(void *blob)
{
	free(((struct blob *)blob)->bytes);
	free(blob);
}

static void tar_release(struct tar *t)
{
	if (t->fd >= 0)
		close(t->fd);
	tdestroy(t->blobs, free_blob);
	free(t->index);
	*t = (struct tar){.fd = -1};
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
	int fd = fcntl(a->old.fd, F_DUPFD_CLOEXEC, 0);

	*out = NULL;
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
	return add_to(&a->old, d, member->offset, member->size, NULL, err);
}

int luff_archive_add_bytes(struct luff_archive *a, const struct luff_digest *d, char *bytes, size_t len,
			   struct luff_error *err)
{
	return add_to(&a->old, d, 0, (int64_t)len, bytes, err);
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
	const struct blob *blob;
	LUFF_AUTO(text) bytes = NULL;
	struct blob found = {.size = 0};
	int fd, sys_errno;

	pthread_mutex_lock(&a->lock);
	blob = find_in(&a->new, d);
	fd = blob ? a->new.fd : a->old.fd;
	blob = blob ? blob : find_in(&a->old, d);
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
static int spool(int *fd_out, struct luff_reader *src, struct luff_error *err)
{
	LUFF_AUTO(reader) plain = NULL;
	LUFF_AUTO(fd) fd = -1;
	int64_t size;
	int rc = luff_reader_open_inflate(&plain, src, err);

	if (rc == 0)
		rc = luff_spool_open(&fd, err);
	if (rc == 0)
		rc = luff_spool_fill(&size, fd, plain, err);
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
	return rc < 0 ? rc : spool(fd_out, src, err);
}

/* What is in the tar a->old.fd. */
static int read_tar(struct luff_archive *a, struct luff_error *err)
{
	struct luff_members *members = NULL;
	int rc = luff_members_open(&members, a->old.fd, err);

	if (rc == 0)
		rc = a->dialect->read(&a->old.index, a, members, err);
	luff_members_free(members);
	return rc;
}

static bool is_file(const struct luff_archive *a)
{
	struct stat st;

	return a->path && strcmp(a->path, "-") != 0 && (stat(a->path, &st) < 0 || S_ISREG(st.st_mode));
}

static int open_source(struct luff_archive *a, struct luff_error *err)
{
	int fd;

	/* what is written to a pipe or a terminal begins anew */
	if (a->path && a->writing && !is_file(a))
		return 0;
	if (a->make)
		return a->make(&a->old.fd, a->text, err);
	if (!a->path)
		return a->src ? spool(&a->old.fd, luff_take(a->src), err) : 0;
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
static int load(struct luff_archive *a, struct luff_error *err)
{
	int rc;

	if (a->loaded) {
		if (a->failed.code)
			*err = a->failed;
		return a->failed.code;
	}
	tar_release(&a->old);
	a->packed = false;
	rc = open_source(a, err);
	if (rc == 0 && a->old.fd >= 0)
		rc = read_tar(a, err);
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
	rc = load(a, err);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int archive_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
			struct luff_error *err)
{
	int rc = ensure(archive_of(s), err);

	return rc < 0 ? rc : open_blob(NULL, size_out, archive_of(s), d, 0, err);
}

static int archive_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
			 int64_t offset, struct luff_error *err)
{
	int64_t size;
	int rc = ensure(archive_of(s), err);

	return rc < 0 ? rc : open_blob(out, &size, archive_of(s), d, offset, err);
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
	struct luff_archive *a = archive_of(s);
	int rc;

	pthread_mutex_lock(&a->lock);
	rc = load(a, err);
	if (rc == 0) {
		*out = strdup(a->old.index);
		*len_out = *out ? strlen(*out) : 0;
		rc = *out ? 0 : luff_fail_nomem(err);
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

/* ---- writing of blobs ---- */

/* A folder's name; malloc'ed. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
}

static int check_writable(const struct luff_archive *a, struct luff_error *err)
{
	if (!a->path && !a->publish)
		return luff_fail(err, LUFF_ENOTSUP, "this place is read-only");
	if (a->published)
		return luff_fail(err, LUFF_ENOTSUP,
				 "the archive went out already: write to a file to add more");
	if (a->packed)
		return luff_fail(err, LUFF_ENOTSUP, "the archive is compressed: write to a new file");
	if (a->broken)
		return luff_fail(err, LUFF_EINVAL, "a blob broke off before: write again from the start");
	return 0;
}

/* The new tar, beside the old one, so that it can take its name. The lock is held. */
static int open_new(struct luff_archive *a, struct luff_error *err)
{
	LUFF_AUTO(text) folder = NULL;
	int rc = check_writable(a, err);

	if (rc < 0 || a->new.fd >= 0)
		return rc;
	a->new.end = 0;
	if (!is_file(a))
		return luff_spool_open(&a->new.fd, err);
	folder = folder_of(a->path);
	if (!folder)
		return luff_fail_nomem(err);
	a->new.fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	if (a->new.fd >= 0)
		return 0;
	if (asprintf(&a->new_path, "%s/.luff-XXXXXX", folder) < 0) {
		a->new_path = NULL;
		return luff_fail_nomem(err);
	}
	a->new.fd = mkostemp(a->new_path, O_CLOEXEC);
	if (a->new.fd >= 0)
		return fchmod(a->new.fd, 0644) < 0 ? luff_fail_errno(err, errno, "%s", folder) : 0;
	free(luff_take(a->new_path));
	return luff_fail_errno(err, errno, "cannot write in %s", folder);
}

static void drop_new(struct luff_archive *a)
{
	tar_release(&a->new);
	if (a->new_path)
		unlink(a->new_path);
	free(luff_take(a->new_path));
	a->broken = false;
}

static int archive_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
			 struct luff_error *err)
{
	struct luff_archive *a = archive_of(s);
	struct archive_writer *w = calloc(1, sizeof *w);
	int rc;

	(void)id; /* no server stands on an archive */
	if (!w)
		return luff_fail_nomem(err);
	pthread_mutex_lock(&a->lock);
	rc = load(a, err);
	if (rc == 0)
		rc = open_new(a, err);
	pthread_mutex_unlock(&a->lock);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->at = -1;
	*out = &w->base;
	return 0;
}

/* Blobs lie one behind the other, so a blob's size is known before its first byte. */
static int take_place(struct archive_writer *w, struct luff_error *err)
{
	struct luff_archive *a = archive_of(w->base.store);
	const struct luff_descriptor *d = &w->base.expected;
	char header[LUFF_TAR_HEADER_MAX], path[LUFF_BLOB_PATH_MAX];

	if (d->size < 0)
		return luff_fail(err, LUFF_ENOTSUP, "an archive takes no blob whose size is not known");
	luff_archive_blob_path(path, &d->digest);
	pthread_mutex_lock(&a->lock);
	w->there = find_in(&a->new, &d->digest) != NULL;
	w->head = a->new.end;
	w->at = w->head + (int64_t)luff_tar_header(header, path, d->size);
	if (!w->there)
		a->new.end = w->at + LUFF_TAR_PADDED(d->size);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

static int archive_append(struct luff_store_writer *base, const void *bytes, size_t len,
			  struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	int rc = w->at < 0 ? take_place(w, err) : 0;

	if (rc == 0 && (int64_t)len > base->expected.size - base->size)
		rc = luff_fail(err, LUFF_ESIZE, "more bytes than the %lld that were promised",
			       (long long)base->expected.size);
	return rc < 0 || w->there
		       ? rc
		       : luff_write_at(archive_of(base->store)->new.fd, bytes, len, w->at + base->size, err);
}

static int archive_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len,
			     int64_t offset, struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	ssize_t n = 0;

	if ((int64_t)len > base->size - offset)
		len = (size_t)(base->size - offset);
	if (len > 0)
		n = pread(archive_of(base->store)->new.fd, buf, len, w->at + offset);
	if (n < 0)
		return luff_fail_errno(err, errno, "cannot read the archive");
	*n_out = (size_t)n;
	return 0;
}

static int archive_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	struct luff_archive *a = archive_of(base->store);
	char header[LUFF_TAR_HEADER_MAX], path[LUFF_BLOB_PATH_MAX];
	int rc = w->at < 0 ? take_place(w, err) : 0;

	if (rc < 0)
		return rc;
	if (base->size != base->expected.size || !luff_digest_equal(d, &base->expected.digest))
		return luff_fail(err, LUFF_ESIZE, "another blob than the one that was promised");
	if (w->there)
		return 0;
	luff_archive_blob_path(path, d);
	rc = luff_write_at(a->new.fd, header, luff_tar_header(header, path, base->size), w->head, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&a->lock);
	/* two members of one name would be no good archive */
	rc = find_in(&a->new, d) ? luff_fail(err, LUFF_EEXISTS, "%s came twice at the same time", d->text)
				 : add_to(&a->new, d, w->at, base->size, NULL, err);
	w->committed = rc == 0;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static void archive_discard(struct luff_store_writer *base, bool keep)
{
	struct archive_writer *w = (struct archive_writer *)base;
	struct luff_archive *a = archive_of(base->store);

	(void)keep;
	if (w->at >= 0 && !w->committed && !w->there) {
		pthread_mutex_lock(&a->lock);
		if (a->new.end == w->at + LUFF_TAR_PADDED(base->expected.size))
			a->new.end = w->head;
		else
			a->broken = true;
		pthread_mutex_unlock(&a->lock);
	}
	free(w);
}

static int keep_index(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	(void)out_text;
	(void)arg;
	(void)text;
	(void)len;
	(void)err;
	return 0;
}

static int archive_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	return s->ops->change_index(s, keep_index, NULL, d, err);
}

/* ---- changes of the root document ---- */

static int copy_range(int to, int64_t to_at, int from, int64_t at, int64_t len, struct luff_error *err)
{
	LUFF_AUTO(text) buf = NULL;

	while (len > 0) {
		off64_t in = at, out = to_at;
		ssize_t n = buf ? -1 : copy_file_range(from, &in, to, &out, (size_t)len, 0);

		if (n < 0) {
			size_t piece = (int64_t)PIECE < len ? PIECE : (size_t)len;

			/* between file systems, or an old kernel */
			buf = buf ? buf : malloc(PIECE);
			if (!buf)
				return luff_fail_nomem(err);
			n = pread(from, buf, piece, at);
			if (n < 0)
				return luff_fail_errno(err, errno, "cannot read the archive");
			if (n > 0 && luff_write_at(to, buf, (size_t)n, to_at, err) < 0)
				return err->code;
		}
		if (n == 0)
			return luff_fail(err, LUFF_EFORMAT, "the archive became shorter");
		at += n;
		to_at += n;
		len -= n;
		if (luff_scope_check(err) < 0)
			return err->code;
	}
	return 0;
}

int luff_archive_append(struct luff_archive *a, const char *path, const void *bytes, size_t len,
			struct luff_error *err)
{
	char header[LUFF_TAR_HEADER_MAX];
	size_t head = luff_tar_header(header, path, (int64_t)len);
	int rc = luff_write_at(a->new.fd, header, head, a->new.end, err);

	if (rc == 0)
		rc = luff_write_at(a->new.fd, bytes, len, a->new.end + (int64_t)head, err);
	a->new.end += (int64_t)head + LUFF_TAR_PADDED((int64_t)len);
	return rc;
}

/* What of the old tar goes into the new one. */
struct merge {
	struct luff_archive *a;
	const struct luff_digest *removed;
	bool found;
	struct luff_error *err;
	int rc;
};

static void merge_blob(const void *node, VISIT visit, void *arg)
{
	struct merge *m = arg;
	const struct blob *blob = *(const struct blob *const *)node;
	struct tar *to = &m->a->new;
	char header[LUFF_TAR_HEADER_MAX], path[LUFF_BLOB_PATH_MAX];
	int64_t head;

	if (m->rc < 0 || (visit != postorder && visit != leaf))
		return;
	if (m->removed && luff_digest_equal(&blob->digest, m->removed)) {
		m->found = true;
		return;
	}
	if (find_in(to, &blob->digest))
		return;
	luff_archive_blob_path(path, &blob->digest);
	if (blob->bytes) {
		m->rc = luff_archive_append(m->a, path, blob->bytes, (size_t)blob->size, m->err);
		return;
	}
	head = (int64_t)luff_tar_header(header, path, blob->size);
	m->rc = luff_write_at(to->fd, header, (size_t)head, to->end, m->err);
	if (m->rc == 0)
		m->rc = copy_range(to->fd, to->end + head, m->a->old.fd, blob->offset, blob->size, m->err);
	to->end += head + LUFF_TAR_PADDED(blob->size);
}

/* A new tar with all that stays; the lock is held. */
static int build(struct luff_archive *a, const char *index, const struct luff_digest *removed,
		 struct luff_error *err)
{
	static const char zeros[2 * 512];
	struct merge m = {.a = a, .removed = removed, .err = err};
	int rc = open_new(a, err);

	if (rc < 0)
		return rc;
	a->broken = true; /* what is half merged is no place for more blobs */
	twalk_r(a->old.blobs, merge_blob, &m);
	if (m.rc == 0 && removed && !m.found)
		m.rc = luff_fail(err, LUFF_ENOTFOUND, "no blob %s", removed->text);
	if (m.rc == 0)
		m.rc = a->dialect->write(a, index, err);
	if (m.rc == 0)
		m.rc = luff_write_at(a->new.fd, zeros, sizeof zeros, a->new.end, err);
	a->new.end += (int64_t)sizeof zeros;
	if (m.rc == 0 && ftruncate(a->new.fd, a->new.end) < 0)
		m.rc = luff_fail_errno(err, errno, "cannot write");
	return m.rc;
}

/* A file without a name gets one. False: errno says why not. */
static bool name_new(const struct luff_archive *a, const char *path)
{
	char self[48];

	if (a->new_path)
		return link(a->new_path, path) == 0;
	snprintf(self, sizeof self, "/proc/self/fd/%d", a->new.fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

static int sync_folder(const char *path, struct luff_error *err)
{
	LUFF_AUTO(text) folder = folder_of(path);
	LUFF_AUTO(fd) fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) < 0 ? luff_fail_errno(err, errno, "cannot write in its folder") : 0;
}

/* The new tar takes the old one's place, whose lock is held (`was`: what it is; NULL: there is none). */
static int replace(struct luff_archive *a, const char *path, const struct stat *was, struct luff_error *err)
{
	LUFF_AUTO(text) beside = NULL;
	uint64_t number;

	if (was && fchmod(a->new.fd, was->st_mode & 07777) < 0)
		return luff_fail_errno(err, errno, "cannot write");
	if (fsync(a->new.fd) < 0)
		return luff_fail_errno(err, errno, "cannot write");
	if (!was) {
		if (!name_new(a, path))
			return errno == EEXIST ? luff_fail(err, LUFF_EEXISTS, "is there already")
					       : luff_fail_errno(err, errno, "cannot make the archive");
	} else {
		if (getrandom(&number, sizeof number, 0) != sizeof number ||
		    asprintf(&beside, "%s.luff-%llx", path, (unsigned long long)number) < 0) {
			beside = NULL;
			return luff_fail_nomem(err);
		}
		if (!name_new(a, beside))
			return luff_fail_errno(err, errno, "cannot make the new archive");
		if (rename(beside, path) < 0) {
			unlink(beside);
			return luff_fail_errno(err, errno, "cannot replace the archive");
		}
	}
	if (a->new_path)
		unlink(a->new_path);
	free(luff_take(a->new_path));
	return sync_folder(path, err);
}

/* Locks the file that has the name now. *fd_out is -1 where there is none, and the caller's also after a failure. */
static int lock_file(int *fd_out, struct stat *st, const char *path, struct luff_error *err)
{
	for (int i = 0; i < PUBLISH_TRIES; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		struct stat now;

		*fd_out = fd; /* the caller's from here on */
		if (fd < 0)
			return errno == ENOENT ? 0 : luff_fail_errno(err, errno, "cannot open the archive");
		while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK && errno != EINTR)
				return luff_fail_errno(err, errno, "cannot lock the archive");
			if (luff_scope_sleep(20, err) < 0)
				return err->code;
		}
		if (fstat(fd, st) == 0 && stat(path, &now) == 0 && st->st_ino == now.st_ino &&
		    st->st_dev == now.st_dev)
			return 0;
		close(fd);
		*fd_out = -1;
	}
	return luff_fail(err, LUFF_EIO, "the archive is replaced again and again");
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int write_out(int to, int fd, int64_t size, struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc(PIECE);
	int64_t at = 0;

	if (!buf)
		return luff_fail_nomem(err);
	while (at < size) {
		ssize_t n = pread(fd, buf, PIECE, at);

		if (n <= 0)
			return luff_fail_errno(err, errno, "cannot read the archive again");
		at += n;
		for (const char *p = buf; n > 0;) {
			ssize_t written = write(to, p, (size_t)n);

			if (written < 0 && errno != EINTR)
				return luff_fail_errno(err, errno, "cannot write");
			p += written > 0 ? written : 0;
			n -= written > 0 ? written : 0;
		}
	}
	return luff_scope_check(err);
}

static int stream_out(struct luff_archive *a, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;

	if (!a->path)
		return a->publish(a->publish_arg, a->new.fd, a->new.end, err);
	a->published = true;
	fd = strcmp(a->path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
				       : open(a->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? luff_fail_errno(err, errno, "cannot write")
		      : write_out(fd, a->new.fd, a->new.end, err);
}

struct index_change {
	int (*change)(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err);
	void *arg;
	const struct luff_digest *removed;
};

/* The lock is held, and that of the file `path` where there is one (`was`). */
static int apply(struct luff_archive *a, const struct index_change *c, const char *path,
		 const struct stat *was, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	int64_t end = 0;
	int rc;

	/* somebody else, or this process, wrote it since it was read */
	if (path && a->loaded && (was ? !is_same(was, &a->old.stat) : a->old.fd >= 0))
		a->loaded = false;
	rc = load(a, err);
	if (rc == 0)
		rc = c->change(&text, c->arg, a->old.index, strlen(a->old.index), err);
	if (rc < 0 || (!text && !c->removed && !a->new.blobs))
		return rc;
	rc = check_writable(a, err);
	if (rc < 0)
		return rc;
	end = a->new.fd >= 0 ? a->new.end : 0;
	rc = build(a, text ? text : a->old.index, c->removed, err);
	if (rc == 0)
		rc = path ? replace(a, path, was, err) : stream_out(a, err);
	if (rc == LUFF_EEXISTS) {
		/* made by somebody else just now: once more, on top of that */
		a->new.end = end;
		a->broken = false;
		return rc;
	}
	if (rc < 0) {
		drop_new(a);
		return rc;
	}
	/* what was written is read from now on */
	tar_release(&a->old);
	a->old.fd = a->new.fd;
	a->new.fd = -1;
	drop_new(a);
	if (fstat(a->old.fd, &a->old.stat) < 0)
		memset(&a->old.stat, 0, sizeof a->old.stat);
	return read_tar(a, err);
}

static int change_once(struct luff_archive *a, const struct index_change *c, struct luff_error *err)
{
	LUFF_AUTO(text) path = NULL;
	LUFF_AUTO(fd) locked = -1;
	struct stat was;
	int rc = 0;

	if (is_file(a)) {
		/* through links, so that they stay */
		path = realpath(a->path, NULL);
		path = path ? path : strdup(a->path);
		rc = path ? lock_file(&locked, &was, path, err) : luff_fail_nomem(err);
	}
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&a->lock);
	rc = apply(a, c, path, locked >= 0 ? &was : NULL, err);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int archive_change_index(struct luff_store *s,
				int (*change)(char **out_text, void *arg, const char *text, size_t len,
					      struct luff_error *err),
				void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct luff_archive *a = archive_of(s);
	struct index_change c = {.change = change, .arg = arg, .removed = removed};
	struct luff_error raced = {0};
	int rc = LUFF_EEXISTS;

	pthread_mutex_lock(&a->change_lock);
	for (int i = 0; rc == LUFF_EEXISTS && i < PUBLISH_TRIES; i++)
		rc = change_once(a, &c, &raced);
	pthread_mutex_unlock(&a->change_lock);
	if (rc < 0)
		*err = raced;
	return rc;
}

static void archive_destroy(struct luff_store *s)
{
	struct luff_archive *a = archive_of(s);

	tar_release(&a->old);
	drop_new(a);
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
	.remove = archive_remove,
	.link = archive_link,
	.write = archive_write,
	.append = archive_append,
	.read_back = archive_read_back,
	.commit = archive_commit,
	.discard = archive_discard,
	.read_index = archive_read_index,
	.change_index = archive_change_index,
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
