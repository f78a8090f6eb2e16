/* See request.h. */
#include "mediums/registry/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "http/settings.h"
#include "http/url.h"
#include "mediums/registry/auth.h"
#include "mediums/registry/notice.h"
#include "mediums/registry/retry.h"

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

/* A body from src runs a caller's code, which may wait for this very host; what has a limit of its own waits for nobody. */
static bool is_gated(const struct luff_request *request)
{
	return !request->src && !request->limit_ms;
}

static int enter(const struct luff_request *request, struct luff_error *err)
{
	struct luff_host *host = request->host;
	int rc = 0;

	if (request->limit_ms > 0 && luff_host_rests(host))
		return luff_fail(err, LUFF_ERATE, "%s: wants to be left alone", host->name);
	if (request->src)
		rc = luff_host_await(host, err);
	if (rc == 0)
		rc = luff_host_pace(host, err);
	return rc == 0 && is_gated(request) ? luff_host_enter(host, err) : rc;
}

static int open_exchange(struct luff_exchange **out, const struct luff_request *request, const char *url,
			 const char *authorization, enum luff_address least, struct luff_error *err)
{
	struct luff_exchange_request to = {
		.method = request->method,
		.url = url,
		.bytes = request->bytes,
		.src = request->src,
		.size = request->size,
		.least = least,
		.limit_ms = request->limit_ms,
		.pacer = &request->host->pacer,
	};
	char accept[HEADER_MAX], type[HEADER_MAX], range[HEADER_MAX], part[HEADER_MAX];
	LUFF_AUTO(text) login = NULL;
	int rc;

	rc = add_header(&to, accept, "Accept", request->accept, err);
	if (rc == 0)
		rc = add_header(&to, type, "Content-Type", request->content_type, err);
	if (rc == 0)
		rc = add_header(&to, range, "Range", request->range, err);
	if (rc == 0)
		rc = add_header(&to, part, "Content-Range", request->content_range, err);
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
	rc = enter(request, err);
	if (rc == 0) {
		rc = luff_exchange_open(out, &to, err);
		if (is_gated(request))
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

/* On the way to the answer that counts. */
struct course {
	char *url;
	bool public; /* it went through the open internet, from where no way leads back to private places */
	int challenges;
};

/* Goes to where the answer leads. */
static int follow(struct course *course, const struct luff_request *request, struct luff_exchange *x,
		  struct luff_error *err)
{
	LUFF_AUTO(text) next = NULL;
	int rc;

	if (request->src)
		return luff_fail(err, LUFF_EHTTP, "%s: leads an upload elsewhere after taking its bytes",
				 request->host->name);
	rc = luff_url_resolve(&next, course->url, luff_exchange_header(x, "location", 0), err);
	if (rc == 0)
		rc = luff_host_may_lead(x, next, err);
	if (rc < 0)
		return luff_fail_context(err, "%s: redirect", request->host->name);
	free(course->url);
	course->url = luff_take(next);
	course->public = course->public || !luff_exchange_is_private(x);
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

/* What a registry's answer says to all who ask it: when to come back, and where it is. */
static void heed(struct luff_host *host, const struct luff_exchange *x)
{
	int status = luff_exchange_status(x);
	int64_t seconds = status == 429 || status == 503 ? luff_retry_after(x) : -1;

	if (seconds > 0 && seconds <= LUFF_RETRY_AFTER_MAX)
		luff_host_rest(host, seconds);
	if (!luff_exchange_is_private(x))
		atomic_store(&host->is_public, true);
}

static enum luff_auth_wish wish_of(const struct luff_request *request)
{
	if (request->limit_ms > 0)
		return LUFF_AUTH_AT_HAND;
	return request->src || request->bytes ? LUFF_AUTH_FRESH : LUFF_AUTH_ANY;
}

static enum luff_address least_of(const struct course *course, const struct luff_request *request)
{
	enum luff_address least;

	if (request->foreign)
		return luff_settings_name(course->url) ? LUFF_ADDRESS_NOBODY : LUFF_ADDRESS_PUBLIC;
	least = luff_host_least(request->host, course->url);
	return least == LUFF_ADDRESS_PRIVATE && course->public ? LUFF_ADDRESS_PUBLIC : least;
}

/* Connections check addresses, but those through a proxy, which is where no other check would be. */
static int check_foreign(const struct course *course, const struct luff_request *request,
			 struct luff_error *err)
{
	char place[256];

	if (!request->foreign || !luff_url_names_private(course->url) || luff_settings_name(course->url))
		return 0;
	return luff_fail(err, LUFF_EDENIED,
			 "%s: a private address, which nobody named (name the host in settings)",
			 luff_url_redact(place, sizeof place, course->url));
}

/* One round: out is NULL if the request has to go out again, to course->url. */
static int attempt(struct luff_exchange **out, struct course *course, const struct luff_request *request,
		   struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) origin = NULL;
	char *authorization = NULL;
	bool ours;
	int rc;

	*out = NULL;
	rc = luff_url_origin(&origin, course->url, err);
	if (rc < 0)
		return rc;
	ours = !request->foreign && strcmp(origin, request->host->origin) == 0;
	rc = check_foreign(course, request, err);
	if (rc == 0 && ours)
		rc = luff_auth_header(&authorization, request->host, request->scope, wish_of(request), err);
	if (rc == 0)
		rc = open_exchange(&x, request, course->url, authorization, least_of(course, request), err);
	if (rc == 0 && ours) {
		heed(request->host, x);
		luff_notice_take_in(request->host, x);
	}
	if (rc == 0 && luff_exchange_status(x) == 401 && ours && !request->limit_ms &&
	    course->challenges < CHALLENGES_MAX) {
		course->challenges++;
		rc = challenged(request, x, authorization, err);
		if (rc == LUFF_EAUTH)
			err->http_status = 401;
		if (rc == 0 && request->src)
			*out = luff_take(x); /* its bytes are gone, but the next request knows better */
	} else if (rc == 0 && leads_elsewhere(request, x)) {
		rc = follow(course, request, x, err);
	} else if (rc == 0) {
		*out = luff_take(x);
	}
	wipe(&authorization);
	return rc;
}

/* From the URL that was asked for to the answer that counts. */
static int send_once(struct luff_exchange **out, const struct luff_request *request, struct luff_error *err)
{
	struct course course = {NULL, false, 0};
	int rc;

	rc = luff_url_resolve(&course.url, request->host->url, request->url, err);
	for (int rounds = 0; rc == 0 && !*out && rounds <= HOPS_MAX + CHALLENGES_MAX; rounds++)
		rc = attempt(out, &course, request, err);
	free(course.url);
	if (rc == 0 && !*out)
		rc = luff_fail(err, LUFF_EHTTP, "%s: leads from one place to another without end",
			       request->host->name);
	return rc;
}

struct body {
	char *bytes;
	size_t len, cap;
};

/* With the body, where one is wanted: it may break off as well as all else. */
static int send_and_read(struct luff_exchange **out, struct body *body, const struct luff_request *request,
			 struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	int rc = send_once(&x, request, err);

	if (rc == 0 && body && luff_exchange_status(x) == 200) {
		if (luff_exchange_length(x) > (int64_t)body->cap)
			return luff_fail(err, LUFF_ELIMIT, "the answer has more than %zu bytes", body->cap);
		rc = luff_exchange_read_all(&body->bytes, &body->len, x, body->cap, err);
	}
	if (rc == 0)
		*out = luff_take(x);
	return rc;
}

static int send_often(struct luff_exchange **out, struct body *body, const struct luff_request *request,
		      struct luff_error *err)
{
	int tries = request->src || request->limit_ms || request->once ? 0 : LUFF_RETRY_MAX;

	for (int i = 0;; i++) {
		LUFF_AUTO(exchange) x = NULL;
		struct luff_error failure = {0}, stop = {0};
		int rc = send_and_read(&x, body, request, &failure);
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

int luff_request_send(struct luff_exchange **out, const struct luff_request *request, struct luff_error *err)
{
	return send_often(out, NULL, request, err);
}

int luff_request_read(struct luff_exchange **out, char **bytes_out, size_t *len_out, size_t cap,
		      const struct luff_request *request, struct luff_error *err)
{
	struct body body = {.cap = cap};
	int rc = send_often(out, &body, request, err);

	*bytes_out = body.bytes;
	*len_out = body.len;
	return rc;
}

/* ---- What a refusal means ---- */

/* Appends "DENIED: requested access is denied". */
static void add_reason(char *text, size_t size, const cJSON *error)
{
	const char *code = luff_json_string(error, "code"), *message = luff_json_string(error, "message");
	size_t n = strlen(text);

	if (code || message)
		snprintf(text + n, size - n, "%s%s%s%s", n > 0 ? "; " : "", code ? code : "",
			 code && message ? ": " : "", message ? message : "");
}

/* What the body says (distribution-spec, "Error Codes"); "" where it says nothing. */
static void read_reason(char *buf, size_t size, struct luff_exchange *x)
{
	LUFF_AUTO(text) body = NULL;
	LUFF_AUTO(json) doc = NULL;
	struct luff_error ignored = {0};
	const char *details;
	const cJSON *error;
	char text[300] = "";
	size_t len;

	buf[0] = '\0';
	if (luff_exchange_read_all(&body, &len, x, ERROR_BODY_MAX, &ignored) < 0 ||
	    luff_json_parse(&doc, body, len, "error", &ignored) < 0)
		return;
	cJSON_ArrayForEach(error, luff_json_array(doc, "errors"))
	{
		add_reason(text, sizeof text, error);
	}
	details = luff_json_string(doc, "details"); /* token servers have no list */
	if (!text[0] && details)
		luff_text_copy(text, sizeof text, details);
	else if (!text[0])
		add_reason(text, sizeof text, doc);
	luff_text_printable(buf, size, text);
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
