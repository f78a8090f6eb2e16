/* See session.h. */
#include "mediums/registry/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "http/url.h"
#include "mediums/registry/header.h"

#define CANCEL_MS 2000     /* for taking back an upload that failed */
#define CANCEL_HURRY_MS 50 /* the same where the scope is cancelled */

struct luff_session *luff_session_new(const struct luff_digest *digest)
{
	struct luff_session *s = calloc(1, sizeof *s);

	if (s)
		s->digest = *digest;
	return s;
}

/* Location, whose query is part of it. */
int luff_session_follow(struct luff_session *s, struct luff_registry *r, struct luff_exchange *x,
			struct luff_error *err)
{
	const char *location = luff_exchange_header(x, "location", 0);
	const char *chunk_min = luff_exchange_header(x, "oci-chunk-min-length", 0);
	LUFF_AUTO(text) url = NULL;
	int rc;

	if (!location && s->url)
		return 0;
	if (!location)
		return luff_fail(err, LUFF_EHTTP, "%s: opens an upload without saying where", r->base.place);
	rc = luff_url_resolve(&url, luff_exchange_url(x), location, err);
	if (rc == 0)
		rc = luff_host_may_lead(x, url, err);
	if (rc < 0)
		return luff_fail_context(err, "%s: place of the upload", r->base.place);
	if (chunk_min && !luff_text_int64(&s->chunk_min, chunk_min))
		s->chunk_min = 0;
	if (s->bookmark && (!s->url || strcmp(s->url, url) != 0))
		luff_bookmark_write(s->bookmark, url);
	free(s->url);
	s->url = luff_take(url);
	return 0;
}

int luff_session_open(struct luff_session *s, struct luff_registry *r, struct luff_error *err)
{
	struct luff_request request = {.method = "POST", .scope = r->push};
	LUFF_AUTO(exchange) x = NULL;
	int rc = luff_registry_send(&x, r, request, "blobs/uploads/", err);

	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) != 202)
		return luff_request_refused(x, r->base.place, "cannot push", err);
	s->done = 0;
	return luff_session_follow(s, r, x, err);
}

static void forget(struct luff_session *s)
{
	free(luff_take(s->url));
	s->done = 0;
}

int luff_session_ask(struct luff_session *s, struct luff_registry *r, struct luff_error *err)
{
	struct luff_request request = {.host = r->host, .method = "GET", .url = s->url, .scope = r->push};
	LUFF_AUTO(exchange) x = NULL;
	const char *range;
	int64_t last;
	int rc = luff_request_send(&x, &request, err), status;

	if (rc < 0)
		return rc;
	status = luff_exchange_status(x);
	if (luff_status_may_pass(status) || status == 401)
		return luff_request_refused(x, r->base.place, "cannot go on with an upload", err);
	range = luff_exchange_header(x, "range", 0);
	if (status < 200 || status > 299 || !range || !luff_header_upload_range(&last, range)) {
		forget(s);
		return 0;
	}
	s->done = last > 0 ? last + 1 : 0; /* "0-0" is also said where there is nothing */
	return luff_session_follow(s, r, x, err);
}

/* Best effort, and outside of the scope, which may be cancelled: what is not taken back expires at the registry. */
void luff_session_cancel(struct luff_session *s, struct luff_registry *r)
{
	struct luff_request request = {.host = r->host, .method = "DELETE", .url = s->url, .scope = r->push};
	struct luff_error ignored = {0};
	struct luff_exchange *x = NULL;
	struct luff_scope outside = {0}, *scope;

	if (!s->url)
		return;
	request.limit_ms = luff_scope_check(&ignored) < 0 ? CANCEL_HURRY_MS : CANCEL_MS;
	for (scope = luff_scope_current(); scope && !outside.log; scope = scope->parent) {
		outside.log = scope->log;
		outside.log_arg = scope->log_arg;
	}
	scope = luff_scope_swap(&outside);
	if (luff_request_send(&x, &request, &ignored) == 0)
		luff_exchange_close(x);
	luff_scope_swap(scope);
	forget(s);
}

void luff_session_free(struct luff_session *s, bool keep)
{
	if (!s)
		return;
	luff_bookmark_close(s->bookmark, keep && s->url);
	free(s->url);
	free(s);
}
