/* Any text as the table of contents of a layer: what is listed is sound, and content lies within the blob. */
#include <stdlib.h>
#include <string.h>

#include "fs/toc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define END 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_listing *l = NULL;
	struct luff_placed file;
	struct luff_digest digest;
	struct luff_error err = {0};

	if (luff_listing_new(&l, NULL, &err) < 0)
		abort();
	if (luff_toc_parse(l, (const char *)data, size, END, &err) < 0) {
		if (!err.code)
			abort();
		luff_listing_close(l);
		return 0;
	}
	for (size_t i = 0; i < l->count; i++) {
		const struct luff_record *r = &l->records[i];

		if (strlen(luff_listing_text(l, r->name)) > LUFF_PATH_MAX || r->size < 0)
			abort();
		if (r->kind != LUFF_ENTRY_FILE || r->size == 0)
			continue;
		luff_toc_place(&file, l, r);
		if (file.place.at < 0 || file.place.at >= file.place.end || file.place.end > END ||
		    file.place.inner < 0 || luff_digest_parse(&digest, file.digest.text, &err) < 0)
			abort();
	}
	luff_listing_close(l);
	return 0;
}
