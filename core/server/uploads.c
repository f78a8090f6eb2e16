/*
 * Blobs on their way in: at once, in chunks, or taken over from another repository (distribution-spec, "Pushing blobs",
 * end-4 to end-6, end-11, end-13). Bytes go from the socket through the hash into the store, and nothing waits for all of them.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "server/endpoints.h"
#include "server/range.h"

static int no_upload(struct luff_call *r, struct luff_error *err)
{
	return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "BLOB_UPLOAD_UNKNOWN",
				 "no upload %s: it was finished, cancelled, or idle for too long",
				 r->route.id);
}

static void reply_progress(struct luff_call *r, const char *id, int64_t size)
{
	luff_reply_header(r, MHD_HTTP_HEADER_LOCATION, "/v2/%s/blobs/uploads/%s", r->route.repository, id);
	luff_reply_header(r, MHD_HTTP_HEADER_RANGE, "0-%lld", (long long)(size > 0 ? size - 1 : 0));
	luff_reply_header(r, "Docker-Upload-UUID", "%s", id);
}

static int reply_created(struct luff_call *r, const struct luff_digest *digest, struct luff_error *err)
{
	int rc = luff_reply_empty(r, MHD_HTTP_CREATED, err);

	luff_reply_header(r, MHD_HTTP_HEADER_LOCATION, "/v2/%s/blobs/%s", r->route.repository, digest->text);
	luff_reply_header(r, "Docker-Content-Digest", "%s", digest->text);
	return rc;
}

/* Claims the upload that the route names, until the request ends. */
static int claim(struct luff_call *r, struct luff_error *err)
{
	int rc = luff_upload_claim(&r->upload, r->uploads, r->route.repository, r->route.id, err);

	if (rc == LUFF_ENOTFOUND)
		return no_upload(r, err);
	if (rc == LUFF_EEXISTS)
		return luff_reply_refuse(r, err, MHD_HTTP_CONFLICT, "BLOB_UPLOAD_INVALID",
					 "another request writes to this upload");
	return rc;
}

/* A chunk that says where it belongs has to continue what is there. */
static int check_chunk(struct luff_call *r, struct luff_error *err)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_CONTENT_RANGE);
	int64_t first = -1, last = 0, size = atomic_load(&r->upload->size), length = luff_call_length(r);
	int rc;

	if (!header)
		return 0;
	if (!luff_range_parse_chunk(&first, &last, header) || first != size) {
		rc = luff_reply_refuse(r, err, MHD_HTTP_RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID",
				       "the upload has %lld bytes, so the next chunk is %lld-LAST",
				       (long long)size, (long long)size);
		reply_progress(r, r->upload->id, size);
		return rc;
	}
	r->expected = last - first + 1;
	if (length >= 0 && length != r->expected)
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "SIZE_INVALID",
					 "Content-Range and Content-Length disagree");
	return 0;
}

/* The blob from another repository here, without its bytes. Where none is named, any that has it will do (end-11). */
static int mount(bool *mounted, struct luff_call *r, struct luff_error *err)
{
	LUFF_AUTO(repository) from = NULL;
	struct luff_error missing = {0};
	int64_t size;
	int rc;

	*mounted = false;
	if (r->route.from[0])
		rc = luff_repository_open(&from, r->repositories, r->route.from, false, &missing);
	else
		rc = luff_repositories_find(&from, r->repositories, &r->route.mount, &missing);
	if (rc == 0)
		rc = luff_store_stat(&size, from->store, &r->route.mount, &missing);
	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc == 0)
		rc = luff_repository_open(&r->repository, r->repositories, r->route.repository, true,
					  &missing);
	if (rc == 0)
		rc = luff_store_link(mounted, r->repository->store, &r->route.mount, from->store, &missing);
	if (*mounted)
		luff_repository_keep(r->repository);
	/* another process may be unmaking the repository: an upload makes it anew */
	if (rc == LUFF_ENOTFOUND)
		return 0;
	if (rc < 0)
		*err = missing;
	return rc;
}

