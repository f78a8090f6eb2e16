/*
 * A store in a folder, laid out as image-spec, image-layout.md says, so that every other tool reads it.
 *
 * New content is written to ingest/<random>, locked as long as its writer lives, synced and renamed to its name: nobody sees half a
 * blob, and what a killed writer left is known by its missing lock. index.json changes under a lock on oci-layout, which
 * keeps other processes out; blobs need none, as two writers of one digest write the same bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/scope.h"
#include "base/text.h"
#include "store/backing.h"
#include "stream/streams.h"

#define INGEST "ingest"
#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define LAYOUT_MAX 4096
#define BLOB_PATH_MAX 160 /* "blobs/sha512/" and 128 hex digits */
#define OPEN_TRIES 1000
#define FOLDER_TRIES 100 /* that others take empty folders away is rare, and over soon */
#define NAME_LEN 32      /* of a file in ingest/ */
/* Bytes after which the kernel is asked to start writing, so that the sync at the end is short. */
#define FLUSH_EVERY (8 << 20)

struct folder_store {
	struct luff_store base;
	int fd;            /* the folder */
	atomic_bool swept; /* ingest/ was cleared of what is left from killed writers */
	atomic_bool dirty; /* blobs were renamed whose folders are not synced yet */
};

struct folder_writer {
	struct luff_store_writer base;
	int fd;
	char name[64]; /* "ingest/…"; "" once renamed */
	int64_t flushed;
};

static struct folder_store *folder_of(struct luff_store *s)
{
	return (struct folder_store *)s;
}

static void blob_path(char path[BLOB_PATH_MAX], const struct luff_digest *d)
{
	snprintf(path, BLOB_PATH_MAX, "blobs/%s/%s", luff_algorithm_name(luff_digest_algorithm(d)),
		 luff_digest_hex(d));
}

