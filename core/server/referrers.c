/*
 * Manifests by their subject (distribution-spec, end-12), as the layout medium or the upstream of a mirror lists them, by their digests.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "model/descriptor.h"
#include "server/endpoints.h"
#include "server/listed.h"

/* @param more_out  the last digest on this page, where there may be more; else "" */
static int add_referrers(struct luff_digest *more_out, cJSON *list, const struct luff_call *r,
			 struct luff_cursor *referrers, struct luff_error *err)
{
	struct luff_digest last = {.text = ""};
	int64_t bytes = 0;
	const char *text;
	int rc;

	while ((rc = luff_cursor_next(&text, referrers, err)) == 0 && text) {
		LUFF_AUTO(json) item = NULL;
		struct luff_descriptor d = {0};

		rc = luff_json_parse(&item, text, strlen(text), "referrer", err);
		if (rc == 0)
			rc = luff_descriptor_parse(&d, item, "referrer", err);
		if (rc < 0)
			return rc;
		if (strcmp(d.digest.text, r->route.last) <= 0)
			continue;
		/* annotations can be as large as their manifests: a page stays about as small as a manifest must be */
		if (last.text[0] && bytes + d.size > LUFF_MANIFEST_MAX) {
			*more_out = last;
			return 0;
		}
		if (!cJSON_AddItemToArray(list, item))
			return luff_fail_nomem(err);
		item = NULL;
		last = d.digest;
		bytes += d.size;
	}
	return rc;
}

/* What stands in a query: a media type has letters, digits, and some signs of which + is the dangerous one. */
static void encode(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 4 <= size; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9') || *text == '/' || *text == '.' || *text == '-';

		n += (size_t)snprintf(out + n, size - n, plain ? "%c" : "%%%02X", (unsigned char)*text);
	}
	out[n] = '\0';
}

static int reply_list(struct luff_call *r, const cJSON *index, const struct luff_digest *more,
		      struct luff_error *err)
{
	char *text = cJSON_PrintUnformatted(index), type[3 * LUFF_MEDIA_TYPE_MAX + 1];
	int rc = text ? luff_reply_bytes(r, MHD_HTTP_OK, LUFF_MEDIA_OCI_INDEX, text, strlen(text), err)
		      : luff_fail_nomem(err);

	if (r->route.artifact_type[0])
		luff_reply_header(r, "OCI-Filters-Applied", "artifactType");
	encode(type, sizeof type, r->route.artifact_type);
	if (more)
		luff_reply_header(r, MHD_HTTP_HEADER_LINK, "</v2/%s/referrers/%s?last=%s%s%s>; rel=\"next\"",
				  r->route.repository, r->route.digest.text, more->text,
				  *type ? "&artifactType=" : "", type);
	return rc;
}

int luff_referrers_list(struct luff_call *r, struct luff_error *err)
{
	LUFF_AUTO(json) index = cJSON_CreateObject();
	LUFF_AUTO(cursor) referrers = NULL;
	struct luff_digest more = {.text = ""};
	struct luff_error missing = {0};
	cJSON *list;
	/* no repository has no referrers, as nothing else that is not there: 404 would say that the API is missing */
	int rc = r->listed ? luff_listed_open(&referrers, r, &missing)
			   : luff_repository_open(&r->repository, r->repositories, r->route.repository, false,
						  &missing);

	if (rc == 0 && !r->listed)
		rc = luff_medium_referrers(&referrers, r->repository->medium, &r->route.digest,
					   r->route.artifact_type, &missing);
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = missing;
		return rc;
	}
	cJSON_AddNumberToObject(index, "schemaVersion", 2);
	cJSON_AddStringToObject(index, "mediaType", LUFF_MEDIA_OCI_INDEX);
	list = cJSON_AddArrayToObject(index, "manifests");
	if (!list)
		return luff_fail_nomem(err);
	rc = referrers ? add_referrers(&more, list, r, referrers, err) : 0;
	return rc < 0 ? rc : reply_list(r, index, more.text[0] ? &more : NULL, err);
}
