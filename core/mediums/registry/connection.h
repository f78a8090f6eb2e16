/*
 * Connections that are kept. One is an easy handle of libcurl with a multi handle of its own: whoever takes it drives it
 * alone, on whatever thread, and the next one to ask for the same origin finds its socket still open.
 */
#ifndef LUFF_REGISTRY_CONNECTION_H
#define LUFF_REGISTRY_CONNECTION_H

#include "mediums/registry/curl.h"

#define LUFF_CONNECTION_IDLE_MAX 32 /* kept in all */

struct luff_connection {
	struct luff_connection *next;
	CURL *easy;
	CURLM *multi;
	char *origin;
};

/** The one that was used last for this origin, or a new one that connects at its first request. */
int luff_connection_take(struct luff_connection **out, const char *origin, struct luff_error *err);
/** Takes it back. No transfer runs on it any more; `keep`: it is fit for another one. */
void luff_connection_give(struct luff_connection *c, bool keep);
/** Closes those that are kept. */
void luff_connections_close(void);

#endif
