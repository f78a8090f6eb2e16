/* Manifests by tag and by digest (distribution-spec, end-3, end-7, end-9). What comes in is checked before it has a name. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/descriptor.h"
#include "server/endpoints.h"

static const char *reference(const struct luff_call *r)
{
	return r->route.tag[0] ? r->route.tag : r->route.digest.text;
}

static int no_manifest(struct luff_call *r, struct luff_error *err)
{
	return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "MANIFEST_UNKNOWN", "no manifest %s in %s",
				 reference(r), r->route.repository);
}

static void name_of(struct luff_name *out, const struct luff_call *r)
{
	*out = (struct luff_name){.digest = r->route.digest};
	luff_text_copy(out->tag, sizeof out->tag, r->route.tag);
}

/* What the reference stands for. A digest of something that is no manifest is not found, as far as this address goes. */
static int resolve(struct luff_descriptor *out, char **document_out, struct luff_call *r,
		   struct luff_error *err)
{
	struct luff_name name;
	int rc = luff_call_open(r, false, "MANIFEST_UNKNOWN", err);

	if (rc < 0)
		return rc;
	name_of(&name, r);
	rc = luff_medium_resolve(out, document_out, r->repository->medium, &name, err);
	if (rc == LUFF_ENOTFOUND ||
	    (name.digest.text[0] && (rc == LUFF_EFORMAT || rc == LUFF_ELIMIT || rc == LUFF_ENOTSUP)))
		return no_manifest(r, err);
	return rc;
}

int luff_manifests_get(struct luff_call *r, struct luff_error *err)
{
	bool head = strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0;
	LUFF_AUTO(text) document = NULL;
	struct luff_error gone = {0};
	struct luff_descriptor d;
	int64_t size;
	int rc = resolve(&d, head ? NULL : &document, r, err);

	if (rc < 0)
		return rc;
	if (head)
		rc = luff_store_keep(&size, r->repository->store, &d.digest, &gone);
	/* garbage collection was faster than the client, who will push it now */
	if (rc == LUFF_ENOTFOUND)
		return no_manifest(r, err);
	if (head) {
		rc = luff_reply_size(r, MHD_HTTP_OK, d.size, err);
		luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", d.media_type);
	} else {
		rc = luff_reply_bytes(r, MHD_HTTP_OK, d.media_type, luff_take(document), (size_t)d.size, err);
	}
	luff_reply_header(r, "Docker-Content-Digest", "%s", d.digest.text);
	return rc;
}

static int too_large(struct luff_call *r, struct luff_error *err)
{
	return luff_reply_refuse(r, err, MHD_HTTP_CONTENT_TOO_LARGE, "MANIFEST_INVALID",
				 "a manifest has at most %d bytes", LUFF_MANIFEST_MAX);
}

int luff_manifests_put_begin(struct luff_call *r, struct luff_error *err)
{
	luff_buffer_init(&r->body, LUFF_MANIFEST_MAX);
	return luff_call_length(r) > LUFF_MANIFEST_MAX ? too_large(r, err) : 0;
}

int luff_manifests_put_body(struct luff_call *r, const char *bytes, size_t len, struct luff_error *err)
{
	int rc = luff_buffer_append(&r->body, bytes, len, err);

	return rc == LUFF_ELIMIT ? too_large(r, err) : rc;
}

/* The Content-Type without its parameters, where it claims a kind of manifest; else NULL, and the document decides. */
static const char *claimed_type(char buf[LUFF_MEDIA_TYPE_MAX + 1], const struct luff_call *r)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);

	snprintf(buf, LUFF_MEDIA_TYPE_MAX + 1, "%s", header ? header : "");
	buf[strcspn(buf, "; \t")] = '\0';
	return luff_media_is_image(buf) || luff_media_is_index(buf) ? buf : NULL;
}

static int check_content(struct luff_call *r, const struct luff_descriptor *d, struct luff_error *err)
{
	int64_t size;
	int rc = LUFF_ENOTFOUND;

	if (r->repository)
		rc = luff_store_keep(&size, r->repository->store, &d->digest, err);
	if (rc == LUFF_ENOTFOUND)
		return luff_media_is_foreign(d->media_type)
			       ? 0
			       : luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN",
						   "%s is not in %s: push it first", d->digest.text,
						   r->route.repository);
	if (rc == 0 && size != d->size)
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "SIZE_INVALID",
					 "%s has %lld bytes, the manifest says %lld", d->digest.text,
					 (long long)size, (long long)d->size);
	return rc;
}

