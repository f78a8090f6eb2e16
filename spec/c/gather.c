/* Gathering from disk: extended attributes, whose sizes are the file system's. Here it has as many as a test wants. */
#include "fs/gather.h"

#include <errno.h>
#include <sys/xattr.h>

#include "check.h"

static int attributes;       /* that each file has */
static size_t size_of_value; /* of each */

ssize_t llistxattr(const char *path, char *list, size_t size)
{
	size_t len = 0;

	(void)path;
	for (int i = 0; i < attributes; i++)
		len += (size_t)snprintf(list + len, size - len, "user.%d", i) + 1;
	return (ssize_t)len;
}

/* As xattr(7): with no room at all, it is asked for the size. */
ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	(void)path;
	(void)name;
	if (size > 0 && size < size_of_value) {
		errno = ERANGE;
		return -1;
	}
	if (size > 0)
		memset(value, 'x', size_of_value);
	return (ssize_t)size_of_value;
}

static int count(void *arg, const struct luff_entry *e, int fd, struct luff_error *err)
{
	(void)fd;
	(void)err;
	for (size_t i = 0; i < e->xattr_count; i++) {
		CHECK_INT(e->xattrs[i].len, size_of_value);
		CHECK(e->xattrs[i].len == 0 || memchr(e->xattrs[i].value, 'x', 1));
	}
	*(size_t *)arg += e->xattr_count;
	return 0;
}

/* A file's may have 1 MiB together, which 16 of the largest that Linux has fill to the last byte. */
static void caps_attributes(const char *file)
{
	static const struct {
		int count;
		size_t size;
		bool fits;
	} cases[] = {{16, 65536, true},  {17, 65536, false}, {40, 65536, false}, {15, 65536, true},
		     {18, 60000, false}, {1024, 0, true},    {1025, 0, false}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t seen = 0;
		struct luff_error err;

		attributes = cases[i].count;
		size_of_value = cases[i].size;
		if (cases[i].fits)
			OK(luff_gather(file, "a", count, &seen, &err));
		else
			FAILS(luff_gather(file, "a", count, &seen, &err), LUFF_ELIMIT,
			      "a: too many extended attributes");
		CHECK_INT((int64_t)seen, cases[i].fits ? cases[i].count : 0);
	}
}

int main(void)
{
	const char *file = scratch("a");

	if (CHECK(close(creat(file, 0600)) == 0))
		caps_attributes(file);
	return check_end();
}
