/* A download that goes on from where it broke: whoever reads notices nothing. */
#ifndef LUFF_REGISTRY_DOWNLOAD_H
#define LUFF_REGISTRY_DOWNLOAD_H

#include "base/cleanup.h"
#include "mediums/registry/request.h"

LUFF_DEFINE_AUTO(exchange, struct luff_exchange *, luff_exchange_close);

/** Asks for d, or for the part of it that `range` says (the value of the header; NULL: all of it). 0 whatever the status. */
typedef int luff_download_ask(struct luff_exchange **out, struct luff_medium *m,
			      const struct luff_descriptor *d, const char *range, struct luff_error *err);

/**
 * The bytes of d from an offset on, as luff_medium_ops.fetch and fetch_part give them. Over several connections where one turns out to be what
 * makes a large blob slow.
 *
 * @param h    that is asked
 * @param end  where they end: d->size, or before
 */
int luff_download_open(struct luff_reader **out, struct luff_medium *m, struct luff_host *h,
		       const struct luff_descriptor *d, int64_t offset, int64_t end, luff_download_ask *ask,
		       struct luff_error *err);

#endif
