/* A layer: one entry of an image's manifest, or one that is to become that. Nothing is read before it is asked for. */
#include "model/layer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "model/descriptor.h"
#include "model/image.h"
#include "stream/streams.h"

struct luff_layer {
	atomic_int refs;
	struct luff_medium *medium;
	struct luff_image *image; /* NULL: of none yet */
	size_t i;
	struct luff_descriptor descriptor;
	pthread_mutex_t lock;
	struct luff_digest diff_id; /* "" until it is known */
};

static int layer_new(struct luff_layer **out, struct luff_medium *m, const struct luff_descriptor *d,
		     struct luff_error *err)
{
	struct luff_layer *layer = calloc(1, sizeof *layer);

	*out = layer;
	if (!layer)
		return luff_fail_nomem(err);
	layer->refs = 1;
	layer->medium = luff_medium_ref(m);
	layer->descriptor = *d;
	pthread_mutex_init(&layer->lock, NULL);
	return 0;
}

int luff_layer_new(struct luff_layer **out, struct luff_image *image, size_t i,
		   const struct luff_descriptor *d, struct luff_error *err)
{
	int rc = layer_new(out, luff_image_medium(image), d, err);

	if (rc < 0)
		return rc;
	(*out)->image = luff_image_ref(image);
	(*out)->i = i;
	return 0;
}

int luff_layer_new_alone(struct luff_layer **out, struct luff_medium *m, const struct luff_descriptor *d,
			 const struct luff_digest *diff_id, struct luff_error *err)
{
	int rc = layer_new(out, m, d, err);

	if (rc == 0)
		(*out)->diff_id = *diff_id;
	return rc;
}

const char *luff_layer_annotation(const struct luff_layer *layer, const char *key)
{
	return layer->image ? luff_image_layer_annotation(layer->image, layer->i, key) : NULL;
}

struct luff_medium *luff_layer_medium(const struct luff_layer *layer)
{
	return layer->medium;
}

int luff_layer_blame(const struct luff_layer *layer, int rc, struct luff_error *err)
{
	const char *place = luff_medium_place(layer->medium);

	if ((rc == LUFF_EFORMAT || rc == LUFF_ELIMIT) && !luff_text_starts(err->msg, place))
		luff_fail_context(err, "%s: layer %.19s", place, layer->descriptor.digest.text);
	return rc;
}

struct luff_layer *luff_layer_ref(struct luff_layer *layer)
{
	atomic_fetch_add_explicit(&layer->refs, 1, memory_order_relaxed);
	return layer;
}

void luff_layer_unref(struct luff_layer *layer)
{
	if (!layer || atomic_fetch_sub_explicit(&layer->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&layer->lock);
	luff_image_unref(layer->image);
	luff_medium_unref(layer->medium);
	free(layer);
}

const struct luff_descriptor *luff_layer_descriptor(const struct luff_layer *layer)
{
	return &layer->descriptor;
}

int luff_layer_open_compressed(struct luff_reader **out, struct luff_layer *layer, struct luff_error *err)
{
	struct luff_medium *m = layer->medium;
	int rc = luff_medium_fetch(out, m, &layer->descriptor, 0, err);

	if (rc == LUFF_ENOTFOUND && luff_media_is_foreign(layer->descriptor.media_type))
		luff_fail(
			err, rc,
			"%s: layer %s may not be distributed, and is not here: luff copy --foreign gets it from its URLs",
			luff_medium_place(m), layer->descriptor.digest.text);
	return rc;
}

int luff_layer_open_uncompressed(struct luff_reader **out, struct luff_layer *layer, struct luff_error *err)
{
	struct luff_reader *stored = NULL;
	int rc = luff_layer_open_compressed(&stored, layer, err);

	*out = NULL;
	return rc < 0 ? rc : luff_reader_open_inflate(out, stored, err);
}

static int compute(struct luff_digest *out, struct luff_layer *layer, struct luff_error *err)
{
	LUFF_AUTO(reader) r = NULL;
	struct luff_hash hash;
	char buf[32 << 10];
	size_t n;
	int rc = luff_layer_open_uncompressed(&r, layer, err);

	luff_hash_init(&hash, LUFF_SHA256);
	while (rc == 0 && (rc = luff_reader_read(&n, r, buf, sizeof buf, err)) == 0 && n > 0)
		luff_hash_update(&hash, buf, n);
	if (rc == 0)
		luff_hash_final(out, &hash);
	return rc;
}

int luff_layer_diff_id(struct luff_digest *out, struct luff_layer *layer, struct luff_error *err)
{
	const char *type = layer->image ? luff_image_config(layer->image)->media_type : "";
	bool image_config = luff_text_starts(type, LUFF_MEDIA_OCI_CONFIG) ||
			    luff_text_starts(type, LUFF_MEDIA_DOCKER_CONFIG);
	int rc = 0;

	pthread_mutex_lock(&layer->lock);
	if (!layer->diff_id.text[0])
		rc = image_config ? luff_image_diff_id(&layer->diff_id, layer->image, layer->i, err)
				  : compute(&layer->diff_id, layer, err);
	*out = layer->diff_id;
	pthread_mutex_unlock(&layer->lock);
	return rc;
}
