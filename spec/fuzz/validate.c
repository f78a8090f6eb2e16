/* Any bytes as the config and the layer of an image (a zero between them): what is wrong is found, and said in a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void push(struct luff_descriptor *d, struct luff_medium *m, const void *bytes, size_t len)
{
	struct luff_error err = {0};

	d->size = (int64_t)len;
	if (luff_digest_of(&d->digest, "sha256", bytes, len, &err) < 0 ||
	    luff_medium_push_bytes(m, d, bytes, &err) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t first = zero ? (size_t)(zero - data) : size, rest = zero ? size - first - 1 : 0;
	struct luff_descriptor config = {.media_type = LUFF_MEDIA_OCI_CONFIG},
			       layer = {.media_type = LUFF_MEDIA_OCI_LAYER},
			       manifest = {.media_type = LUFF_MEDIA_OCI_MANIFEST, .manifest = true};
	struct luff_medium *m = NULL;
	struct luff_validate_options options = {.jobs = 1}; /* no threads to start */
	struct luff_validate_result found;
	struct luff_name name = {.tag = "v1"};
	struct luff_error err = {0};
	char text[1024];

	if (luff_memory_new(&m, (int64_t)64 << 20, &err) < 0)
		abort();
	push(&config, m, data, first);
	push(&layer, m, zero ? zero + 1 : data, rest);
	manifest.size = snprintf(
		text, sizeof text,
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%lld},"
		"\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%lld}]}",
		config.media_type, config.digest.text, (long long)config.size, layer.media_type,
		layer.digest.text, (long long)layer.size);
	if (luff_digest_of(&manifest.digest, "sha256", text, (size_t)manifest.size, &err) < 0 ||
	    luff_medium_tag(m, &manifest, text, "v1", &err) < 0 ||
	    luff_validate(&found, m, &name, &options, &err) < 0)
		abort();
	for (const struct luff_finding *f = found.findings; f; f = f->next) {
		if (f->code >= 0 || !*f->what || !*f->thing || !*f->place)
			abort();
		for (const char *p = f->what; *p; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				abort();
		}
	}
	luff_findings_free(found.findings);
	luff_medium_unref(m);
	return 0;
}
