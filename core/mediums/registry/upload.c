/* Writing to a repository (distribution-spec, "Push"): blobs in one piece, manifests, names, and mounts across repositories. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/scope.h"
#include "base/text.h"
#include "mediums/registry/registry.h"
#include "mediums/registry/url.h"
#include "stream/streams.h"

#define CANCEL_MS 2000     /* for taking back an upload that failed */
#define CANCEL_HURRY_MS 50 /* the same where the scope is cancelled */

/* ---- Sessions ---- */

static void session_free(struct luff_session *s)
{
	free(s->url);
	free(s);
}

/* Where the registry wants the bytes: Location, whose query is part of it. */
static int read_location(char **out, struct luff_registry *r, struct luff_exchange *x, struct luff_error *err)
{
	const char *location = luff_exchange_header(x, "location", 0);
	int rc;

	if (!location)
		return luff_fail(err, LUFF_EHTTP, "%s: opens an upload without saying where", r->base.place);
	rc = luff_url_resolve(out, luff_exchange_url(x), location, err);
	if (rc == 0)
		rc = luff_host_may_lead(x, *out, err);
	if (rc < 0) {
		free(luff_take(*out));
		return luff_fail_context(err, "%s: place of the upload", r->base.place);
	}
	return 0;
}

/* Best effort, and outside of the scope, which may be cancelled: what is not taken back expires at the registry. */
static void cancel_upload(struct luff_registry *r, const char *url)
{
	struct luff_request request = {.host = r->host, .method = "DELETE", .url = url, .scope = r->push};
	struct luff_error ignored = {0};
	struct luff_exchange *x = NULL;
	struct luff_scope outside = {0}, *scope;

	request.limit_ms = luff_scope_check(&ignored) < 0 ? CANCEL_HURRY_MS : CANCEL_MS;
	for (scope = luff_scope_current(); scope && !outside.log; scope = scope->parent) {
		outside.log = scope->log;
		outside.log_arg = scope->log_arg;
	}
	scope = luff_scope_swap(&outside);
	if (luff_request_send(&x, &request, &ignored) == 0)
		luff_exchange_close(x);
	luff_scope_swap(scope);
}

void luff_registry_cancel_sessions(struct luff_registry *r)
{
	while (r->sessions) {
		struct luff_session *s = r->sessions;

		r->sessions = s->next;
		cancel_upload(r, s->url);
		session_free(s);
	}
}

static void keep_session(struct luff_registry *r, const struct luff_digest *digest, char *url)
{
	struct luff_session *s = calloc(1, sizeof *s);

	if (!s) {
		cancel_upload(r, url);
		free(url);
		return;
	}
	s->digest = *digest;
	s->url = url;
	pthread_mutex_lock(&r->lock);
	s->next = r->sessions;
	r->sessions = s;
	pthread_mutex_unlock(&r->lock);
}

/* The URL of a session that was kept for the digest; NULL if there is none. */
static char *take_session(struct luff_registry *r, const struct luff_digest *digest)
{
	struct luff_session **at, *s;
	char *url = NULL;

	pthread_mutex_lock(&r->lock);
	for (at = &r->sessions; *at && !luff_digest_equal(&(*at)->digest, digest); at = &(*at)->next)
		;
	s = *at;
	if (s)
		*at = s->next;
	pthread_mutex_unlock(&r->lock);
	if (s) {
		url = luff_take(s->url);
		session_free(s);
	}
	return url;
}

static int open_session(char **out, struct luff_registry *r, struct luff_error *err)
{
	struct luff_request request = {.method = "POST", .scope = r->push};
	LUFF_AUTO(exchange) x = NULL;
	int rc = luff_registry_send(&x, r, request, "blobs/uploads/", err);

	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) != 202)
		return luff_request_refused(x, r->base.place, "cannot push", err);
	return read_location(out, r, x, err);
}

/* ---- Blobs ---- */

/* The registry says what it stored, if it says anything. */
static int check_stored(struct luff_registry *r, struct luff_exchange *x, const struct luff_descriptor *d,
			struct luff_error *err)
{
	const char *value = luff_exchange_header(x, "docker-content-digest", 0);
	struct luff_error ignored = {0};
	struct luff_digest stored;
	int status = luff_exchange_status(x);

	if (status != 200 && status != 201 && status != 202 && status != 204)
		return luff_request_refused(x, r->base.place, "cannot push", err);
	if (value && luff_digest_parse(&stored, value, &ignored) == 0 &&
	    luff_digest_algorithm(&stored) == luff_digest_algorithm(&d->digest) &&
	    !luff_digest_equal(&stored, &d->digest))
		return luff_fail(err, LUFF_EDIGEST, "%s: pushed %s, but the registry stored %s",
				 r->base.place, d->digest.text, stored.text);
	return 0;
}

static int put_blob(struct luff_registry *r, const char *session, const struct luff_descriptor *d,
		    struct luff_reader *src, struct luff_error *err)
{
	struct luff_request request = {.host = r->host, .method = "PUT", .scope = r->push};
	LUFF_AUTO(buffer) url = {.cap = LUFF_URL_MAX};
	LUFF_AUTO(exchange) x = NULL;
	int rc;

