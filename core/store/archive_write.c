/*
 * How an archive is written: blobs one behind the other into a new tar, which the next change of the root document completes with what
 * the old one holds, and which then takes its place. See archive.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "store/archive_tars.h"
#include "stream/streams.h"

#define PIECE ((size_t)256 << 10)
#define PUBLISH_TRIES 100 /* that others make and remove the archive just then is rare */

struct archive_writer {
	struct luff_store_writer base;
	int64_t at;   /* of its content in the new tar; -1: no place yet */
	int64_t head; /* of its header */
	bool there;   /* the new tar has the blob already: what comes is dropped */
	bool committed;
};

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
	if (!luff_archive_is_file(a))
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

void luff_archive_drop_new(struct luff_archive *a)
{
	luff_archive_release(&a->new);
	if (a->new_path)
		unlink(a->new_path);
	free(luff_take(a->new_path));
	a->broken = false;
}

int luff_archive_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
		       struct luff_error *err)
{
	struct luff_archive *a = luff_archive_of(s);
	struct archive_writer *w = calloc(1, sizeof *w);
	int rc;

	(void)id; /* no server stands on an archive */
	if (!w)
		return luff_fail_nomem(err);
	pthread_mutex_lock(&a->lock);
	rc = luff_archive_load(a, err);
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
	struct luff_archive *a = luff_archive_of(w->base.store);
	const struct luff_descriptor *d = &w->base.expected;
	char header[LUFF_TAR_HEADER_MAX], path[LUFF_BLOB_PATH_MAX];

	if (d->size < 0)
		return luff_fail(err, LUFF_ENOTSUP, "an archive takes no blob whose size is not known");
	luff_archive_blob_path(path, &d->digest);
	pthread_mutex_lock(&a->lock);
	w->there = luff_archive_find_in(&a->new, &d->digest) != NULL;
	w->head = a->new.end;
	w->at = w->head + (int64_t)luff_tar_header(header, path, d->size);
	if (!w->there)
		a->new.end = w->at + LUFF_TAR_PADDED(d->size);
	pthread_mutex_unlock(&a->lock);
	return 0;
}

int luff_archive_append_blob(struct luff_store_writer *base, const void *bytes, size_t len,
			     struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	int rc = w->at < 0 ? take_place(w, err) : 0;

	if (rc == 0 && (int64_t)len > base->expected.size - base->size)
		rc = luff_fail(err, LUFF_ESIZE, "more bytes than the %lld that were promised",
			       (long long)base->expected.size);
	return rc < 0 || w->there ? rc
				  : luff_write_at(luff_archive_of(base->store)->new.fd, bytes, len,
						  w->at + base->size, err);
}

int luff_archive_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len,
			   int64_t offset, struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	ssize_t n = 0;

	if ((int64_t)len > base->size - offset)
		len = (size_t)(base->size - offset);
	if (len > 0)
		n = pread(luff_archive_of(base->store)->new.fd, buf, len, w->at + offset);
	if (n < 0)
		return luff_fail_errno(err, errno, "cannot read the archive");
	*n_out = (size_t)n;
	return 0;
}

int luff_archive_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err)
{
	struct archive_writer *w = (struct archive_writer *)base;
	struct luff_archive *a = luff_archive_of(base->store);
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
	rc = luff_archive_find_in(&a->new, d)
		     ? luff_fail(err, LUFF_EEXISTS, "%s came twice at the same time", d->text)
		     : luff_archive_add_to(&a->new, d, w->at, base->size, NULL, err);
	w->committed = rc == 0;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void luff_archive_discard(struct luff_store_writer *base, bool keep)
{
	struct archive_writer *w = (struct archive_writer *)base;
	struct luff_archive *a = luff_archive_of(base->store);

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

int luff_archive_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
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
	const struct luff_archive_blob *blob = *(const struct luff_archive_blob *const *)node;
	struct luff_archive_tar *to = &m->a->new;
	char header[LUFF_TAR_HEADER_MAX], path[LUFF_BLOB_PATH_MAX];
	int64_t head;

	if (m->rc < 0 || (visit != postorder && visit != leaf))
		return;
	if (m->removed && luff_digest_equal(&blob->digest, m->removed)) {
		m->found = true;
		return;
	}
	if (luff_archive_find_in(to, &blob->digest))
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
	rc = luff_archive_load(a, err);
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
		luff_archive_drop_new(a);
		return rc;
	}
	/* what was written is read from now on */
	luff_archive_release(&a->old);
	a->old.fd = a->new.fd;
	a->new.fd = -1;
	luff_archive_drop_new(a);
	if (fstat(a->old.fd, &a->old.stat) < 0)
		memset(&a->old.stat, 0, sizeof a->old.stat);
	return luff_archive_read_tar(a, err);
}

static int change_once(struct luff_archive *a, const struct index_change *c, struct luff_error *err)
{
	LUFF_AUTO(text) path = NULL;
	LUFF_AUTO(fd) locked = -1;
	struct stat was;
	int rc = 0;

	if (luff_archive_is_file(a)) {
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

int luff_archive_change_index(struct luff_store *s,
			      int (*change)(char **out_text, void *arg, const char *text, size_t len,
					    struct luff_error *err),
			      void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct luff_archive *a = luff_archive_of(s);
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
