/*
 * See repositories.h. One sorted array under one lock, which is never held while a folder is opened, made or removed: that has a
 * lock of its own, so that a repository which goes because nothing came into it does not go from under one that comes.
 */
#include "server/repositories.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "mediums/mediums.h"
#include "server/catalog.h"
#include "server/route.h"

#define MEMORY_MAX 16384 /* repositories in memory, whose cap counts blobs alone */

struct luff_repositories {
	pthread_mutex_t opening; /* taken before `lock` */
	pthread_mutex_t lock;
	char *root;               /* absolute; NULL: in memory */
	char *only;               /* the root is a layout: the name of the one repository that there is */
	struct luff_store *share; /* in memory: the store whose cap all share */
	struct luff_repository **items;
	size_t count, size, keep;
	uint64_t clock; /* counts uses */
};

/* The folder's name as a repository may have it: lower case, and a dash for what it may not have. */
static char *name_of_folder(const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	char *name = strdup(*base ? base : "layout");
	size_t n = 0;

	for (const char *p = name; p && *p; p++) {
		bool upper = *p >= 'A' && *p <= 'Z';
		bool plain = upper || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');

		if (plain)
			name[n++] = (char)(upper ? *p | 0x20 : *p);
		else if (n > 0 && name[n - 1] != '-' && name[n - 1] != '.' && name[n - 1] != '_')
			name[n++] = *p == '.' || *p == '_' ? *p : '-';
	}
	while (n > 0 && (name[n - 1] == '-' || name[n - 1] == '.' || name[n - 1] == '_'))
		n--;
	if (!name)
		return NULL;
	name[n] = '\0';
	if (luff_route_is_repository(name))
		return name;
	free(name);
	return strdup("layout");
}

/* A layout's own folders are no repositories, and no repository may be made among them. */
static int look_at_root(struct luff_repositories *table, struct luff_error *err)
{
	LUFF_AUTO(text) marker = NULL;

	if (asprintf(&marker, "%s/oci-layout", table->root) < 0) {
		marker = NULL;
		return luff_fail_nomem(err);
	}
	if (access(marker, F_OK) < 0)
		return 0;
	table->only = name_of_folder(table->root);
	return table->only ? 0 : luff_fail_nomem(err);
}

int luff_repositories_new(struct luff_repositories **out, const char *root, int64_t cap, size_t keep,
			  struct luff_error *err)
{
	struct luff_repositories *table = calloc(1, sizeof *table);
	int rc = 0;

	*out = NULL;
	if (!table)
		return luff_fail_nomem(err);
	pthread_mutex_init(&table->opening, NULL);
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
		if (rc == 0)
			rc = look_at_root(table, err);
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
	free(table->only);
	pthread_mutex_destroy(&table->opening);
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
	r->empty = false;
	return --r->refs == 0 ? r : NULL;
}

/* root/<name>[/<file>]; NULL when out of memory. */
static char *path_of(const struct luff_repositories *table, const char *name, const char *file)
{
	char *path;

	if (table->only)
		name = "";
	return asprintf(&path, "%s%s%s%s%s", table->root, *name ? "/" : "", name, *file ? "/" : "", file) < 0
		       ? NULL
		       : path;
}

/* Somebody removed the folder, or put another in its place. */
static bool is_stale(const struct luff_repository *r)
{
	LUFF_AUTO(text) marker = NULL;
	struct stat st;

	if (!r->table->root)
		return false;
	marker = path_of(r->table, r->name, "oci-layout");
	return marker && (stat(marker, &st) < 0 || st.st_dev != r->dev || st.st_ino != r->ino);
}

/* One that is open; NULL if there is none. */
static struct luff_repository *lookup(struct luff_repositories *table, const char *name)
{
	struct luff_repository *found = NULL, *old = NULL;
	size_t i;

	pthread_mutex_lock(&table->lock);
	if (find(&i, table, name)) {
		if (is_stale(table->items[i])) {
			old = forget(table, i);
		} else {
			found = table->items[i];
			found->refs++;
			found->used = ++table->clock;
		}
	}
	pthread_mutex_unlock(&table->lock);
	free_repository(old);
	return found;
}

static int open_folder(struct luff_repository *r, bool create, struct luff_error *err)
{
	LUFF_AUTO(text) path = path_of(r->table, r->name, "");
	LUFF_AUTO(text) marker = path_of(r->table, r->name, "oci-layout");
	struct stat st;
	bool missing;
	int rc;

	if (!path || !marker)
		return luff_fail_nomem(err);
	if (r->table->only && strcmp(r->table->only, r->name) != 0)
		return luff_fail(err, LUFF_ENOTFOUND, "no repository %s: the only one is %s", r->name,
				 r->table->only);
	missing = stat(marker, &st) < 0;
	r->empty = missing && !r->table->only;
	if (missing && !create)
		return luff_fail(err, LUFF_ENOTFOUND, "no repository %s", r->name);
	rc = luff_store_open_folder(&r->store, path, create, err);
	/* another process may be about to unmake it: then it is stale from the start */
	if (rc == 0 && stat(marker, &st) == 0) {
		r->dev = st.st_dev;
		r->ino = st.st_ino;
	}
	return rc;
}

static int open_memory(struct luff_repository *r, bool create, struct luff_error *err)
{
	if (!create)
		return luff_fail(err, LUFF_ENOTFOUND, "no repository %s", r->name);
	r->empty = true;
	return luff_store_new_memory(&r->store, 0, r->table->share, err);
}

