/*
 * The registry medium: reading, looking and removing. Digests are computed here over what was received; what a server
 * claims about them is only believed where nothing was received (HEAD).
 */
#include "mediums/registry/registry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/scope.h"
#include "base/text.h"
#include "http/connection.h"
#include "http/helper.h"
#include "http/settings.h"
#include "mediums/mediums.h"
#include "mediums/registry/header.h"
#include "mediums/registry/notice.h"
#include "model/descriptor.h"
#include "model/referrer.h"
#include "stream/streams.h"

#define SHUN_MS 30000 /* that a mirror is left out after it could not be reached */
#define LETTERS "abcdefghijklmnopqrstuvwxyz0123456789"

struct luff_registry *luff_registry_of(struct luff_medium *m)
{
	assert(m->ops == &luff_registry_ops);
	return (struct luff_registry *)m;
}

/* All of a body, for who wants it with the answer. */
struct whole {
	char *bytes; /* malloc'ed; NULL where the status is not 200 */
	size_t len, cap;
};

/* @param whole  NULL: the body is left to the caller */
static int send_to(struct luff_exchange **out, struct whole *whole, struct luff_host *host,
		   const char *repository, struct luff_request request, const char *path,
		   struct luff_error *err)
{
	LUFF_AUTO(text) url = NULL;

	*out = NULL;
	if (asprintf(&url, "/v2/%s/%s", repository, path) < 0) {
		url = NULL;
		return luff_fail_nomem(err);
	}
	request.host = host;
	request.url = url;
	if (whole)
		return luff_request_read(out, &whole->bytes, &whole->len, whole->cap, &request, err);
	return luff_request_send(out, &request, err);
}

int luff_registry_send(struct luff_exchange **out, struct luff_registry *r, struct luff_request request,
		       const char *path, struct luff_error *err)
{
	return send_to(out, NULL, r->host, r->repository, request, path, err);
}

/* *out is NULL where the next one is to be asked; only a cancelled scope is a failure. */
static int read_mirror(struct luff_exchange **out, struct whole *whole, const struct luff_mirror *m,
		       struct luff_request request, const char *path, struct luff_error *err)
{
	LUFF_AUTO(exchange) x = NULL;
	struct luff_error failure = {0};
	int rc, status;

	*out = NULL;
	if (luff_clock_ms() < atomic_load(&m->host->shunned_until) || luff_host_rests(m->host))
		return 0;
	request.scope = m->pull;
	request.once = true;
	rc = send_to(&x, whole, m->host, m->repository, request, path, &failure);
	status = x ? luff_exchange_status(x) : 0;
	if (status == 200 || status == 206) {
		*out = luff_take(x);
		return 0;
	}
	if (rc == LUFF_ECANCELED)
		return luff_scope_check(err);
	/* one that is down is down for all that is read in the next while */
	if (rc < 0)
		atomic_store(&m->host->shunned_until, luff_clock_ms() + SHUN_MS);
	if (rc < 0 && luff_scope_logs())
		luff_scope_log("mirror %s is left out for %d s: %s", m->host->name, SHUN_MS / 1000,
			       failure.msg);
	return 0;
}

static int read_any(struct luff_exchange **out, struct whole *whole, struct luff_registry *r,
		    struct luff_request request, const char *path, struct luff_error *err)
{
	*out = NULL;
	for (size_t i = 0; i < r->mirror_count; i++) {
		int rc = read_mirror(out, whole, &r->mirrors[i], request, path, err);

		if (rc < 0 || *out)
			return rc;
	}
	return send_to(out, whole, r->host, r->repository, request, path, err);
}

int luff_registry_read(struct luff_exchange **out, struct luff_registry *r, struct luff_request request,
		       const char *path, struct luff_error *err)
{
	return read_any(out, NULL, r, request, path, err);
}

/* ---- resolve ---- */

