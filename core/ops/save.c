/*
 * The files of an artifact in a folder. All of them come into a folder of their own first, below the one that they are meant for:
 * checked, and laid out by their titles, so that two of one name are found out. Then each is moved to its place, a file as a
 * whole, and no link is followed on the way: what fails before that leaves nothing behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/text.h"
#include "fs/extract.h"
#include "ops/artifact.h"
#include "ops/probe.h"

#define JOBS 4
#define NEW "new" /* in the stage: what is meant to be, by titles */
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct item {
	struct luff_layer *layer;
	char *path; /* the title, made safe */
	bool folder;
	struct luff_digest content; /* of the plain tar of a folder; "": it does not say */
	mode_t mode;                /* that a folder gets in its place */
};

struct save {
	struct luff_image *image;
	const char *folder;
	int root, stage, new;
	char name[32]; /* of the stage */
	struct item *items;
	size_t count;
	atomic_int_fast64_t bytes;
};

static int fail(const struct save *s, const char *path, int error, const char *what, struct luff_error *err)
{
	char shown[256];

	luff_text_printable(shown, sizeof shown, path);
	if (error == EEXIST || error == ENOTEMPTY || error == EISDIR || error == ENOTDIR || error == ELOOP)
		return luff_fail(err, LUFF_EEXISTS, "%s/%s: %s", s->folder, shown, what);
	return luff_fail_errno(err, error, "%s/%s", s->folder, shown);
}

/* ---- what the manifest says ---- */

static int read_item(struct item *item, struct luff_image *image, const cJSON *annotations, size_t i,
		     struct luff_error *err)
{
	const char *unpack = luff_json_string(annotations, LUFF_ARTIFACT_UNPACK),
		   *content = luff_json_string(annotations, LUFF_ARTIFACT_CONTENT);
	char path[LUFF_PATH_MAX + 1];
	int rc = luff_artifact_title(path, luff_json_string(annotations, LUFF_ARTIFACT_TITLE), err);

	if (rc == 0)
		rc = luff_image_layer(&item->layer, image, i, err);
	if (rc < 0)
		return rc;
	item->path = strdup(path);
	item->folder = unpack && strcmp(unpack, "true") == 0;
	if (item->folder && content && luff_digest_parse(&item->content, content, err) < 0)
		return luff_fail_context(err, "%s", LUFF_ARTIFACT_CONTENT);
	return item->path ? 0 : luff_fail_nomem(err);
}

static int read_items(struct save *s, struct luff_error *err)
{
	LUFF_AUTO(json) doc = NULL;
	const cJSON *entry;
	size_t i = 0;
	int rc = luff_json_parse(&doc, luff_image_raw_manifest(s->image),
				 (size_t)luff_image_descriptor(s->image)->size, "manifest", err);

	s->items = calloc(luff_image_layer_count(s->image) + 1, sizeof *s->items);
	if (rc == 0 && !s->items)
		rc = luff_fail_nomem(err);
	if (rc < 0)
		return rc;
	cJSON_ArrayForEach(entry, luff_json_array(doc, "layers"))
	{
		const cJSON *annotations = luff_json_object(entry, "annotations");

		if (rc == 0 && luff_json_string(annotations, LUFF_ARTIFACT_TITLE))
			rc = read_item(&s->items[s->count++], s->image, annotations, i, err);
		if (rc < 0)
			return luff_fail_context(err, "layer %zu", i + 1);
		i++;
	}
	return 0;
}

/* ---- folders, name by name ---- */

/*
 * The folder that a path's last name is in; *fd_out is the caller's, -1 where it is not there and `make` is false. Folders on the
 * way are made, or are there; a link is none.
 */
static int open_parent(int *fd_out, const char **name_out, const struct save *s, int top, const char *path,
		       bool make, struct luff_error *err)
{
	char name[LUFF_PATH_MAX + 1];
	const char *p = path, *slash;
	int fd = fcntl(top, F_DUPFD_CLOEXEC, 0);

	*fd_out = -1;
	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", s->folder);
	for (; (slash = strchr(p, '/')); p = slash + 1) {
		int next, error;

		memcpy(name, p, (size_t)(slash - p));
		name[slash - p] = '\0';
		if (make && mkdirat(fd, name, 0777) < 0 && errno != EEXIST) {
			error = errno;
			close(fd);
			return fail(s, path, error, "a file where a folder should be", err);
		}
		next = openat(fd, name, OPEN_FOLDER);
		error = errno;
		close(fd);
		if (next < 0 && error == ENOENT && !make)
			return 0;
		if (next < 0)
			return fail(s, path, error, "a file or a link where a folder should be", err);
		fd = next;
	}
	*name_out = p;
	*fd_out = fd;
	return 0;
}

static bool is_empty(int parent, const char *name)
{
	int fd = openat(parent, name, OPEN_FOLDER);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;
	bool empty = dir != NULL;

	while (dir && (d = readdir(dir)))
		empty &= strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return empty;
}

