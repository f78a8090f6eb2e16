/* See request.h. */
#include "mediums/registry/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "mediums/registry/auth.h"
#include "mediums/registry/retry.h"
#include "mediums/registry/url.h"

#define HOPS_MAX 10      /* redirects in a row */
#define CHALLENGES_MAX 2 /* 401s that are answered: none so far, then a token that has ended */
#define ERROR_BODY_MAX (64 << 10)
#define HEADER_MAX 600

LUFF_DEFINE_AUTO(exchange, struct luff_exchange *, luff_exchange_close);

/* ---- One exchange ---- */

static int add_header(struct luff_exchange_request *to, char line[HEADER_MAX], const char *name,
		      const char *value, struct luff_error *err)
{
	int n = 0;

	if (!value)
		return 0;
	if (snprintf(line, HEADER_MAX, "%s: %s", name, value) >= HEADER_MAX)
		return luff_fail(err, LUFF_EINVAL, "the header %s is too long", name);
	while (to->headers[n])
		n++;
	to->headers[n] = line;
	return 0;
}

static int open_exchange(struct luff_exchange **out, const struct luff_request *request, const char *url,
			 const char *authorization, struct luff_error *err)
{
	struct luff_exchange_request to = {
		.method = request->method,
		.url = url,
		.bytes = request->bytes,
		.src = request->src,
		.size = request->size,
		.limit_ms = request->limit_ms,
	};
	char accept[HEADER_MAX], type[HEADER_MAX], range[HEADER_MAX];
	LUFF_AUTO(text) login = NULL;
	int rc;

	rc = add_header(&to, accept, "Accept", request->accept, err);
	if (rc == 0)
		rc = add_header(&to, type, "Content-Type", request->content_type, err);
	if (rc == 0)
		rc = add_header(&to, range, "Range", request->range, err);
	if (rc < 0)
		return rc;
	if (authorization) {
		int n = 0;

		if (asprintf(&login, "Authorization: %s", authorization) < 0) {
			login = NULL;
			return luff_fail_nomem(err);
		}
		while (to.headers[n])
			n++;
		to.headers[n] = login;
	}
	/* a body from src runs a caller's code, which may wait for this very host: it stays out of the gate */
	if (!request->src)
		rc = luff_host_enter(request->host, err);
	if (rc == 0) {
		rc = luff_exchange_open(out, &to, err);
		if (!request->src)
			luff_host_leave(request->host);
	}
	if (login)
		explicit_bzero(login, strlen(login));
	return rc;
}

/* ---- Redirects and challenges ---- */

static bool leads_elsewhere(const struct luff_request *request, const struct luff_exchange *x)
{
	int status = luff_exchange_status(x);
	bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;

	if (!luff_exchange_header(x, "location", 0))
		return false;
	return status == 307 || status == 308 || (reads && (status == 301 || status == 302 || status == 303));
}

/* Replaces *url by where the answer leads. */
static int follow(char **url, const struct luff_request *request, struct luff_exchange *x,
		  struct luff_error *err)
{
	LUFF_AUTO(text) next = NULL;
	int rc;

	if (request->src)
		return luff_fail(err, LUFF_EHTTP, "%s: leads an upload elsewhere after taking its bytes",
				 request->host->name);
	rc = luff_url_resolve(&next, *url, luff_exchange_header(x, "location", 0), err);
	if (rc == 0)
		rc = luff_url_may_lead(*url, next, luff_exchange_is_private(x), err);
	if (rc < 0)
		return luff_fail_context(err, "%s: redirect", request->host->name);
	free(*url);
	*url = luff_take(next);
	return 0;
}

static int challenged(const struct luff_request *request, struct luff_exchange *x, const char *refused,
		      struct luff_error *err)
{
	int rc = LUFF_EAUTH, n = 0;
	const char *challenges = luff_exchange_header(x, "www-authenticate", 0);

	/* several headers are several challenges; the first that luff can answer is the one */
	do
		rc = luff_auth_challenged(request->host, request->scope, challenges, refused,
					  luff_exchange_is_private(x), err);
	while (rc == LUFF_EAUTH && (challenges = luff_exchange_header(x, "www-authenticate", ++n)));
	return rc;
}

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

