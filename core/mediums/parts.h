/*
 * New content that is written nowhere yet: documents in memory, blobs in temporary files, and what lies in other mediums, by
 * digest. In front of an old medium (luff_overlay_new) it makes an edited image; alone, one that was made from nothing.
 */
#ifndef LUFF_MEDIUMS_PARTS_H
#define LUFF_MEDIUMS_PARTS_H

#include "medium.h"

/** Empty. Parts are added before anybody else sees the medium. `place`: how messages call it. */
int luff_parts_new(struct luff_medium **out, const char *place, struct luff_error *err);
/* Each adds d, unless it is there already. */
/** d->size bytes, copied. */
int luff_parts_add_bytes(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			 struct luff_error *err);
/** The first d->size bytes of a regular file, which it takes over, also when it fails. */
int luff_parts_add_file(struct luff_medium *m, const struct luff_descriptor *d, int fd,
			struct luff_error *err);
/** What `from` holds, which is kept; nobody asks whether it does. */
int luff_parts_add_from(struct luff_medium *m, const struct luff_descriptor *d, struct luff_medium *from,
			struct luff_error *err);
/** Adds what other parts have of d, if they have. */
int luff_parts_add_shared(struct luff_medium *m, const struct luff_descriptor *d, struct luff_medium *parts,
			  struct luff_error *err);
int luff_parts_add_all(struct luff_medium *m, struct luff_medium *parts, struct luff_error *err);
bool luff_parts_is(const struct luff_medium *m);

#endif