int luff_registry_check_tag(const struct luff_registry *r, const char *tag, struct luff_error *err)
{
	size_t n = strspn(tag, LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.-");
	char printable[160];

	if (n > 0 && n <= 128 && tag[n] == '\0' && tag[0] != '.' && tag[0] != '-')
		return 0;
	return luff_fail(err, LUFF_ENAME, "%s: no registry has a tag \"%s\"", r->base.place,
			 luff_text_printable(printable, sizeof printable, tag));
}

int luff_registry_find_target(struct luff_target *out, struct luff_registry *r, const struct luff_name *name,
			      struct luff_error *err)
{
	const char *word = name->tag;

	out->digest = name->digest.text[0] ? &name->digest : NULL;
	if (out->digest)
		word = name->digest.text;
	else if (luff_registry_check_tag(r, word, err) < 0)
		return err->code;
	snprintf(out->path, sizeof out->path, "manifests/%s", word);
	snprintf(out->place, sizeof out->place, "%s%c%s", r->base.place, out->digest ? '@' : ':', word);
	return 0;
}

int luff_registry_not_found(struct luff_registry *r, const struct luff_target *t, struct luff_exchange *x,
			    struct luff_error *err)
{
	char tags[256] = "";

	luff_request_refused(x, t->place, "", err);
	if (!t->digest && !strstr(err->msg, "NAME_UNKNOWN"))
		luff_registry_some_tags(tags, sizeof tags, r);
	if (*tags) {
		luff_fail(err, LUFF_ENOTFOUND, "%s: not found (have: %s)", t->place, tags);
		err->http_status = 404;
	}
	return err->code;
}

/* Static file servers and some proxies label every document alike. */
static bool says_nothing(const char *media_type)
{
	return !*media_type || strcmp(media_type, "application/json") == 0 ||
	       luff_text_starts(media_type, "text/") || strcmp(media_type, "application/octet-stream") == 0;
}

static void read_media_type(struct luff_descriptor *d, const struct luff_exchange *x)
{
	const char *value = luff_exchange_header(x, "content-type", 0);

	luff_header_media_type(d->media_type, value ? value : "");
}

bool luff_registry_read_digest(struct luff_digest *out, const struct luff_exchange *x)
{
	struct luff_error ignored = {0};
	const char *value = luff_exchange_header(x, "docker-content-digest", 0);

	return value && luff_digest_parse(out, value, &ignored) == 0;
}

/* *found: the headers alone say all that a descriptor needs. A registry that refuses HEAD or says too little is asked by GET. */
static int look(bool *found, struct luff_descriptor *out, struct luff_registry *r,
		const struct luff_target *t, struct luff_error *err)
{
	struct luff_request request = {.method = "HEAD", .scope = r->pull, .accept = LUFF_REGISTRY_MANIFESTS};
	LUFF_AUTO(exchange) x = NULL;
	struct luff_digest claimed;
	int rc = luff_registry_read(&x, r, request, t->path, err);

	*found = false;
	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) == 429)
		return luff_request_refused(x, t->place, "", err);
	if (luff_exchange_status(x) != 200 || !luff_registry_read_digest(&claimed, x))
		return 0;
	if (t->digest && !luff_digest_equal(&claimed, t->digest))
		return 0;
	read_media_type(out, x);
	out->digest = claimed;
	out->size = luff_exchange_length(x);
	out->manifest = true;
	*found = out->size > 0 && out->size <= LUFF_MANIFEST_MAX && !says_nothing(out->media_type);
	return 0;
}

/* Computed over what was received, and held against what was asked for or what the registry says that it is. */
static int settle_digest(struct luff_digest *out, const struct luff_exchange *x, const struct luff_target *t,
			 const char *document, size_t len, struct luff_error *err)
{
	struct luff_digest want;
	int rc;

	if (t->digest)
		want = *t->digest;
	else if (!luff_registry_read_digest(&want, x))
		return luff_digest_of(out, "sha256", document, len, err);
	rc = luff_digest_of(out, luff_algorithm_name(luff_digest_algorithm(&want)), document, len, err);
	if (rc == 0 && !luff_digest_equal(out, &want))
		rc = luff_fail(err, LUFF_EDIGEST, "%s: the manifest that came has the digest %s, not %s",
			       t->place, out->text, want.text);
	return rc;
}

/* Even for a digest alone it must be a manifest, and all of one: no digest that a registry names may be there to tell. */
static int settle_type(struct luff_descriptor *d, const char *document, const struct luff_target *t,
		       struct luff_error *err)
{
	bool told = luff_media_is_image(d->media_type) || luff_media_is_index(d->media_type);
	struct luff_document doc;
	int rc = luff_document_parse(&doc, document, (size_t)d->size, told ? d->media_type : NULL, err);

