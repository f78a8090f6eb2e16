/*
 * The connections of a server: so many at a time, none without an end, and none cut off in the middle where the server stops in
 * peace. libmicrohttpd ends connections on which nothing moves; one that sends a byte now and then it keeps for ever. So
 * when nearly all places are taken, who has waited the longest without a request, or sends the slowest body, has to go.
 */
#ifndef LUFF_SERVER_CONNECTIONS_H
#define LUFF_SERVER_CONNECTIONS_H

#include <stddef.h>

#include "luff.h"

struct luff_connections;
struct luff_connection;

int luff_connections_new(struct luff_connections **out, size_t max, struct luff_error *err);
/** None is open any more. NULL is fine. */
void luff_connections_free(struct luff_connections *all);
/** @param fd  borrowed until luff_connection_close(). NULL when out of memory. */
struct luff_connection *luff_connection_open(struct luff_connections *all, int fd);
void luff_connection_close(struct luff_connection *c);

/* NULL is fine for all of these. */

/** A request has come. */
void luff_connection_begin(struct luff_connection *c);
/** So much of its body, too. */
void luff_connection_receive(struct luff_connection *c, size_t len);
/** Its body is there: what lasts now is the server's work, or the client's line. */
void luff_connection_work(struct luff_connection *c);
void luff_connection_end(struct luff_connection *c);
/** The server stops: the answer should say that the connection ends. */
bool luff_connection_is_last(struct luff_connection *c);

/** Ends those without a request, and waits for the others, at most so long. */
void luff_connections_drain(struct luff_connections *all, int seconds);

#endif
