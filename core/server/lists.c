/* Lists of names, page by page: tags and repositories (distribution-spec, end-8, and the _catalog that registries have besides). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "server/endpoints.h"
#include "server/listed.h"
#include "server/names.h"

#define PAGE_MAX 10000 /* names on a page, however many are asked for */
#define LIST_BYTES_MAX (8 << 20)

typedef int compare_fn(const void *a, const void *b);

/* {prefix "a","b"]}: the sorted names behind route.last, at most route.n of them, and a Link to the rest. */
static int reply_names(struct luff_call *r, const char *prefix, const struct luff_names *names,
		       compare_fn *compare, const char *path, struct luff_error *err)
{
	const char *last = r->route.last, *at_end = NULL;
	int64_t n = r->route.n < 0 || r->route.n > PAGE_MAX ? PAGE_MAX : r->route.n, taken = 0;
	struct luff_buffer body;
	size_t i = 0;
	int rc;

	luff_buffer_init(&body, LIST_BYTES_MAX);
	while (*last && i < names->count && compare(&names->items[i], &last) <= 0)
		i++;
	rc = luff_buffer_printf(&body, err, "{%s", prefix);
	for (; i < names->count && taken < n && rc == 0; i++, taken++) {
		at_end = names->items[i];
		rc = luff_buffer_printf(&body, err, "%s\"%s\"", taken ? "," : "", at_end);
	}
	if (rc == 0)
		rc = luff_buffer_append(&body, "]}", 2, err);
	if (rc == 0) {
		size_t len = body.len;

		rc = luff_reply_bytes(r, MHD_HTTP_OK, "application/json", luff_buffer_take(&body), len, err);
	}
	if (rc == 0 && at_end && i < names->count)
		luff_reply_header(r, MHD_HTTP_HEADER_LINK, "<%s?n=%lld&last=%s>; rel=\"next\"", path,
				  (long long)n, at_end);
	luff_buffer_release(&body);
	return rc;
}

/* "Lexical, i.e. case-insensitive alphanumeric order"; tags that differ only in case keep an order, too. */
static int compare_tags(const void *a, const void *b)
{
	const char *left = *(const char *const *)a, *right = *(const char *const *)b;
	int order = strcasecmp(left, right);

	return order ? order : strcmp(left, right);
}

/* The names that are tags: into a layout another tool may have given it others, and one twice. */
static int read_tags(struct luff_names *names, struct luff_call *r, struct luff_error *err)
{
	LUFF_AUTO(cursor) cursor = NULL;
	const char *tag = "";
	int rc = r->listed ? luff_listed_open(&cursor, r, err)
			   : luff_medium_tags(&cursor, r->repository->medium, err);

	while (rc == 0 && tag) {
		rc = luff_cursor_next(&tag, cursor, err);
		if (rc == 0 && tag && luff_route_is_tag(tag))
			rc = luff_names_add(names, tag, err);
	}
	luff_names_sort(names, compare_tags);
	return rc;
}

int luff_lists_tags(struct luff_call *r, struct luff_error *err)
{
	char prefix[LUFF_NAME_MAX + 32], path[LUFF_NAME_MAX + 32];
	LUFF_AUTO(names) names = {0};
	int rc = r->listed ? 0 : luff_call_open(r, false, "NAME_UNKNOWN", err);

	if (rc == 0)
		rc = read_tags(&names, r, err);
	snprintf(prefix, sizeof prefix, "\"name\":\"%s\",\"tags\":[", r->route.repository);
	snprintf(path, sizeof path, "/v2/%s/tags/list", r->route.repository);
	if (rc == 0)
		rc = reply_names(r, prefix, &names, compare_tags, path, err);
	return rc;
}

static int compare_repositories(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int luff_lists_catalog(struct luff_call *r, struct luff_error *err)
{
	LUFF_AUTO(names) names = {0};
	int rc = luff_repositories_list(&names, r->repositories, false, err);

	luff_names_sort(&names, compare_repositories);
	if (rc == 0)
		rc = reply_names(r, "\"repositories\":[", &names, compare_repositories, "/v2/_catalog", err);
	return rc;
}