	if (rc < 0)
		return luff_fail_context(err, "%s", t->place);
	luff_text_copy(d->media_type, sizeof d->media_type, doc.media_type);
	luff_document_release(&doc);
	return 0;
}

static int get_document(struct luff_descriptor *out, char **document, struct luff_registry *r,
			const struct luff_target *t, struct luff_error *err)
{
	struct luff_request request = {.method = "GET", .scope = r->pull, .accept = LUFF_REGISTRY_MANIFESTS};
	struct whole whole = {.cap = LUFF_MANIFEST_MAX};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) bytes = NULL;
	bool unlike;
	int rc = read_any(&x, &whole, r, request, t->path, err);

	bytes = whole.bytes;
	if (rc < 0)
		return rc == LUFF_ELIMIT ? luff_fail_context(err, "%s", t->place) : rc;
	if (luff_exchange_status(x) == 404)
		return luff_registry_not_found(r, t, x, err);
	if (luff_exchange_status(x) != 200)
		return luff_request_refused(x, t->place, "", err);
	read_media_type(out, x);
	out->size = (int64_t)whole.len;
	out->manifest = true;
	/* schema 1 is refused before its digest is looked at, which is one of something else */
	unlike = says_nothing(out->media_type) || strstr(out->media_type, "docker.distribution.manifest.v1+");
	rc = unlike ? settle_type(out, bytes, t, err) : 0;
	if (rc == 0)
		rc = settle_digest(&out->digest, x, t, bytes, whole.len, err);
	if (rc == 0 && !unlike)
		rc = settle_type(out, bytes, t, err);
	if (rc == 0 && document)
		*document = luff_take(bytes);
	return rc;
}

/* An empty name is the only tag that there is. */
static int find_only(struct luff_name *out, struct luff_registry *r, struct luff_error *err)
{
	LUFF_AUTO(cursor) tags = NULL;
	const char *tag = NULL, *second = NULL;
	char list[256];
	int rc = luff_registry_tags(&tags, &r->base, err);

	memset(out, 0, sizeof *out);
	if (rc == 0)
		rc = luff_cursor_next(&tag, tags, err);
	if (rc == 0 && tag) {
		luff_text_copy(out->tag, sizeof out->tag, tag);
		rc = luff_cursor_next(&second, tags, err);
	}
	if (rc < 0)
		return rc;
	if (!out->tag[0] || second)
		return luff_fail(err, LUFF_ENOTFOUND, "%s: which tag? have: %s", r->base.place,
				 second ? luff_registry_some_tags(list, sizeof list, r) : "none");
	return 0;
}

static int registry_resolve(struct luff_descriptor *out, char **document, struct luff_medium *m,
			    const struct luff_name *name, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_name only;
	struct luff_target t;
	bool found = false;
	int rc = 0;

	if (!name->tag[0] && !name->digest.text[0]) {
		rc = find_only(&only, r, err);
		name = &only;
	}
	if (rc == 0)
		rc = luff_registry_find_target(&t, r, name, err);
	if (rc == 0 && !document)
		rc = look(&found, out, r, &t, err);
	return rc < 0 || found ? rc : get_document(out, document, r, &t, err);
}

/* ---- content ---- */

void luff_registry_content_path(char path[LUFF_REGISTRY_PATH_MAX], const struct luff_descriptor *d)
{
	snprintf(path, LUFF_REGISTRY_PATH_MAX, "%s/%s", d->manifest ? "manifests" : "blobs", d->digest.text);
}

static int ask_for(struct luff_exchange **out, struct luff_medium *m, const struct luff_descriptor *d,
		   const char *range, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_request request = {.method = "GET", .scope = r->pull, .range = range};
	char path[LUFF_REGISTRY_PATH_MAX];

	request.accept = d->manifest ? LUFF_REGISTRY_MANIFESTS : NULL;
	luff_registry_content_path(path, d);
	return luff_registry_read(out, r, request, path, err);
}

