/* Where a connection may come to: names say what they like, so the address counts, for kept connections, too. */
#include "check.h"
#include "http/connection.h"
#include "http/exchange.h"

static struct luff_error err;
static char url[96];

static int ask(const char *place, enum luff_address least)
{
	struct luff_exchange_request request = {.method = "GET", .url = place, .least = least};
	struct luff_exchange *x = NULL;
	struct luff_error ignored = {0};
	char *body = NULL;
	size_t len;
	int rc = luff_exchange_open(&x, &request, &err);

	if (rc == 0) {
		CHECK_INT(luff_exchange_status(x), 200);
		CHECK(luff_exchange_is_private(x));
		luff_exchange_read_all(&body, &len, x, 1000, &ignored);
	}
	free(body);
	luff_exchange_close(x);
	return rc;
}

static void new_connections(void)
{
	luff_connections_close();
	FAILS(ask(url, LUFF_ADDRESS_PUBLIC), LUFF_EDENIED, "127.0.0.1, which nobody named");
	OK(ask(url, LUFF_ADDRESS_PRIVATE));
}

static void kept_connections(void)
{
	luff_connections_close();
	OK(ask(url, LUFF_ADDRESS_NOBODY));
	FAILS(ask(url, LUFF_ADDRESS_PUBLIC), LUFF_EDENIED, "127.0.0.1");
	OK(ask(url, LUFF_ADDRESS_NOBODY));
}

static void names(void)
{
	char *port = strrchr(url, ':'), named[96];

	snprintf(named, sizeof named, "http://anything.localhost%s", port);
	luff_connections_close();
	if (ask(named, LUFF_ADDRESS_NOBODY) == LUFF_ENET) /* not every C library knows them */
		return;
	FAILS(ask(named, LUFF_ADDRESS_PUBLIC), LUFF_EDENIED, "the private address ");
}

/* The user's own word: it may be anywhere, and nothing is known of what is behind it. */
static void proxies(void)
{
	char proxy[96];
	struct luff_exchange_request request = {
		.method = "HEAD", .url = "http://registry.example/", .least = LUFF_ADDRESS_PUBLIC};
	struct luff_exchange *x = NULL;

	snprintf(proxy, sizeof proxy, "%.*s", (int)(strrchr(url, '/') - url - 3), url);
	setenv("http_proxy", proxy, 1);
	if (OK(luff_exchange_open(&x, &request, &err)))
		CHECK(!luff_exchange_is_private(x));
	luff_exchange_close(x);
	unsetenv("http_proxy");
}

int main(void)
{
	struct luff_server *server;

	if (luff_init(&err) < 0 || luff_curl_load(&err) < 0 ||
	    luff_server_start(&server, &(struct luff_server_options){0}, &err) < 0) {
		fprintf(stderr, "skipped: %s\n", err.msg);
		return SKIPPED;
	}
	snprintf(url, sizeof url, "http://%s/v2/", luff_server_address(server));
	new_connections();
	kept_connections();
	names();
	proxies();
	luff_connections_close();
	luff_server_stop(server);
	luff_shutdown();
	return check_end();
}
