/*
 * Requests to a daemon (Docker Engine API, of Docker and Podman). The version of the API is agreed with the first one.
 */
#ifndef LUFF_DAEMON_CLIENT_H
#define LUFF_DAEMON_CLIENT_H

#include "base/cleanup.h"
#include "http/exchange.h"

#define LUFF_CLIENT_PLATFORMS 48 /* the version from which on images of several platforms can be told apart */

struct luff_client;
LUFF_DEFINE_AUTO(exchange, struct luff_exchange *, luff_exchange_close);

struct luff_client_request {
	const char *method;
	const char *path; /* below the version: "/images/json" */
	/* Of a POST: a tar of `size` bytes. The daemon may answer before it has all of it. */
	struct luff_reader *src;
	int64_t size;
	const char *
		login; /* "X-Registry-Auth: …", or NULL; only for who may see it, see luff_client_is_close() */
	int limit_ms; /* for all of it; 0: as long as it takes */
};

/** Finds out where the daemon is, and asks nobody yet. */
int luff_client_new(struct luff_client **out, struct luff_error *err);
struct luff_client *luff_client_ref(struct luff_client *client);
/** NULL is fine. */
void luff_client_unref(struct luff_client *client);
/** Whether nobody can listen on the way there: a socket, TLS, or this machine. */
bool luff_client_is_close(const struct luff_client *client);
/** Of the API, the 48 of "1.48": the newest that both sides know. LUFF_EHTTP where it is no daemon, or an old one. */
int luff_client_version(int *out, struct luff_client *client, struct luff_error *err);
/** As luff_exchange_open(): whatever the status. */
int luff_client_ask(struct luff_exchange **out, struct luff_client *client,
		    const struct luff_client_request *request, struct luff_error *err);
/** The same for small answers, of at most `cap` bytes; free() them. Fails with what the status means if it is not 2xx. */
int luff_client_read(char **out, size_t *len_out, struct luff_client *client,
		     const struct luff_client_request *request, size_t cap, struct luff_error *err);
/** Fails with what a status means, and the daemon's words. */
int luff_client_refused(const struct luff_client *client, struct luff_exchange *x, struct luff_error *err);
/** Puts in front of a failure's message which daemon it was. */
int luff_client_context(const struct luff_client *client, struct luff_error *err);

#endif
