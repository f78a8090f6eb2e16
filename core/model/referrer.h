/* Manifests that refer to others by their subject (image-spec, manifest.md "subject"; distribution-spec, "Listing Referrers"). */
#ifndef LUFF_MODEL_REFERRER_H
#define LUFF_MODEL_REFERRER_H

#include "base/json.h"
#include "luff.h"

/** The digest of a manifest's subject; false if it has none, or one that is no descriptor. */
bool luff_referrer_subject(struct luff_digest *out, const cJSON *manifest);
/** The same of a manifest's bytes; most have no subject, and need not be parsed to see that. */
bool luff_referrer_find_subject(struct luff_digest *out, const char *bytes, size_t len);
/** The descriptor that a list of referrers has of a manifest: d with artifactType and annotations. NULL: out of memory. */
cJSON *luff_referrer_describe(const struct luff_descriptor *d, const cJSON *manifest);
/** Whether such a descriptor is of that type; NULL or "" is any. */
bool luff_referrer_is(const cJSON *descriptor, const char *artifact_type);

#endif
