/*
 * Who may do what: read-only registries, logins (htpasswd.h), and the program's own word on requests, pushes and pulls
 * (luff_server_options.decide). All of it is asked before an endpoint does anything.
 */
#ifndef LUFF_SERVER_GUARD_H
#define LUFF_SERVER_GUARD_H

#include "server/call.h"

struct luff_guard;

/** @param options  borrowed while *out lives */
int luff_guard_new(struct luff_guard **out, const struct luff_server_options *options,
		   struct luff_error *err);
/** NULL is fine. */
void luff_guard_free(struct luff_guard *guard);
/** The headers are there. 0, or fails with the answer made, as endpoints do; sets r->user. */
int luff_guard_begin(struct luff_call *r, struct luff_guard *guard, struct luff_error *err);
/** All is there: the same for manifests that are pushed or pulled. */
int luff_guard_end(struct luff_call *r, const struct luff_guard *guard, struct luff_error *err);

#endif
