/* See repositories.h. One sorted array under one lock, which is never held while a folder is opened. */
#include "server/repositories.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "mediums/mediums.h"
#include "server/route.h"

#define MEMORY_MAX 16384 /* repositories in memory, whose cap counts blobs alone */

struct luff_repositories {
	pthread_mutex_t lock;
	char *root;               /* absolute; NULL: in memory */
	struct luff_store *share; /* in memory: the store whose cap all share */
	struct luff_repository **items;
	size_t count, size, keep;
	uint64_t clock; /* counts uses */
};

int luff_repositories_new(struct luff_repositories **out, const char *root, int64_t cap, size_t keep,
			  struct luff_error *err)
{
	struct luff_repositories *table = calloc(1, sizeof *table);
	int rc = 0;

	*out = NULL;
	if (!table)
		return luff_fail_nomem(err);
	pthread_mutex_init(&table->lock, NULL);
	table->keep = keep;
	if (!root) {
		rc = luff_store_new_memory(&table->share, cap, NULL, err);
	} else {
		struct stat st;

		rc = luff_store_make_folder(root, err);
		if (rc == 0 && stat(root, &st) == 0 && !S_ISDIR(st.st_mode))
			rc = luff_fail_errno(err, ENOTDIR, "%s", root);
		/* absolute, since a script may change its folder while the server runs */
		table->root = rc == 0 ? realpath(root, NULL) : NULL;
		if (rc == 0 && !table->root)
			rc = luff_fail_errno(err, errno, "%s", root);
	}
	if (rc < 0)
		luff_repositories_free(table);
	else
		*out = table;
	return rc;
}

static void free_repository(struct luff_repository *r)
{
	if (!r)
		return;
	luff_medium_unref(r->medium);
	luff_store_unref(r->store);
	free(r);
}

