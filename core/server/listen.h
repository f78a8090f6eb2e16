/* The socket that a server listens on. */
#ifndef LUFF_SERVER_LISTEN_H
#define LUFF_SERVER_LISTEN_H

#include "luff.h"

#define LUFF_ADDRESS_MAX 80 /* "[…IPv6…%scope]:65535" and a NUL */

/**
 * @param text         "127.0.0.1:5000", "[::1]:5000", "localhost:0", ":5000" for all addresses
 * @param address_out  the address that it has, with its port
 * @return 0; LUFF_EINVAL for what is no address, LUFF_EIO where it cannot be listened on
 */
int luff_listen_open(int *fd_out, char address_out[LUFF_ADDRESS_MAX], const char *text,
		     struct luff_error *err);

/**
 * A client that tries TLS first hears at once that there is none, and goes on without (libmicrohttpd would close some of
 * these connections without a word, and then clients wait before they try again).
 *
 * @param fd  just accepted; nothing was read from it
 */
void luff_listen_refuse_tls(int fd);

#endif
