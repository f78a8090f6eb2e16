/*
 * Uploads that are under way, named by unguessable ids, until they are committed, cancelled, or idle for too long. One request at
 * a time writes to one. On disk they outlive the server, and other processes over the same root may go on with them.
 */
#ifndef LUFF_SERVER_UPLOAD_H
#define LUFF_SERVER_UPLOAD_H

#include <stdatomic.h>

#include "server/repositories.h"
#include "server/route.h"

struct luff_upload_table;

/* Claimed by one request. Fields are for reading. */
struct luff_upload {
	char id[LUFF_UPLOAD_ID_LEN + 1];
	struct luff_upload_table *table;
	struct luff_repository *repository;
	struct luff_store_writer *writer;
	atomic_llong size; /* bytes so far */
	int64_t idle_since;
	bool claimed;
	char name[LUFF_NAME_MAX + 1]; /* of the repository */
};

/** @param cap  uploads at a time */
int luff_upload_table_new(struct luff_upload_table **out, struct luff_repositories *repositories, size_t cap,
			  struct luff_error *err);
/** Uploads on disk stay for the next server; in memory nothing does. NULL is fine. */
void luff_upload_table_free(struct luff_upload_table *table);

/**
 * A new one, claimed.
 *
 * @param algorithm  that its digest will have, as far as one knows yet
 * @return 0; LUFF_ERATE where there are too many; LUFF_ENOTFOUND where there cannot be such a repository
 */
int luff_upload_new(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		    enum luff_algorithm algorithm, struct luff_error *err);
/** LUFF_ENOTFOUND; LUFF_EEXISTS while another request has claimed it. */
int luff_upload_claim(struct luff_upload **out, struct luff_upload_table *table, const char *repository,
		      const char *id, struct luff_error *err);
/** Bytes that an upload has, claimed or not. LUFF_ENOTFOUND. */
int luff_upload_size(int64_t *out, struct luff_upload_table *table, const char *repository, const char *id,
		     struct luff_error *err);
int luff_upload_append(struct luff_upload *s, const void *bytes, size_t len, struct luff_error *err);
/** Makes it a blob. The upload is gone afterwards, whatever happened. */
int luff_upload_commit(struct luff_upload *s, const struct luff_digest *digest, struct luff_error *err);
/** Others may claim it again. */
void luff_upload_release(struct luff_upload *s);
/** Ends it; leaves no trace. */
void luff_upload_drop(struct luff_upload *s);

#endif
