/*
 * ingest/ of a layout, where new content is written before it gets its name: nobody sees half of it. A file there is locked as
 * long as its writer lives. What a killed writer left is known by its missing lock, and goes; but an upload ("<id>.upload") waits
 * for whoever takes it up again, and goes after LUFF_STORE_UPLOAD_IDLE. So does a part ("<digest>.part"), of a blob that is known beforehand; it goes after
 * LUFF_INGEST_GRACE, or when its blob is there.
 */
#ifndef LUFF_STORE_INGEST_H
#define LUFF_STORE_INGEST_H

#include "store/folder.h"

#define LUFF_INGEST "ingest"
#define LUFF_INGEST_PATH 160          /* "ingest/sha512-", 128 hex digits, ".part" */
#define LUFF_INGEST_GRACE (7 * 86400) /* seconds */

/**
 * A new file that is ours: created, locked, and not swept away between the two.
 *
 * @param name  "ingest/…"
 * @param id    of an upload; NULL: a file for this process alone
 */
int luff_ingest_create(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f, const char *id,
		       struct luff_error *err);
/** The file of an upload, locked. LUFF_ENOTFOUND; LUFF_EEXISTS while another writer holds it. */
int luff_ingest_reopen(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f, const char *id,
		       struct luff_error *err);
/** Locks the file of an upload that is open; failures as above. */
int luff_ingest_lock(int fd, const char *name, const struct luff_folder *f, struct luff_error *err);
/**
 * The file of a part, locked and open at its end: with what an earlier writer left, or new.
 *
 * @param size_out  bytes that are there
 * @return false where somebody else is writing it, or it cannot be had: luff_ingest_create() then works, or says why not
 */
bool luff_ingest_grow(int *fd_out, char name[LUFF_INGEST_PATH], int64_t *size_out, struct luff_folder *f,
		      const struct luff_digest *d);
/** The same for reading what an earlier writer left; false where there is nothing, or somebody is writing it. */
bool luff_ingest_look(int *fd_out, int64_t *size_out, const struct luff_folder *f,
		      const struct luff_digest *d);
/** How long the file of an upload is. LUFF_ENOTFOUND. */
int luff_ingest_size(int64_t *out, const struct luff_folder *f, const char *id, struct luff_error *err);
/**
 * Removes what has no living writer, and uploads to which nobody wrote for `idle` seconds; other tools' files stay.
 *
 * @param dry   counts only
 * @param files, bytes  added to what is there; may be NULL
 */
void luff_ingest_sweep(struct luff_folder *f, int64_t idle, bool dry, int64_t *files, int64_t *bytes);
int luff_ingest_write_all(int fd, const char *bytes, size_t len, struct luff_error *err);
/** Writes a small file of the layout anew: all of it or nothing. @param replace  false leaves one that is there as it is */
int luff_ingest_write_small(struct luff_folder *f, const char *name, const char *text, bool replace,
			    struct luff_error *err);

#endif