/* POST: a mount, a whole blob, or the start of an upload. */
int luff_uploads_start_begin(struct luff_call *r, struct luff_error *err)
{
	bool whole = r->route.content.text[0], sha512 = strcmp(r->route.algorithm, "sha512") == 0, mounted;
	int rc;

	if (r->route.mount.text[0]) {
		rc = mount(&mounted, r, err);
		if (rc == 0 && mounted)
			return reply_created(r, &r->route.mount, err);
		if (rc < 0)
			return rc;
	}
	rc = luff_upload_new(&r->upload, r->uploads, r->route.repository,
			     whole    ? luff_digest_algorithm(&r->route.content)
			     : sha512 ? LUFF_SHA512
				      : LUFF_SHA256,
			     err);
	if (rc == LUFF_ENOTFOUND)
		return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "NAME_UNKNOWN", "no repository %s",
					 r->route.repository);
	return rc;
}

int luff_uploads_start(struct luff_call *r, struct luff_error *err)
{
	if (r->route.content.text[0])
		return luff_uploads_finish(r, err);
	return luff_uploads_chunk(r, err);
}

int luff_uploads_chunk_begin(struct luff_call *r, struct luff_error *err)
{
	int rc = claim(r, err);

	return rc < 0 ? rc : check_chunk(r, err);
}

/* What fails in the middle of a body leaves the upload in a state that nobody knows: it ends. */
int luff_uploads_body(struct luff_call *r, const char *bytes, size_t len, struct luff_error *err)
{
	int rc;

	if (r->expected >= 0 && (int64_t)len > r->expected)
		rc = luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "SIZE_INVALID",
				       "the chunk has more bytes than its Content-Range says");
	else
		rc = luff_upload_append(r->upload, bytes, len, err);
	if (r->expected >= 0)
		r->expected -= (int64_t)len;
	if (rc < 0)
		luff_upload_drop(luff_take(r->upload));
	return rc;
}

/* Without a Content-Length, that a chunk is too short shows at its end only. */
static int check_all_came(struct luff_call *r, struct luff_error *err)
{
	if (r->expected <= 0)
		return 0;
	luff_upload_drop(luff_take(r->upload));
	return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "SIZE_INVALID",
				 "the chunk has fewer bytes than its Content-Range says");
}

int luff_uploads_chunk(struct luff_call *r, struct luff_error *err)
{
	int rc = check_all_came(r, err);

	if (rc < 0)
		return rc;
	rc = luff_reply_empty(r, MHD_HTTP_ACCEPTED, err);
	reply_progress(r, r->upload->id, atomic_load(&r->upload->size));
	luff_upload_release(luff_take(r->upload));
	return rc;
}

int luff_uploads_finish_begin(struct luff_call *r, struct luff_error *err)
{
	int rc;

	if (!r->route.content.text[0])
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "DIGEST_INVALID",
					 "the last request of an upload names its digest: ?digest=sha256:…");
	rc = claim(r, err);
	if (rc == 0)
		luff_store_writer_hash_as(r->upload->writer, luff_digest_algorithm(&r->route.content));
	return rc < 0 ? rc : check_chunk(r, err);
}

int luff_uploads_finish(struct luff_call *r, struct luff_error *err)
{
	int rc = check_all_came(r, err);

	if (rc < 0)
		return rc;
	rc = luff_upload_commit(luff_take(r->upload), &r->route.content, err);
	if (rc == LUFF_EDIGEST) {
		char message[sizeof err->msg];

		luff_text_copy(message, sizeof message, err->msg);
		return luff_reply_refuse(r, err, MHD_HTTP_BAD_REQUEST, "DIGEST_INVALID", "%s", message);
	}
	return rc < 0 ? rc : reply_created(r, &r->route.content, err);
}

/* Before the answer goes out: the client's next request may be faster than the end of this one. */
void luff_uploads_leave(struct luff_call *r)
{
	if (!r->upload)
		return;
	if (r->route.kind == LUFF_ROUTE_UPLOAD)
		luff_upload_release(luff_take(r->upload));
	else
		luff_upload_drop(luff_take(r->upload));
}

int luff_uploads_status(struct luff_call *r, struct luff_error *err)
{
	int64_t size;
	int rc = luff_upload_size(&size, r->uploads, r->route.repository, r->route.id, err);

	if (rc < 0)
		return no_upload(r, err);
	rc = luff_reply_empty(r, MHD_HTTP_NO_CONTENT, err);
	reply_progress(r, r->route.id, size);
	return rc;
}

int luff_uploads_cancel(struct luff_call *r, struct luff_error *err)
{
	int rc = claim(r, err);

	if (rc < 0)
		return rc;
	luff_upload_drop(luff_take(r->upload));
	return luff_reply_empty(r, MHD_HTTP_NO_CONTENT, err);
}
