/* What the registry does, one function or three for each address and method; server.c has the table of them. */
#ifndef LUFF_SERVER_ENDPOINTS_H
#define LUFF_SERVER_ENDPOINTS_H

#include "server/call.h"

/* Each is a member of struct luff_endpoint. */
int luff_blobs_get(struct luff_call *r, struct luff_error *err); /* and HEAD */
int luff_blobs_delete(struct luff_call *r, struct luff_error *err);

int luff_uploads_start_begin(struct luff_call *r, struct luff_error *err);
int luff_uploads_start(struct luff_call *r, struct luff_error *err);
int luff_uploads_chunk_begin(struct luff_call *r, struct luff_error *err);
int luff_uploads_chunk(struct luff_call *r, struct luff_error *err);
int luff_uploads_finish_begin(struct luff_call *r, struct luff_error *err);
int luff_uploads_finish(struct luff_call *r, struct luff_error *err);
int luff_uploads_body(struct luff_call *r, const char *bytes, size_t len, struct luff_error *err);
/** Lets go of an upload that the request still holds: a client knows it by its id, or it ends. */
void luff_uploads_leave(struct luff_call *r);
int luff_uploads_status(struct luff_call *r, struct luff_error *err);
int luff_uploads_cancel(struct luff_call *r, struct luff_error *err);

int luff_manifests_get(struct luff_call *r, struct luff_error *err); /* and HEAD */
int luff_manifests_put_begin(struct luff_call *r, struct luff_error *err);
int luff_manifests_put_body(struct luff_call *r, const char *bytes, size_t len, struct luff_error *err);
int luff_manifests_put(struct luff_call *r, struct luff_error *err);
int luff_manifests_delete(struct luff_call *r, struct luff_error *err);

int luff_referrers_list(struct luff_call *r, struct luff_error *err);

int luff_lists_tags(struct luff_call *r, struct luff_error *err);
int luff_lists_catalog(struct luff_call *r, struct luff_error *err);

#endif
