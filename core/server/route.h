/*
 * What a request's address means. Names, tags, digests and upload ids are checked by their grammars here, before anything
 * else sees them: what is in a struct luff_route may go into paths and headers as it is.
 */
#ifndef LUFF_SERVER_ROUTE_H
#define LUFF_SERVER_ROUTE_H

#include "luff.h"

#define LUFF_UPLOAD_ID_LEN 32 /* hex digits of a random number */

enum luff_route_kind {
	LUFF_ROUTE_ROOT,      /* /v2/ */
	LUFF_ROUTE_CATALOG,   /* /v2/_catalog */
	LUFF_ROUTE_TAGS,      /* /v2/<name>/tags/list */
	LUFF_ROUTE_MANIFEST,  /* /v2/<name>/manifests/<tag or digest> */
	LUFF_ROUTE_BLOB,      /* /v2/<name>/blobs/<digest> */
	LUFF_ROUTE_UPLOADS,   /* /v2/<name>/blobs/uploads/ */
	LUFF_ROUTE_UPLOAD,    /* /v2/<name>/blobs/uploads/<id> */
	LUFF_ROUTE_REFERRERS, /* /v2/<name>/referrers/<digest> */
	LUFF_ROUTE_METRICS,   /* /metrics; where the server has it */
	LUFF_ROUTE_NONE
};

#define LUFF_ROUTE_ALSO_MAX 16

struct luff_route {
	enum luff_route_kind kind;
	const char *refusal; /* of a failed parse: the spec's error code, a literal */
	char repository[LUFF_NAME_MAX + 1];
	char tag[LUFF_TAG_MAX + 1]; /* of a manifest, or empty */
	struct luff_digest digest;  /* of a manifest, blob or subject */
	char id[LUFF_UPLOAD_ID_LEN + 1];
	/* From the query; empty, or -1, where it is not there. */
	struct luff_digest content; /* digest=, what an upload is to become */
	struct luff_digest mount;
	char from[LUFF_NAME_MAX + 1];
	char algorithm[8]; /* digest-algorithm= */
	int64_t n;
	char last[LUFF_NAME_MAX + 1];
	char artifact_type[LUFF_MEDIA_TYPE_MAX + 1];
	char also[LUFF_ROUTE_ALSO_MAX]
		 [129]; /* tag=, names for a manifest that is put by its digest (end-7b) */
	size_t also_count;
	bool too_many; /* names, for what the URL of a request may hold */
};

/**
 * @param uri  path and query as they were received, percent-encoded
 * @return 0; LUFF_ENOTFOUND: no such endpoint; LUFF_ENAME: out->kind is known, out->refusal says what is malformed
 */
int luff_route_parse(struct luff_route *out, const char *uri, struct luff_error *err);
/**
 * A repository's name (distribution-spec, "Pulling manifests"). Repositories nest, as folders do: after the first
 * component, those that are a layout's own files (blobs, ingest, index.json, oci-layout) are refused.
 */
bool luff_route_is_repository(const char *name);
bool luff_route_is_tag(const char *tag);

#endif
