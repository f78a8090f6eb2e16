/*
 * TLS in front of the registry, by wolfSSL. libmicrohttpd's own is GnuTLS and nothing else, so here TLS ends before it: a
 * thread for each connection shakes hands, gives libmicrohttpd one end of a socket pair, and moves bytes between that and
 * the client. It costs one copy more, which beside the ciphers is little, and keeps the rest of the server plain.
 */
#ifndef LUFF_SERVER_TLS_H
#define LUFF_SERVER_TLS_H

#include <stddef.h>
#include <sys/socket.h>

#include "luff.h"

struct luff_tls;

struct luff_tls_options {
	const char *cert, *key; /* PEM files: the certificate and those between it and its root; its key */
	const char *
		self_signed; /* in their place: where to write a certificate that is made now; NULL: nowhere */
	size_t connections_max;
	int idle_seconds;
	/* Takes over `fd`, where the plain text of a client comes out and goes in; false: it is full, and `fd` is closed. */
	bool (*accept)(void *arg, int fd, const struct sockaddr *client, socklen_t client_len);
	void *arg;
};

/** @return 0; LUFF_EINVAL for files that are no certificate and its key; LUFF_EIO and the like for a file not written; LUFF_ENOTSUP without wolfSSL */
int luff_tls_new(struct luff_tls **out, const struct luff_tls_options *options, struct luff_error *err);
/** Accepts what comes to a listening socket, which it takes over where it returns 0. */
int luff_tls_start(struct luff_tls *tls, int listener, struct luff_error *err);
/** Accepts nothing any more. What is there goes on. NULL is fine, and so is doing it twice. */
void luff_tls_quiesce(struct luff_tls *tls);
/** Ends what is there, and waits for it. NULL is fine. */
void luff_tls_free(struct luff_tls *tls);

#endif