/* Whether what is in the item's place already may be replaced: a file by a file, an empty folder by a folder. */
static int check_place(const struct save *s, const struct item *item, struct luff_error *err)
{
	LUFF_AUTO(fd) parent = -1;
	const char *name = NULL;
	struct stat st;
	int rc = open_parent(&parent, &name, s, s->root, item->path, false, err);

	if (rc < 0 || parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return rc;
	if (item->folder && !S_ISDIR(st.st_mode))
		return fail(s, item->path, EEXIST, "a file where a folder should be", err);
	if (item->folder && !is_empty(parent, name))
		return fail(s, item->path, EEXIST, "the folder is not empty; name another one with -o", err);
	if (!item->folder && S_ISDIR(st.st_mode))
		return fail(s, item->path, EEXIST, "a folder where a file should be", err);
	return 0;
}

/* ---- into the stage ---- */

static int write_file(struct save *s, int fd, const struct item *item, struct luff_error *err)
{
	LUFF_AUTO(text) buf = malloc((size_t)128 << 10);
	LUFF_AUTO(reader) r = NULL;
	size_t n = 1;
	int rc = buf ? luff_layer_open_compressed(&r, item->layer, err) : luff_fail_nomem(err);

	while (rc == 0 && n > 0) {
		rc = luff_reader_read(&n, r, buf, (size_t)128 << 10, err);
		for (size_t done = 0; rc == 0 && done < n;) {
			ssize_t written = write(fd, buf + done, n - done);

			if (written < 0 && errno != EINTR)
				return luff_fail_errno(err, errno, "%s/%s: cannot write", s->folder,
						       item->path);
			done += written > 0 ? (size_t)written : 0;
		}
		atomic_fetch_add(&s->bytes, (int64_t)n);
	}
	return rc;
}

static int stage_file(struct save *s, const struct item *item, struct luff_error *err)
{
	LUFF_AUTO(fd) parent = -1;
	LUFF_AUTO(fd) fd = -1;
	const char *name = NULL;
	int rc = open_parent(&parent, &name, s, s->new, item->path, true, err);

	if (rc < 0)
		return rc;
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(s, item->path, errno, "two files of this name", err);
	return write_file(s, fd, item, err);
}

/* A folder that takes nothing lets nothing go; one that stays so is not our affair. */
static void open_up(int parent, const char *name)
{
	int ignored = fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW);

	(void)ignored;
}

/* None but root moves a folder that takes nothing. */
static void open_to_move(struct item *item, int parent, const char *name)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* as the move will tell */
	item->mode = st.st_mode & 07777;
	if (!(st.st_mode & S_IWUSR))
		open_up(parent, name);
}

static int stage_folder(struct save *s, size_t i, struct item *item, struct luff_error *err)
{
	enum luff_algorithm algorithm =
		item->content.text[0] ? luff_digest_algorithm(&item->content) : LUFF_SHA256;
	char number[24], whole[PATH_MAX];
	LUFF_AUTO(fd) top = -1;
	LUFF_AUTO(fd) from = -1;
	LUFF_AUTO(fd) to = -1;
	const char *name = NULL;
	LUFF_AUTO(unpacking) unpacking = NULL;
	struct luff_extract_result made = {0};
	struct luff_probe probe = {0};
	struct luff_tree *tree = NULL;
	struct luff_sink sink;
	int rc = 0;

	snprintf(number, sizeof number, "%zu", i);
	if (snprintf(whole, sizeof whole, "%s/%s/%s", s->folder, s->name, number) >= (int)sizeof whole)
		return luff_fail(err, LUFF_ELIMIT, "%s: the path is too long", s->folder);
	rc = luff_unpacking_open(&unpacking, whole, 1, false, err);
	if (rc < 0)
		return rc;
	sink = luff_unpacking_sink(unpacking);
	rc = luff_probe_layer(&probe, item->layer, algorithm, &sink, err);
	if (rc == 0 && item->content.text[0] && !luff_digest_equal(&item->content, &probe.diff_id))
		rc = luff_fail(err, LUFF_EDIGEST, "%s: the folder's tar is %s, and should be %s", item->path,
			       probe.diff_id.text, item->content.text);
	if (rc == 0)
		rc = luff_tree_of_listing(&tree, s->image, probe.listing, err);
	if (rc == 0)
		rc = luff_artifact_check_tree(tree, item->path, err);
	if (rc == 0)
		rc = luff_unpacking_finish(&made, unpacking, tree, err);
	luff_tree_unref(tree);
	luff_listing_close(probe.listing);
	if (rc < 0)
		return rc;
	atomic_fetch_add(&s->bytes, made.bytes);
	top = openat(s->stage, number, OPEN_FOLDER);
	if (top < 0)
		return fail(s, item->path, errno, "the folder went away", err);
	rc = open_parent(&from, &name, s, top, item->path, false, err);
	if (rc == 0)
		rc = open_parent(&to, &name, s, s->new, item->path, true, err);
	if (rc == 0)
		open_to_move(item, from, name);
	if (rc == 0 && renameat2(from, name, to, name, RENAME_NOREPLACE) < 0)
		rc = fail(s, item->path, errno, "two files of this name", err);
	return rc;
}

