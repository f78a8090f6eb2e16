/* What only the model needs of images. */
#ifndef LUFF_MODEL_IMAGE_H
#define LUFF_MODEL_IMAGE_H

#include "luff.h"

/** What the config says of layer i. LUFF_EFORMAT where it names another number of diff IDs than there are layers. */
int luff_image_diff_id(struct luff_digest *out, struct luff_image *image, size_t i, struct luff_error *err);

#endif
