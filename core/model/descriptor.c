/* From JSON to descriptors and manifests, refusing whatever could be read in two ways. */
#include "model/descriptor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/platform.h"

#define SCHEMA1 "application/vnd.docker.distribution.manifest.v1+"
#define ENTRIES_MAX (LUFF_DOCUMENT_VALUES_MAX / 4) /* each is an object with three members at least */

bool luff_media_is_image(const char *media_type)
{
	return strcmp(media_type, LUFF_MEDIA_OCI_MANIFEST) == 0 ||
	       strcmp(media_type, LUFF_MEDIA_DOCKER_MANIFEST) == 0;
}

bool luff_media_is_index(const char *media_type)
{
	return strcmp(media_type, LUFF_MEDIA_OCI_INDEX) == 0 ||
	       strcmp(media_type, LUFF_MEDIA_DOCKER_LIST) == 0;
}

bool luff_media_is_foreign(const char *media_type)
{
	return strstr(media_type, ".nondistributable.") || strstr(media_type, ".foreign.diff.");
}

/* What an index lists is a manifest unless it says to be a layer or a config (BuildKit's caches list those). */
static bool is_blob(const char *media_type)
{
	return strstr(media_type, ".layer.") || strstr(media_type, ".diff.tar") ||
	       strstr(media_type, ".config.") || strcmp(media_type, LUFF_MEDIA_DOCKER_CONFIG) == 0;
}

void luff_platform_from_json(struct luff_platform *out, const cJSON *object)
{
	const char *os = luff_json_string(object, "os"), *arch = luff_json_string(object, "architecture");
	const char *variant = luff_json_string(object, "variant"),
		   *version = luff_json_string(object, "os.version");

	luff_text_copy(out->os, sizeof out->os, os ? os : "");
	luff_text_copy(out->arch, sizeof out->arch, arch ? arch : "");
	luff_text_copy(out->variant, sizeof out->variant, variant ? variant : "");
	luff_text_copy(out->os_version, sizeof out->os_version, version ? version : "");
	luff_platform_normalize(out);
}

/* RFC 6838 4.2 as far as it protects headers and messages: printable ASCII without blanks, a slash. */
static bool is_media_type(const char *text)
{
	size_t len = strlen(text);

	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == ',')
			return false;
	}
	return len > 2 && len <= LUFF_MEDIA_TYPE_MAX && strchr(text, '/');
}

int luff_descriptor_parse(struct luff_descriptor *out, const cJSON *object, const char *what,
			  struct luff_error *err)
{
	const char *media_type = luff_json_string(object, "mediaType"),
		   *digest = luff_json_string(object, "digest");
	int rc;

	memset(out, 0, sizeof *out);
	if (!cJSON_IsObject(object))
		return luff_fail(err, LUFF_EFORMAT, "%s: no descriptor", what);
	if (!media_type || !is_media_type(media_type))
		return luff_fail(err, LUFF_EFORMAT, "%s: %s mediaType", what,
				 media_type ? "malformed" : "no");
	luff_text_copy(out->media_type, sizeof out->media_type, media_type);
	if (!digest)
		return luff_fail(err, LUFF_EFORMAT, "%s: no digest", what);
	rc = luff_digest_parse(&out->digest, digest, err);
	if (rc < 0) {
		luff_fail_context(err, "%s", what);
		return err->code = LUFF_EFORMAT;
	}
	if (!luff_json_int64(&out->size, object, "size") || out->size < 0)
		return luff_fail(err, LUFF_EFORMAT, "%s: no size, or none that is a whole number of bytes",
				 what);
	luff_platform_from_json(&out->platform, luff_json_object(object, "platform"));
	return 0;
}

