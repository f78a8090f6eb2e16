/* Headers of a hostile registry: whatever is taken from them is bounded and fit for a line. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mediums/registry/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text, size_t cap)
{
	assert(strlen(text) < cap);
	for (; *text; text++)
		assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), buf[512], type[LUFF_MEDIA_TYPE_MAX + 1];
	const char *at = text, *before;
	struct luff_challenge c;
	int64_t first, last, total;

	memcpy(text, data, size);
	text[size] = '\0';
	for (before = at; luff_header_challenge(&c, &at); before = at) {
		assert(at > before && at <= text + size);
		check_line(c.scheme, sizeof c.scheme);
		check_line(c.realm, sizeof c.realm);
		check_line(c.service, sizeof c.service);
		check_line(c.scope, sizeof c.scope);
		check_line(c.error, sizeof c.error);
		assert(c.scheme[0]);
	}
	if (luff_header_next_link(buf, sizeof buf, text))
		assert(buf[0] && strlen(buf) < sizeof buf);
	if (luff_header_content_range(&first, &last, &total, text))
		assert(first >= 0 && first <= last && (total == -1 || last < total));
	if (luff_header_upload_range(&last, text))
		assert(last >= 0 && last < INT64_MAX);
	if (luff_text_time(&first, text))
		assert(first >= -62167305600 && first < 253402400000);
	for (at = text, before = at; luff_header_warning(buf, sizeof buf, &at); before = at) {
		assert(at > before && at <= text + size && buf[0]);
		check_line(buf, sizeof buf);
	}
	if (luff_header_rate(&first, &last, text))
		assert(first >= 0 && last >= -1);
	luff_header_media_type(type, text);
	check_line(type, sizeof type);
	free(text);
	return 0;
}
