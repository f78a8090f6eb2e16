/* See tls.h. */
#include "server/tls.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/lazy.h"
#include "server/certificate.h"

#define STACK_SIZE (512 << 10) /* wolfSSL's mathematics want their share */
#define UP_SIZE (32 << 10)     /* bytes from the client, and to it, that are on their way */
#define DOWN_SIZE (64 << 10)
#define HANDSHAKE_MS 15000
#define LINGER_MS 2000 /* for a client that has the answer and still sends */
#define PATIENCE_MS 100

#define WOLFSSL_FUNCTIONS(X)                                                                                 \
	X(Init)                                                                                              \
	X(CTX_new)                                                                                           \
	X(CTX_free)                                                                                          \
	X(CTX_SetMinVersion)                                                                                 \
	X(CTX_use_certificate_chain_file)                                                                    \
	X(CTX_use_PrivateKey_file)                                                                           \
	X(CTX_use_certificate_buffer)                                                                        \
	X(CTX_use_PrivateKey_buffer)                                                                         \
	X(CTX_check_private_key)                                                                             \
	X(new)                                                                                               \
	X(free)                                                                                              \
	X(set_fd)                                                                                            \
	X(accept)                                                                                            \
	X(read)                                                                                              \
	X(write)                                                                                             \
	X(get_error)                                                                                         \
	X(shutdown)

static struct {
#define MEMBER(name) __typeof__(&wolfSSL_##name) name;
	WOLFSSL_FUNCTIONS(MEMBER)
#undef MEMBER
	__typeof__(&wolfSSLv23_server_method) method;
#ifdef FP_ECC
	__typeof__(&wc_ecc_fp_free) forget_points;
#endif
} wolf;

struct connection {
	struct luff_tls *tls;
	struct connection *next, **link; /* in the list, under the lock */
	int client, plain;
	WOLFSSL *ssl;
	struct sockaddr_storage address;
	socklen_t address_len;
	short wants; /* POLLIN or POLLOUT: what wolfSSL waits for */
};

struct luff_tls {
	struct luff_tls_options options;
	WOLFSSL_CTX *context;
	int listener;
	pthread_t acceptor;
	bool accepting; /* the acceptor is to be joined */
	pthread_mutex_t lock;
	pthread_cond_t gone;
	struct connection *connections;
	size_t count;
	bool stopping;
};

static int load(struct luff_error *err)
{
#define SYMBOL(function) LUFF_LAZY(wolfSSL_##function, &wolf.function),
	static const struct luff_lazy_symbol symbols[] = {
		WOLFSSL_FUNCTIONS(SYMBOL) LUFF_LAZY(wolfSSLv23_server_method, &wolf.method),
#ifdef FP_ECC
		LUFF_LAZY(wc_ecc_fp_free, &wolf.forget_points),
#endif
		{NULL, NULL}};
#undef SYMBOL
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int rc;

	pthread_mutex_lock(&lock);
	rc = loaded ? 0 : luff_lazy_load(LUFF_LAZY_NAME(LUFF_WOLFSSL), symbols, err);
	if (rc == 0 && !loaded && wolf.Init() != WOLFSSL_SUCCESS)
		rc = luff_fail(err, LUFF_ENOTSUP, "wolfSSL does not start");
	loaded = rc == 0;
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- A connection ---- */

/* What a call of wolfSSL came to: > 0 bytes, 0 the end, -1 later (c->wants), -2 never. */
static int outcome(struct connection *c, int result)
{
	if (result > 0)
		return result;
	switch (wolf.get_error(c->ssl, result)) {
	case WOLFSSL_ERROR_WANT_READ:
		c->wants = POLLIN;
		return -1;
	case WOLFSSL_ERROR_WANT_WRITE:
		c->wants = POLLOUT;
		return -1;
	case WOLFSSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -2;
	}
}

static bool wait_for(int fd, short events, int seconds)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, seconds * 1000) > 0;
}

