/* Request lines of the embedded registry: whatever parses is safe to be a path, a header, a file name. */
#include "server/route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What may stand in a path or a header without another thought. */
static void check_plain(const char *text, const char *extra)
{
	for (; *text; text++)
		assert((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') ||
		       strchr(extra, *text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct luff_route route;
	struct luff_error err = {0};
	int64_t first = 0, last = 0;
	int rc;

	memcpy(text, data, size);
	text[size] = '\0';
	rc = luff_route_parse(&route, text, &err);
	assert((rc == LUFF_ENAME) == (route.refusal != NULL) && (rc == 0 || err.code == rc));
	if (rc == 0) {
		check_plain(route.repository, "/._-");
		check_plain(route.from, "/._-");
		check_plain(route.tag, "._-ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		check_plain(route.digest.text, ":");
		check_plain(route.content.text, ":");
		check_plain(route.mount.text, ":");
		check_plain(route.id, "");
		check_plain(route.algorithm, "");
		assert(!strstr(route.repository, "..") && !strstr(route.repository, "//"));
		assert(route.repository[0] != '/' && route.tag[0] != '.' && route.tag[0] != '-');
	}
	if (luff_range_parse(&first, &last, text, 1000) == LUFF_RANGE_PART)
		assert(first >= 0 && first <= last && last < 1000);
	if (luff_range_parse_chunk(&first, &last, text))
		assert(first >= 0 && first <= last && last < INT64_MAX);
	free(text);
	return 0;
}