static int registry_fetch(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
			  int64_t offset, struct luff_error *err)
{
	return luff_download_open(out, m, luff_registry_of(m)->host, d, offset, d->size, ask_for, err);
}

static int registry_fetch_part(struct luff_reader **out, struct luff_medium *m,
			       const struct luff_descriptor *d, int64_t offset, int64_t size,
			       struct luff_error *err)
{
	return luff_download_open(out, m, luff_registry_of(m)->host, d, offset, offset + size, ask_for, err);
}

/*
 * GET where HEAD is refused: it says why, and it may do with the right to write, which is all that there is to have in a
 * repository that does not exist yet. Its body is not read. Some say 403 of what is not there; whoever must not write
 * learns that when they write.
 */
static int registry_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
			   struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_request request = {.method = "HEAD", .scope = r->pull};
	LUFF_AUTO(exchange) x = NULL;
	struct luff_error first = {0};
	char path[LUFF_REGISTRY_PATH_MAX];
	int status, rc;

	request.accept = d->manifest ? LUFF_REGISTRY_MANIFESTS : NULL;
	luff_registry_content_path(path, d);
	rc = luff_registry_send(&x, r, request, path, &first);
	status = x ? luff_exchange_status(x) : 0;
	if (rc == LUFF_EAUTH || (rc == 0 && status != 200 && status != 404 && status != 429)) {
		luff_exchange_close(luff_take(x));
		request.method = "GET";
		request.scope = r->push;
		rc = luff_registry_send(&x, r, request, path, &first);
		status = x ? luff_exchange_status(x) : 0;
	}
	if (rc < 0) {
		*err = first;
		return rc;
	}
	*out = status == 200;
	return status == 200 || status == 404 || status == 403
		       ? 0
		       : luff_request_refused(x, m->place, "cannot look for content", err);
}

/* *size_out stays -1 where the answer is not one, or does not say. */
static int ask_size(int64_t *size_out, struct luff_registry *r, const char *method,
		    const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_request request = {.method = method, .scope = r->pull};
	struct luff_descriptor d = {.digest = *digest};
	LUFF_AUTO(exchange) x = NULL;
	char path[LUFF_REGISTRY_PATH_MAX], place[1024];
	int rc;

	*size_out = -1;
	luff_registry_content_path(path, &d);
	rc = luff_registry_read(&x, r, request, path, err);
	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) == 200)
		*size_out = luff_exchange_length(x);
	else if (strcmp(method, "HEAD") != 0 || luff_exchange_status(x) == 404) {
		snprintf(place, sizeof place, "%s@%s", r->base.place, digest->text);
		return luff_request_refused(x, place, "", err);
	}
	return 0;
}

/* By GET where HEAD is refused, or says too little: a redirect may be good for a GET alone. The body is not read. */
static int registry_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
			 struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	int rc = ask_size(size_out, r, "HEAD", digest, err);

	if (rc == 0 && *size_out < 0)
		rc = ask_size(size_out, r, "GET", digest, err);
	if (rc == 0 && *size_out < 0)
		rc = luff_fail(err, LUFF_EFORMAT, "%s: the registry does not say how large %s is", m->place,
			       digest->text);
	if (rc < 0)
		*size_out = 0;
	return rc;
}

/* ---- A registry ---- */

static const char *registry_home(const struct luff_medium *m)
{
	return ((const struct luff_registry *)m)->host->url;
}

static void registry_destroy(struct luff_medium *m)
{
	struct luff_registry *r = luff_registry_of(m);

	if (r->host) {
		luff_registry_cancel_sessions(r);
		luff_host_unref(r->host);
	}
	for (size_t i = 0; i < r->mirror_count; i++) {
		luff_host_unref(r->mirrors[i].host);
		free(r->mirrors[i].repository);
		free(r->mirrors[i].pull);
	}
	free(r->mirrors);
	pthread_mutex_destroy(&r->lock);
	free(r->repository);
	free(r->pull);
	free(r->push);
	free(r->delete);
	free(m->place);
	free(r);
}

