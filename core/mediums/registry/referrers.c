/*
 * What refers to a manifest (distribution-spec, "Listing Referrers"). A registry without that API keeps an index under a tag
 * made of the subject's digest, which its clients maintain ("Referrers Tag Schema"). Those of this process take turns; others
 * may write it at the same time, so each looks afterwards whether its own word is still there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "http/url.h"
#include "mediums/registry/pages.h"
#include "mediums/registry/registry.h"
#include "mediums/registry/retry.h"
#include "model/descriptor.h"
#include "model/referrer.h"

#define EDITS_MAX 10 /* tries against others that write the same index */

/* ---- The index that stands in for the API ---- */

/* "sha256-0123…", at most 64 characters of the digest's hex. */
static void fallback_tag(char tag[LUFF_TAG_MAX + 1], const struct luff_digest *subject)
{
	snprintf(tag, LUFF_TAG_MAX + 1, "%s-%.64s", luff_algorithm_name(luff_digest_algorithm(subject)),
		 luff_digest_hex(subject));
}

/* *index_out: NULL where there is none. cJSON_Delete() it. */
static int read_fallback(cJSON **index_out, struct luff_medium *m, const struct luff_digest *subject,
			 struct luff_error *err)
{
	struct luff_error missing = {0};
	LUFF_AUTO(text) document = NULL;
	LUFF_AUTO(json) index = NULL;
	struct luff_descriptor d;
	struct luff_name name = {.digest = {""}};
	int rc;

	*index_out = NULL;
	fallback_tag(name.tag, subject);
	rc = luff_medium_resolve(&d, &document, m, &name, &missing);
	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc < 0) {
		*err = missing;
		return rc;
	}
	rc = luff_json_parse(&index, document, (size_t)d.size, "index", err);
	if (rc == 0 && (!luff_media_is_index(d.media_type) || !luff_json_array(index, "manifests")))
		rc = luff_fail(err, LUFF_EFORMAT, "the tag %s holds no index of referrers", name.tag);
	if (rc < 0)
		return luff_fail_context(err, "%s", m->place);
	*index_out = luff_take(index);
	return 0;
}

static cJSON *find_entry(const cJSON *index, const char *digest)
{
	cJSON *entry;

	cJSON_ArrayForEach(entry, luff_json_array(index, "manifests"))
	{
		const char *text = luff_json_string(entry, "digest");

		if (text && strcmp(text, digest) == 0)
			return entry;
	}
	return NULL;
}

static cJSON *new_index(void)
{
	LUFF_AUTO(json) index = cJSON_CreateObject();

	if (!cJSON_AddNumberToObject(index, "schemaVersion", 2) ||
	    !cJSON_AddStringToObject(index, "mediaType", LUFF_MEDIA_OCI_INDEX) ||
	    !cJSON_AddArrayToObject(index, "manifests"))
		return NULL;
	return luff_take(index);
}

static int write_fallback(struct luff_medium *m, const cJSON *index, const struct luff_digest *subject,
			  struct luff_error *err)
{
	LUFF_AUTO(text) text = cJSON_PrintUnformatted(index);
	struct luff_descriptor d = {.media_type = LUFF_MEDIA_OCI_INDEX, .manifest = true};
	char tag[LUFF_TAG_MAX + 1];
	int rc;

	if (!text)
		return luff_fail_nomem(err);
	d.size = (int64_t)strlen(text);
	fallback_tag(tag, subject);
	rc = luff_digest_of(&d.digest, "sha256", text, (size_t)d.size, err);
	return rc < 0 ? rc : luff_medium_tag(m, &d, text, tag, err);
}

/* Adds an entry, or with `entry` NULL takes the one of that digest away. *done: it was so before. */
static int edit_fallback(bool *done, struct luff_medium *m, const struct luff_digest *subject,
			 const struct luff_digest *digest, const cJSON *entry, struct luff_error *err)
{
	LUFF_AUTO(json) index = NULL;
	cJSON *there, *list, *copy;
	int rc = read_fallback(&index, m, subject, err);

	if (rc < 0)
		return rc;
	there = find_entry(index, digest->text);
	*done = entry ? there != NULL : there == NULL;
	if (*done)
		return 0;
	if (!index)
		index = new_index();
	list = cJSON_GetObjectItemCaseSensitive(index, "manifests");
	if (!entry) {
		cJSON_Delete(cJSON_DetachItemViaPointer(list, there));
		return write_fallback(m, index, subject, err);
	}
	copy = cJSON_Duplicate(entry, true);
	if (!copy || !cJSON_AddItemToArray(list, copy)) {
		cJSON_Delete(copy);
		return luff_fail_nomem(err);
	}
	return write_fallback(m, index, subject, err);
}

static int settle_fallback(struct luff_medium *m, const struct luff_digest *subject,
			   const struct luff_digest *digest, const cJSON *entry, struct luff_error *err)
{
	struct luff_host *host = luff_registry_of(m)->host;
	bool done = false;
	int rc = luff_host_edit(host, err);

	if (rc < 0)
		return rc;
	for (int i = 0; rc == 0 && !done && i < EDITS_MAX; i++) {
		if (i > 1)
			rc = luff_retry_pause(0, NULL, err);
		if (rc == 0)
			rc = edit_fallback(&done, m, subject, digest, entry, err);
	}
	luff_host_edited(host);
	if (rc == 0 && !done)
		rc = luff_fail(err, LUFF_EHTTP, "%s: others keep writing the index of referrers of %s",
			       m->place, subject->text);
	return rc;
}