/* RFC 8446 5.1: what starts with anything but a handshake is no TLS. Its sender mostly has forgotten the s of https. */
static bool speaks_tls(int fd)
{
	static const char answer[] =
		"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nthis registry speaks HTTPS\n";
	char first;

	if (!wait_for(fd, POLLIN, HANDSHAKE_MS / 1000) || recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return false;
	if (first != 22)
		(void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	return first == 22;
}

static bool shake_hands(struct connection *c)
{
	int64_t until = luff_clock_ms() + HANDSHAKE_MS;
	int n;

	if (wolf.set_fd(c->ssl, c->client) != WOLFSSL_SUCCESS)
		return false;
	while ((n = outcome(c, wolf.accept(c->ssl))) == -1) {
		int64_t left = until - luff_clock_ms();

		if (left <= 0 || !wait_for(c->client, c->wants, (int)(left / 1000) + 1))
			return false;
	}
	return n > 0;
}

/* Bytes that came from one side and go to the other. */
struct flow {
	char *bytes;
	size_t size, start, len;
	bool ended; /* nothing comes any more */
	bool told;  /* the other side knows */
};

/* Each returns whether something happened; what cannot go on ends the flow. */
static bool read_client(struct connection *c, struct flow *up, short *client_events)
{
	int n;

	if (up->ended || up->len > 0)
		return false;
	n = outcome(c, wolf.read(c->ssl, up->bytes, (int)up->size));
	if (n == -1) {
		*client_events |= c->wants;
		return false;
	}
	up->ended = n <= 0;
	up->start = 0;
	up->len = n > 0 ? (size_t)n : 0;
	return true;
}

static bool write_client(struct connection *c, struct flow *down, short *client_events)
{
	int n;

	if (down->len == 0)
		return false;
	n = outcome(c, wolf.write(c->ssl, down->bytes + down->start, (int)down->len));
	if (n == -1) {
		*client_events |= c->wants;
		return false;
	}
	if (n <= 0) {
		down->ended = true;
		down->len = 0;
		return true;
	}
	down->start += (size_t)n;
	down->len -= (size_t)n;
	return true;
}

static bool read_plain(const struct connection *c, struct flow *down, short *plain_events)
{
	ssize_t n;

	if (down->ended || down->len > 0)
		return false;
	n = recv(c->plain, down->bytes, down->size, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		*plain_events |= POLLIN;
		return false;
	}
	down->ended = n <= 0;
	down->start = 0;
	down->len = n > 0 ? (size_t)n : 0;
	return true;
}

static bool write_plain(const struct connection *c, struct flow *up, short *plain_events)
{
	ssize_t n;

	if (up->len == 0) {
		if (up->ended && !up->told) {
			shutdown(c->plain, SHUT_WR);
			up->told = true;
		}
		return false;
	}
	n = send(c->plain, up->bytes + up->start, up->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		*plain_events |= POLLOUT;
		return false;
	}
	if (n < 0) { /* nobody reads any more: what still comes is for nobody */
		up->ended = up->told = true;
		n = (ssize_t)up->len;
	}
	up->start += (size_t)n;
	up->len -= (size_t)n;
	return true;
}

/* Until the server has ended its side and all of it is with the client, or nothing moves for too long. */
static void move(struct connection *c, struct flow *up, struct flow *down)
{
	while (!down->ended || down->len > 0) {
		struct pollfd p[2] = {{.fd = c->client}, {.fd = c->plain}};
		bool moved = read_client(c, up, &p[0].events);

		moved |= write_plain(c, up, &p[1].events);
		moved |= read_plain(c, down, &p[1].events);
		moved |= write_client(c, down, &p[0].events);
		if (moved)
			continue;
		for (int i = 0; i < 2; i++)
			p[i].fd = p[i].events ? p[i].fd : -1;
		if (poll(p, 2, c->tls->options.idle_seconds * 1000) == 0)
			return;
	}
}

/* Closed at once with bytes unread, the client would get a reset in place of the answer's end. */
static void part(struct connection *c, char *buf, size_t size)
{
	int64_t until = luff_clock_ms() + LINGER_MS;

	wolf.shutdown(c->ssl);
	shutdown(c->client, SHUT_WR);
	for (;;) {
		struct pollfd p = {.fd = c->client, .events = POLLIN};
		int64_t left = until - luff_clock_ms();

		if (left <= 0 || poll(&p, 1, (int)left) <= 0 || recv(c->client, buf, size, MSG_DONTWAIT) <= 0)
			return;
	}
}

/* Gives the server its end of a pair, unless everything ends. */
static bool hand_over(struct connection *c)
{
	struct luff_tls *tls = c->tls;
	bool taken = false;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return false;
	c->plain = pair[0];
	pthread_mutex_lock(&tls->lock);
	if (tls->stopping)
		close(pair[1]);
	else
		taken = tls->options.accept(tls->options.arg, pair[1], (const struct sockaddr *)&c->address,
					    c->address_len);
	pthread_mutex_unlock(&tls->lock);
	return taken;
}

static void serve(struct connection *c)
{
	LUFF_AUTO(text) bytes = malloc(UP_SIZE + DOWN_SIZE);
	struct flow up = {.bytes = bytes, .size = UP_SIZE};
	struct flow down = {.bytes = bytes ? bytes + UP_SIZE : NULL, .size = DOWN_SIZE};

	if (!bytes || !speaks_tls(c->client))
		return;
	c->ssl = wolf.new(c->tls->context);
	if (!c->ssl || !shake_hands(c) || !hand_over(c))
		return;
	move(c, &up, &down);
	part(c, bytes, UP_SIZE);
}

static void *run_connection(void *arg)
{
	struct connection *c = arg;
	struct luff_tls *tls = c->tls;

	serve(c);
	if (c->ssl)
		wolf.free(c->ssl);
#ifdef FP_ECC /* points that it has computed, which each thread has its own of */
	wolf.forget_points();
#endif
	if (c->plain >= 0)
		close(c->plain);
	pthread_mutex_lock(&tls->lock);
	close(c->client);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	tls->count--;
	pthread_cond_broadcast(&tls->gone);
	pthread_mutex_unlock(&tls->lock);
	free(c);
	return NULL;
}

/* ---- All of them ---- */

/* The lock is held. */
static bool start_connection(struct luff_tls *tls, struct connection *c)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	started = pthread_create(&thread, &attributes, run_connection, c) == 0;
	pthread_attr_destroy(&attributes);
	if (!started)
		return false;
	c->next = tls->connections;
	c->link = &tls->connections;
	if (c->next)
		c->next->link = &c->next;
	tls->connections = c;
	tls->count++;
	return true;
}

/* Waits until one more may come; false where none may any more. */
static bool wait_for_room(struct luff_tls *tls)
{
	bool goes_on;

	pthread_mutex_lock(&tls->lock);
	while (!tls->stopping && tls->count >= tls->options.connections_max)
		pthread_cond_wait(&tls->gone, &tls->lock);
	goes_on = !tls->stopping;
	pthread_mutex_unlock(&tls->lock);
	return goes_on;
}

static void *run_acceptor(void *arg)
{
	struct luff_tls *tls = arg;

	while (wait_for_room(tls)) {
		struct connection *c = calloc(1, sizeof *c);
		bool started = false;

		if (c) {
			*c = (struct connection){.tls = tls, .plain = -1, .address_len = sizeof c->address};
			c->client = accept4(tls->listener, (struct sockaddr *)&c->address, &c->address_len,
					    SOCK_CLOEXEC | SOCK_NONBLOCK);
		}
		pthread_mutex_lock(&tls->lock);
		if (c && c->client >= 0 && !tls->stopping)
			started = start_connection(tls, c);
		pthread_mutex_unlock(&tls->lock);
		if (started)
			continue;
		if (!c || c->client < 0) /* out of files or memory: some will come back */
			(void)poll(NULL, 0, PATIENCE_MS);
		else
			close(c->client);
		free(c);
	}
	return NULL;
}

static int use_files(struct luff_tls *tls, struct luff_error *err)
{
	const char *cert = tls->options.cert, *key = tls->options.key;

	if (wolf.CTX_use_certificate_chain_file(tls->context, cert) != WOLFSSL_SUCCESS)
		return luff_fail(err, LUFF_EINVAL, "%s: no certificate in PEM that can be read", cert);
	if (wolf.CTX_use_PrivateKey_file(tls->context, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
		return luff_fail(err, LUFF_EINVAL, "%s: no key in PEM that can be read", key);
	if (wolf.CTX_check_private_key(tls->context) != WOLFSSL_SUCCESS)
		return luff_fail(err, LUFF_EINVAL, "%s: not the key of the certificate in %s", key, cert);
	return luff_certificate_check(cert, key, err);
}

/* Clients find it once the key is in use. */
static int use_own(struct luff_tls *tls, struct luff_error *err)
{
	struct luff_certificate own;
	int rc = luff_certificate_make(&own, err);

	if (rc == 0 && (wolf.CTX_use_certificate_buffer(tls->context, own.cert, own.cert_len,
							WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS ||
			wolf.CTX_use_PrivateKey_buffer(tls->context, own.key, own.key_len,
						       WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS))
		rc = luff_fail(err, LUFF_ENOTSUP, "wolfSSL does not take the certificate that it has made");
	if (rc == 0)
		rc = luff_certificate_write(&own, tls->options.self_signed, err);
	luff_certificate_release(&own);
	return rc;
}

int luff_tls_new(struct luff_tls **out, const struct luff_tls_options *options, struct luff_error *err)
{
	struct luff_tls *tls;
	int rc = load(err);

	*out = NULL;
	if (rc < 0)
		return rc;
	tls = calloc(1, sizeof *tls);
	if (!tls)
		return luff_fail_nomem(err);
	tls->options = *options;
	tls->listener = -1;
	pthread_mutex_init(&tls->lock, NULL);
	pthread_cond_init(&tls->gone, NULL);
	tls->context = wolf.CTX_new(wolf.method());
	if (!tls->context || wolf.CTX_SetMinVersion(tls->context, WOLFSSL_TLSV1_2) != WOLFSSL_SUCCESS)
		rc = luff_fail_nomem(err);
	else
		rc = options->self_signed ? use_own(tls, err) : use_files(tls, err);
	if (rc < 0) {
		luff_tls_free(tls);
		return rc;
	}
	*out = tls;
	return 0;
}

int luff_tls_start(struct luff_tls *tls, int listener, struct luff_error *err)
{
	int rc;

	tls->listener = listener;
	rc = pthread_create(&tls->acceptor, NULL, run_acceptor, tls);
	tls->accepting = rc == 0;
	if (rc != 0)
		tls->listener = -1;
	return rc == 0 ? 0 : luff_fail_errno(err, rc, "cannot start a thread");
}

void luff_tls_quiesce(struct luff_tls *tls)
{
	if (!tls)
		return;
	pthread_mutex_lock(&tls->lock);
	tls->stopping = true;
	pthread_cond_broadcast(&tls->gone);
	pthread_mutex_unlock(&tls->lock);
	if (tls->listener >= 0)
		shutdown(tls->listener, SHUT_RDWR);
	if (tls->accepting)
		pthread_join(tls->acceptor, NULL);
	tls->accepting = false;
	if (tls->listener >= 0)
		close(tls->listener);
	tls->listener = -1;
}

void luff_tls_free(struct luff_tls *tls)
{
	if (!tls)
		return;
	luff_tls_quiesce(tls);
	pthread_mutex_lock(&tls->lock);
	for (struct connection *c = tls->connections; c; c = c->next)
		shutdown(c->client, SHUT_RDWR);
	while (tls->count > 0)
		pthread_cond_wait(&tls->gone, &tls->lock);
	pthread_mutex_unlock(&tls->lock);
	if (tls->context)
		wolf.CTX_free(tls->context);
	pthread_cond_destroy(&tls->gone);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}
