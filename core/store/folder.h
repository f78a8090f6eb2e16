/* A store in a folder, as the files that make it up share it. */
#ifndef LUFF_STORE_FOLDER_H
#define LUFF_STORE_FOLDER_H

#include "store/backing.h"

#define LUFF_FOLDER_TRIES 100 /* that others take empty folders away is rare, and over soon */

struct luff_folder {
	struct luff_store base;
	int fd;            /* the folder */
	atomic_bool swept; /* ingest/ was cleared of what is left from killed writers */
	atomic_bool dirty; /* blobs were renamed whose folders are not synced yet */
};

extern const struct luff_store_ops luff_folder_ops;

/** A lock on a file that nobody else can open any more holds nobody off. */
bool luff_folder_is_removed(int fd);
/**
 * What comes into a layout that is being unmade would be lost. Who unmakes one removes oci-layout and then looks for folders;
 * who writes makes a folder and then looks for oci-layout: one of the two sees the other.
 */
int luff_folder_check_alive(const struct luff_folder *f, struct luff_error *err);
/** The folder of such blobs, which is no way out of the layout. @param create  make it where it is missing */
int luff_folder_open_blobs(int *fd_out, const struct luff_folder *f, enum luff_algorithm algorithm,
			   bool create, struct luff_error *err);

/* ---- garbage.c ---- */

/**
 * Holds luff_garbage_reap() off while a blob comes in or is kept, so that it does not remove what it found old and what
 * just became new. Ends with the descriptor, of luff_folder_open_blobs(). A file system without such locks is nobody's
 * concern but the reaper's.
 */
void luff_garbage_hold(int blobs);
/** Makes a blob new again. */
void luff_garbage_touch(int blobs, const char *hex);
int luff_garbage_keep(int64_t *size_out, struct luff_store *s, const struct luff_digest *d,
		      struct luff_error *err);
int luff_garbage_list(struct luff_store_blob **out, size_t *count_out, struct luff_store *s,
		      struct luff_error *err);
int luff_garbage_reap(struct luff_store *s, const struct luff_digest *d, int64_t before,
		      struct luff_error *err);

#endif
