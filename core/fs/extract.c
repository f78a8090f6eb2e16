/*
 * An image in a folder. Each layer is read once: its files become files with numbers for names, in a folder of luff's own inside of
 * the one that is asked for, before anybody knows which of them stay. Then the tree is known, whose paths have no links in them, so
 * none is followed: each folder is opened by its name in the one above, and what is made is made new. Order: folders, what has no
 * content, files, which are moved to their places, hard links, and in the end what folders are like, from the bottom up, since a
 * folder without write permission takes nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "fs/extract.h"
#include "fs/pax.h"
#include "fs/plan.h"

#define PIECE ((size_t)64 << 10)

struct luff_unpacking {
	struct luff_tree *tree; /* borrowed; NULL until all layers are read */
	struct luff_plan plan;
	char *folder;
	bool made; /* the folder is ours */
	int root, stage;
	char stage_name[32];
	size_t layers;
	bool keep_owner, done;
	int64_t files, bytes;
	atomic_int_fast64_t skipped;
};

/* The folder that a thread was in last. */
struct place {
	uint32_t node;
	int fd; /* -1: none */
};

/* What makes the tree. */
struct worker {
	struct luff_unpacking *x;
	struct place place;
	struct luff_xattr xattrs[LUFF_XATTR_MAX];
	char path[LUFF_PATH_MAX + 1];
};

static int fail_at(const struct luff_unpacking *x, const char *path, int error, const char *what,
		   struct luff_error *err)
{
	char shown[256];

	return luff_fail_errno(err, error, "%s: /%s: cannot %s", x->folder,
			       luff_text_printable(shown, sizeof shown, path), what);
}

static int fail(const struct luff_unpacking *x, uint32_t n, int error, const char *what,
		struct luff_error *err)
{
	char path[LUFF_PATH_MAX + 1];

	luff_tree_path(path, x->tree, n);
	return fail_at(x, path, error, what, err);
}

static int open_in(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Borrowed: the folder n, opened name by name from the root, or from where the thread was. */
static int open_folder(int *out, struct place *p, const struct luff_unpacking *x, uint32_t n,
		       struct luff_error *err)
{
	uint32_t chain[LUFF_PATH_MAX / 2 + 2], at = n;
	size_t len = 0;
	int fd = -1;

	*out = x->root;
	if (n == 0)
		return 0;
	while (at != 0 && !(p->fd >= 0 && at == p->node)) {
		chain[len++] = at;
		at = luff_tree_node(x->tree, at)->parent;
	}
	*out = at != 0 ? p->fd : x->root;
	for (; len > 0; len--) {
		int next = open_in(*out, luff_tree_name(x->tree, chain[len - 1]));
		int error = errno;

		if (fd >= 0)
			close(fd);
		if (next < 0)
			return fail(x, chain[len - 1], error, "open the folder", err);
		*out = fd = next;
	}
	if (fd >= 0) {
		if (p->fd >= 0)
			close(p->fd);
		*p = (struct place){n, fd};
	}
	return 0;
}

static struct worker *new_worker(struct luff_unpacking *x, struct luff_error *err)
{
	struct worker *w = malloc(sizeof *w);

	if (!w) {
		luff_fail_nomem(err);
		return NULL;
	}
	w->x = x;
	w->place = (struct place){0, -1};
	return w;
}

static void free_worker(struct worker *w)
{
	if (w && w->place.fd >= 0)
		close(w->place.fd);
	free(w);
}

static void describe(struct luff_entry *e, struct worker *w, uint32_t n)
{
	size_t layer;

	luff_tree_describe(e, w->xattrs, &layer, w->x->tree, n);
	luff_tree_path(w->path, w->x->tree, n);
	e->path = w->path;
}

/* ---- what files are like ---- */

static bool may_set(const struct luff_unpacking *x, const char *name)
{
	/* what overlay file systems read as their own would change what others see */
	if (luff_text_starts(name, "trusted.overlay.") || luff_text_starts(name, "user.overlay."))
		return false;
	return x->keep_owner || luff_text_starts(name, "user.");
}

/* Of the file fd, or of the name in the folder fd where `name` is not NULL. */
static int set_xattrs(struct luff_unpacking *x, const struct luff_entry *e, int fd, const char *name,
		      struct luff_error *err)
{
	for (size_t i = 0; i < e->xattr_count; i++) {
		const struct luff_xattr *attribute = &e->xattrs[i];
		char path[LUFF_PATH_MAX + 64];
		int rc;

		if (!may_set(x, attribute->name)) {
			atomic_fetch_add(&x->skipped, 1);
			continue;
		}
		snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, name ? name : "");
		rc = name ? lsetxattr(path, attribute->name, attribute->value, attribute->len, 0)
			  : fsetxattr(fd, attribute->name, attribute->value, attribute->len, 0);
		if (rc == 0)
			continue;
		if (errno != EPERM && errno != EOPNOTSUPP && errno != EACCES && errno != EINVAL)
			return fail_at(x, e->path, errno, "set an extended attribute", err);
		atomic_fetch_add(&x->skipped, 1);
	}
	return 0;
}

