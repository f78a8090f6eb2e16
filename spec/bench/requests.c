/*
 * Asks a server the same over and over, on many connections that stay open, and writes one line to standard output: how many
 * answers of status 200 came, how many others, and in how many seconds.
 *
 *	requests HOST PORT METHOD PATH CONNECTIONS SECONDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096

struct connection {
	int fd;
	char head[8192]; /* of the answer, as far as it came */
	size_t len;
	long long body; /* bytes of it still to come; -1: the head is not whole */
	bool good;
};

static struct connection *connections;
static char request[4096];
static size_t request_len;
static long waiting, good, bad;
static double until;
static bool head_only;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct connection *c)
{
	if (now() >= until)
		return;
	waiting++;
	c->len = 0;
	c->body = -1;
	if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
		die("send");
}

static void finish(struct connection *c)
{
	waiting--;
	if (c->good)
		good++;
	else
		bad++;
	ask(c);
}

/* A whole head: what it says. */
static void begin(struct connection *c, const char *end)
{
	const char *length = strcasestr(c->head, "\r\nContent-Length:");
	long long rest = (long long)(c->head + c->len - end);

	c->good = atoi(c->head + 9) == 200;
	c->body = (length && length < end && !head_only ? atoll(length + 17) : 0) - rest;
	if (c->body == 0)
		finish(c);
}

static void take(struct connection *c)
{
	static char drain[1 << 20];
	ssize_t n;

	if (c->body >= 0) {
		n = recv(c->fd, drain, sizeof drain, 0);
		if (n <= 0)
			die("a connection ended in a body");
		c->body -= n;
		if (c->body == 0)
			finish(c);
		return;
	}
	n = recv(c->fd, c->head + c->len, sizeof c->head - 1 - c->len, 0);
	if (n <= 0)
		die("a connection ended");
	c->len += (size_t)n;
	c->head[c->len] = '\0';
	{
		const char *end = strstr(c->head, "\r\n\r\n");

		if (end)
			begin(c, end + 4);
		else if (c->len == sizeof c->head - 1)
			die("an endless head");
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct rlimit files = {CONNECTIONS_MAX + 64, CONNECTIONS_MAX + 64};
	struct epoll_event events[256];
	double from;
	int count, poller = epoll_create1(EPOLL_CLOEXEC), one = 1;

	if (argc < 7)
		return 2;
	setrlimit(RLIMIT_NOFILE, &files);
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	head_only = strcmp(argv[3], "HEAD") == 0;
	count = atoi(argv[5]);
	if (count < 1 || count > CONNECTIONS_MAX)
		return 2;
	request_len = (size_t)snprintf(request, sizeof request,
				       "%s %s HTTP/1.1\r\nHost: %s:%s\r\nAccept: "
				       "application/vnd.oci.image.manifest.v1+json, */*\r\n\r\n", argv[3], argv[4],
				       argv[1], argv[2]);
	connections = calloc((size_t)count, sizeof *connections);
	if (!connections || request_len >= sizeof request)
		return 2;
	for (int i = 0; i < count; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &connections[i]};

		connections[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connections[i].fd < 0 || connect(connections[i].fd, (struct sockaddr *)&to, sizeof to) < 0)
			die("connect");
		setsockopt(connections[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd, &e) < 0)
			die("epoll_ctl");
	}
	from = now();
	until = from + atof(argv[6]);
	for (int i = 0; i < count; i++)
		ask(&connections[i]);
	while (waiting > 0) {
		int n = epoll_wait(poller, events, 256, 30000);

		if (n <= 0) {
			fprintf(stderr, "no answer for 30 s\n");
			return 1;
		}
		for (int i = 0; i < n; i++)
			take(events[i].data.ptr);
	}
	printf("%ld %ld %.6f\n", good, bad, now() - from);
	return 0;
}
