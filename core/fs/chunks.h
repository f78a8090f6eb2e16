/* Some of a layer's stored bytes, checked piece by piece against digests that are at hand. */
#ifndef LUFF_FS_CHUNKS_H
#define LUFF_FS_CHUNKS_H

#include "stream/points.h"

/**
 * From `from` on, to the layer's end.
 *
 * @param until   the bytes up to there are asked for at once, what follows them only once it is read
 * @param points  borrowed while the reader lives
 */
int luff_chunks_open(struct luff_reader **out, struct luff_layer *layer, const struct luff_points *points,
		     int64_t from, int64_t until, struct luff_error *err);

#endif
