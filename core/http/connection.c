/* See connection.h. */
#include "http/connection.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "http/proxy.h"
#include "http/settings.h"
#include "http/url.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct luff_connection
	*idle; /* the one that was used last is first: it is the least likely to be dead */
static atomic_bool all_authorities; /* their folder turned out to lack one */

/*
 * While libcurl closes what a multi handle holds it ignores SIGPIPE, whatever its handles were told, and then puts back what was
 * there before: two threads at once would put back each other's.
 */
static pthread_mutex_t closing = PTHREAD_MUTEX_INITIALIZER;

static void destroy(struct luff_connection *c)
{
	pthread_mutex_lock(&closing);
	if (c->easy)
		luff_curl.easy_cleanup(c->easy);
	if (c->multi)
		luff_curl.multi_cleanup(c->multi);
	pthread_mutex_unlock(&closing);
	luff_settings_unref(c->settings);
	free(c->origin);
	free(c);
}

LUFF_DEFINE_AUTO(connection, struct luff_connection *, destroy);

static struct luff_connection *take_idle(const char *origin, const struct luff_settings_kept *settings,
					 enum luff_address least)
{
	struct luff_connection **at, *c;

	pthread_mutex_lock(&lock);
	at = &idle;
	while (*at &&
	       (strcmp((*at)->origin, origin) != 0 || (*at)->settings != settings || (*at)->there < least))
		at = &(*at)->next;
	c = *at;
	if (c)
		*at = c->next;
	pthread_mutex_unlock(&lock);
	return c;
}

static int connect_timeout(const struct luff_connection *c)
{
	return c->settings && c->settings->settings.connect_timeout ? c->settings->settings.connect_timeout
								    : LUFF_CONNECTION_TIMEOUT;
}

/* A path, or the PEM itself, which outlives the handle. A libcurl that takes no PEM fails when it connects. */
static void set_pem(struct luff_connection *c, CURLoption path, CURLoption blob, const char *text)
{
	struct curl_blob bytes = {.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};

	if (!luff_settings_is_pem(text))
		luff_curl.easy_setopt(c->easy, path, text);
	else if (luff_curl.easy_setopt(c->easy, blob, &bytes) != CURLE_OK)
		luff_curl.easy_setopt(c->easy, path, "/nonexistent");
}

static void set_settings(struct luff_connection *c, const struct luff_settings *s)
{
	CURL *easy = c->easy;

	if (s->insecure) {
		luff_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		luff_curl.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (s->ca) {
		set_pem(c, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB, s->ca);
		c->all_authorities = true; /* there is no other way to try */
	}
	if (s->cert) {
		set_pem(c, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, s->cert);
		set_pem(c, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB, s->key ? s->key : s->cert);
	}
	if (s->socket)
		luff_curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, s->socket);
}

static void set_proxy(struct luff_connection *c)
{
	const char *proxy = c->settings ? c->settings->settings.proxy : NULL;

	if (!proxy)
		proxy = luff_proxy_of(c->origin);
	c->proxied = proxy && *proxy;
	luff_curl.easy_setopt(c->easy, CURLOPT_PROXY, c->proxied ? proxy : "");
	luff_curl.easy_setopt(c->easy, CURLOPT_NOPROXY, "");
}

/* libcurl calls it for each address that it tries. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct luff_connection *c = arg;

	(void)purpose;
	if (!c->proxied && luff_address_of_socket(&to->addr) < c->least) {
		luff_address_print(c->refused, &to->addr);
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_options(struct luff_connection *c)
{
	const char *file = getenv("SSL_CERT_FILE");
	CURL *easy = c->easy;

	luff_curl.easy_setopt(easy, CURLOPT_USERAGENT, "luff/" LUFF_VERSION);
	luff_curl.easy_setopt(easy, CURLOPT_SHARE, luff_curl.share);
	luff_curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	luff_curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)connect_timeout(c));
	luff_curl.easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	luff_curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	luff_curl.easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	luff_curl.easy_setopt(easy, CURLOPT_QUICK_EXIT,
			      1L); /* a name server that is silent does not hold up a cancel */
#endif
	luff_curl.easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	luff_curl.easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
	set_proxy(c);
	c->all_authorities = luff_curl.bundle;
	if (file && *file)
		luff_curl.easy_setopt(easy, CURLOPT_CAINFO, file);
	else if (luff_curl.bundle)
		luff_curl.easy_setopt(easy, CURLOPT_CAINFO, luff_curl.bundle);
	else if (luff_curl.authorities && !atomic_load(&all_authorities))
		luff_curl.easy_setopt(easy, CURLOPT_CAINFO, NULL); /* the folder alone */
	else
		c->all_authorities = true;
	if (c->settings)
		set_settings(c, &c->settings->settings);
}

bool luff_connection_try_otherwise(struct luff_connection *c, CURLcode result)
{
	const char *file = getenv("SSL_CERT_FILE");

	if (result != CURLE_PEER_FAILED_VERIFICATION || c->all_authorities || (file && *file))
		return false;
	atomic_store(&all_authorities, true);
	c->all_authorities = true;
	luff_curl.multi_remove_handle(c->multi, c->easy);
	luff_curl.easy_setopt(c->easy, CURLOPT_CAINFO, luff_curl.authorities);
	luff_curl.multi_add_handle(c->multi, c->easy);
	return true;
}

