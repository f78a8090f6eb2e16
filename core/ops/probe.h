/* One pass over a layer: its digest and size, its compression, its diff ID, and whether it is a sound tar. */
#ifndef LUFF_OPS_PROBE_H
#define LUFF_OPS_PROBE_H

#include "base/hash.h"
#include "fs/listing.h"
#include "luff.h"

enum luff_packing { LUFF_PACKED_NOT, LUFF_PACKED_GZIP, LUFF_PACKED_ZSTD, LUFF_PACKED_OTHER };

/** "plain", "gzip", "zstd", "compressed otherwise" */
const char *luff_packing_name(enum luff_packing packing);
/** What the media type of a layer says of its bytes; false where it is none of a tar that luff knows. */
bool luff_packing_of(enum luff_packing *out, const char *media_type);

struct luff_probe {
	struct luff_listing *listing; /* the caller's to close */
	struct luff_digest diff_id;
	enum luff_packing packing;
};

/**
 * @param algorithm  of the diff ID
 * @param sink       gets the content of files; NULL: nobody does
 * @return 0; LUFF_EFORMAT and its like for a layer that is not sound
 */
int luff_probe_layer(struct luff_probe *out, struct luff_layer *layer, enum luff_algorithm algorithm,
		     struct luff_sink *sink, struct luff_error *err);

#endif
