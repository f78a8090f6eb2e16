/* What only the model needs of layers. */
#ifndef LUFF_MODEL_LAYER_H
#define LUFF_MODEL_LAYER_H

#include "luff.h"

/** Layer i of an image, which it keeps. */
int luff_layer_new(struct luff_layer **out, struct luff_image *image, size_t i,
		   const struct luff_descriptor *d, struct luff_error *err);
/** A layer that no image has yet: d in a medium, which it keeps. */
int luff_layer_new_alone(struct luff_layer **out, struct luff_medium *m, const struct luff_descriptor *d,
			 const struct luff_digest *diff_id, struct luff_error *err);
/** What the manifest of its image says of it under that name; borrowed. NULL: nothing. */
const char *luff_layer_annotation(const struct luff_layer *layer, const char *key);
/** Where its bytes are; borrowed. */
struct luff_medium *luff_layer_medium(const struct luff_layer *layer);

/** Says in *err where the layer is, and which it is, if its bytes are at fault; those of transport and digest say it. Returns rc. */
int luff_layer_blame(const struct luff_layer *layer, int rc, struct luff_error *err);

#endif
