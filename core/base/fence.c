/* See fence.h. Raised before any script runs, by the only thread there is; read by all. */
#include "base/fence.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static struct {
	bool stands;
	char **read, **write;
} fence;

static bool is_entry(const char *text)
{
	size_t len = strlen(text);

	return strcmp(text, "*") == 0 || (len > 0 && len <= 512 && text[0] != '/' && text[len - 1] != '/' &&
					  !strstr(text, "//") && text[strcspn(text, "*@?# ")] == '\0');
}

static int copy(char ***out, const char *const *list, struct luff_error *err)
{
	char **all = calloc(LUFF_FENCE_MAX + 1, sizeof *all);
	size_t n = 0;

	*out = all;
	for (; all && *list; list++) {
		char word[64];

		if (n == LUFF_FENCE_MAX)
			return luff_fail(err, LUFF_EINVAL, "more than %d places are allowed", LUFF_FENCE_MAX);
		if (!is_entry(*list))
			return luff_fail(err, LUFF_EINVAL,
					 "\"%s\" is no place to allow: write ghcr.io, ghcr.io/org or *",
					 luff_text_printable(word, sizeof word, *list));
		all[n] = strdup(*list);
		if (!all[n++])
			return luff_fail_nomem(err);
	}
	return all ? 0 : luff_fail_nomem(err);
}

int luff_fence_raise(const char *const *read, const char *const *write, struct luff_error *err)
{
	int rc;

	if (fence.stands)
		return luff_fail(err, LUFF_EINVAL, "the sandbox stands already");
	/* first, so that a list that is wrong allows nothing */
	fence.stands = true;
	rc = copy(&fence.write, write, err);
	return rc < 0 ? rc : copy(&fence.read, read, err);
}

bool luff_fence_stands(void)
{
	return fence.stands;
}

/* Whether the entry is the place or something above it. */
static bool covers(const char *entry, const char *place)
{
	size_t len = strlen(entry);

	return strcmp(entry, "*") == 0 ||
	       (strncmp(entry, place, len) == 0 && (place[len] == '\0' || place[len] == '/'));
}

static bool is_listed(char *const *list, const char *place)
{
	while (list && *list && !covers(*list, place))
		list++;
	return list && *list;
}

static int deny(const char *place, struct luff_error *err)
{
	char word[256];

	return luff_fail(err, LUFF_EDENIED, "the sandbox does not let the script read %s",
			 luff_text_printable(word, sizeof word, place));
}

int luff_fence_local(const char *place, struct luff_error *err)
{
	return fence.stands ? deny(place, err) : 0;
}

int luff_fence_repository(bool *writable_out, const char *place, struct luff_error *err)
{
	*writable_out = !fence.stands || is_listed(fence.write, place);
	return *writable_out || is_listed(fence.read, place) ? 0 : deny(place, err);
}

int luff_fence_registry(const char *host, struct luff_error *err)
{
	bool ignored;

	return luff_fence_repository(&ignored, host, err);
}
