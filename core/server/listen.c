/* See listen.h. */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* -1 with the failed call's errno. */
static int open_socket(const struct addrinfo *a, bool all)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, patience = 5, failed;
	/* all addresses are those of IPv4, too */
	int only = a->ai_family == AF_INET6 && !all;

	if (fd < 0)
		return -1;
	/* connections come with their first bytes, for luff_listen_refuse_tls(); where that fails they come as ever */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &patience, sizeof patience);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (a->ai_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0) &&
	    bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	failed = errno;
	close(fd);
	errno = failed;
	return -1;
}

static int format_address(char out[LUFF_ADDRESS_MAX], int fd, struct luff_error *err)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	char host[LUFF_ADDRESS_MAX - 8], port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return luff_fail(err, LUFF_EIO, "cannot tell the address that is listened on");
	snprintf(out, LUFF_ADDRESS_MAX, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return 0;
}

/* The first of the host's addresses that can be listened on. */
static int open_family(int *fd_out, const char *host, int family, const char *port, const char *text,
		       struct luff_error *err)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = family, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int failed = 0, rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);

	if (rc != 0)
		return luff_fail(err, LUFF_EINVAL, "cannot listen on %s: %s", text, gai_strerror(rc));
	for (const struct addrinfo *a = found; a && *fd_out < 0; a = a->ai_next) {
		*fd_out = open_socket(a, !*host);
		failed = errno;
	}
	freeaddrinfo(found);
	return *fd_out < 0 ? luff_fail_errno(err, failed, "cannot listen on %s", text) : 0;
}

int luff_listen_open(int *fd_out, char address_out[LUFF_ADDRESS_MAX], const char *text,
		     struct luff_error *err)
{
	struct luff_error failure = {0};
	char host[256] = "", port[8];
	int64_t number = 0;
	int rc = split(host, &number, text, err);

	*fd_out = -1;
	if (rc < 0)
		return rc;
	snprintf(port, sizeof port, "%d", (int)number);
	/* for all addresses IPv6 first, since it brings IPv4 with it */
	rc = open_family(fd_out, host, *host ? AF_UNSPEC : AF_INET6, port, text, &failure);
	if (rc < 0 && !*host)
		rc = open_family(fd_out, host, AF_INET, port, text, &failure);
	if (rc < 0)
		*err = failure;
	else
		rc = format_address(address_out, *fd_out, err);
	if (rc < 0 && *fd_out >= 0) {
		close(*fd_out);
		*fd_out = -1;
	}
	return rc;
}

void luff_listen_refuse_tls(int fd)
{
	static const char answer[] =
		"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nthis registry speaks plain HTTP\n";
	char first;

	/* the content type of a TLS handshake (RFC 8446 5.1), which no HTTP method starts with */
	if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first == 22)
		(void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}
