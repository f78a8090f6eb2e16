/* See listen.h. */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#define BACKLOG 1024

/* "host:port", "[host]:port", ":port" */
static int split(char host[256], int64_t *port_out, const char *text, struct luff_error *err)
{
	const char *colon = strrchr(text, ':'), *from = text, *end = colon;
	char word[128];

	if (!colon || !luff_text_int64(port_out, colon + 1) || *port_out > 65535)
		goto bad;
	if (*from == '[') {
		if (end - from < 3 || end[-1] != ']')
			goto bad;
		from++;
		end--;
	} else if (memchr(from, ':', (size_t)(end - from))) {
		goto bad;
	}
	if (end - from > 255)
		goto bad;
	memcpy(host, from, (size_t)(end - from));
	host[end - from] = '\0';
	return 0;
bad:
	return luff_fail(err, LUFF_EINVAL,
			 "cannot listen on \"%s\": write 127.0.0.1:5000, [::1]:5000 or :5000",
			 luff_text_printable(word, sizeof word, text));
}

/* The failed call's errno is left. */
static int open_socket(const struct addrinfo *a, bool all)
{
	LUFF_AUTO(fd) fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, off = 0, opened;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
		return -1;
	/* all addresses are those of IPv4, too */
	if (a->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? &off : &on, sizeof on) < 0)
		return -1;
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	opened = fd;
	fd = -1;
	return opened;
}

static int format_address(char out[LUFF_ADDRESS_MAX], int fd, struct luff_error *err)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[LUFF_ADDRESS_MAX - 8], port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return luff_fail(err, LUFF_EIO, "cannot tell the address that is listened on");
	snprintf(out, LUFF_ADDRESS_MAX, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return 0;
}

int luff_listen_open(int *fd_out, char address_out[LUFF_ADDRESS_MAX], const char *text,
		     struct luff_error *err)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
			*found = NULL;
	LUFF_AUTO(fd) fd = -1;
	char host[256], port[8];
	int64_t number;
	int failed = 0, rc = split(host, &number, text, err);

	*fd_out = -1;
	if (rc < 0)
		return rc;
	snprintf(port, sizeof port, "%d", (int)number);
	/* for all addresses IPv6 first, since it brings IPv4 with it */
	for (int family = *host ? AF_UNSPEC : AF_INET6; fd < 0; family = AF_INET) {
		hints.ai_family = family;
		rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
		if (rc != 0)
			return luff_fail(err, LUFF_EINVAL, "cannot listen on %s: %s", text, gai_strerror(rc));
		for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
			fd = open_socket(a, !*host);
			failed = errno;
		}
		freeaddrinfo(found);
		if (family != AF_INET6)
			break;
	}
	if (fd < 0)
		return luff_fail_errno(err, failed, "cannot listen on %s", text);
	rc = format_address(address_out, fd, err);
	if (rc == 0) {
		*fd_out = fd;
		fd = -1;
	}
	return rc;
}
