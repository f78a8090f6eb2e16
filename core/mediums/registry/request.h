/*
 * What one asks a registry: an exchange with the host's Authorization, repeated where the registry wants another one, and
 * followed where it leads elsewhere. Credentials go to the registry's own origin and nowhere else.
 */
#ifndef LUFF_REGISTRY_REQUEST_H
#define LUFF_REGISTRY_REQUEST_H

#include "http/exchange.h"
#include "mediums/registry/host.h"

struct luff_request {
	struct luff_host *host;
	const char *method;
	const char *url;   /* absolute, or a path on the host: "/v2/…" */
	const char *scope; /* see auth.h */
	const char *accept, *content_type, *range, *content_range; /* values of headers; NULL: without */
	/* As in struct luff_exchange_request. What src yields can be sent once: no second try, no redirect, a 401 as it is. */
	const void *bytes;
	struct luff_reader *src;
	int64_t size;
	/* For a request that is not worth a wait: all of it within that time, once, with what is at hand to log in; 0: none. */
	int limit_ms;
	bool once; /* no second try: there is another way to have it */
	/* The URL stood in a document: it gets no login, and may be at a private address only where settings name its host. */
	bool foreign;
};

/**
 * Tries again, a few times, where the connection breaks or the server is busy.
 *
 * @return 0 whatever the final status, which is neither a redirect that could be followed nor a 401 that could be answered;
 *         LUFF_EAUTH where a 401 could not, LUFF_EDENIED for a redirect that must not be followed, LUFF_EHTTP for too many,
 *         or how the exchange failed
 */
int luff_request_send(struct luff_exchange **out, const struct luff_request *request, struct luff_error *err);

/**
 * The same with all of the body, where the status is 200: a body that breaks off is asked for again. Else *bytes_out is NULL.
 *
 * @param bytes_out  NUL-terminated; free() it
 * @return also LUFF_ELIMIT for a body of more than `cap` bytes
 */
int luff_request_read(struct luff_exchange **out, char **bytes_out, size_t *len_out, size_t cap,
		      const struct luff_request *request, struct luff_error *err);

/**
 * Fails with what a status means and the registry's own words for it.
 *
 * @param place  what was asked for, "localhost:5000/app:v1"
 * @param what   that could not be done, "cannot push"; "" where the place says enough
 */
int luff_request_refused(struct luff_exchange *x, const char *place, const char *what,
			 struct luff_error *err);

#endif
