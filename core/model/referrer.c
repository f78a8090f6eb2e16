/* See referrer.h. */
#include "model/referrer.h"

#include <string.h>

#include "model/descriptor.h"

bool luff_referrer_subject(struct luff_digest *out, const cJSON *manifest)
{
	struct luff_error ignored = {0};
	struct luff_descriptor d;
	const cJSON *subject = luff_json_object(manifest, "subject");

	if (!subject || luff_descriptor_parse(&d, subject, "subject", &ignored) < 0)
		return false;
	*out = d.digest;
	return true;
}

bool luff_referrer_find_subject(struct luff_digest *out, const char *bytes, size_t len)
{
	LUFF_AUTO(json) manifest = NULL;
	struct luff_error ignored = {0};

	return memmem(bytes, len, "\"subject\"", 9) &&
	       luff_json_parse(&manifest, bytes, len, "manifest", &ignored) == 0 &&
	       luff_referrer_subject(out, manifest);
}

static const char *artifact_type(const cJSON *manifest)
{
	const char *type = luff_json_string(manifest, "artifactType");

	return type && *type ? type : luff_json_string(luff_json_object(manifest, "config"), "mediaType");
}

cJSON *luff_referrer_describe(const struct luff_descriptor *d, const cJSON *manifest)
{
	const cJSON *annotations = luff_json_object(manifest, "annotations");
	const char *type = artifact_type(manifest);
	LUFF_AUTO(json) item = cJSON_CreateObject();
	cJSON *copy;

	if (!cJSON_AddStringToObject(item, "mediaType", d->media_type) ||
	    !cJSON_AddStringToObject(item, "digest", d->digest.text) ||
	    !cJSON_AddNumberToObject(item, "size", (double)d->size) ||
	    (type && !cJSON_AddStringToObject(item, "artifactType", type)))
		return NULL;
	if (annotations) {
		copy = cJSON_Duplicate(annotations, true);
		if (!copy || !cJSON_AddItemToObject(item, "annotations", copy)) {
			cJSON_Delete(copy);
			return NULL;
		}
	}
	return luff_take(item);
}

bool luff_referrer_is(const cJSON *descriptor, const char *type)
{
	const char *have = luff_json_string(descriptor, "artifactType");

	return !type || !*type || (have && strcmp(have, type) == 0);
}
