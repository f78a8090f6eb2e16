/* What a copy changes where layers are compressed on the way: the layers, and the manifests that name them. */
#ifndef LUFF_OPS_CONVERT_H
#define LUFF_OPS_CONVERT_H

#include "luff.h"

/** True for a layer whose media type says that it is a plain tar. */
bool luff_convert_concerns(const struct luff_descriptor *d);
/**
 * Compresses a plain layer in one pass that checks it and yields digest and size of what it becomes.
 *
 * @param out     the new descriptor; d where the bytes are compressed already, whatever the media type says
 * @param fd_out  what it becomes: a temporary file, which the caller closes; -1 where nothing changes
 * @param count   called with the number of plain bytes that were read
 * @return 0; LUFF_ENOTSUP for zstd in a Docker manifest, and what reading brings
 */
int luff_convert_layer(struct luff_descriptor *out, int *fd_out, struct luff_medium *src,
		       const struct luff_descriptor *d, enum luff_compress compress,
		       void (*count)(void *arg, size_t n), void *arg, struct luff_error *err);
/**
 * A manifest or index with new descriptors for what it names; all else stays.
 *
 * @param out      the new text (malloc'ed); NULL where nothing changes
 * @param find     what a descriptor becomes, or NULL where it stays
 */
int luff_convert_manifest(char **out, const char *document, size_t len,
			  const struct luff_descriptor *(*find)(void *arg, const struct luff_digest *d,
								bool manifest),
			  void *arg, struct luff_error *err);

#endif
