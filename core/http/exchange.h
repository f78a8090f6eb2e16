/*
 * One HTTP request and its answer, on one connection, driven by whoever waits for it. Nothing here knows registries: no
 * redirect is followed, no status is an error.
 */
#ifndef LUFF_HTTP_EXCHANGE_H
#define LUFF_HTTP_EXCHANGE_H

#include "base/pacer.h"
#include "http/address.h"
#include "medium.h"

#define LUFF_EXCHANGE_HEADERS_MAX 8 /* that a request may add */

struct luff_exchange_request {
	const char *method;                             /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
	const char *url;                                /* absolute, as luff_url_resolve() gives it */
	const char *headers[LUFF_EXCHANGE_HEADERS_MAX]; /* "Name: value", ended by NULL or the array's end */
	/* Of a PUT, PATCH or POST: `size` bytes at hand, or that `src` yields up to its end; a failure of src is the exchange's. */
	const void *bytes;
	struct luff_reader *src;
	int64_t size;
	enum luff_address least;  /* what the server must be, see connection.h */
	int limit_ms;             /* for all of it; 0: as long as bytes keep moving */
	struct luff_pacer *pacer; /* of the bodies' bytes, either way; borrowed by the exchange; NULL: none */
	struct luff_settings_kept *settings; /* borrowed until the return; NULL: those of the URL's origin */
	const char *place;                   /* for messages; NULL: the URL without its query */
	/* The server may answer before it has all of the body, and what is left then is not sent: see luff_exchange_unsent(). */
	bool partial;
};

struct luff_exchange;

/**
 * Sends the request and waits for the headers of its answer. The strings are copied, bytes and src borrowed until the
 * return.
 *
 * @return 0 whatever the status; LUFF_ENET, LUFF_ETIMEOUT, LUFF_ECANCELED, LUFF_ELIMIT (endless headers), LUFF_EINVAL
 *         (a header with control characters), or what src failed with. Messages name the URL, without its query.
 */
int luff_exchange_open(struct luff_exchange **out, const struct luff_exchange_request *request,
		       struct luff_error *err);
int luff_exchange_status(const struct luff_exchange *x);
/** Borrowed from x. */
const char *luff_exchange_url(const struct luff_exchange *x);
/** The nth header of that name, from 0 on; NULL if there is none. Borrowed from x. */
const char *luff_exchange_header(const struct luff_exchange *x, const char *name, int nth);
/** Content-Length; -1 where the answer does not say. */
int64_t luff_exchange_length(const struct luff_exchange *x);
/** Bytes of the request's body that nobody took. */
int64_t luff_exchange_unsent(const struct luff_exchange *x);
/** Whether the answer came from an address that is not of the open internet. */
bool luff_exchange_is_private(const struct luff_exchange *x);
/** The body; closing it closes the exchange. */
struct luff_reader *luff_exchange_reader(struct luff_exchange *x);
/** What is there of a body, up to `cap` bytes, NUL-terminated; LUFF_ELIMIT beyond. free() it. */
int luff_exchange_read_all(char **out, size_t *len_out, struct luff_exchange *x, size_t cap,
			   struct luff_error *err);
/** The connection is kept where the answer was read to its end. NULL is fine. */
void luff_exchange_close(struct luff_exchange *x);

#endif
