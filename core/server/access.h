/* What a server did: a line of JSON for each request, and counts of all in Prometheus' text format. */
#ifndef LUFF_SERVER_ACCESS_H
#define LUFF_SERVER_ACCESS_H

#include "server/call.h"

struct luff_access;

/** @param log  file to append to, "-" is stdout; NULL: no lines */
int luff_access_new(struct luff_access **out, const char *log, struct luff_error *err);
/** NULL is fine. */
void luff_access_free(struct luff_access *access);
/** A request has come in. */
void luff_access_begin(struct luff_access *access);
/** It is over. @param whole  the answer went out to its end */
void luff_access_end(struct luff_access *access, const struct luff_call *r, bool whole);
/** GET /metrics */
int luff_access_get_metrics(struct luff_call *r, struct luff_error *err);

#endif
