/*
 * Manifests by their subject (distribution-spec, end-12). A referrer mostly has no tag, so each gets an entry without a name in
 * index.json when it is pushed; listing reads what index.json names. Other tools that read the layout find them there, too.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "model/descriptor.h"
#include "server/endpoints.h"

/* ---- remembering ---- */

static bool is_nameless(const cJSON *entry)
{
	return !luff_json_string(luff_json_object(entry, "annotations"), "org.opencontainers.image.ref.name");
}

static bool has_digest(const cJSON *entry, const struct luff_digest *digest)
{
	const char *text = luff_json_string(entry, "digest");

	return text && strcmp(text, digest->text) == 0;
}

struct adding {
	struct luff_store *store;
	const struct luff_descriptor *descriptor;
};

static int add_entry(char **out_text, void *arg, const char *text, size_t len, struct luff_error *err)
{
	const struct adding *adding = arg;
	const struct luff_descriptor *d = adding->descriptor;
	struct luff_error gone = {0};
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(json) entry = NULL;
	cJSON *entries, *other;
	int64_t size;
	int rc;

	/* somebody may have removed it since it came */
	if (luff_store_stat(&size, adding->store, &d->digest, &gone) == LUFF_ENOTFOUND)
		return 0;
	rc = luff_json_parse(&tree, text, len, "index.json", err);
	if (rc < 0)
		return rc;
	entries = cJSON_GetObjectItemCaseSensitive(tree, "manifests");
	cJSON_ArrayForEach(other, entries)
	{
		if (has_digest(other, &d->digest) && is_nameless(other))
			return 0;
	}
	entry = cJSON_CreateObject();
	if (!cJSON_AddStringToObject(entry, "mediaType", d->media_type) ||
	    !cJSON_AddStringToObject(entry, "digest", d->digest.text) ||
	    !cJSON_AddNumberToObject(entry, "size", (double)d->size) || !cJSON_AddItemToArray(entries, entry))
		return luff_fail_nomem(err);
	entry = NULL;
	*out_text = cJSON_PrintUnformatted(tree);
	return *out_text ? 0 : luff_fail_nomem(err);
}

int luff_referrers_add(struct luff_repository *repository, const struct luff_descriptor *d,
		       struct luff_error *err)
{
	struct adding adding = {.store = repository->store, .descriptor = d};

	return luff_store_change_index(repository->store, add_entry, &adding, NULL, err);
}

/* ---- listing ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct luff_descriptor *)a)->digest.text,
		      ((const struct luff_descriptor *)b)->digest.text);
}

/* What index.json names, sorted by digest, each once. free() them. */
static int read_entries(struct luff_descriptor **out, size_t *count_out, struct luff_store *store,
			struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	LUFF_AUTO(json) tree = NULL;
	struct luff_descriptor *entries;
	const cJSON *array, *entry;
	size_t len, count = 0, kept = 0;
	int rc = luff_store_read_index(&text, &len, store, err);

	if (rc == 0)
		rc = luff_json_parse(&tree, text, len, "index.json", err);
	if (rc < 0)
		return rc;
	array = luff_json_array(tree, "manifests");
	entries = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *entries);
	if (!entries)
		return luff_fail_nomem(err);
	cJSON_ArrayForEach(entry, array)
	{
		struct luff_error ignored = {0};

		/* what another tool wrote and we cannot read is no referrer that anybody pushed here */
		if (luff_descriptor_parse(&entries[count], entry, "entry", &ignored) == 0)
			count++;
	}
	qsort(entries, count, sizeof *entries, compare);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || compare(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	}
	*out = entries;
	*count_out = kept;
	return 0;
}

/* The manifest, if the route's digest is its subject; else NULL. cJSON_Delete() it. */
static int read_referrer(cJSON **out, struct luff_call *r, const struct luff_descriptor *d,
			 struct luff_error *err)
{
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(json) tree = NULL;
	struct luff_error ignored = {0};
	int rc = luff_medium_fetch_all(&document, r->repository->medium, d, LUFF_MANIFEST_MAX, &ignored);

