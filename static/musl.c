/* See musl.h. */
#include "musl.h"

#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	void (*visit)(const void *node, VISIT when, void *arg);
	void *arg;
};

static _Thread_local struct walk walk;

static void visit_node(const void *node, VISIT when, int depth)
{
	(void)depth;
	walk.visit(node, when, walk.arg);
}

void twalk_r(const void *root, void (*visit)(), void *arg)
{
	struct walk outer = walk;

	walk = (struct walk){(void (*)(const void *, VISIT, void *))visit, arg};
	twalk(root, visit_node);
	walk = outer;
}

/* A copy of the entry at the end of the list; false: no memory. */
static int add(struct dirent ***list, size_t count, const struct dirent *entry)
{
	struct dirent **more = *list, *copy = malloc(entry->d_reclen);

	if (copy && (count & (count - 1)) == 0) /* a power of two: all is taken */
		more = realloc(*list, (count ? 2 * count : 1) * sizeof *more);
	if (!copy || !more) {
		free(copy);
		return 0;
	}
	memcpy(copy, entry, entry->d_reclen);
	*list = more;
	more[count] = copy;
	return 1;
}

int scandirat(int folder, const char *path, struct dirent ***out, int (*takes)(const struct dirent *entry),
	      int (*compare)(const struct dirent **a, const struct dirent **b))
{
	int fd = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent **list = NULL, *entry;
	size_t count = 0;
	int failed = !dir;

	while (!failed && (entry = readdir(dir))) {
		if (takes && !takes(entry))
			continue;
		failed = !add(&list, count, entry);
		count += !failed;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	if (failed) {
		while (count > 0)
			free(list[--count]);
		free(list);
		return -1;
	}
	if (compare && count > 1)
		qsort(list, count, sizeof *list, (int (*)(const void *, const void *))compare);
	*out = list;
	return (int)count;
}