static int stage_item(void *arg, size_t i, struct luff_error *err)
{
	struct save *s = arg;
	struct item *item = &s->items[i];
	int rc = check_place(s, item, err);

	if (rc == 0)
		rc = item->folder ? stage_folder(s, i, item, err) : stage_file(s, item, err);
	return rc;
}

static int place_item(const struct save *s, const struct item *item, struct luff_error *err)
{
	LUFF_AUTO(fd) from = -1;
	LUFF_AUTO(fd) to = -1;
	const char *name = NULL;
	int rc = open_parent(&from, &name, s, s->new, item->path, false, err);

	if (rc == 0)
		rc = open_parent(&to, &name, s, s->root, item->path, true, err);
	if (rc == 0 && renameat(from, name, to, name) < 0)
		rc = fail(s, item->path, errno, "something else is there already", err);
	if (rc == 0 && item->folder && !(item->mode & S_IWUSR) &&
	    fchmodat(to, name, item->mode, AT_SYMLINK_NOFOLLOW) < 0)
		rc = fail(s, item->path, errno, "it cannot be given its mode", err);
	return rc;
}

/* ---- the stage ---- */

static int open_stage(struct save *s, struct luff_error *err)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		random = (uint64_t)(uintptr_t)s ^ (uint64_t)getpid() << 32;
	snprintf(s->name, sizeof s->name, ".luff-%016llx", (unsigned long long)random);
	if (mkdirat(s->root, s->name, 0700) < 0)
		return luff_fail_errno(err, errno, "%s: cannot write", s->folder);
	s->stage = openat(s->root, s->name, OPEN_FOLDER);
	if (s->stage < 0 || mkdirat(s->stage, NEW, 0777) < 0)
		return luff_fail_errno(err, errno, "%s: cannot write", s->folder);
	s->new = openat(s->stage, NEW, OPEN_FOLDER);
	return s->new < 0 ? luff_fail_errno(err, errno, "%s: cannot write", s->folder) : 0;
}

/* What is in a folder of the stage goes; the folders in it come up, to go next: however deep they are, it takes one level. */
static void empty_folder(int stage, const char *name, unsigned *count)
{
	int fd;
	DIR *dir;
	const struct dirent *d;

	open_up(stage, name);
	fd = openat(stage, name, OPEN_FOLDER);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (dir && (d = readdir(dir))) {
		char up[32];

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    unlinkat(fd, d->d_name, 0) == 0)
			continue;
		open_up(fd, d->d_name);
		snprintf(up, sizeof up, "up%u", (*count)++);
		if (renameat(fd, d->d_name, stage, up) < 0)
			unlinkat(fd, d->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	unlinkat(stage, name, AT_REMOVEDIR);
}

static void close_stage(struct save *s)
{
	unsigned count = 0;
	bool more = s->stage >= 0;

	luff_auto_fd(&s->new);
	while (more) {
		int fd = openat(s->stage, ".", OPEN_FOLDER);
		DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
		const struct dirent *d;

		more = false;
		while (dir && (d = readdir(dir))) {
			if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
				continue;
			empty_folder(s->stage, d->d_name, &count);
			more = faccessat(s->stage, d->d_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
			break;
		}
		if (dir)
			closedir(dir);
		else if (fd >= 0)
			close(fd);
	}
	luff_auto_fd(&s->stage);
	if (s->name[0])
		unlinkat(s->root, s->name, AT_REMOVEDIR);
}

int luff_artifact_save(struct luff_artifact_result *out, struct luff_image *image, const char *folder,
		       struct luff_error *err)
{
	struct save s = {.image = image, .folder = folder, .root = -1, .stage = -1, .new = -1};
	int rc = read_items(&s, err);
	bool made = rc == 0 && mkdir(folder, 0777) == 0;

	if (rc == 0 && !made && errno != EEXIST)
		rc = luff_fail_errno(err, errno, "%s: cannot make the folder", folder);
	if (rc == 0 && (s.root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = luff_fail_errno(err, errno, "%s", folder);
	if (rc == 0)
		rc = open_stage(&s, err);
	if (rc == 0)
		rc = luff_pool_each(s.count, JOBS, stage_item, &s, err);
	for (size_t i = 0; rc == 0 && i < s.count; i++)
		rc = place_item(&s, &s.items[i], err);
	if (s.root >= 0)
		close_stage(&s);
	luff_auto_fd(&s.root);
	if (rc < 0 && made)
		rmdir(folder);
	for (size_t i = 0; i < s.count; i++) {
		luff_layer_unref(s.items[i].layer);
		free(s.items[i].path);
	}
	free(s.items);
	if (out && rc == 0)
		*out = (struct luff_artifact_result){
			.files = (int64_t)s.count,
			.bytes = s.bytes,
			.skipped = (int64_t)(luff_image_layer_count(image) - s.count)};
	return rc;
}
