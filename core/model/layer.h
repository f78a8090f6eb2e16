/* What only the model needs of layers. */
#ifndef LUFF_MODEL_LAYER_H
#define LUFF_MODEL_LAYER_H

#include "luff.h"

/** Layer i of an image, which it keeps. */
int luff_layer_new(struct luff_layer **out, struct luff_image *image, size_t i,
		   const struct luff_descriptor *d, struct luff_error *err);

#endif
