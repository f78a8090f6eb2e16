/* Which repositories there are below a folder. */
#ifndef LUFF_SERVER_CATALOG_H
#define LUFF_SERVER_CATALOG_H

#include "server/names.h"

/**
 * Adds the name of each OCI layout below root, in no order; what is there under other names is passed over.
 *
 * @param all  also those in which there are uploads alone
 */
int luff_catalog_walk(struct luff_names *names, const char *root, bool all, struct luff_error *err);

#endif