static int open_without_links(int dir, const char *path, int flags)
{
	LUFF_AUTO(fd) above = -1;
	size_t len;

	for (; path[len = strcspn(path, "/")]; path += len + 1) {
		char name[BLOB_PATH_MAX];
		int fd;

		snprintf(name, sizeof name, "%.*s", (int)len, path);
		fd = openat(above < 0 ? dir : above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (above >= 0)
			close(above);
		above = fd;
	}
	return openat(above < 0 ? dir : above, path, flags | O_NOFOLLOW, 0644);
}

/* Links may point elsewhere in the folder (the official busybox layouts have such blobs), never out of it: that is EXDEV. */
static int open_inside(int dir, const char *path, int flags)
{
#ifdef SYS_openat2
	struct open_how how = {.flags = (unsigned)flags,
			       .mode = flags & O_CREAT ? 0644 : 0,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	long fd = -1;

	/* a ".." in a link is refused for the moment whenever anything is renamed on the machine */
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
		return (int)fd;
#endif
	/* an older kernel: no links at all is the safe answer */
	return open_without_links(dir, path, flags);
}

static int leads_out(const char *what, struct luff_error *err)
{
	return luff_fail(err, LUFF_EFORMAT, "%s is a link that leads out of the folder", what);
}

/* A regular file inside the folder and its size. `what` goes into the message. */
static int open_file(int *fd_out, int64_t *size_out, struct folder_store *f, const char *path,
		     const char *what, struct luff_error *err)
{
	struct stat st;
	int fd = open_inside(f->fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*fd_out = -1;
	if (fd < 0 && errno == EXDEV)
		return leads_out(what, err);
	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", what);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return luff_fail(err, LUFF_EFORMAT, "%s is no regular file", what);
	}
	*fd_out = fd;
	*size_out = st.st_size;
	return 0;
}

static int open_blob(int *fd_out, int64_t *size_out, struct folder_store *f, const struct luff_digest *d,
		     struct luff_error *err)
{
	char path[BLOB_PATH_MAX], what[LUFF_DIGEST_MAX + 8];

	blob_path(path, d);
	snprintf(what, sizeof what, "blob %s", d->text);
	return open_file(fd_out, size_out, f, path, what, err);
}

static int read_small(char **out, size_t *len_out, struct folder_store *f, const char *name, size_t cap,
		      struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	LUFF_AUTO(text) text = NULL;
	int64_t size;
	size_t len = 0;
	int rc = open_file(&fd, &size, f, name, name, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (size > (int64_t)cap)
		return luff_fail(err, LUFF_ELIMIT, "%s has more than %zu bytes", name, cap);
	text = malloc((size_t)size + 1);
	if (!text)
		return luff_fail_nomem(err);
	while (len < (size_t)size) {
		ssize_t n = read(fd, text + len, (size_t)size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "%s", name);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*len_out = len;
	*out = luff_take(text);
	return 0;
}

/* ---- folders to write into ---- */

/* The folder of such blobs, which is no way out of the layout. `create`: made where it is missing. */
static int open_blobs(int *fd_out, const struct folder_store *f, const struct luff_digest *d, bool create,
		      struct luff_error *err)
{
	char path[32];

	snprintf(path, sizeof path, "blobs/%s", luff_algorithm_name(luff_digest_algorithm(d)));
	for (int tries = 0;; tries++) {
		int fd = open_inside(f->fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		*fd_out = fd;
		if (fd >= 0)
			return 0;
		if (errno == EXDEV)
			return leads_out(path, err);
		if (errno != ENOENT || !create || tries == FOLDER_TRIES)
			return luff_fail_errno(err, errno, "%s", path);
		if ((mkdirat(f->fd, "blobs", 0755) < 0 && errno != EEXIST) ||
		    (mkdirat(f->fd, path, 0755) < 0 && errno != EEXIST))
			return luff_fail_errno(err, errno, "cannot make %s", path);
	}
}

/*
 * What comes into a layout that is being unmade would be lost. Who unmakes one removes oci-layout and then looks for folders; who
 * writes makes a folder and then looks for oci-layout: one of the two sees the other.
 */
static int check_alive(const struct folder_store *f, struct luff_error *err)
{
	return faccessat(f->fd, "oci-layout", F_OK, 0) < 0 ? luff_fail_errno(err, errno, "oci-layout") : 0;
}

/* ---- ingest/ ---- */

/* By whom a file is: other tools have names of their own, and no locks. */
static bool is_ours(const char *name)
{
	return strlen(name) == NAME_LEN && strspn(name, "0123456789abcdef") == NAME_LEN;
}

/* Removes what has no living writer. */
static void sweep(struct folder_store *f)
{
	int fd = openat(f->fd, INGEST, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		int file = is_ours(entry->d_name)
				   ? openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
				   : -1;

		if (file < 0)
			continue;
		if (flock(file, LOCK_EX | LOCK_NB) == 0)
			unlinkat(fd, entry->d_name, 0);
		close(file);
	}
	closedir(dir);
}

/* A new file that is ours: created, locked, and not swept away between the two. */
static int create_temporary(int *fd_out, char name[64], struct folder_store *f, struct luff_error *err)
{
	if (!atomic_exchange(&f->swept, true))
		sweep(f);
	for (int tries = 0; tries < FOLDER_TRIES; tries++) {
		unsigned char random[NAME_LEN / 2];
		struct stat st;
		int fd;

		if (getrandom(random, sizeof random, 0) != sizeof random)
			return luff_fail_errno(err, errno, "getrandom");
		memcpy(name, INGEST "/", sizeof INGEST);
		luff_text_hex(name + sizeof INGEST, random, sizeof random);
		fd = open_inside(f->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT) {
			if (mkdirat(f->fd, INGEST, 0755) < 0 && errno != EEXIST)
				return luff_fail_errno(err, errno, "cannot make " INGEST);
			continue;
		}
		if (fd < 0 && errno == EXDEV)
			return leads_out(INGEST, err);
		if (fd < 0)
			return luff_fail_errno(err, errno, "cannot write");
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1) {
			*fd_out = fd;
			return 0;
		}
		unlinkat(f->fd, name, 0);
		close(fd);
	}
	return luff_fail(err, LUFF_EIO, "cannot keep a file in " INGEST);
}

static int write_all(int fd, const char *bytes, size_t len, struct luff_error *err)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return luff_fail_errno(err, errno, "cannot write");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Writes a small file anew: all of it or nothing. `replace`: false leaves one that is there as it is. */
static int write_small(struct folder_store *f, const char *name, const char *text, bool replace,
		       struct luff_error *err)
{
	LUFF_AUTO(fd) fd = -1;
	char temporary[64];
	int rc = create_temporary(&fd, temporary, f, err);

	if (rc < 0)
		return rc;
	rc = write_all(fd, text, strlen(text), err);
	if (rc == 0 && fsync(fd) < 0)
		rc = luff_fail_errno(err, errno, "cannot write %s", name);
	if (rc == 0 && replace && renameat(f->fd, temporary, f->fd, name) == 0)
		temporary[0] = '\0';
	else if (rc == 0 && (replace || (linkat(f->fd, temporary, f->fd, name, 0) < 0 && errno != EEXIST)))
		rc = luff_fail_errno(err, errno, "cannot write %s", name);
	if (temporary[0])
		unlinkat(f->fd, temporary, 0);
	if (rc == 0 && fsync(f->fd) < 0)
		rc = luff_fail_errno(err, errno, "cannot sync");
	return rc;
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
	int rc = open_blobs(&blobs, folder_of(s), d, false, err);

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
	struct folder_store *f = folder_of(s);
	const char *name = luff_digest_hex(d);
	LUFF_AUTO(fd) source = -1;
	LUFF_AUTO(fd) blobs = -1;
	struct luff_error ignored = {0};
	struct stat st;
	int rc;

	if (open_blobs(&source, folder_of(from), d, false, &ignored) < 0 ||
	    fstatat(source, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	rc = open_blobs(&blobs, f, d, true, err);
	if (rc == 0)
		rc = check_alive(f, err);
	if (rc < 0)
		return rc;
	*linked = linkat(source, name, blobs, name, 0) == 0 || errno == EEXIST;
	atomic_store(&f->dirty, true);
	return 0;
}

static int folder_append(struct luff_store_writer *base, const void *bytes, size_t len,
			 struct luff_error *err)
{
	struct folder_writer *w = (struct folder_writer *)base;
	int rc = write_all(w->fd, bytes, len, err);

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
	struct folder_store *f = folder_of(base->store);
	LUFF_AUTO(fd) blobs = -1;
	int rc = open_blobs(&blobs, f, d, true, err);

	if (rc < 0)
		return rc;
	if (fdatasync(w->fd) < 0 || renameat(f->fd, w->name, blobs, luff_digest_hex(d)) < 0)
		return luff_fail_errno(err, errno, "cannot write blob %s", d->text);
	w->name[0] = '\0';
	atomic_store(&f->dirty, true);
	return 0;
}

static void folder_discard(struct luff_store_writer *base)
{
	struct folder_writer *w = (struct folder_writer *)base;

	if (w->name[0])
		unlinkat(folder_of(base->store)->fd, w->name, 0);
	close(w->fd);
	free(w);
}

static int folder_write(struct luff_store_writer **out, struct luff_store *s, struct luff_error *err)
{
	struct folder_store *f = folder_of(s);
	struct folder_writer *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return luff_fail_nomem(err);
	rc = create_temporary(&w->fd, w->name, f, err);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->base.store = s;
	rc = check_alive(f, err);
	if (rc < 0)
		folder_discard(&w->base);
	else
		*out = &w->base;
	return rc;
}

/* ---- index.json ---- */

static int folder_read_index(char **out, size_t *len_out, struct luff_store *s, struct luff_error *err)
{
	return read_small(out, len_out, folder_of(s), "index.json", LUFF_STORE_INDEX_MAX, err);
}

/* One that its maker did not come to write, or that somebody took away, is made again by the next change. */
static int read_or_start_index(char **out, size_t *len_out, struct folder_store *f, struct luff_error *err)
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
static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || st.st_nlink == 0;
}

/* Holds other processes and threads off until the descriptor is closed. */
static int lock_layout(int *fd_out, struct folder_store *f, struct luff_error *err)
{
	*fd_out = -1;
	for (;;) {
		int rc, fd = openat(f->fd, "oci-layout", O_RDWR | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			return luff_fail_errno(err, errno, "cannot write");
		rc = wait_for_lock(fd, err);
		if (rc == 0 && !is_removed(fd)) {
			*fd_out = fd;
			return 0;
		}
		close(fd);
		if (rc < 0)
			return rc;
	}
}

static int sync_folder(const struct folder_store *f, const char *path, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = openat(f->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && fsync(fd) < 0))
		return luff_fail_errno(err, errno, "cannot sync %s", path);
	return 0;
}

/* Blobs are durable before anything that names them. */
static int sync_blobs(struct folder_store *f, struct luff_error *err)
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

static int folder_change_index(struct luff_store *s,
			       int (*change)(char **out_text, void *arg, const char *text, size_t len,
					     struct luff_error *err),
			       void *arg, const struct luff_digest *removed, struct luff_error *err)
{
	struct folder_store *f = folder_of(s);
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
		rc = write_small(f, "index.json", changed, true, err);
	if (rc == 0 && removed)
		rc = folder_remove(s, removed, err);
	return rc;
}

/* ---- open and close ---- */

static void folder_destroy(struct luff_store *s)
{
	struct folder_store *f = folder_of(s);
	struct luff_error ignored = {0};

	/* whoever names these blobs next does not know that they are not durable yet */
	(void)sync_blobs(f, &ignored);
	/* stays where another writer is at work in it */
	if (atomic_load(&f->swept))
		unlinkat(f->fd, INGEST, AT_REMOVEDIR);
	close(f->fd);
	free(f);
}

static const struct luff_store_ops folder_ops = {
	.stat = folder_stat,
	.fetch = folder_fetch,
	.open_file = folder_open_file,
	.remove = folder_remove,
	.link = folder_link,
	.write = folder_write,
	.append = folder_append,
	.read_back = folder_read_back,
	.commit = folder_commit,
	.discard = folder_discard,
	.read_index = folder_read_index,
	.change_index = folder_change_index,
	.destroy = folder_destroy,
};

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
		} else if (errno == ENOENT && tries++ < FOLDER_TRIES) {
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
static int check_layout(struct folder_store *f, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) tree = NULL;
	const char *version;
	size_t len;
	int rc = read_small(&text, &len, f, "oci-layout", LAYOUT_MAX, err);

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
static int check_vacant(const struct folder_store *f, struct luff_error *err)
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

static int prepare(struct folder_store *f, bool create, struct luff_error *err)
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
		rc = write_small(f, "index.json", LUFF_STORE_EMPTY_INDEX, false, err);
	if (rc == 0 && vacant)
		rc = write_small(f, "oci-layout", LAYOUT, false, err);
	return rc;
}

static int open_store(struct luff_store **out, const char *path, bool create, struct luff_error *err)
{
	struct folder_store *f;
	int rc = create ? luff_store_make_folder(path, err) : 0;

	if (rc < 0)
		return rc;
	f = calloc(1, sizeof *f);
	if (!f)
		return luff_fail_nomem(err);
	f->base.ops = &folder_ops;
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
	while (rc == LUFF_ENOTFOUND && create && tries++ < FOLDER_TRIES);
	if (rc < 0)
		*err = failed;
	return rc;
}

static bool has_content(int dir)
{
	return faccessat(dir, "blobs", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       faccessat(dir, INGEST, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool luff_store_unmake_folder(const char *path)
{
	LUFF_AUTO(fd) dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	LUFF_AUTO(fd) lock = dir < 0 ? -1 : openat(dir, "oci-layout", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct luff_error ignored = {0};
	struct luff_store *again;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0 || is_removed(lock) || has_content(dir))
		return false;
	/* what says that the folder is a layout came last, and goes first */
	unlinkat(dir, "oci-layout", 0);
	unlinkat(dir, "index.json", 0);
	if (rmdir(path) == 0)
		return true;
	/* somebody began to write in between (see check_alive): it is a layout after all */
	if (has_content(dir) && luff_store_open_folder(&again, path, true, &ignored) == 0)
		luff_store_unref(again);
	return false;
}
