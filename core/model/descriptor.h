/* Descriptors and manifest documents as JSON (image-spec: descriptor.md, manifest.md, image-index.md). */
#ifndef LUFF_MODEL_DESCRIPTOR_H
#define LUFF_MODEL_DESCRIPTOR_H

#include "base/json.h"
#include "luff.h"

/** Layers that a registry need not hold: they are where their URLs say (image-spec, layer.md "Non-Distributable Layers"). */
bool luff_media_is_foreign(const char *media_type);
/** A "platform" object, or the members of the same names in an image config. NULL: an empty platform. */
void luff_platform_from_json(struct luff_platform *out, const cJSON *object);
/** One descriptor object. LUFF_EFORMAT with the member that is wrong. `what`: "layer 3". */
int luff_descriptor_parse(struct luff_descriptor *out, const cJSON *object, const char *what,
			  struct luff_error *err);

/* A manifest or an index, parsed and checked. */
struct luff_document {
	cJSON *tree;
	bool is_index;
	char media_type[LUFF_MEDIA_TYPE_MAX + 1]; /* the member, or what the shape says where it is missing */
	struct luff_descriptor config;            /* of an image */
	struct luff_descriptor *entries;          /* layers of an image, manifests of an index */
	size_t count;
};

#define LUFF_DOCUMENT_VALUES_MAX 131072 /* JSON values of one: 16 MB of tree at most */

/**
 * Checks that the document is one thing (image-spec, manifest.md "mediaType"; CVE-2021-41190): an image has config
 * and layers, an index has manifests, none has both, and `media_type`, where given, agrees with the member mediaType.
 * Docker schema 1 is refused by name.
 */
int luff_document_parse(struct luff_document *out, const char *text, size_t len, const char *media_type,
			struct luff_error *err);
void luff_document_release(struct luff_document *doc);

#endif
