/* See path.h. */
#include "fs/path.h"

#include <fnmatch.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

int luff_path_clean(char *out, const char *path, struct luff_error *err)
{
	size_t len = 0;
	const char *p = path;

	if (strlen(path) > LUFF_PATH_MAX)
		return luff_fail(err, LUFF_ELIMIT, "a path of more than %d bytes", LUFF_PATH_MAX);
	while (*p) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			char shown[256];

			if (len == 0)
				return luff_fail(err, LUFF_EFORMAT, "%s: a path that leads out of the image",
						 luff_text_printable(shown, sizeof shown, path));
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (len > 0)
				out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n;
		p += *p == '/';
	}
	out[len] = '\0';
	return 0;
}

/* One name against one part of the pattern. */
static bool match_name(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
	char p[LUFF_PATH_MAX + 1], n[LUFF_PATH_MAX + 1];

	if (pattern_len > LUFF_PATH_MAX || name_len > LUFF_PATH_MAX)
		return false;
	memcpy(p, pattern, pattern_len);
	p[pattern_len] = '\0';
	memcpy(n, name, name_len);
	n[name_len] = '\0';
	return fnmatch(p, n, 0) == 0;
}

bool luff_path_match(const char *pattern, const char *path)
{
	const char *star = NULL,
		   *retry = NULL; /* behind the last "**", and where the path goes on after it */

	while (*pattern == '/')
		pattern++;
	while (*path || *pattern) {
		size_t pattern_len = strcspn(pattern, "/"), name_len = strcspn(path, "/");

		if (pattern_len == 2 && memcmp(pattern, "**", 2) == 0) {
			star = pattern += 2 + (pattern[2] == '/');
			retry = path;
			if (!*star)
				return *path != '\0';
			continue;
		}
		if (*path && pattern_len > 0 && match_name(pattern, pattern_len, path, name_len)) {
			pattern += pattern_len + (pattern[pattern_len] == '/');
			path += name_len + (path[name_len] == '/');
			continue;
		}
		if (!star || !*retry)
			return false;
		retry += strcspn(retry, "/");
		retry += *retry == '/';
		path = retry;
		pattern = star;
	}
	return true;
}
