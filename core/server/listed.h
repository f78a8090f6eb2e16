/* What the upstream of a mirror lists: its tags, and what refers to a manifest. More is there than the mirror has fetched. */
#ifndef LUFF_SERVER_LISTED_H
#define LUFF_SERVER_LISTED_H

#include "server/call.h"

struct luff_listed;

/**
 * Asks the upstream for what a route of tags or referrers lists, all of it, and leaves it in r->listed; NULL where it cannot be
 * asked or does not tell: then the repository's own list has to do. LUFF_ECANCELED.
 */
int luff_listed_fetch(struct luff_call *r, struct luff_medium *upstream, struct luff_error *err);
/** As luff_medium_tags() and luff_medium_referrers() list; referrers by their digests. r outlives the cursor. */
int luff_listed_open(struct luff_cursor **out, const struct luff_call *r, struct luff_error *err);
/** NULL is fine. */
void luff_listed_free(struct luff_listed *listed);

#endif