/* ---- Listing ---- */

struct referrers_cursor {
	struct luff_cursor base;
	struct luff_medium *medium;
	struct luff_digest subject;
	char type[LUFF_MEDIA_TYPE_MAX + 1];
	struct luff_pages pages;
	cJSON *fallback; /* in place of pages */
	const cJSON *next;
	char *item;
};

/* Answers of registries that do not know the API. */
static bool lacks_api(const struct luff_error *err)
{
	return err->code == LUFF_EFORMAT || err->http_status == 400 || err->http_status == 404 ||
	       err->http_status == 405 || err->http_status == 406;
}

static int next_entry(const cJSON **out, struct referrers_cursor *c, struct luff_error *err)
{
	struct luff_error failure = {0};
	int rc = 0;

	if (!c->fallback) {
		rc = luff_pages_next(out, &c->pages, &failure);
		if (rc == 0)
			return 0;
		if (c->pages.count > 0 || !lacks_api(&failure)) {
			*err = failure;
			return rc;
		}
		free(luff_take(c->pages.url));
		rc = read_fallback(&c->fallback, c->medium, &c->subject, err);
		if (rc == 0 && !c->fallback)
			c->fallback = cJSON_CreateNull();
		c->next = luff_json_array(c->fallback, "manifests");
		c->next = c->next ? c->next->child : NULL;
	}
	*out = c->next;
	c->next = c->next ? c->next->next : NULL;
	return rc;
}

/* What is no descriptor is left out, and what a registry did not filter is filtered here. */
static int referrers_next(const char **out, struct luff_cursor *base, struct luff_error *err)
{
	struct referrers_cursor *c = (struct referrers_cursor *)base;
	struct luff_error ignored = {0};
	struct luff_descriptor d;
	const cJSON *entry;
	int rc;

	*out = NULL;
	do
		rc = next_entry(&entry, c, err);
	while (rc == 0 && entry &&
	       (!luff_referrer_is(entry, c->type) ||
		luff_descriptor_parse(&d, entry, "referrer", &ignored) < 0));
	if (rc < 0 || !entry)
		return rc;
	free(c->item);
	c->item = cJSON_PrintUnformatted(entry);
	*out = c->item;
	return c->item ? 0 : luff_fail_nomem(err);
}

static void referrers_close(struct luff_cursor *base)
{
	struct referrers_cursor *c = (struct referrers_cursor *)base;

	luff_pages_release(&c->pages);
	cJSON_Delete(c->fallback);
	free(c->item);
	luff_medium_unref(c->medium);
	free(c);
}

static const struct luff_cursor_ops referrers_ops = {.next = referrers_next, .close = referrers_close};

static int first_url(char **out, const struct luff_registry *r, const struct luff_digest *subject,
		     const char *type, struct luff_error *err)
{
	LUFF_AUTO(buffer) url = {.cap = LUFF_URL_MAX};
	int rc = luff_buffer_printf(&url, err, "/v2/%s/referrers/%s", r->repository, subject->text);

	if (rc == 0 && *type)
		rc = luff_buffer_printf(&url, err, "?artifactType=");
	if (rc == 0 && *type)
		rc = luff_url_encode(&url, type, err);
	if (rc < 0)
		return rc;
	*out = luff_buffer_take(&url);
	return *out ? 0 : luff_fail_nomem(err);
}

int luff_registry_referrers(struct luff_cursor **out, struct luff_medium *m,
			    const struct luff_digest *subject, const char *artifact_type,
			    struct luff_error *err)
{
	struct luff_registry *r = luff_registry_of(m);
	struct referrers_cursor *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return luff_fail_nomem(err);
	c->base.ops = &referrers_ops;
	c->medium = luff_medium_ref(m);
	c->subject = *subject;
	luff_text_copy(c->type, sizeof c->type, artifact_type);
	c->pages = (struct luff_pages){.host = r->host,
				       .place = m->place,
				       .what = "list of referrers",
				       .scope = r->pull,
				       .accept = LUFF_MEDIA_OCI_INDEX,
				       .member = "manifests"};
	rc = first_url(&c->pages.url, r, subject, c->type, err);
	if (rc < 0)
		referrers_close(&c->base);
	else
		*out = &c->base;
	return rc;
}

/* ---- Maintaining ---- */

int luff_registry_refer(struct luff_registry *r, const struct luff_descriptor *d, const char *bytes,
			bool registry_knows, struct luff_error *err)
{
	LUFF_AUTO(json) manifest = NULL;
	LUFF_AUTO(json) entry = NULL;
	struct luff_digest subject;
	int rc;

	/* most manifests have none, and need not be parsed to see that */
	if (registry_knows || !memmem(bytes, (size_t)d->size, "\"subject\"", 9))
		return 0;
	rc = luff_json_parse(&manifest, bytes, (size_t)d->size, "manifest", err);
	if (rc < 0 || !luff_referrer_subject(&subject, manifest))
		return rc;
	entry = luff_referrer_describe(d, manifest);
	return entry ? settle_fallback(&r->base, &subject, &d->digest, entry, err) : luff_fail_nomem(err);
}

int luff_registry_unrefer(struct luff_registry *r, const struct luff_digest *digest,
			  const struct luff_digest *subject, struct luff_error *err)
{
	return settle_fallback(&r->base, subject, digest, NULL, err);
}