void luff_repositories_free(struct luff_repositories *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free_repository(table->items[i]);
	free(table->items);
	luff_store_unref(table->share);
	free(table->root);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

/* Where the name is, or where it belongs; the lock is held. */
static bool find(size_t *at, const struct luff_repositories *table, const char *name)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(table->items[middle]->name, name);

		if (order == 0) {
			*at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*at = low;
	return false;
}

/* Takes one out and gives the table's reference to it back; the lock is held. Returns it if it is to be freed. */
static struct luff_repository *forget(struct luff_repositories *table, size_t i)
{
	struct luff_repository *r = table->items[i];

	table->count--;
	memmove(table->items + i, table->items + i + 1, (table->count - i) * sizeof *table->items);
	return --r->refs == 0 ? r : NULL;
}

static struct luff_repository *use(struct luff_repository *r)
{
	r->refs++;
	r->used = ++r->table->clock;
	return r;
}

/* Somebody removed the folder, or put another in its place. */
static bool is_stale(const struct luff_repository *r)
{
	LUFF_AUTO(text) path = NULL;
	struct stat st;

	if (!r->table->root)
		return false;
	if (asprintf(&path, "%s/%s/oci-layout", r->table->root, r->name) < 0) {
		path = NULL;
		return false;
	}
	return stat(path, &st) < 0 || st.st_dev != r->dev || st.st_ino != r->ino;
}

/* Opened anew, with the one reference that the table will have. */
static int open_repository(struct luff_repository **out, struct luff_repositories *table, const char *name,
			   bool create, struct luff_error *err)
{
	struct luff_repository *r = calloc(1, sizeof *r + strlen(name) + 1);
	LUFF_AUTO(text) path = NULL;
	LUFF_AUTO(text) marker = NULL;
	struct stat st = {0};
	int rc;

	*out = NULL;
	if (!r || asprintf(&path, "%s/%s", table->root ? table->root : "memory", name) < 0 ||
	    asprintf(&marker, "%s/oci-layout", path) < 0) {
		free(r);
		return luff_fail_nomem(err);
	}
	memcpy(r->name, name, strlen(name) + 1);
	r->table = table;
	r->refs = 1;
	if (!create && (!table->root || stat(marker, &st) < 0))
		rc = luff_fail(err, LUFF_ENOTFOUND, "no repository %s", name);
	else if (!table->root)
		rc = luff_store_new_memory(&r->store, 0, table->share, err);
	else
		rc = luff_store_open_folder(&r->store, path, create, err);
	if (rc == 0 && table->root && stat(marker, &st) < 0)
		rc = luff_fail_errno(err, errno, "%s", marker);
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	if (rc == 0)
		rc = luff_layout_new(&r->medium, r->store, name, err);
	if (rc < 0)
		free_repository(r);
	else
		*out = r;
	return rc;
}

/* Room for one more; the lock is held. */
static int grow(struct luff_repositories *table, struct luff_error *err)
{
	size_t size = table->size ? 2 * table->size : 16;
	struct luff_repository **items;

	if (!table->root && table->count == MEMORY_MAX)
		return luff_fail(err, LUFF_ELIMIT, "more than %d repositories in memory", MEMORY_MAX);
	if (table->count < table->size)
		return 0;
	items = realloc(table->items, size * sizeof *items);
	if (!items)
		return luff_fail_nomem(err);
	table->items = items;
	table->size = size;
	return 0;
}

/* What nobody used for the longest time, if there are too many folders open. The lock is held. */
static struct luff_repository *forget_oldest(struct luff_repositories *table)
{
	size_t oldest = table->count;

	if (!table->root || table->count <= table->keep)
		return NULL;
	for (size_t i = 0; i < table->count; i++) {
		const struct luff_repository *r = table->items[i];

		if (r->refs == 1 && (oldest == table->count || r->used < table->items[oldest]->used))
			oldest = i;
	}
	return oldest < table->count ? forget(table, oldest) : NULL;
}

int luff_repository_open(struct luff_repository **out, struct luff_repositories *table, const char *name,
			 bool create, struct luff_error *err)
{
	struct luff_repository *mine = NULL, *old = NULL;
	size_t i;
	int rc = 0;

	*out = NULL;
	pthread_mutex_lock(&table->lock);
	if (find(&i, table, name)) {
		if (is_stale(table->items[i]))
			old = forget(table, i);
		else
			*out = use(table->items[i]);
	}
	pthread_mutex_unlock(&table->lock);
	free_repository(old);
	if (*out)
		return 0;
	rc = open_repository(&mine, table, name, create, err);
	if (rc < 0)
		return rc;
	assert(mine);
	old = NULL;
	pthread_mutex_lock(&table->lock);
	if (find(&i, table, name)) {
		/* another thread was faster */
		*out = use(table->items[i]);
	} else {
		rc = grow(table, err);
		if (rc == 0) {
			memmove(table->items + i + 1, table->items + i,
				(table->count - i) * sizeof *table->items);
			table->items[i] = mine;
			table->count++;
			*out = use(luff_take(mine));
			old = forget_oldest(table);
		}
	}
	pthread_mutex_unlock(&table->lock);
	free_repository(mine);
	free_repository(old);
	return rc;
}

void luff_repository_unref(struct luff_repository *r)
{
	struct luff_repositories *table;
	bool last;

	if (!r)
		return;
	table = r->table;
	pthread_mutex_lock(&table->lock);
	last = --r->refs == 0;
	pthread_mutex_unlock(&table->lock);
	if (last)
		free_repository(r);
}

/* ---- all of them ---- */

/* Adds the folders inside root/<parent> whose names a repository may have. */
static int add_folders(struct luff_names *names, int root, const char *parent, struct luff_error *err)
{
	int fd = openat(root, *parent ? parent : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (!dir) {
		/* gone since it was listed, or not ours to read */
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (rc == 0 && (entry = readdir(dir))) {
		LUFF_AUTO(text) name = NULL;

		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
			continue;
		if (asprintf(&name, "%s%s%s", parent, *parent ? "/" : "", entry->d_name) < 0) {
			name = NULL;
			rc = luff_fail_nomem(err);
		} else if (luff_route_is_repository(name)) {
			rc = luff_names_add(names, name, err);
		}
	}
	closedir(dir);
	return rc;
}

/* The list is the queue of folders that are still to be looked into; at the end only layouts stay in it. */
static int walk(struct luff_names *names, const char *root, struct luff_error *err)
{
	LUFF_AUTO(fd) fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t kept = 0;
	int rc = 0;

	if (fd < 0)
		return luff_fail_errno(err, errno, "%s", root);
	rc = add_folders(names, fd, "", err);
	for (size_t i = 0; i < names->count && rc == 0; i++)
		rc = add_folders(names, fd, names->items[i], err);
	for (size_t i = 0; i < names->count; i++) {
		LUFF_AUTO(text) marker = NULL;

		if (asprintf(&marker, "%s/oci-layout", names->items[i]) < 0) {
			marker = NULL;
			rc = luff_fail_nomem(err);
		}
		if (marker && faccessat(fd, marker, F_OK, 0) == 0)
			names->items[kept++] = names->items[i];
		else
			free(names->items[i]);
	}
	names->count = kept;
	return rc;
}

int luff_repositories_list(struct luff_names *out, struct luff_repositories *table, struct luff_error *err)
{
	int rc = 0;

	if (table->root)
		return walk(out, table->root, err);
	pthread_mutex_lock(&table->lock);
	for (size_t i = 0; i < table->count && rc == 0; i++)
		rc = luff_names_add(out, table->items[i]->name, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}