int luff_connection_fail(struct luff_connection *c, CURLcode result, const char *reason, const char *place,
			 int64_t moved, struct luff_error *err)
{
	char why[CURL_ERROR_SIZE];
	long sys_errno = 0, connects = 1, proxy_status = 0;

	luff_curl.easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	if (c->proxied && proxy_status >= 300) {
		luff_fail(err, LUFF_ENET, "%s: the proxy %s (%ld)", place,
			  proxy_status == 407 ? "wants a user and a password" : "refuses to connect",
			  proxy_status);
		err->http_status = (int)proxy_status;
		return err->code;
	}
	luff_text_printable(why, sizeof why, reason[0] ? reason : luff_curl.easy_strerror(result));
	luff_curl.easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &sys_errno);
	switch (result) {
	case CURLE_OUT_OF_MEMORY:
		luff_fail_nomem(err);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		luff_fail(err, LUFF_ETIMEOUT, "%s: no connection within %d s", place, connect_timeout(c));
		break;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		luff_fail(err, LUFF_ENET, "%s: no such host, or no name server answers", place);
		break;
	case CURLE_COULDNT_CONNECT:
		if (c->refused[0])
			return luff_fail(
				err, LUFF_EDENIED,
				"%s: a server leads there, to the private address %s, which nobody named",
				place, c->refused);
		luff_fail(err, LUFF_ENET, "%s: cannot connect: %s", place,
			  sys_errno ? strerror((int)sys_errno) : why);
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		/* on a kept connection it may be the rest of an answer that came late: another one may do better */
		luff_curl.easy_getinfo(c->easy, CURLINFO_NUM_CONNECTS, &connects);
		sys_errno = connects == 0 ? ECONNRESET : sys_errno;
		luff_fail(err, LUFF_ENET, "%s: the answer is no HTTP; does the server want https?", place);
		break;
	case CURLE_SSL_CONNECT_ERROR:
		luff_fail(err, LUFF_ENET, "%s: TLS failed: %s; does the server speak plain http?", place,
			  why);
		break;
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		luff_fail(err, LUFF_ENET, "%s: the connection broke after %" PRId64 " bytes: %s", place,
			  moved, why);
		sys_errno = sys_errno ? sys_errno : ECONNRESET;
		break;
	case CURLE_SEND_FAIL_REWIND: /* a kept one was dead, and libcurl cannot have the body once more */
		luff_fail(err, LUFF_ENET, "%s: the connection broke after %" PRId64 " bytes", place, moved);
		sys_errno = ECONNRESET;
		break;
	default:
		luff_fail(err, LUFF_ENET, "%s: %s", place, why);
	}
	err->sys_errno = (int)sys_errno;
	return err->code;
}

/* Takes the settings over. */
static struct luff_connection *connection_new(const char *origin, struct luff_settings_kept *settings)
{
	LUFF_AUTO(connection) c = calloc(1, sizeof *c);

	if (!c) {
		luff_settings_unref(settings);
		return NULL;
	}
	c->settings = settings;
	c->there = LUFF_ADDRESS_PUBLIC;
	c->easy = luff_curl.easy_init();
	c->multi = luff_curl.multi_init();
	c->origin = strdup(origin);
	return c->easy && c->multi && c->origin ? luff_take(c) : NULL;
}

int luff_connection_take(struct luff_connection **out, const char *origin,
			 struct luff_settings_kept *settings, enum luff_address least, struct luff_error *err)
{
	LUFF_AUTO(settings) of_origin = settings ? settings : luff_settings_of_origin(origin);

	*out = take_idle(origin, of_origin, least);
	if (!*out)
		*out = connection_new(origin, luff_take(of_origin));
	if (!*out)
		return luff_fail_nomem(err);
	(*out)->least = least;
	(*out)->refused[0] = '\0';
	set_options(*out);
	return 0;
}

static enum luff_address find_address(const struct luff_connection *c)
{
	char *address = NULL;

	if (c->proxied)
		return LUFF_ADDRESS_PUBLIC;
	luff_curl.easy_getinfo(c->easy, CURLINFO_PRIMARY_IP, &address);
	return address && *address ? luff_address_of_text(address) : LUFF_ADDRESS_PRIVATE; /* a Unix socket */
}

bool luff_connection_is_private(const struct luff_connection *c)
{
	/* a proxy's address says nothing about the server behind it */
	return c->proxied ? luff_url_names_private(c->origin) : find_address(c) != LUFF_ADDRESS_PUBLIC;
}

void luff_connection_give(struct luff_connection *c, bool keep)
{
	enum luff_address there = find_address(c);
	struct luff_connection **at, *surplus = c;
	int count = 0;

	c->there = there < c->there ? there : c->there;
	luff_curl.easy_reset(c->easy); /* what the request pointed to is gone */
	if (keep) {
		pthread_mutex_lock(&lock);
		c->next = idle;
		idle = c;
		for (at = &idle; *at && count < LUFF_CONNECTION_IDLE_MAX; at = &(*at)->next)
			count++;
		surplus = *at;
		*at = NULL;
		pthread_mutex_unlock(&lock);
	}
	if (surplus)
		destroy(surplus);
}

void luff_connections_close(void)
{
	struct luff_connection *c;

	pthread_mutex_lock(&lock);
	c = idle;
	idle = NULL;
	pthread_mutex_unlock(&lock);
	while (c) {
		struct luff_connection *next = c->next;

		destroy(c);
		c = next;
	}
}
