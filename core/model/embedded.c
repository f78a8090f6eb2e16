/* See embedded.h. */
#include "model/embedded.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#define DATA_MAX ((int64_t)64 << 20) /* bytes of all documents whose data is held together */

static int unpack(struct luff_medium **memory, const cJSON *object, const struct luff_descriptor *d,
		  struct luff_error *err)
{
	const cJSON *member = luff_json_get(object, "data");
	const char *text = cJSON_GetStringValue(member);
	LUFF_AUTO(text) bytes = NULL;
	size_t len = 0;
	int rc = 0;

	if (!member)
		return 0;
	bytes = text ? luff_text_unbase64(&len, text) : NULL;
	if (!bytes)
		return luff_fail(err, LUFF_EFORMAT, "data that is no base64");
	if ((int64_t)len != d->size)
		return luff_fail(err, LUFF_ESIZE, "data of %zu bytes, where %lld are promised", len,
				 (long long)d->size);
	if (!*memory)
		rc = luff_memory_new(memory, DATA_MAX, err);
	return rc < 0 ? rc : luff_medium_push_bytes(*memory, d, bytes, err);
}

int luff_document_unpack_data(struct luff_medium **memory, const struct luff_document *doc,
			      struct luff_error *err)
{
	const cJSON *item;
	size_t i = 0;
	int rc = doc->is_index ? 0 : unpack(memory, luff_json_get(doc->tree, "config"), &doc->config, err);

	if (rc < 0)
		return luff_fail_context(err, "config");
	cJSON_ArrayForEach(item, luff_json_array(doc->tree, doc->is_index ? "manifests" : "layers"))
	{
		rc = unpack(memory, item, &doc->entries[i++], err);
		if (rc < 0)
			return luff_fail_context(err, "%s %zu", doc->is_index ? "manifest" : "layer", i);
	}
	return 0;
}