	*out = NULL;
	if (rc == 0)
		rc = luff_json_scan(document, (size_t)d->size, LUFF_DOCUMENT_VALUES_MAX, "manifest",
				    &ignored);
	if (rc == 0)
		rc = luff_json_parse(&tree, document, (size_t)d->size, "manifest", &ignored);
	if (rc == LUFF_ENOMEM)
		return luff_fail_nomem(err);
	/* what is damaged or gone is somebody else's complaint */
	if (rc == 0 && has_digest(luff_json_object(tree, "subject"), &r->route.digest))
		*out = luff_take(tree);
	return 0;
}

static const char *artifact_type(const cJSON *manifest)
{
	const char *type = luff_json_string(manifest, "artifactType");

	return type && *type ? type : luff_json_string(luff_json_object(manifest, "config"), "mediaType");
}

/* Adds the referrer's descriptor to the list, unless the request asks for other types. */
static int add_referrer(bool *added, cJSON *list, const struct luff_call *r, const struct luff_descriptor *d,
			const cJSON *manifest, struct luff_error *err)
{
	const char *type = artifact_type(manifest), *want = r->route.artifact_type;
	const cJSON *annotations = luff_json_object(manifest, "annotations");
	LUFF_AUTO(json) item = NULL;
	cJSON *copy;

	*added = false;
	if (*want && (!type || strcmp(type, want) != 0))
		return 0;
	item = cJSON_CreateObject();
	if (!cJSON_AddStringToObject(item, "mediaType", d->media_type) ||
	    !cJSON_AddStringToObject(item, "digest", d->digest.text) ||
	    !cJSON_AddNumberToObject(item, "size", (double)d->size) ||
	    (type && !cJSON_AddStringToObject(item, "artifactType", type)))
		return luff_fail_nomem(err);
	if (annotations) {
		copy = cJSON_Duplicate(annotations, true);
		if (!copy || !cJSON_AddItemToObject(item, "annotations", copy)) {
			cJSON_Delete(copy);
			return luff_fail_nomem(err);
		}
	}
	if (!cJSON_AddItemToArray(list, item))
		return luff_fail_nomem(err);
	item = NULL;
	*added = true;
	return 0;
}

/* @param more_out  the last digest on this page, where there may be more; else NULL */
static int add_referrers(const struct luff_digest **more_out, cJSON *list, struct luff_call *r,
			 const struct luff_descriptor *entries, size_t count, struct luff_error *err)
{
	const struct luff_digest *last = NULL;
	int64_t bytes = 0;
	int rc = 0;

	*more_out = NULL;
	for (size_t i = 0; i < count && rc == 0; i++) {
		LUFF_AUTO(json) manifest = NULL;
		bool added;

		if (strcmp(entries[i].digest.text, r->route.last) <= 0)
			continue;
		rc = read_referrer(&manifest, r, &entries[i], err);
		if (rc < 0 || !manifest)
			continue;
		/* annotations can be as large as their manifests: a page stays about as small as a manifest must be */
		if (last && bytes + entries[i].size > LUFF_MANIFEST_MAX) {
			*more_out = last;
			break;
		}
		rc = add_referrer(&added, list, r, &entries[i], manifest, err);
		if (rc == 0 && added) {
			last = &entries[i].digest;
			bytes += entries[i].size;
		}
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
	struct luff_descriptor *entries = NULL;
	const struct luff_digest *more = NULL;
	struct luff_error missing = {0};
	size_t count = 0;
	cJSON *list;
	/* no repository has no referrers, as nothing else that is not there: 404 would say that the API is missing */
	int rc = luff_repository_open(&r->repository, r->repositories, r->route.repository, false, &missing);

	if (rc == 0)
		rc = read_entries(&entries, &count, r->repository->store, &missing);
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = missing;
		return rc;
	}
	rc = 0;
	cJSON_AddNumberToObject(index, "schemaVersion", 2);
	cJSON_AddStringToObject(index, "mediaType", LUFF_MEDIA_OCI_INDEX);
	list = cJSON_AddArrayToObject(index, "manifests");
	if (!list)
		rc = luff_fail_nomem(err);
	if (rc == 0)
		rc = add_referrers(&more, list, r, entries, count, err);
	if (rc == 0)
		rc = reply_list(r, index, more, err);
	free(entries);
	return rc;
}
