/* See manifest.h. */
#include "model/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "model/embedded.h"

/* What the manifest carries itself need not be fetched. */
static int put_data_in_front(struct luff_manifest *manifest, struct luff_error *err)
{
	LUFF_AUTO(medium) data = NULL;
	struct luff_medium *both = NULL;
	int rc = luff_document_unpack_data(&data, &manifest->doc, err);

	if (rc == 0 && data)
		rc = luff_overlay_new(&both, data, manifest->medium, err);
	if (both) {
		luff_medium_unref(manifest->medium);
		manifest->medium = both;
	}
	return rc;
}

int luff_manifest_init(struct luff_manifest *out, struct luff_medium *m, const struct luff_descriptor *d,
		       const char *document, bool index, struct luff_error *err)
{
	size_t size = (size_t)d->size;
	int rc = 0;

	*out = (struct luff_manifest){.refs = 1, .medium = luff_medium_ref(m), .descriptor = *d};
	if (!document) {
		rc = luff_medium_fetch_all(&out->raw, m, d, LUFF_MANIFEST_MAX, err);
		if (rc < 0)
			return rc;
	} else {
		out->raw = malloc(size + 1);
		if (!out->raw)
			return luff_fail_nomem(err);
		memcpy(out->raw, document, size + 1);
	}
	rc = luff_document_parse(&out->doc, out->raw, size, d->media_type[0] ? d->media_type : NULL, err);
	if (rc == 0 && out->doc.is_index != index)
		rc = luff_fail(err, LUFF_EFORMAT, "%s is an %s", d->digest.text,
			       index ? "image, not an index" : "index, not an image: choose a platform");
	if (rc == 0)
		rc = put_data_in_front(out, err);
	if (rc < 0)
		return luff_fail_context(err, "%s", luff_medium_place(m));
	memcpy(out->descriptor.media_type, out->doc.media_type, sizeof out->doc.media_type);
	out->descriptor.manifest = true;
	return 0;
}

void luff_manifest_release(struct luff_manifest *manifest)
{
	luff_document_release(&manifest->doc);
	free(manifest->raw);
	luff_medium_unref(manifest->medium);
}

bool luff_manifest_drop(struct luff_manifest *manifest)
{
	return atomic_fetch_sub_explicit(&manifest->refs, 1, memory_order_acq_rel) == 1;
}