/* Everything that the manifest lists is there, with the size that it says. */
static int check_complete(struct luff_call *r, const struct luff_document *doc, struct luff_error *err)
{
	struct luff_error missing = {0};
	int rc = luff_repository_open(&r->repository, r->repositories, r->route.repository, false, &missing);

	/* no repository yet: then nothing that is listed is there, but there may be nothing listed */
	if (rc < 0 && rc != LUFF_ENOTFOUND) {
		*err = missing;
		return rc;
	}
	rc = doc->is_index ? 0 : check_content(r, &doc->config, err);
	for (size_t i = 0; i < doc->count && rc == 0; i++)
		rc = check_content(r, &doc->entries[i], err);
	return rc;
}

/* The digest of the bytes, by the algorithm that the reference has. */
static int check_digest(struct luff_descriptor *d, struct luff_call *r, struct luff_error *err)
{
	const struct luff_digest *want = &r->route.digest;
	const char *algorithm = want->text[0] ? luff_algorithm_name(luff_digest_algorithm(want)) : "sha256";
	int rc = luff_digest_of(&d->digest, algorithm, r->body.data, r->body.len, err);

	if (rc == 0 && want->text[0] && !luff_digest_equal(&d->digest, want))
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "DIGEST_INVALID",
					 "the manifest has the digest %s", d->digest.text);
	return rc;
}

static int store(struct luff_call *r, const struct luff_document *doc, struct luff_descriptor *d,
		 struct luff_digest *subject_out, struct luff_error *err)
{
	const cJSON *subject = luff_json_get(doc->tree, "subject");
	struct luff_descriptor of = {0};
	int rc = check_complete(r, doc, err);

	if (rc == 0 && subject && luff_descriptor_parse(&of, subject, "subject", err) < 0)
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "MANIFEST_INVALID", "%s",
					 "malformed subject");
	if (rc == 0 && !r->repository)
		rc = luff_call_open(r, true, "NAME_UNKNOWN", err);
	if (rc == 0 && r->route.tag[0])
		rc = luff_medium_tag(r->repository->medium, d, r->body.data, r->route.tag, err);
	else if (rc == 0)
		rc = luff_medium_push_bytes(r->repository->medium, d, r->body.data, err);
	/* what has no name is not made durable by one */
	if (rc == 0 && !r->route.tag[0])
		rc = luff_store_sync(r->repository->store, err);
	for (size_t i = 0; rc == 0 && !r->route.tag[0] && i < r->route.also_count; i++)
		rc = luff_medium_tag(r->repository->medium, d, r->body.data, r->route.also[i], err);
	if (rc == 0)
		luff_repository_keep(r->repository);
	*subject_out = of.digest;
	return rc;
}

int luff_manifests_put(struct luff_call *r, struct luff_error *err)
{
	struct luff_descriptor d = {.size = (int64_t)r->body.len, .manifest = true};
	struct luff_digest subject = {.text = ""};
	char type[LUFF_MEDIA_TYPE_MAX + 1], message[sizeof err->msg];
	struct luff_document doc;
	int rc;

	if (r->body.len == 0)
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "MANIFEST_INVALID",
					 "the manifest is empty");
	rc = check_digest(&d, r, err);
	if (rc < 0)
		return rc;
	rc = luff_document_parse(&doc, r->body.data, r->body.len, claimed_type(type, r), err);
	if (rc < 0 && rc != LUFF_ENOMEM) {
		luff_text_copy(message, sizeof message, err->msg);
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "MANIFEST_INVALID", "%s", message);
	}
	if (rc < 0)
		return rc;
	luff_text_copy(d.media_type, sizeof d.media_type, doc.media_type);
	rc = store(r, &doc, &d, &subject, err);
	luff_document_release(&doc);
	if (rc == 0)
		rc = luff_reply_empty(r, MHD_HTTP_CREATED, err);
	if (rc < 0)
		return rc;
	luff_reply_header(r, MHD_HTTP_HEADER_LOCATION, "/v2/%s/manifests/%s", r->route.repository,
			  d.digest.text);
	luff_reply_header(r, "Docker-Content-Digest", "%s", d.digest.text);
	for (size_t i = 0; !r->route.tag[0] && i < r->route.also_count; i++)
		luff_reply_header(r, "OCI-Tag", "%s", r->route.also[i]);
	if (subject.text[0])
		luff_reply_header(r, "OCI-Subject", "%s", subject.text);
	return 0;
}

/* A tag goes alone, a digest with its tags. */
int luff_manifests_delete(struct luff_call *r, struct luff_error *err)
{
	struct luff_descriptor d;
	struct luff_digest gone;
	struct luff_name name;
	int rc = resolve(&d, NULL, r, err);

	if (rc < 0)
		return rc;
	name_of(&name, r);
	rc = luff_medium_remove(&gone, r->repository->medium, &name, false, err);
	if (rc == LUFF_ENOTFOUND)
		return no_manifest(r, err);
	return rc < 0 ? rc : luff_reply_empty(r, MHD_HTTP_ACCEPTED, err);
}