static int parse_entries(struct luff_document *doc, const cJSON *array, struct luff_error *err)
{
	const char *noun = doc->is_index ? "manifest" : "layer";
	const cJSON *item;
	size_t count = (size_t)cJSON_GetArraySize(array);

	if (count > ENTRIES_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%zu %ss, more than %d", count, noun, ENTRIES_MAX);
	doc->entries = calloc(count + 1, sizeof *doc->entries);
	if (!doc->entries)
		return luff_fail_nomem(err);
	cJSON_ArrayForEach(item, array)
	{
		struct luff_descriptor *d = &doc->entries[doc->count];
		char what[48];
		int rc;

		snprintf(what, sizeof what, "%s %zu", noun, doc->count + 1);
		rc = luff_descriptor_parse(d, item, what, err);
		if (rc < 0)
			return rc;
		d->manifest = doc->is_index && !is_blob(d->media_type);
		doc->count++;
	}
	return 0;
}

/* Which of the two it is by its shape; both is neither. */
static int decide(struct luff_document *doc, const char *media_type, struct luff_error *err)
{
	const char *member = luff_json_string(doc->tree, "mediaType"), *type = member ? member : media_type;
	bool image = luff_json_get(doc->tree, "config") || luff_json_get(doc->tree, "layers");
	bool index = luff_json_get(doc->tree, "manifests") != NULL;
	const cJSON *list;
	int64_t version = 0;
	char word[128];

	if (!cJSON_IsObject(doc->tree))
		return luff_fail(err, LUFF_EFORMAT, "no JSON object");
	luff_json_int64(&version, doc->tree, "schemaVersion");
	if (version == 1 || (type && luff_text_starts(type, SCHEMA1)))
		return luff_fail(err, LUFF_ENOTSUP,
				 "Docker schema 1, which is no longer supported: push the image anew");
	if (version != 2)
		return luff_fail(err, LUFF_EFORMAT, "no schemaVersion of 2");
	if (luff_json_get(doc->tree, "fsLayers") || (image && index))
		return luff_fail(err, LUFF_EFORMAT,
				 "both an image and an index: it has layers and manifests");
	if (!image && !index)
		return luff_fail(err, LUFF_EFORMAT, "neither an image nor an index");
	if (member && media_type && strcmp(member, media_type) != 0)
		return luff_fail(err, LUFF_EFORMAT, "says to be %s, but was given as another type",
				 luff_text_printable(word, sizeof word, member));
	if (type && (index ? luff_media_is_image(type) : luff_media_is_index(type)))
		return luff_fail(err, LUFF_EFORMAT, "says to be %s, but is an %s",
				 luff_text_printable(word, sizeof word, type), index ? "index" : "image");
	if ((type && !is_media_type(type)) || (!member && luff_json_get(doc->tree, "mediaType")))
		return luff_fail(err, LUFF_EFORMAT, "malformed mediaType");
	list = luff_json_get(doc->tree, index ? "manifests" : "layers");
	if (list && !cJSON_IsArray(list))
		return luff_fail(err, LUFF_EFORMAT, "%s is no list", index ? "manifests" : "layers");
	if (!type)
		type = index ? LUFF_MEDIA_OCI_INDEX : LUFF_MEDIA_OCI_MANIFEST;
	luff_text_copy(doc->media_type, sizeof doc->media_type, type);
	doc->is_index = index;
	return 0;
}

int luff_document_parse(struct luff_document *out, const char *text, size_t len, const char *media_type,
			struct luff_error *err)
{
	struct luff_document doc = {0};
	int rc = luff_json_scan(text, len, LUFF_DOCUMENT_VALUES_MAX, "manifest", err);

	memset(out, 0, sizeof *out);
	if (rc == 0)
		rc = luff_json_parse(&doc.tree, text, len, "manifest", err);
	if (rc < 0)
		return rc;
	rc = decide(&doc, media_type, err);
	if (rc == 0 && !doc.is_index)
		rc = luff_descriptor_parse(&doc.config, luff_json_get(doc.tree, "config"), "config", err);
	if (rc == 0)
		rc = parse_entries(&doc, luff_json_get(doc.tree, doc.is_index ? "manifests" : "layers"), err);
	if (rc < 0) {
		luff_document_release(&doc);
		return luff_fail_context(err, "manifest");
	}
	*out = doc;
	return 0;
}

void luff_document_release(struct luff_document *doc)
{
	cJSON_Delete(doc->tree);
	free(doc->entries);
	memset(doc, 0, sizeof *doc);
}
