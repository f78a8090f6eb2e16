/* See client.h. */
#include "mediums/daemon/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "mediums/daemon/answer.h"
#include "mediums/daemon/endpoint.h"

#define OLDEST 24 /* of Docker 1.12; Docker 29 knows none below 44 */
#define NEWEST 51
#define PING_MS (30 * 1000)
#define ERROR_BODY_MAX (64 << 10)

struct luff_client {
	atomic_int refs;
	struct luff_endpoint endpoint;
	pthread_mutex_t lock; /* of what follows */
	int version;          /* 0: not agreed yet */
};

int luff_client_new(struct luff_client **out, struct luff_error *err)
{
	struct luff_client *client = calloc(1, sizeof *client);
	int rc;

	*out = NULL;
	if (!client)
		return luff_fail_nomem(err);
	atomic_init(&client->refs, 1);
	pthread_mutex_init(&client->lock, NULL);
	rc = luff_endpoint_find(&client->endpoint, err);
	if (rc < 0)
		luff_client_unref(client);
	else
		*out = client;
	return rc;
}

struct luff_client *luff_client_ref(struct luff_client *client)
{
	atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
	return client;
}

void luff_client_unref(struct luff_client *client)
{
	if (!client || atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) != 1)
		return;
	luff_endpoint_release(&client->endpoint);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

bool luff_client_is_close(const struct luff_client *client)
{
	const char *url = client->endpoint.url;

	if (luff_text_starts(client->endpoint.where, "unix:") || luff_text_starts(url, "https://"))
		return true;
	url = luff_text_starts(url, "http://") ? url + strlen("http://") : url;
	return luff_text_starts(url, "127.0.0.1:") || luff_text_starts(url, "localhost:") ||
	       luff_text_starts(url, "[::1]:");
}

int luff_client_context(const struct luff_client *client, struct luff_error *err)
{
	return luff_fail_context(err, "%s", client->endpoint.where);
}

static int send_request(struct luff_exchange **out, struct luff_client *client,
			const struct luff_client_request *request, const char *version,
			struct luff_error *err)
{
	LUFF_AUTO(text) url = NULL;
	struct luff_exchange_request r = {
		.method = request->method,
		.src = request->src,
		.size = request->size,
		.limit_ms = request->limit_ms,
		.settings = client->endpoint.settings,
		.place = client->endpoint.where,
		.partial = true,
		.headers = {request->src ? "Content-Type: application/x-tar" : request->login},
	};

	*out = NULL;
	if (asprintf(&url, "%s%s%s", client->endpoint.url, version, request->path) < 0) {
		url = NULL;
		return luff_fail_nomem(err);
	}
	r.url = url;
	return luff_exchange_open(out, &r, err);
}

/* "1.51" is 51; 0 for anything else. */
static int parse_version(const char *text)
{
	int64_t minor;

	return text && luff_text_starts(text, "1.") && luff_text_int64(&minor, text + 2) && minor < 10000
		       ? (int)minor
		       : 0;
}

/* What it answers to GET /_ping is never mind: its header says which API it speaks. */
static int agree(struct luff_client *client, struct luff_error *err)
{
	static const struct luff_client_request ping = {
		.method = "GET", .path = "/_ping", .limit_ms = PING_MS};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) body = NULL;
	const char *header;
	size_t len;
	int version, rc = send_request(&x, client, &ping, "", err);

	if (rc < 0)
		return rc;
	header = luff_exchange_header(x, "api-version", 0);
	version = parse_version(header);
	if (luff_exchange_status(x) != 200 && header)
		return luff_client_refused(client, x, err);
	if (version == 0)
		return luff_fail(err, LUFF_EHTTP, "%s: what answers there is no Docker and no Podman",
				 client->endpoint.where);
	if (version < OLDEST)
		return luff_fail(err, LUFF_EHTTP, "%s: speaks version 1.%d of Docker's API, less than 1.%d",
				 client->endpoint.where, version, OLDEST);
	rc = luff_exchange_read_all(&body, &len, x, ERROR_BODY_MAX, err); /* so that the connection is kept */
	if (rc == 0)
		client->version = version < NEWEST ? version : NEWEST;
	return rc;
}

int luff_client_version(int *out, struct luff_client *client, struct luff_error *err)
{
	int rc = 0;

	*out = 0;
	pthread_mutex_lock(&client->lock);
	if (client->version == 0)
		rc = agree(client, err);
	if (rc == 0)
		*out = client->version;
	pthread_mutex_unlock(&client->lock);
	return rc;
}

int luff_client_ask(struct luff_exchange **out, struct luff_client *client,
		    const struct luff_client_request *request, struct luff_error *err)
{
	char prefix[16];
	int version, rc = luff_client_version(&version, client, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	snprintf(prefix, sizeof prefix, "/v1.%d", version);
	return send_request(out, client, request, prefix, err);
}

int luff_client_read(char **out, size_t *len_out, struct luff_client *client,
		     const struct luff_client_request *request, size_t cap, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	int rc = luff_client_ask(&x, client, request, err);

	*out = NULL;
	*len_out = 0;
	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) < 200 || luff_exchange_status(x) > 299)
		return luff_client_refused(client, x, err);
	return luff_exchange_read_all(out, len_out, x, cap, err);
}

int luff_client_refused(const struct luff_client *client, struct luff_exchange *x, struct luff_error *err)
{
	static const struct {
		int status, code;
	} known[] = {{401, LUFF_EAUTH}, {403, LUFF_EDENIED}, {404, LUFF_ENOTFOUND}, {409, LUFF_EDENIED}};
	LUFF_AUTO(text) body = NULL;
	struct luff_error ignored = {0};
	int status = luff_exchange_status(x), code = LUFF_EHTTP;
	char words[300] = "";
	size_t len;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		code = known[i].status == status ? known[i].code : code;
	if (luff_exchange_read_all(&body, &len, x, ERROR_BODY_MAX, &ignored) == 0)
		luff_answer_words(words, sizeof words, body, len);
	luff_fail(err, code, "%s: %s (%d)", client->endpoint.where, *words ? words : "the daemon refuses",
		  status);
	err->http_status = status;
	return code;
}