const struct luff_medium_ops luff_registry_ops = {
	.scheme = "docker",
	.complete = true,
	.resolve = registry_resolve,
	.fetch = registry_fetch,
	.fetch_part = registry_fetch_part,
	.exists = registry_exists,
	.push = luff_registry_push,
	.mount = luff_registry_mount,
	.home = registry_home,
	.tag = luff_registry_tag,
	.tags = luff_registry_tags,
	.referrers = luff_registry_referrers,
	.remove = luff_registry_remove,
	.unnames = luff_registry_unnames,
	.stat = registry_stat,
	.remove_blob = luff_registry_remove_blob,
	.destroy = registry_destroy,
};

bool luff_registry_is_repository(const char *name)
{
	size_t n = strspn(name, LETTERS "._-/");

	return n > 0 && !name[n] && !strstr(name, "..");
}

/* The grammar is luff_reference_parse()'s; here it only counts that nothing but a path and a host gets into a URL. */
static bool is_reference(const struct luff_reference *ref)
{
	size_t host = strspn(ref->registry, LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:[]");

	return luff_registry_is_repository(ref->repository) && host > 0 && !ref->registry[host];
}

static char *scope(const char *repository, const char *actions)
{
	char *text;

	return asprintf(&text, "repository:%s:%s", repository, actions) < 0 ? NULL : text;
}

/* "host[/prefix]", checked by luff_settings_set(), for this repository. */
static int open_mirror(struct luff_mirror *m, const char *text, const struct luff_registry *r,
		       struct luff_error *err)
{
	LUFF_AUTO(text) full = NULL;
	struct luff_reference ref;
	int rc;

	if (asprintf(&full, "%s/%s", text, r->repository) < 0) {
		full = NULL;
		return luff_fail_nomem(err);
	}
	rc = luff_reference_parse(&ref, full, err);
	if (rc == 0)
		rc = luff_host_get(&m->host, ref.registry, false, err);
	if (rc < 0)
		return luff_fail_context(err, "mirror of %s", r->base.place);
	m->repository = strdup(ref.repository);
	m->pull = scope(ref.repository, "pull");
	return m->repository && m->pull ? 0 : luff_fail_nomem(err);
}

static int open_mirrors(struct luff_registry *r, struct luff_error *err)
{
	const char *const *mirrors = r->host->settings ? r->host->settings->settings.mirrors : NULL;
	size_t n = 0;
	int rc = 0;

	while (mirrors && mirrors[n])
		n++;
	if (n == 0)
		return 0;
	r->mirrors = calloc(n, sizeof *r->mirrors);
	if (!r->mirrors)
		return luff_fail_nomem(err);
	while (rc == 0 && r->mirror_count < n) {
		rc = open_mirror(&r->mirrors[r->mirror_count], mirrors[r->mirror_count], r, err);
		r->mirror_count++;
	}
	return rc;
}

int luff_registry_open(struct luff_medium **out, const struct luff_reference *ref, bool plain_http,
		       struct luff_error *err)
{
	LUFF_AUTO(medium) m = NULL;
	struct luff_registry *r;
	int rc;

	*out = NULL;
	if (!is_reference(ref))
		return luff_fail(err, LUFF_ENAME, "a reference that luff_reference_parse() did not make");
	r = calloc(1, sizeof *r);
	if (!r)
		return luff_fail_nomem(err);
	m = &r->base;
	m->ops = &luff_registry_ops;
	atomic_init(&m->refs, 1);
	pthread_mutex_init(&r->lock, NULL);
	r->repository = strdup(ref->repository);
	r->pull = scope(ref->repository, "pull");
	r->push = scope(ref->repository, "pull,push");
	r->delete = scope(ref->repository, "delete,pull,push");
	if (asprintf(&m->place, "%s/%s", ref->registry, ref->repository) < 0)
		m->place = NULL;
	if (!r->repository || !r->pull || !r->push || !r->delete || !m->place)
		return luff_fail_nomem(err);
	rc = luff_host_get(&r->host, ref->registry, plain_http, err);
	if (rc == 0)
		rc = open_mirrors(r, err);
	if (rc < 0)
		return rc;
	*out = luff_take(m);
	return 0;
}

void luff_registry_shutdown(void)
{
	luff_connections_close();
	luff_hosts_close();
	luff_settings_close();
	luff_helpers_forget();
	luff_notices_close();
	luff_curl_unload();
}