	rc = luff_buffer_printf(&url, err, "%s%cdigest=%s", session, strchr(session, '?') ? '&' : '?',
				d->digest.text);
	if (rc < 0)
		return rc;
	request.url = url.data;
	request.content_type = "application/octet-stream";
	request.src = d->size > 0 ? src : NULL;
	request.size = d->size;
	if (d->size == 0) /* no byte of it is asked for, but it has an end that is to be checked */
		rc = luff_reader_drain(src, err);
	if (rc == 0)
		rc = luff_request_send(&x, &request, err);
	return rc < 0 ? rc : check_stored(r, x, d, err);
}

static int push_blob(struct luff_registry *r, const struct luff_descriptor *d, struct luff_reader *src,
		     struct luff_error *err)
{
	LUFF_AUTO(text) session = take_session(r, &d->digest);
	int rc = session ? 0 : open_session(&session, r, err);

	if (!session)
		return rc;
	rc = put_blob(r, session, d, src, err);
	if (rc < 0)
		cancel_upload(r, session);
	return rc;
}

/* ---- Manifests ---- */

static int put_manifest(struct luff_exchange **out, struct luff_registry *r, const struct luff_descriptor *d,
			const void *bytes, const char *name, struct luff_error *err)
{
	struct luff_request request = {
		.method = "PUT",
		.scope = r->push,
		.content_type = d->media_type,
		.bytes = bytes,
		.size = d->size,
	};
	char path[32 + LUFF_DIGEST_MAX + LUFF_TAG_MAX];
	int rc;

	snprintf(path, sizeof path, "manifests/%s", name);
	rc = luff_registry_send(out, r, request, path, err);
	if (rc == 0)
		rc = check_stored(r, *out, d, err);
	if (rc == 0)
		rc = luff_registry_refer(r, d, bytes, luff_exchange_header(*out, "oci-subject", 0), err);
	return rc;
}

static int push_manifest(struct luff_registry *r, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err)
{
	LUFF_AUTO(text) bytes = NULL;
	LUFF_AUTO(exchange) x = NULL;
	int rc;

	if (d->size > LUFF_MANIFEST_MAX)
		return luff_fail(err, LUFF_ELIMIT, "%s: a manifest of more than %d bytes", r->base.place,
				 LUFF_MANIFEST_MAX);
	rc = luff_reader_read_all(&bytes, src, d->size, err);
	return rc < 0 ? rc : put_manifest(&x, r, d, bytes, d->digest.text, err);
}

int luff_registry_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		       struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);

	return d->manifest ? push_manifest(r, d, src, err) : push_blob(r, d, src, err);
}

/*
 * By its tag alone a registry names a manifest by sha256. Another digest stays if the manifest goes in by that digest, with
 * the tag beside it, which an answer with OCI-Tag confirms (distribution-spec after 1.1, end-7b).
 */
static int tag_by_digest(bool *done, struct luff_registry *r, const struct luff_descriptor *d,
			 const void *bytes, const char *tag, struct luff_error *err)
{
	char name[LUFF_DIGEST_MAX + 8 + LUFF_TAG_MAX];
	LUFF_AUTO(exchange) x = NULL;
	const char *named;
	int rc;

	snprintf(name, sizeof name, "%s?tag=%s", d->digest.text, tag);
	rc = put_manifest(&x, r, d, bytes, name, err);
	named = x ? luff_exchange_header(x, "oci-tag", 0) : NULL;
	*done = named && strcmp(named, tag) == 0;
	return rc;
}

int luff_registry_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		      const char *tag, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	LUFF_AUTO(exchange) x = NULL;
	bool done = false;
	int rc = luff_registry_check_tag(r, tag, err);

	if (rc == 0 && luff_digest_algorithm(&d->digest) != LUFF_SHA256)
		rc = tag_by_digest(&done, r, d, bytes, tag, err);
	return rc < 0 || done ? rc : put_manifest(&x, r, d, bytes, tag, err);
}

/* ---- Mounts ---- */

/* Whatever keeps the registry from mounting, the bytes can still be pushed: only a cancelled scope is a failure here. */
int luff_registry_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
			struct luff_medium *from, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m), *other;
	struct luff_request request = {.method = "POST"};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) scope = NULL;
	LUFF_AUTO(text) path = NULL;
	struct luff_error why = {0};
	char *session = NULL;

	*mounted = false;
	if (from->ops != m->ops || d->manifest)
		return 0;
	other = luff_registry_of(from);
	if (other->host != r->host || strcmp(other->repository, r->repository) == 0)
		return 0;
	if (asprintf(&scope, "%s %s", r->push, other->pull) < 0) {
		scope = NULL;
		return luff_fail_nomem(err);
	}
	if (asprintf(&path, "blobs/uploads/?mount=%s&from=%s", d->digest.text, other->repository) < 0) {
		path = NULL;
		return luff_fail_nomem(err);
	}
	request.scope = scope;
	if (luff_registry_send(&x, r, request, path, &why) < 0)
		return luff_scope_check(err);
	*mounted = luff_exchange_status(x) == 201;
	if (luff_exchange_status(x) == 202 && read_location(&session, r, x, &why) == 0)
		keep_session(r, &d->digest, session);
	return 0;
}
