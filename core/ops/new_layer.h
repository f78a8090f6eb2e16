/* Layers that are made here: a tar goes through a compressor into a temporary file, which is the layer then. */
#ifndef LUFF_OPS_NEW_LAYER_H
#define LUFF_OPS_NEW_LAYER_H

#include "luff.h"

/**
 * @param plain     a tar; taken over, and read to its end
 * @param compress  the default is gzip
 * @param place     how messages call the layer: "a new layer", the name of a file
 */
int luff_new_layer(struct luff_layer **out, struct luff_reader *plain, enum luff_compress compress,
		   const char *place, struct luff_error *err);
/** Adds bytes of a tar to a layer. */
int luff_layer_writer_bytes(struct luff_layer_writer *w, const void *bytes, size_t len,
			    struct luff_error *err);

#endif
