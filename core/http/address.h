/* What an IP address says of who is there: the one place that knows the special ranges. */
#ifndef LUFF_HTTP_ADDRESS_H
#define LUFF_HTTP_ADDRESS_H

#include <sys/socket.h>

/* In the order of what a server may lead to: whoever asks for one class takes those after it, too. */
enum luff_address {
	LUFF_ADDRESS_NOBODY,  /* link-local, where a cloud has services of its own, and unspecified */
	LUFF_ADDRESS_PRIVATE, /* loopback, private and shared networks */
	LUFF_ADDRESS_PUBLIC
};

#define LUFF_ADDRESS_TEXT_MAX 64

/** Of "10.0.0.1", "fe80::1%eth0" or "[::1]"; anything else, names too, is public. */
enum luff_address luff_address_of_text(const char *text);
/** Of a socket's address; one that is no IP address is private. */
enum luff_address luff_address_of_socket(const struct sockaddr *address);
/** "10.0.0.1"; returns buf. */
const char *luff_address_print(char buf[LUFF_ADDRESS_TEXT_MAX], const struct sockaddr *address);

#endif
