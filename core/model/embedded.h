/* Content that descriptors carry themselves (image-spec, descriptor.md "data"). */
#ifndef LUFF_MODEL_EMBEDDED_H
#define LUFF_MODEL_EMBEDDED_H

#include "model/descriptor.h"

/**
 * Leaves what the document's descriptors carry in a medium in memory, verified: a fetch may go there first.
 *
 * @param memory  made where it is NULL and there is something; else it stays as it is
 * @return 0; LUFF_EFORMAT, LUFF_ESIZE or LUFF_EDIGEST for data that is not what its descriptor says
 */
int luff_document_unpack_data(struct luff_medium **memory, const struct luff_document *doc,
			      struct luff_error *err);

#endif
