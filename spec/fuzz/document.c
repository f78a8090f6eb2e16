/*
 * Any bytes as a manifest or an index: what is accepted is one thing, its descriptors are sound, and printed in its own order it
 * says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "model/descriptor.h"
#include "ops/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct luff_descriptor *d)
{
	struct luff_digest digest;
	struct luff_platform host;
	struct luff_error err = {0};
	char text[LUFF_PLATFORM_TEXT_MAX];

	if (d->size < 0 || !strchr(d->media_type, '/') ||
	    luff_digest_parse(&digest, d->digest.text, &err) < 0)
		abort();
	luff_platform_host(&host);
	luff_platform_match(&host, &d->platform);
	luff_platform_match(&d->platform, &d->platform);
	luff_platform_format(text, &d->platform);
}

static void check_order(const struct luff_document *doc)
{
	LUFF_AUTO(text) text = cJSON_PrintUnformatted(doc->tree);
	LUFF_AUTO(text) same = NULL;
	struct luff_error err = {0};

	if (!text || luff_document_reprint(&same, text, text, "document", &err) < 0 || same)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {NULL, LUFF_MEDIA_OCI_MANIFEST, LUFF_MEDIA_OCI_INDEX,
					    "text/plain"};
	const char *type = types[size > 0 ? data[0] % 4 : 0];
	struct luff_document doc;
	struct luff_error err = {0};

	if (luff_document_parse(&doc, (const char *)data + (size > 0), size - (size > 0), type, &err) < 0) {
		if (doc.tree || doc.entries || !err.code)
			abort();
		return 0;
	}
	if (doc.is_index ? luff_media_is_image(doc.media_type) : luff_media_is_index(doc.media_type))
		abort();
	if (!doc.is_index)
		check(&doc.config);
	for (size_t i = 0; i < doc.count; i++)
		check(&doc.entries[i]);
	check_order(&doc);
	luff_document_release(&doc);
	return 0;
}
