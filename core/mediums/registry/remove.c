/*
 * Deleting (distribution-spec, "Content Management"). Where a registry can take no tag away alone, only the manifest with all
 * its tags, that is done for those alone who insist.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scope.h"
#include "base/text.h"
#include "mediums/registry/registry.h"
#include "model/referrer.h"

#define OTHERS_MAX 100    /* tags that are looked at to say what would go, too */
#define OTHERS_MS 5000    /* that this may take */
#define ONE_OTHER_MS 2000 /* that one of them may take */

/* The subject of what goes by its digest; false if there is none, or the manifest cannot be read. */
static bool find_subject(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name)
{
	LUFF_AUTO(text) document = NULL;
	struct luff_error ignored = {0};
	struct luff_descriptor d;

	return luff_medium_resolve(&d, &document, m, name, &ignored) == 0 &&
	       luff_referrer_find_subject(out, document, (size_t)d.size);
}

/* By its tag alone, or by its digest with all its tags. *unable: the registry cannot do that at all. */
static int remove_target(bool *unable, struct luff_registry *r, const struct luff_target *t,
			 struct luff_error *err)
{
	struct luff_request request = {.method = "DELETE", .scope = r->delete};
	LUFF_AUTO(exchange) x = NULL;
	int rc = luff_registry_send(&x, r, request, t->path, err), status;

	*unable = false;
	if (rc < 0)
		return rc;
	status = luff_exchange_status(x);
	if (status >= 200 && status < 300)
		return 0;
	if (status == 404)
		return luff_registry_not_found(r, t, x, err);
	luff_request_refused(x, t->place, "cannot delete", err);
	*unable = status == 405 || (status == 400 && !t->digest);
	if (status == 405)
		luff_fail(err, LUFF_ENOTSUP, "%s: deleting is switched off in this registry (405)", t->place);
	err->http_status = status;
	return err->code;
}

static int remove_digest(struct luff_registry *r, const struct luff_name *name, struct luff_error *err)
{
	struct luff_digest subject;
	struct luff_target t;
	bool refers, unable;
	int rc = luff_registry_find_target(&t, r, name, err);

	if (rc < 0)
		return rc;
	refers = find_subject(&subject, &r->base, name);
	rc = remove_target(&unable, r, &t, err);
	return rc == 0 && refers ? luff_registry_unrefer(r, &name->digest, &subject, err) : rc;
}

/* ---- Registries that cannot delete a tag ---- */

/* What a tag names now, asked of the registry itself: a mirror may be behind. limit_ms: one short try, by its headers alone. */
static int find_digest(struct luff_digest *out, struct luff_registry *r, const struct luff_target *t,
		       int limit_ms, struct luff_error *err)
{
	struct luff_request request = {.method = "HEAD",
				       .scope = r->delete,
				       .accept = LUFF_REGISTRY_MANIFESTS,
				       .limit_ms = limit_ms};
	LUFF_AUTO(exchange) x = NULL;
	LUFF_AUTO(text) body = NULL;
	size_t len;
	int rc = luff_registry_send(&x, r, request, t->path, err);

	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) == 200 && luff_registry_read_digest(out, x))
		return 0;
	if (limit_ms)
		return luff_request_refused(x, t->place, "", err);
	luff_exchange_close(luff_take(x));
	request.method = "GET";
	rc = luff_registry_send(&x, r, request, t->path, err);
	if (rc < 0)
		return rc;
	if (luff_exchange_status(x) != 200)
		return luff_request_refused(x, t->place, "cannot delete", err);
	rc = luff_exchange_read_all(&body, &len, x, LUFF_MANIFEST_MAX, err);
	return rc < 0 ? rc : luff_digest_of(out, "sha256", body, len, err);
}

