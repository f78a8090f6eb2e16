/* An image: a manifest that was read, and what it leads to, which is fetched when asked for. */
#include "model/image.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/layer.h"
#include "model/manifest.h"

struct luff_image {
	struct luff_manifest manifest;
	pthread_mutex_t lock; /* of the config below */
	char *config;
	cJSON *config_tree; /* NULL if the config is no JSON object (an artifact's) */
};

int luff_image_open(struct luff_image **out, struct luff_medium *m, const struct luff_descriptor *d,
		    const char *document, struct luff_error *err)
{
	LUFF_AUTO(image) image = calloc(1, sizeof *image);
	int rc;

	*out = NULL;
	if (!image)
		return luff_fail_nomem(err);
	pthread_mutex_init(&image->lock, NULL);
	rc = luff_manifest_init(&image->manifest, m, d, document, false, err);
	if (rc == 0)
		*out = luff_take(image);
	return rc;
}

struct luff_image *luff_image_ref(struct luff_image *image)
{
	atomic_fetch_add_explicit(&image->manifest.refs, 1, memory_order_relaxed);
	return image;
}

void luff_image_unref(struct luff_image *image)
{
	if (!image || !luff_manifest_drop(&image->manifest))
		return;
	cJSON_Delete(image->config_tree);
	free(image->config);
	pthread_mutex_destroy(&image->lock);
	luff_manifest_release(&image->manifest);
	free(image);
}

struct luff_medium *luff_image_medium(const struct luff_image *image)
{
	return image->manifest.medium;
}

const struct luff_descriptor *luff_image_descriptor(const struct luff_image *image)
{
	return &image->manifest.descriptor;
}

const char *luff_image_raw_manifest(const struct luff_image *image)
{
	return image->manifest.raw;
}

const struct luff_descriptor *luff_image_config(const struct luff_image *image)
{
	return &image->manifest.doc.config;
}

/* The lock is held, so that one of many threads fetches. */
static int load_config(struct luff_image *image, struct luff_error *err)
{
	const struct luff_descriptor *d = &image->manifest.doc.config;
	struct luff_error ignored = {0};
	int rc;

	if (image->config)
		return 0;
	rc = luff_medium_fetch_all(&image->config, image->manifest.medium, d, LUFF_CONFIG_MAX, err);
	if (rc < 0)
		return rc;
	if (luff_json_parse(&image->config_tree, image->config, (size_t)d->size, "config", &ignored) == 0 &&
	    !cJSON_IsObject(image->config_tree)) {
		cJSON_Delete(image->config_tree);
		image->config_tree = NULL;
	}
	return 0;
}

int luff_image_raw_config(const char **out, struct luff_image *image, struct luff_error *err)
{
	int rc;

	pthread_mutex_lock(&image->lock);
	rc = load_config(image, err);
	*out = rc < 0 ? NULL : image->config;
	pthread_mutex_unlock(&image->lock);
	return rc;
}

int luff_image_platform(struct luff_platform *out, struct luff_image *image, struct luff_error *err)
{
	const char *config;
	int rc = luff_image_raw_config(&config, image, err);

	memset(out, 0, sizeof *out);
	if (rc == 0)
		luff_platform_from_json(out, image->config_tree);
	return rc;
}

int luff_image_diff_id(struct luff_digest *out, struct luff_image *image, size_t i, struct luff_error *err)
{
	const cJSON *ids;
	const char *config, *text;
	int rc = luff_image_raw_config(&config, image, err);

	out->text[0] = '\0';
	if (rc < 0)
		return rc;
	ids = luff_json_array(luff_json_object(image->config_tree, "rootfs"), "diff_ids");
	if (!ids || (size_t)cJSON_GetArraySize(ids) != image->manifest.doc.count)
		return luff_fail(err, LUFF_EFORMAT, "%s: the config names %d diff IDs for %zu layers",
				 luff_medium_place(image->manifest.medium), cJSON_GetArraySize(ids),
				 image->manifest.doc.count);
	text = cJSON_GetStringValue(cJSON_GetArrayItem(ids, (int)i));
	rc = luff_digest_parse(out, text ? text : "", err);
	return rc < 0 ? luff_fail_context(err, "%s: config: diff ID %zu",
					  luff_medium_place(image->manifest.medium), i + 1)
		      : 0;
}

size_t luff_image_layer_count(const struct luff_image *image)
{
	return image->manifest.doc.count;
}

const char *luff_image_layer_annotation(const struct luff_image *image, size_t i, const char *key)
{
	const cJSON *layer = cJSON_GetArrayItem(luff_json_array(image->manifest.doc.tree, "layers"), (int)i);

	return luff_json_string(luff_json_object(layer, "annotations"), key);
}

int luff_image_layer(struct luff_layer **out, struct luff_image *image, size_t i, struct luff_error *err)
{
	return luff_layer_new(out, image, i, &image->manifest.doc.entries[i], err);
}
