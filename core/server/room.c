/* See room.h. */
#include "server/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "server/names.h"

/* bytes of what never goes: manifests and configs, without which layers are for nobody */
#define SMALL (64 << 10)

struct luff_room {
	struct luff_repositories *repositories;
	char *root;
	pthread_mutex_t lock;
	int64_t cap, total; /* bytes of large blobs */
};

struct blob {
	char *path;
	int64_t size;
	struct timespec used;
};

struct blobs {
	struct blob *items;
	size_t count, size;
	int64_t total;
};

static void add_blob(struct blobs *list, const char *path, const struct stat *st)
{
	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 256;
		struct blob *items = realloc(list->items, size * sizeof *items);

		if (!items)
			return;
		list->items = items;
		list->size = size;
	}
	list->total += st->st_size;
	list->items[list->count] = (struct blob){strdup(path), st->st_size, st->st_mtim};
	list->count += list->items[list->count].path != NULL;
}

static void add_folder(struct blobs *list, const struct luff_room *room, const char *repository,
		       const char *algorithm)
{
	LUFF_AUTO(text) folder = NULL;
	struct dirent *entry;
	DIR *dir;

	if (asprintf(&folder, "%s/%s/blobs/%s", room->root, repository, algorithm) < 0)
		folder = NULL;
	dir = folder ? opendir(folder) : NULL;
	while (dir && (entry = readdir(dir))) {
		LUFF_AUTO(text) path = NULL;
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || st.st_size <= SMALL)
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			path = NULL;
		else
			add_blob(list, path, &st);
	}
	if (dir)
		closedir(dir);
}

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct blob *)a)->used, *y = &((const struct blob *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* What is read goes on being read: its name alone goes. */
static void make_room(struct luff_room *room)
{
	LUFF_AUTO(names) names = {0};
	struct luff_error ignored = {0};
	struct blobs list = {0};

	if (luff_repositories_list(&names, room->repositories, false, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		add_folder(&list, room, names.items[i], "sha256");
		add_folder(&list, room, names.items[i], "sha512");
	}
	if (list.count > 0)
		qsort(list.items, list.count, sizeof *list.items, by_use);
	for (size_t i = 0; i < list.count; i++) {
		if (list.total > room->cap && unlink(list.items[i].path) == 0)
			list.total -= list.items[i].size;
		free(list.items[i].path);
	}
	free(list.items);
	pthread_mutex_lock(&room->lock);
	room->total = list.total;
	pthread_mutex_unlock(&room->lock);
}

/* Room is made in a folder of layouts: elsewhere a limit would be a promise that nobody keeps. */
static int check_root(const char *root, struct luff_error *err)
{
	LUFF_AUTO(text) marker = NULL;

	if (!root)
		return luff_fail(err, LUFF_EINVAL,
				 "proxy_max: a mirror in memory lets go of nothing; give it a folder");
	if (asprintf(&marker, "%s/oci-layout", root) < 0) {
		marker = NULL;
		return luff_fail_nomem(err);
	}
	if (access(marker, F_OK) == 0)
		return luff_fail(
			err, LUFF_EINVAL,
			"proxy_max: %s is a layout itself, of which a mirror lets nothing go; give it "
			"another folder",
			root);
	return 0;
}

int luff_room_open(struct luff_room **out, struct luff_repositories *repositories, const char *root,
		   int64_t cap, struct luff_error *err)
{
	struct luff_room *room;
	int rc = check_root(root, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	room = calloc(1, sizeof *room);
	if (!room)
		return luff_fail_nomem(err);
	room->repositories = repositories;
	room->cap = cap;
	pthread_mutex_init(&room->lock, NULL);
	/* absolute, since a script may change its folder while the server runs */
	room->root = realpath(root, NULL);
	if (!room->root) {
		rc = luff_fail_errno(err, errno, "%s", root);
		luff_room_close(room);
		return rc;
	}
	make_room(room);
	*out = room;
	return 0;
}

void luff_room_take(struct luff_room *room, int64_t bytes)
{
	bool over;

	if (!room || bytes <= SMALL)
		return;
	pthread_mutex_lock(&room->lock);
	room->total += bytes;
	over = room->total > room->cap;
	pthread_mutex_unlock(&room->lock);
	if (over)
		make_room(room);
}

void luff_room_close(struct luff_room *room)
{
	if (!room)
		return;
	pthread_mutex_destroy(&room->lock);
	free(room->root);
	free(room);
}