/* One round: out is NULL if the request has to go out again, to *url. */
static int attempt(struct luff_exchange **out, char **url, int *challenges,
		   const struct luff_request *request, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) origin = NULL;
	char *authorization = NULL;
	bool ours;
	int rc;

	*out = NULL;
	rc = luff_url_origin(&origin, *url, err);
	if (rc < 0)
		return rc;
	ours = strcmp(origin, request->host->origin) == 0;
	if (ours)
		rc = luff_auth_header(&authorization, request->host, request->scope,
				      request->src || request->bytes, err);
	if (rc == 0)
		rc = open_exchange(&x, request, *url, authorization, err);
	if (rc == 0 && luff_exchange_status(x) == 401 && ours && *challenges < CHALLENGES_MAX) {
		(*challenges)++;
		rc = challenged(request, x, authorization, err);
		if (rc == LUFF_EAUTH)
			err->http_status = 401;
		if (rc == 0 && request->src)
			*out = luff_take(x); /* its bytes are gone, but the next request knows better */
	} else if (rc == 0 && leads_elsewhere(request, x)) {
		rc = follow(url, request, x, err);
	} else if (rc == 0) {
		*out = luff_take(x);
	}
	wipe(&authorization);
	return rc;
}

/* From the URL that was asked for to the answer that counts. */
static int send_once(struct luff_exchange **out, const struct luff_request *request, struct luff_error *err)
{
	LUFF_AUTO(text) url = NULL;
	int challenges = 0, rc;

	rc = luff_url_resolve(&url, request->host->url, request->url, err);
	for (int rounds = 0; rc == 0 && !*out && rounds <= HOPS_MAX + CHALLENGES_MAX; rounds++)
		rc = attempt(out, &url, &challenges, request, err);
	if (rc == 0 && !*out)
		rc = luff_fail(err, LUFF_EHTTP, "%s: leads from one place to another without end",
			       request->host->name);
	return rc;
}

int luff_request_send(struct luff_exchange **out, const struct luff_request *request, struct luff_error *err)
{
	int tries = request->src || request->limit_ms ? 0 : LUFF_RETRY_MAX;

	for (int i = 0;; i++) {
		LUFF_AUTO(exchange) x = NULL;
		struct luff_error failure = {0}, stop = {0};
		int rc = send_once(&x, request, &failure);
		bool again = i < tries && (rc == 0 ? luff_retry_is_busy(x) : luff_retry_is_broken(&failure));

		*out = NULL;
		if (again && luff_retry_pause(i, x, &stop) == 0)
			continue;
		if (stop.code == LUFF_ECANCELED) {
			*err = stop;
			return stop.code;
		}
		if (rc < 0)
			*err = failure;
		*out = luff_take(x);
		return rc;
	}
}

/* ---- What a refusal means ---- */

/* "DENIED: requested access is denied", from the body (distribution-spec, "Error Codes"); "" where it says nothing. */
static void read_reason(char *buf, size_t size, struct luff_exchange *x)
{
	LUFF_AUTO(text) body = NULL;
	LUFF_AUTO(json) doc = NULL;
	struct luff_error ignored = {0};
	const char *code, *message;
	const cJSON *first;
	char text[300];
	size_t len;

	buf[0] = '\0';
	if (luff_exchange_read_all(&body, &len, x, ERROR_BODY_MAX, &ignored) < 0 ||
	    luff_json_parse(&doc, body, len, "error", &ignored) < 0)
		return;
	first = cJSON_GetArrayItem(luff_json_array(doc, "errors"), 0);
	code = luff_json_string(first, "code");
	message = luff_json_string(first, "message");
	if (!message)
		message = luff_json_string(doc, "details"); /* token servers have no list */
	if (!message)
		message = luff_json_string(doc, "message");
	if (code || message) {
		snprintf(text, sizeof text, "%s%s%s", code ? code : "", code && message ? ": " : "",
			 message ? message : "");
		luff_text_printable(buf, size, text);
	}
}

int luff_request_refused(struct luff_exchange *x, const char *place, const char *what, struct luff_error *err)
{
	static const struct {
		int status, code;
		const char *means;
	} known[] = {
		{401, LUFF_EAUTH, "unauthorized"},
		{403, LUFF_EDENIED, "denied"},
		{404, LUFF_ENOTFOUND, "not found"},
		{408, LUFF_ETIMEOUT, "the server gave up waiting"},
		{413, LUFF_EHTTP, "too large for this registry"},
		{429, LUFF_ERATE, "too many requests; try again later"},
		{504, LUFF_ETIMEOUT, "the server's own server took too long"},
	};
	int status = luff_exchange_status(x), code = LUFF_EHTTP;
	const char *means = status >= 500 ? "the server failed" : "the server refuses";
	char reason[320];

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].status == status) {
			code = known[i].code;
			means = known[i].means;
		}
	}
	read_reason(reason, sizeof reason, x);
	luff_fail(err, code, "%s: %s%s%s (%d%s%s)", place, what, *what ? ": " : "", means, status,
		  *reason ? " " : "", reason);
	err->http_status = status;
	return code;
}
