/*
 * What is in an image's files, kept from the one pass over its layers that says which of them stay. It waits in a spool; what that
 * has no room for is read from its layer again.
 */
#ifndef LUFF_FS_CONTENTS_H
#define LUFF_FS_CONTENTS_H

#include "fs/listing.h"

struct luff_contents;

/** @param first  the layer from which on it is wanted */
int luff_contents_open(struct luff_contents **out, struct luff_image *image, size_t first,
		       struct luff_error *err);
/** For the pass; good as long as the contents are. */
struct luff_sink luff_contents_sink(struct luff_contents *contents);
/** Whether a record of a layer is here, by its number in the layer. */
bool luff_contents_has(const struct luff_contents *contents, size_t layer, size_t record);
/** Of one that is. Borrows the contents. */
int luff_contents_read(struct luff_reader **out, const struct luff_contents *contents, size_t layer,
		       size_t record, int64_t size, struct luff_error *err);
void luff_contents_close(struct luff_contents *contents);

LUFF_DEFINE_AUTO(contents, struct luff_contents *, luff_contents_close);

#endif
