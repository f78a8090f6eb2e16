/* See private.h. */
#include "base/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"

char *luff_private_folder(const char *variable, const char *fallback, const char *name)
{
	const char *base = getenv(variable), *home = getenv("HOME");
	bool given = base && *base == '/';
	LUFF_AUTO(text) path = NULL;
	struct stat st;

	if ((!given && (!home || *home != '/')) ||
	    asprintf(&path, "%s%s/%s", given ? base : home, given ? "" : fallback, name) < 0) {
		path = NULL;
		return NULL;
	}
	for (char *p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	mkdir(path, 0700);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return NULL;
	return luff_take(path);
}

bool luff_private_is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077);
}

void luff_private_touch(int fd)
{
	(void)futimens(fd, NULL);
}

/* ---- sweeping ---- */

struct found {
	char name[NAME_MAX + 1];
	int64_t size;
	struct timespec used;
};

static int compare_ages(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->used, *y = &((const struct found *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && strcmp(name + len - n, suffix) == 0;
}

static bool add(struct found **list, size_t *count, const struct found *one)
{
	struct found *more =
		*count & (*count - 1) ? *list : realloc(*list, (*count ? *count * 2 : 1) * sizeof **list);

	if (!more)
		return false;
	more[(*count)++] = *one;
	*list = more;
	return true;
}

void luff_private_sweep(const char *folder, const char *suffix, int64_t age_max, int64_t size_max)
{
	DIR *dir = opendir(folder);
	time_t now = time(NULL);
	struct found *list = NULL;
	struct dirent *entry;
	size_t count = 0;
	int64_t total = 0;

	while (dir && (entry = readdir(dir))) {
		struct found one = {.size = 0};
		struct stat st;

		if (!ends_in(entry->d_name, suffix) ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (age_max > 0 && now - st.st_mtime > age_max) {
			unlinkat(dirfd(dir), entry->d_name, 0);
			continue;
		}
		one.size = st.st_size;
		one.used = st.st_mtim;
		memcpy(one.name, entry->d_name, strlen(entry->d_name) + 1);
		total += one.size;
		if (size_max > 0 && !add(&list, &count, &one))
			break;
	}
	if (size_max > 0 && total > size_max)
		qsort(list, count, sizeof *list, compare_ages);
	for (size_t i = 0; size_max > 0 && total > size_max && i < count; i++) {
		unlinkat(dirfd(dir), list[i].name, 0);
		total -= list[i].size;
	}
	free(list);
	if (dir)
		closedir(dir);
}
