/*
 * Connections that are kept. One is an easy handle of libcurl with a multi handle of its own: whoever takes it drives it
 * alone, on whatever thread, and the next one to ask for the same origin finds its socket still open.
 */
#ifndef LUFF_HTTP_CONNECTION_H
#define LUFF_HTTP_CONNECTION_H

#include "http/address.h"
#include "http/curl.h"

#define LUFF_CONNECTION_IDLE_MAX 32 /* kept in all */
#define LUFF_CONNECTION_TIMEOUT 30  /* seconds to connect, unless settings say otherwise */

struct luff_settings_kept;

struct luff_connection {
	struct luff_connection *next;
	CURL *easy;
	CURLM *multi;
	char *origin;
	struct luff_settings_kept *settings; /* of the origin; NULL: none */
	bool proxied;
	enum luff_address least; /* what this request may connect to */
	enum luff_address there; /* the least that kept sockets are connected to; a proxy is public */
	char refused[LUFF_ADDRESS_TEXT_MAX]; /* an address that was less; "" for none */
	bool all_authorities; /* trusts what the file of all authorities holds, not only what their folder holds */
};

/**
 * The one that was used last for this origin ("https://host:443"), or a new one that connects at its first request. What
 * the way to the server needs is set on its easy handle (TLS, proxy, time limit); the request is not.
 *
 * @param settings  a reference, which it takes; NULL: those of the origin
 * @param least  no socket is opened to an address of another class: the name is a server's word, and a name server's what it
 *               stands for. Proxies may be anywhere, they are the user's word.
 */
int luff_connection_take(struct luff_connection **out, const char *origin,
			 struct luff_settings_kept *settings, enum luff_address least,
			 struct luff_error *err);
/** Whether the server at the other end is at no address of the open internet, as far as can be told. */
bool luff_connection_is_private(const struct luff_connection *c);
/** After a transfer failed with `result`: true if it is on its way again, in another way that may do better. */
bool luff_connection_try_otherwise(struct luff_connection *c, CURLcode result);
/**
 * What a failed transfer means, as an error.
 *
 * @param reason  libcurl's own words, "" where it had none
 * @param place   what was asked for
 * @param moved   bytes of the body until then
 */
int luff_connection_fail(struct luff_connection *c, CURLcode result, const char *reason, const char *place,
			 int64_t moved, struct luff_error *err);
/** Takes it back. No transfer runs on it any more; `keep`: it is fit for another one. */
void luff_connection_give(struct luff_connection *c, bool keep);
/** Closes those that are kept. */
void luff_connections_close(void);

#endif
