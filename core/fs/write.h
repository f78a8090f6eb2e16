/* Headers of tars that luff writes. */
#ifndef LUFF_FS_WRITE_H
#define LUFF_FS_WRITE_H

#include "base/buffer.h"
#include "luff.h"

/** Adds the header of an entry: ustar, and pax before it where that has no room. The same bytes for the same entry. */
int luff_tar_write_entry(struct luff_buffer *out, const struct luff_entry *e, struct luff_error *err);

#endif