static mode_t mode_of(const struct luff_unpacking *x, const struct luff_entry *e)
{
	/* who is not root would lend himself to others */
	return e->mode & (x->keep_owner ? 07777 : 01777);
}

static void times_of(struct timespec t[2], const struct luff_entry *e)
{
	t[0] = t[1] = (struct timespec){.tv_sec = e->mtime, .tv_nsec = e->mtime_ns};
}

static int finish_fd(struct luff_unpacking *x, const struct luff_entry *e, int fd, struct luff_error *err)
{
	struct timespec times[2];
	int rc;

	times_of(times, e);
	/* a new owner takes capabilities and setuid away */
	if (x->keep_owner && fchown(fd, e->uid, e->gid) < 0)
		return fail_at(x, e->path, errno, "set the owner", err);
	rc = set_xattrs(x, e, fd, NULL, err);
	if (rc == 0 && fchmod(fd, mode_of(x, e)) < 0)
		rc = fail_at(x, e->path, errno, "set the mode", err);
	if (rc == 0 && futimens(fd, times) < 0)
		rc = fail_at(x, e->path, errno, "set the time", err);
	return rc;
}

/* ---- content, while layers are read ---- */

/* Zeros become holes. */
static int write_piece(int fd, const char *bytes, size_t len)
{
	if (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0)
		return lseek(fd, (off_t)len, SEEK_CUR) < 0 ? -1 : 0;
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill_file(struct luff_unpacking *x, const struct luff_entry *e, int fd,
		     struct luff_reader *content, struct luff_error *err)
{
	char piece[PIECE];
	size_t len = 1;
	int rc = 0;

	while (rc == 0 && len > 0) {
		rc = luff_reader_read(&len, content, piece, PIECE, err);
		if (rc == 0 && len > 0 && write_piece(fd, piece, len) < 0)
			rc = fail_at(x, e->path, errno, "write", err);
	}
	if (rc == 0 && e->size > 0 && ftruncate(fd, e->size) < 0)
		rc = fail_at(x, e->path, errno, "write", err);
	return rc < 0 ? rc : finish_fd(x, e, fd, err);
}

/* The place of a record's file in the stage: a folder for each layer. */
static void name_staged(char name[48], size_t layer, size_t record)
{
	snprintf(name, 48, "%zu/%zu", layer, record);
}

static int open_staged(const struct luff_unpacking *x, const char *name)
{
	return openat(x->stage, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int stage_file(struct luff_sink *sink, const struct luff_listing *l, const struct luff_entry *e,
		      struct luff_reader *content, struct luff_error *err)
{
	struct luff_unpacking *x = sink->arg;
	LUFF_AUTO(fd) fd = -1;
	char name[48], layer[24];
	int rc = luff_scope_check(err);

	if (rc < 0)
		return rc;
	name_staged(name, sink->layer, l->count - 1);
	fd = open_staged(x, name);
	if (fd < 0 && errno == ENOENT) {
		snprintf(layer, sizeof layer, "%zu", sink->layer);
		if (mkdirat(x->stage, layer, 0700) < 0)
			return fail_at(x, e->path, errno, "make the file", err);
		fd = open_staged(x, name);
	}
	return fd < 0 ? fail_at(x, e->path, errno, "make the file", err) : fill_file(x, e, fd, content, err);
}

/* ---- making ---- */

static int make_folders(struct worker *w, struct luff_error *err)
{
	const struct luff_tree *tree = w->x->tree;
	int rc = 0;

	for (uint32_t n = luff_tree_after(tree, 0); rc == 0 && n; n = luff_tree_after(tree, n)) {
		struct luff_entry e;
		int parent;

		describe(&e, w, n);
		if (e.type != LUFF_ENTRY_FOLDER)
			continue;
		rc = open_folder(&parent, &w->place, w->x, luff_tree_node(tree, n)->parent, err);
		if (rc == 0 && mkdirat(parent, luff_tree_name(tree, n), 0700) < 0)
			rc = fail(w->x, n, errno, "make the folder", err);
		w->x->files++;
	}
	return rc;
}

static int make_special(struct worker *w, const struct luff_entry *e, uint32_t n, struct luff_error *err)
{
	const char *name = luff_tree_name(w->x->tree, n);
	bool symlink = e->type == LUFF_ENTRY_SYMLINK;
	mode_t kind = e->type == LUFF_ENTRY_CHAR ? S_IFCHR : e->type == LUFF_ENTRY_BLOCK ? S_IFBLK : S_IFIFO;
	struct timespec times[2];
	int parent, rc = open_folder(&parent, &w->place, w->x, luff_tree_node(w->x->tree, n)->parent, err);

	if (rc < 0)
		return rc;
	if (symlink) {
		if (symlinkat(e->link, parent, name) < 0)
			return fail(w->x, n, errno, "make the link", err);
	} else if (mknodat(parent, name, kind | 0600, makedev(e->major, e->minor)) < 0) {
		if (errno != EPERM || kind == S_IFIFO)
			return fail(w->x, n, errno, "make the device", err);
		atomic_fetch_add(&w->x->skipped, 1);
		return 0;
	}
	w->x->files++;
	times_of(times, e);
	if (w->x->keep_owner && fchownat(parent, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w->x, n, errno, "set the owner", err);
	rc = set_xattrs(w->x, e, parent, name, err);
	if (rc == 0 && !symlink && fchmodat(parent, name, mode_of(w->x, e), AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail(w->x, n, errno, "set the mode", err);
	if (rc == 0 && utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail(w->x, n, errno, "set the time", err);
	return rc;
}

static bool is_first(const struct luff_unpacking *x, uint32_t n)
{
	uint32_t record = luff_tree_node(x->tree, n)->record;

	return record < LUFF_NODE_UNKNOWN && x->plan.first[record] == n;
}

static int make_specials(struct worker *w, struct luff_error *err)
{
	int rc = 0;

	for (uint32_t n = luff_tree_after(w->x->tree, 0); rc == 0 && n; n = luff_tree_after(w->x->tree, n)) {
		struct luff_entry e;

		describe(&e, w, n);
		if (e.type != LUFF_ENTRY_FOLDER && e.type != LUFF_ENTRY_FILE && is_first(w->x, n))
			rc = make_special(w, &e, n, err);
	}
	return rc;
}

/* Each where its first name is; those that nobody has a name for are left. */
static int place_files(struct worker *w, struct luff_error *err)
{
	const struct luff_tree *tree = w->x->tree;
	int rc = 0;

	for (uint32_t n = luff_tree_after(tree, 0); rc == 0 && n; n = luff_tree_after(tree, n)) {
		uint32_t record = luff_tree_node(tree, n)->record;
		const struct luff_listing *l = NULL;
		const struct luff_record *r;
		size_t layer = 0;
		char staged[48];
		int parent;

		if (!is_first(w->x, n))
			continue;
		r = luff_tree_record(&l, &layer, tree, record);
		if (r->kind != LUFF_ENTRY_FILE)
			continue;
		rc = open_folder(&parent, &w->place, w->x, luff_tree_node(tree, n)->parent, err);
		if (rc < 0)
			break;
		name_staged(staged, layer, record - luff_tree_layer_start(tree, layer));
		if (renameat2(w->x->stage, staged, parent, luff_tree_name(tree, n), RENAME_NOREPLACE) < 0)
			rc = fail(w->x, n, errno, "make the file", err);
		w->x->files++;
		w->x->bytes += r->size;
	}
	return rc;
}

static int make_links(struct worker *w, struct luff_error *err)
{
	const struct luff_tree *tree = w->x->tree;
	struct place other = {0, -1};
	int rc = 0;

	for (uint32_t n = luff_tree_after(tree, 0); rc == 0 && n; n = luff_tree_after(tree, n)) {
		uint32_t record = luff_tree_node(tree, n)->record, first;
		struct luff_entry e;
		int from = -1, to = -1;

		if (record >= LUFF_NODE_UNKNOWN || w->x->plan.first[record] == n)
			continue;
		first = w->x->plan.first[record];
		describe(&e, w, n);
		rc = open_folder(&from, &w->place, w->x, luff_tree_node(tree, first)->parent, err);
		if (rc == 0)
			rc = open_folder(&to, &other, w->x, luff_tree_node(tree, n)->parent, err);
		if (rc < 0)
			break;
		if (linkat(from, luff_tree_name(tree, first), to, luff_tree_name(tree, n), 0) == 0)
			w->x->files++;
		else if (errno == ENOENT && (e.type == LUFF_ENTRY_CHAR || e.type == LUFF_ENTRY_BLOCK))
			atomic_fetch_add(&w->x->skipped, 1); /* as the device was */
		else
			rc = fail(w->x, n, errno, "make the link", err);
	}
	if (other.fd >= 0)
		close(other.fd);
	return rc;
}

/* All nodes, or folders alone, in the tree's order; *count of them. */
static uint32_t *list(size_t *count, const struct luff_tree *tree)
{
	uint32_t *nodes = malloc(luff_tree_node_count(tree) * sizeof *nodes), n = 0;

	*count = 0;
	if (!nodes)
		return NULL;
	do
		nodes[(*count)++] = n;
	while ((n = luff_tree_after(tree, n)));
	return nodes;
}

static int finish_folders(struct worker *w, struct luff_error *err)
{
	size_t count;
	uint32_t *nodes = list(&count, w->x->tree);
	int rc = 0;

	if (!nodes)
		return luff_fail_nomem(err);
	while (rc == 0 && count-- > 0) {
		struct luff_entry e;
		int fd;

		describe(&e, w, nodes[count]);
		if (e.type != LUFF_ENTRY_FOLDER)
			continue;
		if (nodes[count] == 0 && luff_tree_node(w->x->tree, 0)->record == LUFF_NODE_IMPLIED)
			continue;
		rc = open_folder(&fd, &w->place, w->x, nodes[count], err);
		if (rc == 0)
			rc = finish_fd(w->x, &e, fd, err);
	}
	free(nodes);
	return rc;
}

/* Takes away what was made, as far as it goes. */
static void undo(struct worker *w)
{
	size_t count;
	uint32_t *nodes = list(&count, w->x->tree);
	struct luff_error ignored = {0};
	int fd;

	for (size_t i = 1; nodes && i < count; i++) {
		struct luff_entry e;

		describe(&e, w, nodes[i]);
		if (e.type == LUFF_ENTRY_FOLDER && open_folder(&fd, &w->place, w->x, nodes[i], &ignored) == 0)
			fchmod(fd, 0700);
	}
	while (nodes && count-- > 1) {
		struct luff_entry e;

		describe(&e, w, nodes[count]);
		if (open_folder(&fd, &w->place, w->x, luff_tree_node(w->x->tree, nodes[count])->parent,
				&ignored) == 0)
			unlinkat(fd, luff_tree_name(w->x->tree, nodes[count]),
				 e.type == LUFF_ENTRY_FOLDER ? AT_REMOVEDIR : 0);
	}
	free(nodes);
}

/* ---- the stage ---- */

static int open_stage(struct luff_unpacking *x, struct luff_error *err)
{
	uint64_t random = 0;

	/* no image can have a file of that name */
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return luff_fail_errno(err, errno, "no random number");
	snprintf(x->stage_name, sizeof x->stage_name, ".luff-%016llx", (unsigned long long)random);
	if (mkdirat(x->root, x->stage_name, 0700) < 0)
		return luff_fail_errno(err, errno, "%s: cannot make a folder in it", x->folder);
	x->stage = open_in(x->root, x->stage_name);
	return x->stage < 0 ? luff_fail_errno(err, errno, "%s", x->folder) : 0;
}

/* Nobody else is in there: files of numbers in folders of numbers. */
static void clear_layer(const struct luff_unpacking *x, const char *name)
{
	int fd = open_in(x->stage, name);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;

	if (!dir) {
		luff_auto_fd(&fd);
		return;
	}
	while ((d = readdir(dir)))
		unlinkat(fd, d->d_name, 0);
	closedir(dir);
	unlinkat(x->stage, name, AT_REMOVEDIR);
}

static void close_stage(struct luff_unpacking *x)
{
	char name[24];

	if (x->stage < 0)
		return;
	for (size_t i = 0; i < x->layers; i++) {
		snprintf(name, sizeof name, "%zu", i);
		clear_layer(x, name);
	}
	close(x->stage);
	unlinkat(x->root, x->stage_name, AT_REMOVEDIR);
	x->stage = -1;
}

/* ---- all of it ---- */

static int make_all(struct luff_unpacking *x, struct luff_error *err)
{
	struct worker *w = new_worker(x, err);
	int rc = w ? make_folders(w, err) : LUFF_ENOMEM;

	if (rc == 0)
		rc = make_specials(w, err);
	if (rc == 0)
		rc = place_files(w, err);
	close_stage(x);
	if (rc == 0)
		rc = make_links(w, err);
	if (rc == 0)
		rc = finish_folders(w, err);
	if (rc < 0 && w)
		undo(w);
	free_worker(w);
	return rc;
}

static int check_empty(struct luff_unpacking *x, struct luff_error *err)
{
	int fd = openat(x->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	int others = 0;

	if (!dir) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return luff_fail_errno(err, error, "%s", x->folder);
	}
	while ((d = readdir(dir)) && others == 0)
		others += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	closedir(dir);
	return others == 0 ? 0
			   : luff_fail(err, LUFF_EEXISTS, "%s: the folder is not empty; name another one",
				       x->folder);
}

int luff_unpacking_open(struct luff_unpacking **out, const char *folder, size_t layers, bool keep_owner,
			struct luff_error *err)
{
	LUFF_AUTO(unpacking) x = calloc(1, sizeof *x);
	int rc;

	*out = NULL;
	if (!x)
		return luff_fail_nomem(err);
	x->root = x->stage = -1;
	x->layers = layers;
	x->keep_owner = keep_owner;
	x->folder = strdup(folder);
	if (!x->folder)
		return luff_fail_nomem(err);
	x->made = mkdir(folder, 0777) == 0;
	if (!x->made && errno != EEXIST)
		return luff_fail_errno(err, errno, "%s: cannot make the folder", folder);
	x->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = x->root < 0 ? luff_fail_errno(err, errno, "%s", folder) : check_empty(x, err);
	if (rc == 0)
		rc = open_stage(x, err);
	if (rc == 0)
		*out = luff_take(x);
	return rc;
}

struct luff_sink luff_unpacking_sink(struct luff_unpacking *x)
{
	return (struct luff_sink){.take = stage_file, .arg = x};
}

int luff_unpacking_finish(struct luff_extract_result *out, struct luff_unpacking *x, struct luff_tree *tree,
			  struct luff_error *err)
{
	int rc = luff_plan_init(&x->plan, tree, err);

	x->tree = tree;
	if (rc == 0)
		rc = make_all(x, err);
	x->done = rc == 0;
	if (out)
		*out = (struct luff_extract_result){
			.files = x->files, .bytes = x->bytes, .skipped = x->skipped};
	return rc;
}

void luff_unpacking_close(struct luff_unpacking *x)
{
	if (!x)
		return;
	close_stage(x);
	luff_plan_release(&x->plan);
	luff_auto_fd(&x->root);
	if (x->made && !x->done)
		rmdir(x->folder);
	free(x->folder);
	free(x);
}

int luff_extract(struct luff_extract_result *out, struct luff_image *image, const char *folder,
		 const struct luff_extract_options *options, struct luff_error *err)
{
	LUFF_AUTO(unpacking) x = NULL;
	LUFF_AUTO(tree) tree = NULL;
	struct luff_sink sink;
	int rc = luff_unpacking_open(&x, folder, luff_image_layer_count(image),
				     options && options->keep_owner, err);

	if (out)
		*out = (struct luff_extract_result){0};
	if (rc < 0)
		return rc;
	sink = luff_unpacking_sink(x);
	rc = luff_tree_open_with(&tree, image, &sink, err);
	return rc < 0 ? rc : luff_unpacking_finish(out, x, tree, err);
}
