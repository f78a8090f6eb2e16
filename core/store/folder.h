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

#endif
