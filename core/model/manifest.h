/* What Image and Index have in common: a manifest that was read, checked, and kept byte for byte. */
#ifndef LUFF_MODEL_MANIFEST_H
#define LUFF_MODEL_MANIFEST_H

#include "medium.h"
#include "model/descriptor.h"

struct luff_manifest {
	atomic_int refs; /* of the whole object */
	struct luff_medium *medium;
	struct luff_descriptor descriptor;
	char *raw; /* descriptor.size bytes and a NUL */
	struct luff_document doc;
};

/**
 * @param document  the bytes where they are at hand (copied), or NULL: they are fetched
 * @param index     what it has to be; LUFF_EFORMAT otherwise
 *
 * After a failure, too, release is due.
 */
int luff_manifest_init(struct luff_manifest *out, struct luff_medium *m, const struct luff_descriptor *d,
		       const char *document, bool index, struct luff_error *err);
void luff_manifest_release(struct luff_manifest *manifest);
/** True if that was the last reference. */
bool luff_manifest_drop(struct luff_manifest *manifest);

#endif
