/*
 * A store in a folder, laid out as image-spec, image-layout.md says, so that every other tool reads it. What comes in is
 * written to ingest/, synced and renamed to its name. index.json changes under a lock on oci-layout, which keeps other
 * processes out; blobs need none, as two writers of one digest write the same bytes.
 */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "store/ingest.h"
#include "store/inside.h"
#include "stream/streams.h"

#define BLOB_PATH_MAX 160 /* "blobs/sha512/" and 128 hex digits */
/* Bytes after which the kernel is asked to start writing, so that the sync at the end is short. */
#define FLUSH_EVERY (8 << 20)

struct folder_writer {
	struct luff_store_writer base;
	int fd;
	char name[LUFF_INGEST_PATH]; /* "ingest/…"; "" once renamed */
	int64_t kept;                /* bytes of a part that an earlier writer left */
	int64_t flushed;
};

static struct luff_folder *folder_of(struct luff_store *s)
{
	return (struct luff_folder *)s;
}

static void blob_path(char path[BLOB_PATH_MAX], const struct luff_digest *d)
{
	snprintf(path, BLOB_PATH_MAX, "blobs/%s/%s", luff_algorithm_name(luff_digest_algorithm(d)),
		 luff_digest_hex(d));
}

static int open_blob(int *fd_out, int64_t *size_out, struct luff_folder *f, const struct luff_digest *d,
		     struct luff_error *err)
{
	char path[BLOB_PATH_MAX], what[LUFF_DIGEST_MAX + 8];

	blob_path(path, d);
	snprintf(what, sizeof what, "blob %s", d->text);
	return luff_inside_open_file(fd_out, size_out, f->fd, path, what, err);
}

/* ---- folders to write into ---- */