/* Opened anew, with the one reference that the table will have. */
static int open_repository(struct luff_repository **out, struct luff_repositories *table, const char *name,
			   bool create, struct luff_error *err)
{
	struct luff_repository *r = calloc(1, sizeof *r + strlen(name) + 1);
	int rc;

	*out = NULL;
	if (!r)
		return luff_fail_nomem(err);
	memcpy(r->name, name, strlen(name) + 1);
	r->table = table;
	r->refs = 1;
	rc = table->root ? open_folder(r, create, err) : open_memory(r, create, err);
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

/* Puts one that was just opened into the table, and gives it a second reference. */
static int insert(struct luff_repositories *table, struct luff_repository *r, struct luff_error *err)
{
	struct luff_repository *old = NULL;
	size_t i;
	int rc;

	pthread_mutex_lock(&table->lock);
	rc = grow(table, err);
	if (rc == 0) {
		(void)find(&i, table, r->name);
		memmove(table->items + i + 1, table->items + i, (table->count - i) * sizeof *table->items);
		table->items[i] = r;
		table->count++;
		r->refs++;
		r->used = ++table->clock;
		old = forget_oldest(table);
	}
	pthread_mutex_unlock(&table->lock);
	free_repository(old);
	return rc;
}

int luff_repository_open(struct luff_repository **out, struct luff_repositories *table, const char *name,
			 bool create, struct luff_error *err)
{
	int rc = 0;

	*out = lookup(table, name);
	if (*out)
		return 0;
	pthread_mutex_lock(&table->opening);
	*out = lookup(table, name);
	if (!*out) {
		rc = open_repository(out, table, name, create, err);
		assert(rc < 0 || *out);
		if (rc == 0)
			rc = insert(table, *out, err);
		if (rc < 0)
			free_repository(luff_take(*out));
	}
	pthread_mutex_unlock(&table->opening);
	return rc;
}

void luff_repository_keep(struct luff_repository *r)
{
	pthread_mutex_lock(&r->table->lock);
	r->empty = false;
	pthread_mutex_unlock(&r->table->lock);
}

/* What open_folder() made, with the folders above as far as nothing else is in them. */
static void remove_folder(const struct luff_repositories *table, const char *name)
{
	LUFF_AUTO(text) folder = path_of(table, name, "");
	bool gone = folder && luff_store_unmake_folder(folder);
	char *end;

	while (gone && (end = strrchr(folder + strlen(table->root) + 1, '/'))) {
		*end = '\0';
		gone = rmdir(folder) == 0;
	}
}

/* Nobody uses a repository that was made and into which nothing came: it leaves no trace. */
static void unmake(struct luff_repositories *table, const char *name)
{
	struct luff_repository *r = NULL;
	bool goes;
	size_t i;

	pthread_mutex_lock(&table->opening);
	pthread_mutex_lock(&table->lock);
	goes = find(&i, table, name) && table->items[i]->empty && table->items[i]->refs == 1;
	if (goes)
		r = forget(table, i);
	pthread_mutex_unlock(&table->lock);
	free_repository(r);
	if (goes && table->root)
		remove_folder(table, name);
	pthread_mutex_unlock(&table->opening);
}

void luff_repositories_tidy(struct luff_repositories *table, const char *name)
{
	if (!table->root || table->only)
		return;
	pthread_mutex_lock(&table->opening);
	remove_folder(table, name);
	pthread_mutex_unlock(&table->opening);
}

void luff_repository_unref(struct luff_repository *r)
{
	struct luff_repositories *table;
	char name[LUFF_NAME_MAX + 1];
	bool last, empty;

	if (!r)
		return;
	table = r->table;
	luff_text_copy(name, sizeof name, r->name);
	pthread_mutex_lock(&table->lock);
	last = --r->refs == 0;
	empty = r->refs == 1 && r->empty;
	pthread_mutex_unlock(&table->lock);
	if (last)
		free_repository(r);
	if (empty)
		unmake(table, name);
}

/* Without opening it, so that looking through many costs little. */
static bool has_blob(const struct luff_repositories *table, const char *name, const struct luff_digest *d)
{
	char file[LUFF_DIGEST_MAX + 16];
	LUFF_AUTO(text) path = NULL;

	if (!table->root)
		return true;
	snprintf(file, sizeof file, "blobs/%s/%s", luff_algorithm_name(luff_digest_algorithm(d)),
		 luff_digest_hex(d));
	path = path_of(table, name, file);
	return path && access(path, F_OK) == 0;
}

int luff_repositories_find(struct luff_repository **out, struct luff_repositories *table,
			   const struct luff_digest *d, struct luff_error *err)
{
	LUFF_AUTO(names) names = {0};
	int rc = luff_repositories_list(&names, table, false, err);

	*out = NULL;
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		LUFF_AUTO(repository) repository = NULL;
		struct luff_error missing = {0};
		int64_t size;

		if (has_blob(table, names.items[i], d) &&
		    luff_repository_open(&repository, table, names.items[i], false, &missing) == 0 &&
		    luff_store_stat(&size, repository->store, d, &missing) == 0) {
			*out = luff_take(repository);
			return 0;
		}
	}
	return rc < 0 ? rc : luff_fail(err, LUFF_ENOTFOUND, "no blob %s", d->text);
}

int luff_repositories_list(struct luff_names *out, struct luff_repositories *table, bool all,
			   struct luff_error *err)
{
	int rc = 0;

	if (table->only)
		return luff_names_add(out, table->only, err);
	if (table->root)
		return luff_catalog_walk(out, table->root, all, err);
	pthread_mutex_lock(&table->lock);
	for (size_t i = 0; i < table->count && rc == 0; i++) {
		if (all || !table->items[i]->empty)
			rc = luff_names_add(out, table->items[i]->name, err);
	}
	pthread_mutex_unlock(&table->lock);
	return rc;
}
