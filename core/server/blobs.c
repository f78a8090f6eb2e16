/* Blobs by digest: whole or in part, by sendfile where they are files (distribution-spec, end-2, end-10). */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "server/endpoints.h"
#include "server/range.h"

static int no_blob(struct luff_call *r, struct luff_error *err)
{
	return luff_reply_refuse(r, err, MHD_HTTP_NOT_FOUND, "BLOB_UNKNOWN", "no blob %s in %s",
				 r->route.digest.text, r->route.repository);
}

/* The blob's file, or none in memory, and its size. */
static int open_blob(int *fd_out, int64_t *size_out, struct luff_call *r, struct luff_error *err)
{
	struct luff_store *store = r->repository->store;
	struct stat st;
	int rc = luff_store_open_file(fd_out, store, &r->route.digest, err);

	if (rc == LUFF_ENOTSUP)
		return luff_store_stat(size_out, store, &r->route.digest, err);
	if (rc < 0)
		return rc;
	if (fstat(*fd_out, &st) < 0)
		return luff_fail(err, LUFF_EIO, "cannot stat a blob");
	*size_out = st.st_size;
	return 0;
}

static int reply_part(struct luff_call *r, int *fd, unsigned status, int64_t first, int64_t size,
		      struct luff_error *err)
{
	struct luff_reader *reader = NULL;
	int rc;

	if (strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0)
		return luff_reply_size(r, status, size, err);
	if (*fd >= 0) {
		rc = luff_reply_file(r, status, *fd, first, size, err);
		*fd = -1;
		return rc;
	}
	rc = luff_store_fetch(&reader, r->repository->store, &r->route.digest, first, err);
	return rc < 0 ? rc : luff_reply_reader(r, status, reader, size, err);
}

int luff_blobs_get(struct luff_call *r, struct luff_error *err)
{
	const char *header = luff_call_header(r, MHD_HTTP_HEADER_RANGE);
	enum luff_range range = LUFF_RANGE_WHOLE;
	int64_t size = 0, first = 0, last;
	LUFF_AUTO(fd) fd = -1;
	int rc = luff_call_open(r, false, "BLOB_UNKNOWN", err);

	if (rc == 0)
		rc = open_blob(&fd, &size, r, err);
	/* who asks whether it is there will name it in place of sending it */
	if (rc == 0 && strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0)
		rc = luff_store_keep(&size, r->repository->store, &r->route.digest, err);
	if (rc == LUFF_ENOTFOUND)
		return no_blob(r, err);
	if (rc < 0)
		return rc;
	/* RFC 9110 13.1.5: we give no validator out, so an If-Range cannot match */
	if (header && strcmp(r->method, MHD_HTTP_METHOD_GET) == 0 &&
	    !luff_call_header(r, MHD_HTTP_HEADER_IF_RANGE))
		range = luff_range_parse(&first, &last, header, size);
	if (range == LUFF_RANGE_UNSATISFIABLE) {
		rc = luff_reply_refuse(r, err, MHD_HTTP_RANGE_NOT_SATISFIABLE, "SIZE_INVALID",
				       "the blob has %lld bytes", (long long)size);
		luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes */%lld", (long long)size);
		return rc;
	}
	if (range == LUFF_RANGE_PART)
		rc = reply_part(r, &fd, MHD_HTTP_PARTIAL_CONTENT, first, last - first + 1, err);
	else
		rc = reply_part(r, &fd, MHD_HTTP_OK, 0, size, err);
	if (range == LUFF_RANGE_PART)
		luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_RANGE, "bytes %lld-%lld/%lld", (long long)first,
				  (long long)last, (long long)size);
	luff_reply_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	luff_reply_header(r, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	luff_reply_header(r, "Docker-Content-Digest", "%s", r->route.digest.text);
	return rc;
}

int luff_blobs_delete(struct luff_call *r, struct luff_error *err)
{
	const struct luff_name name = {.digest = r->route.digest};
	struct luff_error other = {0};
	struct luff_descriptor d;
	int rc = luff_call_open(r, false, "BLOB_UNKNOWN", err);

	if (rc < 0)
		return rc;
	/*
	 * A layout keeps both in one place, but a manifest goes by its own address, with its tags. The bytes alone say which it is, and
	 * no other bytes can come by this digest: what is no manifest now is none when it goes. What could not be read is not judged.
	 */
	rc = luff_medium_resolve(&d, NULL, r->repository->medium, &name, &other);
	if (rc == 0 || rc == LUFF_ENOTFOUND)
		return no_blob(r, err);
	if (rc != LUFF_EFORMAT && rc != LUFF_ELIMIT && rc != LUFF_ENOTSUP && rc != LUFF_EDIGEST &&
	    rc != LUFF_ESIZE) {
		*err = other;
		return rc;
	}
	rc = luff_store_remove(r->repository->store, &r->route.digest, err);
	if (rc == LUFF_ENOTFOUND)
		return no_blob(r, err);
	return rc < 0 ? rc : luff_reply_empty(r, MHD_HTTP_ACCEPTED, err);
}
