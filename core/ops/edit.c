/*
 * New images from old: a new config and manifest in front of the old medium, and what new layers bring. Untouched layers stay where
 * they are, and so does all of the documents that nobody changed, in its order.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "mediums/parts.h"
#include "model/descriptor.h"
#include "model/layer.h"
#include "ops/document.h"
#include "ops/stand.h"

struct image_edit {
	struct luff_stand stand;
	struct luff_image *image; /* NULL: there was none */
	const struct luff_edit *edit;
	struct luff_descriptor config;
	char *config_text; /* NULL: it stays */
	cJSON *manifest;
	char *manifest_text; /* NULL: it stays */
};

static int make_config(struct image_edit *e, struct luff_error *err)
{
	const char *old = NULL;
	int rc = 0;

	if (e->image) {
		e->config = *luff_image_config(e->image);
		rc = e->edit->config ? luff_image_raw_config(&old, e->image, err) : 0;
	}
	if (rc < 0 || !e->edit->config)
		return rc;
	rc = luff_document_reprint(&e->config_text, e->edit->config, old, "config", err);
	if (rc < 0 || !e->config_text)
		return rc;
	return luff_document_describe(&e->config, e->config_text, LUFF_CONFIG_MAX, "config",
				      &e->config.digest, err);
}

/* In its place, so that the order stays. */
static bool set(cJSON *object, const char *name, cJSON *value)
{
	bool there = cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
	bool done = value && (there ? cJSON_ReplaceItemInObjectCaseSensitive(object, name, value)
				    : cJSON_AddItemToObject(object, name, value));

	if (!done)
		cJSON_Delete(value);
	return done;
}

/* The new manifest names the new config. */
static int make_manifest(struct image_edit *e, struct luff_error *err)
{
	const char *old = e->image ? luff_image_raw_manifest(e->image) : NULL;
	const char *text = e->edit->manifest ? e->edit->manifest : old ? old : "";
	cJSON *config;
	LUFF_AUTO(text) printed = NULL;
	int rc = luff_json_parse(&e->manifest, text, strlen(text), "manifest", err);

	if (rc == 0)
		rc = luff_json_keep_numbers(e->manifest, text, strlen(text), err);
	if (rc < 0)
		return rc;
	config = cJSON_GetObjectItemCaseSensitive(e->manifest, "config");
	if (!cJSON_IsObject(config))
		return luff_fail(err, LUFF_EINVAL, "the manifest has no config");
	if (e->config_text)
		cJSON_DeleteItemFromObjectCaseSensitive(config, "data");
	if (!set(config, "digest", cJSON_CreateString(e->config.digest.text)) ||
	    !set(config, "size", cJSON_CreateNumber((double)e->config.size)))
		return luff_fail_nomem(err);
	printed = cJSON_PrintUnformatted(e->manifest);
	return printed ? luff_document_reprint(&e->manifest_text, printed, old, "manifest", err)
		       : luff_fail_nomem(err);
}

static int compare_digests(const void *a, const void *b)
{
	return strcmp(((const struct luff_descriptor *)a)->digest.text,
		      ((const struct luff_descriptor *)b)->digest.text);
}

/* The layers of the image before, to look for digests in; free() it. */
static int sort_layers(struct luff_descriptor **out, size_t *count, struct luff_image *image,
		       struct luff_error *err)
{
	*count = image ? luff_image_layer_count(image) : 0;
	*out = calloc(*count + 1, sizeof **out);
	if (!*out)
		return luff_fail_nomem(err);
	for (size_t i = 0; i < *count; i++) {
		LUFF_AUTO(layer) layer = NULL;
		int rc = luff_image_layer(&layer, image, i, err);

		if (rc < 0)
			return rc;
		(*out)[i] = *luff_layer_descriptor(layer);
	}
	if (*count > 0)
		qsort(*out, *count, sizeof **out, compare_digests);
	return 0;
}

static int add_layer(struct image_edit *e, const struct luff_descriptor *d, const struct luff_descriptor *old,
		     size_t old_count, struct luff_error *err)
{
	for (size_t i = 0; i < e->edit->layer_count; i++) {
		struct luff_layer *layer = e->edit->layers[i];

		if (luff_digest_equal(&luff_layer_descriptor(layer)->digest, &d->digest))
			return luff_parts_add_from(e->stand.front, d, luff_layer_medium(layer), err);
	}
	if (old_count > 0 && bsearch(d, old, old_count, sizeof *old, compare_digests))
		return luff_stand_keep(&e->stand, d, err);
	return luff_fail(err, LUFF_EINVAL, "the manifest names the layer %s, which is neither old nor given",
			 d->digest.text);
}

static int add_parts(struct image_edit *e, const struct luff_document *doc, struct luff_error *err)
{
	struct luff_descriptor *old = NULL;
	size_t old_count;
	int rc = sort_layers(&old, &old_count, e->image, err);

	if (rc == 0)
		rc = e->config_text ? luff_parts_add_bytes(e->stand.front, &e->config, e->config_text, err)
				    : luff_stand_keep(&e->stand, &e->config, err);
	for (size_t i = 0; rc == 0 && i < doc->count; i++)
		rc = add_layer(e, &doc->entries[i], old, old_count, err);
	free(old);
	return rc;
}

static int finish_image(struct luff_image **out, struct image_edit *e, struct luff_error *err)
{
	LUFF_AUTO(medium) m = NULL;
	struct luff_descriptor d = {.manifest = true};
	struct luff_digest none = {""};
	struct luff_document doc = {0};
	int rc = luff_document_describe(&d, e->manifest_text, LUFF_MANIFEST_MAX, "manifest",
					e->image ? &luff_image_descriptor(e->image)->digest : &none, err);

	if (rc == 0)
		rc = luff_document_parse(&doc, e->manifest_text, (size_t)d.size, NULL, err);
	if (rc == 0 && doc.is_index)
		rc = luff_fail(err, LUFF_EINVAL, "an image cannot become an index");
	if (rc == 0) {
		memcpy(d.media_type, doc.media_type, sizeof d.media_type);
		rc = add_parts(e, &doc, err);
	}
	luff_document_release(&doc);
	if (rc == 0)
		rc = luff_parts_add_bytes(e->stand.front, &d, e->manifest_text, err);
	if (rc == 0)
		rc = luff_stand_medium(&m, &e->stand, err);
	return rc < 0 ? rc : luff_image_open(out, m, &d, e->manifest_text, err);
}

int luff_image_edit(struct luff_image **out, struct luff_image *image, const struct luff_edit *edit,
		    struct luff_error *err)
{
	struct image_edit e = {.image = image, .edit = edit};
	int rc;

	*out = NULL;
	if (!image && (!edit->config || !edit->manifest))
		return luff_fail(err, LUFF_EINVAL, "a new image needs a config and a manifest");
	rc = luff_stand_init(&e.stand, image ? luff_image_medium(image) : NULL, "a new image", err);
	if (rc == 0)
		rc = make_config(&e, err);
	if (rc == 0)
		rc = make_manifest(&e, err);
	if (rc == 0 && !e.manifest_text)
		*out = luff_image_ref(image);
	else if (rc == 0)
		rc = finish_image(out, &e, err);
	luff_stand_release(&e.stand);
	free(e.config_text);
	free(e.manifest_text);
	cJSON_Delete(e.manifest);
	return rc;
}
