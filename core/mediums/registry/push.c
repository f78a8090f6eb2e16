/* Writing to a repository (distribution-spec, "Push"): manifests and names, and blobs that are taken over from another one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/scope.h"
#include "mediums/registry/placed.h"
#include "mediums/registry/session.h"
#include "stream/streams.h"

/* The registry says what it stored, if it says anything. */
int luff_registry_check_stored(struct luff_registry *r, struct luff_exchange *x,
			       const struct luff_descriptor *d, struct luff_error *err)
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
		rc = luff_registry_check_stored(r, *out, d, err);
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

	return d->manifest ? push_manifest(r, d, src, err) : luff_registry_upload(r, d, src, err);
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

/* The repository of this registry that the blob can be taken over from; NULL: none is known. */
static char *find_other(const struct luff_registry *r, const struct luff_digest *digest,
			struct luff_medium *from)
{
	struct luff_registry *other = from->ops == r->base.ops ? luff_registry_of(from) : NULL;
	char *repository;

	if (other && other->host == r->host)
		repository = strdup(other->repository);
	else
		repository = luff_placed_find(r->host, digest);
	if (repository && strcmp(repository, r->repository) == 0)
		free(luff_take(repository));
	return repository;
}

static int ask_for_mount(struct luff_exchange **out, struct luff_registry *r,
			 const struct luff_digest *digest, const char *from, struct luff_error *err)
{
	struct luff_request request = {.method = "POST"};
	LUFF_AUTO(text) scope = NULL;
	LUFF_AUTO(text) path = NULL;

	if (asprintf(&scope, "%s repository:%s:pull", r->push, from) < 0) {
		scope = NULL;
		return luff_fail_nomem(err);
	}
	if (asprintf(&path, "blobs/uploads/?mount=%s&from=%s", digest->text, from) < 0) {
		path = NULL;
		return luff_fail_nomem(err);
	}
	request.scope = scope;
	return luff_registry_send(out, r, request, path, err);
}

/* Whatever keeps the registry from mounting, the bytes can still be pushed: only a cancelled scope is a failure here. */
int luff_registry_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
			struct luff_medium *from, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	LUFF_AUTO(text) other = d->manifest ? NULL : find_other(r, &d->digest, from);
	LUFF_AUTO(exchange) x = NULL;
	struct luff_session *session;
	struct luff_error why = {0};

	*mounted = false;
	if (!other)
		return 0;
	if (ask_for_mount(&x, r, &d->digest, other, &why) < 0)
		return luff_scope_check(err);
	*mounted = luff_exchange_status(x) == 201;
	if (*mounted)
		luff_placed_add(r->host, &d->digest, r->repository);
	session = luff_exchange_status(x) == 202 ? luff_session_new(&d->digest) : NULL;
	if (session && luff_session_follow(session, r, x, &why) == 0)
		luff_registry_keep_session(r, session);
	else
		luff_session_free(session, false);
	return 0;
}