/* Appends "v2, v3" of the tags of a digest but one. false: there may be more of them. */
static bool list_others(char *buf, size_t size, struct luff_registry *r, const char *tag,
			const struct luff_digest *digest)
{
	int64_t until = luff_clock_ms() + OTHERS_MS;
	LUFF_AUTO(cursor) tags = NULL;
	struct luff_error ignored = {0};
	const char *other = NULL;
	size_t n = 0;

	if (luff_registry_tags(&tags, &r->base, &ignored) < 0)
		return false;
	for (int i = 0; luff_cursor_next(&other, tags, &ignored) == 0 && other; i++) {
		struct luff_name name = {.digest = {""}};
		struct luff_digest found;
		struct luff_target t;

		if (strcmp(other, tag) == 0)
			continue;
		luff_text_copy(name.tag, sizeof name.tag, other);
		if (i >= OTHERS_MAX || luff_clock_ms() > until ||
		    luff_registry_find_target(&t, r, &name, &ignored) < 0 ||
		    find_digest(&found, r, &t, ONE_OTHER_MS, &ignored) < 0 || n + strlen(other) + 3 > size)
			return false;
		if (luff_digest_equal(&found, digest))
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n > 0 ? ", " : "", other);
	}
	return !ignored.code;
}

static int refuse(struct luff_registry *r, const struct luff_target *t, const char *tag,
		  const struct luff_digest *digest, struct luff_error *err)
{
	char others[160] = "", also[240];
	bool all = list_others(others, sizeof others, r, tag, digest);
	int status = err->http_status, rc = luff_scope_check(err);

	if (rc < 0)
		return rc;
	if (*others)
		snprintf(also, sizeof also, " and with it the tags %s%s", others,
			 all ? "" : " and perhaps others");
	else
		luff_text_copy(also, sizeof also,
			       all ? ", which no other tag names"
				   : " and with it whatever else it is tagged as");
	rc = luff_fail(err, LUFF_ENOTSUP, "%s: this registry deletes no tag alone (%d); force deletes %s%s",
		       t->place, status, digest->text, also);
	err->http_status = status;
	return rc;
}

int luff_registry_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			 bool force, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_name whole = *name;
	struct luff_error failure = {0};
	struct luff_target t;
	bool unable = false;
	int rc = luff_registry_find_target(&t, r, name, err);

	if (rc < 0)
		return rc;
	if (!t.digest) {
		rc = remove_target(&unable, r, &t, &failure);
		if (rc < 0 && unable)
			rc = find_digest(&whole.digest, r, &t, 0, err);
		else if (rc < 0)
			*err = failure;
		if (rc < 0 || !unable)
			return rc;
		if (!force) {
			*err = failure;
			return refuse(r, &t, name->tag, &whole.digest, err);
		}
	}
	rc = remove_digest(r, &whole, err);
	if (rc == 0)
		*out = whole.digest;
	return rc;
}

/*
 * A registry tells by what it says of a tag that is not there: those that know how look for it. Whoever may not delete learns that
 * when they do.
 */
int luff_registry_unnames(bool *out, struct luff_medium *m, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_name name = {.digest = {""}};
	struct luff_error failure = {0};
	struct luff_target t;
	bool unable = false;
	uint64_t number;
	int rc;

	if (getrandom(&number, sizeof number, 0) != sizeof number)
		return luff_fail_errno(err, errno, "cannot make a random number");
	snprintf(name.tag, sizeof name.tag, "luff-no-such-tag-%016llx", (unsigned long long)number);
	rc = luff_registry_find_target(&t, r, &name, err);
	if (rc < 0)
		return rc;
	rc = remove_target(&unable, r, &t, &failure);
	*out = !unable;
	if (rc == 0 || failure.http_status || rc == LUFF_ENOTFOUND || rc == LUFF_EDENIED || rc == LUFF_EAUTH)
		return 0;
	*err = failure;
	return rc;
}

int luff_registry_remove_blob(struct luff_medium *m, const struct luff_digest *digest, struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct luff_request request = {.method = "DELETE", .scope = r->delete};
	struct luff_descriptor d = {.digest = *digest};
	LUFF_AUTO(exchange) x = NULL;
	char path[LUFF_REGISTRY_PATH_MAX], place[1024];
	int rc, status;

	luff_registry_content_path(path, &d);
	rc = luff_registry_send(&x, r, request, path, err);
	if (rc < 0)
		return rc;
	status = luff_exchange_status(x);
	if (status >= 200 && status < 300)
		return 0;
	snprintf(place, sizeof place, "%s@%s", m->place, digest->text);
	luff_request_refused(x, place, "cannot delete", err);
	if (status == 405)
		luff_fail(err, LUFF_ENOTSUP, "%s: deleting is switched off in this registry (405)", place);
	err->http_status = status;
	return err->code;
}