int luff_folder_open_blobs(int *fd_out, const struct luff_folder *f, enum luff_algorithm algorithm,
			   bool create, struct luff_error *err)
{
	char path[32];

	snprintf(path, sizeof path, "blobs/%s", luff_algorithm_name(algorithm));
	for (int tries = 0;; tries++) {
		int fd = luff_inside_open(f->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		*fd_out = fd;
		if (fd >= 0)
			return 0;
		if (errno == EXDEV)
			return luff_inside_leads_out(path, err);
		if (errno != ENOENT || !create || tries == LUFF_FOLDER_TRIES)
			return luff_fail_errno(err, errno, "%s", path);
		if ((mkdirat(f->fd, "blobs", 0755) < 0 && errno != EEXIST) ||
		    (mkdirat(f->fd, path, 0755) < 0 && errno != EEXIST))
			return luff_fail_errno(err, errno, "cannot make %s", path);
	}
}

int luff_folder_check_alive(const struct luff_folder *f, struct luff_error *err)
{
	return faccessat(f->fd, "oci-layout", F_OK, 0) < 0 ? luff_fail_errno(err, errno, "oci-layout") : 0;
}

/* ---- blobs ---- */

static int folder_stat(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		       struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;

	return open_blob(&fd, size_out, folder_of(s), d, err);
}

static int folder_fetch(struct luff_reader **out, struct luff_store *s, const struct luff_digest *d,
			int64_t offset, struct luff_error *err)
{
	int64_t size;
	int fd, rc = open_blob(&fd, &size, folder_of(s), d, err);

	return rc < 0 ? rc : luff_reader_open_fd(out, fd, offset, err);
}

static int folder_open_file(int *fd_out, struct luff_store *s, const struct luff_digest *d,
			    struct luff_error *err)
{
	int64_t size;

	return open_blob(fd_out, &size, folder_of(s), d, err);
}

static int folder_remove(struct luff_store *s, const struct luff_digest *d, struct luff_error *err)
{
	LUFF_AUTO(fd) blobs = -1;
	int rc = luff_folder_open_blobs(&blobs, folder_of(s), luff_digest_algorithm(d), false, err);

	if (rc < 0)
		return luff_fail_context(err, "blob %s", d->text);
	if (unlinkat(blobs, luff_digest_hex(d), 0) < 0)
		return luff_fail_errno(err, errno, "blob %s", d->text);
	return 0;
}

/* A hard link to the file; across file systems the kernel says no, and bytes have to move. */
static int folder_link(bool *linked, struct luff_store *s, const struct luff_digest *d,
		       struct luff_store *from, struct luff_error *err)
{
	struct luff_folder *f = folder_of(s);
	const char *name = luff_digest_hex(d);
	LUFF_AUTO(fd) source = -1;
	LUFF_AUTO(fd) blobs = -1;
	struct luff_error ignored = {0};
	struct stat st;
	int rc;

	if (luff_folder_open_blobs(&source, folder_of(from), luff_digest_algorithm(d), false, &ignored) < 0 ||
	    fstatat(source, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	rc = luff_folder_open_blobs(&blobs, f, luff_digest_algorithm(d), true, err);
	if (rc == 0)
		rc = luff_folder_check_alive(f, err);
	if (rc < 0)
		return rc;
	luff_garbage_hold(blobs);
	*linked = linkat(source, name, blobs, name, 0) == 0 || errno == EEXIST;
	if (*linked)
		luff_garbage_touch(blobs, name);
	atomic_store(&f->dirty, true);
	return 0;
}

/* How many of the bytes the file has already. The first that differ, and all behind them, are cut off. */
static int compare_kept(size_t *same_out, struct folder_writer *w, const char *bytes, size_t len,
			struct luff_error *err)
{
	char there[16 << 10];
	int64_t at = w->base.size;

	*same_out = 0;
	while (len > 0 && at < w->kept) {
		size_t n = len < sizeof there ? len : sizeof there;
		ssize_t got;

		n = (int64_t)n < w->kept - at ? n : (size_t)(w->kept - at);
		got = pread(w->fd, there, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || memcmp(there, bytes, (size_t)got) != 0) {
			w->kept = at;
			if (ftruncate(w->fd, at) < 0 || lseek(w->fd, at, SEEK_SET) < 0)
				return luff_fail_errno(err, errno, "cannot write");
			return 0;
		}
		bytes += got;
		len -= (size_t)got;
		at += got;
		*same_out += (size_t)got;
	}
	return 0;
}

static int folder_append(struct luff_store_writer *base, const void *bytes, size_t len,
			 struct luff_error *err)
{
	struct folder_writer *w = (struct folder_writer *)base;
	size_t same;
	int rc = compare_kept(&same, w, bytes, len, err);

	if (rc == 0)
		rc = luff_ingest_write_all(w->fd, (const char *)bytes + same, len - same, err);
	if (rc < 0)
		return rc;
	if (base->size + (int64_t)len - w->flushed >= FLUSH_EVERY) {
		/* advice: whether it helps shows in the time of the sync alone */
		(void)sync_file_range(w->fd, w->flushed, base->size + (int64_t)len - w->flushed,
				      SYNC_FILE_RANGE_WRITE);
		w->flushed = base->size + (int64_t)len;
	}
	return 0;
}

static int folder_read_back(size_t *n_out, struct luff_store_writer *base, void *buf, size_t len,
			    int64_t offset, struct luff_error *err)
{
	ssize_t n;

	do
		n = pread(((struct folder_writer *)base)->fd, buf, len, offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return luff_fail_errno(err, errno, "cannot read what was written");
	*n_out = (size_t)n;
	return 0;
}

static int folder_commit(struct luff_store_writer *base, const struct luff_digest *d, struct luff_error *err)
{
	struct folder_writer *w = (struct folder_writer *)base;
	struct luff_folder *f = folder_of(base->store);
	LUFF_AUTO(fd) blobs = -1;
	int rc = luff_folder_open_blobs(&blobs, f, luff_digest_algorithm(d), true, err);

	if (rc < 0)
		return rc;
	if ((w->kept > base->size && ftruncate(w->fd, base->size) < 0) || fdatasync(w->fd) < 0)
		return luff_fail_errno(err, errno, "cannot write blob %s", d->text);
	luff_garbage_hold(blobs);
	/* some file systems leave the change time alone when they rename */
	if (renameat(f->fd, w->name, blobs, luff_digest_hex(d)) < 0)
		return luff_fail_errno(err, errno, "cannot write blob %s", d->text);
	luff_garbage_touch(blobs, luff_digest_hex(d));
	w->name[0] = '\0';
	atomic_store(&f->dirty, true);
	return 0;
}

static void folder_reap_uploads(struct luff_store *s, int64_t idle, bool dry, int64_t *files, int64_t *bytes)
{
	int64_t before = *files;

	luff_ingest_sweep(folder_of(s), idle, dry, files, bytes);
	/* what was left behind is gone, perhaps to the last; where a writer is at work the folder stays */
	if (!dry && *files > before)
		unlinkat(folder_of(s)->fd, LUFF_INGEST, AT_REMOVEDIR);
}

static void folder_discard(struct luff_store_writer *base, bool keep)
{
	struct folder_writer *w = (struct folder_writer *)base;

	bool empty_part = base->expected.size >= 0 && base->size == 0 && w->kept == 0;

	if (w->name[0] && !(keep && base->upload && !empty_part))
		unlinkat(folder_of(base->store)->fd, w->name, 0);
	close(w->fd);
	free(w);
}

/* `id` or, of a part, `d`; or neither. */
static int new_writer(struct luff_store_writer **out, struct luff_store *s, const char *id,
		      const struct luff_digest *d, struct luff_error *err)
{
	struct luff_folder *f = folder_of(s);
	struct folder_writer *w = calloc(1, sizeof *w);
	int rc = 0;

	if (!w)
		return luff_fail_nomem(err);
	w->base.upload = d && luff_ingest_grow(&w->fd, w->name, &w->kept, f, d);
	w->flushed = w->kept;
	if (!w->base.upload)
		rc = luff_ingest_create(&w->fd, w->name, f, id, err);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->base.store = s;
	rc = luff_folder_check_alive(f, err);
	if (rc < 0)
		folder_discard(&w->base, false);
	else
		*out = &w->base;
	return rc;
}

static int folder_write(struct luff_store_writer **out, struct luff_store *s, const char *id,
			struct luff_error *err)
{
	return new_writer(out, s, id, NULL, err);
}

static int folder_grow(struct luff_store_writer **out, struct luff_store *s, const struct luff_digest *d,
		       struct luff_error *err)
{
	return new_writer(out, s, NULL, d, err);
}

static int folder_kept(struct luff_reader **out, int64_t *size_out, struct luff_store *s,
		       const struct luff_digest *d, struct luff_error *err)
{
	int fd, rc;

	if (!luff_ingest_look(&fd, size_out, folder_of(s), d))
		return 0;
	rc = luff_reader_open_fd(out, fd, 0, err);
	if (rc < 0)
		*size_out = 0;
	return rc;
}

/* ---- uploads ---- */

/* Others may have written to it: it goes on at its end. */
static int take_up(struct folder_writer *w, struct luff_error *err)
{
	int64_t end = lseek(w->fd, 0, SEEK_END);

	if (end < 0)
		return luff_fail_errno(err, errno, "cannot seek");
	w->base.unhashed |= end != w->base.size;
	w->base.size = w->flushed = end;
	return 0;
}

static int folder_resume(struct luff_store_writer **out, struct luff_store *s, const char *id,
			 struct luff_error *err)
{
	struct folder_writer *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return luff_fail_nomem(err);
	rc = luff_ingest_reopen(&w->fd, w->name, folder_of(s), id, err);
	if (rc < 0) {
		free(w);
		return rc;
	}
	rc = take_up(w, err);
	if (rc < 0) {
		close(w->fd);
		free(w);
		return rc;
	}
	*out = &w->base;
	return 0;
}

static void folder_rest(struct luff_store_writer *base)
{
	flock(((struct folder_writer *)base)->fd, LOCK_UN);
}

static int folder_wake(struct luff_store_writer *base, struct luff_error *err)
{
	struct folder_writer *w = (struct folder_writer *)base;
	int rc = luff_ingest_lock(w->fd, w->name, folder_of(base->store), err);

	return rc < 0 ? rc : take_up(w, err);
}

static int folder_upload_size(int64_t *out, struct luff_store *s, const char *id, struct luff_error *err)
{
	return luff_ingest_size(out, folder_of(s), id, err);
}

/* ---- index.json ---- */

static int folder_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	return luff_inside_read(out, len_out, folder_of(s)->fd, "index.json", LUFF_STORE_INDEX_MAX, err);
}

/* One that its maker did not come to write, or that somebody took away, is made again by the next change. */
static int read_or_start_index(char **out, size_t *len_out, struct luff_folder *f, struct luff_error *err)
{
	struct luff_error missing = {0};
	int rc = folder_read_index(out, len_out, &f->base, &missing);

	if (rc == LUFF_ENOTFOUND) {
		*out = strdup(LUFF_STORE_EMPTY_INDEX);
		*len_out = sizeof LUFF_STORE_EMPTY_INDEX - 1;
		return *out ? 0 : luff_fail_nomem(err);
	}
	if (rc < 0)
		*err = missing;
	return rc;
}

static int wait_for_lock(int fd, struct luff_error *err)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		struct timespec pause = {.tv_nsec = 5000000};
		int rc = errno == EWOULDBLOCK || errno == EINTR ? luff_scope_check(err)
								: luff_fail_errno(err, errno, "cannot lock");

		if (rc < 0)
			return rc;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* A lock on a file that nobody else can open any more holds nobody off. */
bool luff_folder_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}

/* Holds other processes and threads off until the descriptor is closed. */
static int lock_layout(int *fd_out, struct luff_folder *f, struct luff_error *err)
{
	*fd_out = -1;
	for (;;) {
		int rc, fd = openat(f->fd, "oci-layout", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			return luff_fail_errno(err, errno, "cannot write");
		rc = wait_for_lock(fd, err);
		if (rc == 0 && !luff_folder_is_removed(fd)) {
			*fd_out = fd;
			return 0;
		}
		close(fd);
		if (rc < 0)
			return rc;
	}
}

static int sync_folder(const struct luff_folder *f, const char *path, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = openat(f->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fsync(fd) < 0))
		return luff_fail_errno(err, errno, "cannot sync %s", path);
	return 0;
}

/* Blobs are durable before anything that names them. */
static int sync_blobs(struct luff_folder *f, struct luff_error *err)
{
	int rc;

	if (!atomic_exchange(&f->dirty, false))
		return 0;
	rc = sync_folder(f, "blobs/sha256", err);
	if (rc == 0)
		rc = sync_folder(f, "blobs/sha512", err);
	if (rc == 0)
		rc = sync_folder(f, "blobs", err);
	if (rc < 0)
		atomic_store(&f->dirty, true);
	return rc;
}

static int folder_sync(struct luff_store *s, struct luff_error *err)
{
	return sync_blobs(folder_of(s), err);
}

static int folder_change_index(struct luff_store *s,
			       int (*change)(char **out_text, void *arg, const char *text, size_t len,
					     struct luff_error *err),
			       void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct luff_folder *f = folder_of(s);
	LUFF_AUTO(fd) lock = -1;
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(text) changed = NULL;
	size_t len;
	int rc = lock_layout(&lock, f, err);

	if (rc == 0)
		rc = read_or_start_index(&text, &len, f, err);
	if (rc == 0)
		rc = change(&changed, arg, text, len, err);
	if (rc == 0 && changed)
		rc = sync_blobs(f, err);
	if (rc == 0 && changed)
		rc = luff_ingest_write_small(f, "index.json", changed, true, err);
	if (rc == 0 && removed)
		rc = folder_remove(s, removed, err);
	return rc;
}

/* ---- open and close ---- */

static void folder_destroy(struct luff_store *s)
{
	struct luff_folder *f = folder_of(s);
	struct luff_error ignored = {0};

	/* whoever names these blobs next does not know that they are not durable yet */
	(void)sync_blobs(f, &ignored);
	/* stays where another writer is at work in it */
	if (atomic_load(&f->swept))
		unlinkat(f->fd, LUFF_INGEST, AT_REMOVEDIR);
	close(f->fd);
	free(f);
}

const struct luff_store_ops luff_folder_ops = {
	.stat = folder_stat,
	.fetch = folder_fetch,
	.open_file = folder_open_file,
	.remove = folder_remove,
	.link = folder_link,
	.write = folder_write,
	.grow = folder_grow,
	.kept = folder_kept,
	.append = folder_append,
	.read_back = folder_read_back,
	.commit = folder_commit,
	.discard = folder_discard,
	.resume = folder_resume,
	.rest = folder_rest,
	.wake = folder_wake,
	.upload_size = folder_upload_size,
	.sync = folder_sync,
	.keep = luff_garbage_keep,
	.list = luff_garbage_list,
	.reap = luff_garbage_reap,
	.reap_uploads = folder_reap_uploads,
	.read_index = folder_read_index,
	.change_index = folder_change_index,
	.destroy = folder_destroy,
};
