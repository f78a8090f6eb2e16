/* What only the model needs of images. */
#ifndef LUFF_MODEL_IMAGE_H
#define LUFF_MODEL_IMAGE_H

#include "luff.h"

/** What the config says of layer i. LUFF_EFORMAT where it names another number of diff IDs than there are layers. */
int luff_image_diff_id(struct luff_digest *out, struct luff_image *image, size_t i, struct luff_error *err);
/** What the manifest says of layer i under that name; borrowed from the image. NULL: nothing. */
const char *luff_image_layer_annotation(const struct luff_image *image, size_t i, const char *key);

#endif
