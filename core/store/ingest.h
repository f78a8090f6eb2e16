/*
 * ingest/ of a layout, where new content is written before it gets its name: nobody sees half of it. A file there is locked as
 * long as its writer lives; what a killed writer left is known by its missing lock, and goes.
 */
#ifndef LUFF_STORE_INGEST_H
#define LUFF_STORE_INGEST_H

#include "store/folder.h"

#define LUFF_INGEST "ingest"
#define LUFF_INGEST_PATH 64

/** A new file that is ours: created, locked, and not swept away between the two. @param name  "ingest/…" */
int luff_ingest_create(int *fd_out, char name[LUFF_INGEST_PATH], struct luff_folder *f,
		       struct luff_error *err);
int luff_ingest_write_all(int fd, const char *bytes, size_t len, struct luff_error *err);
/** Writes a small file of the layout anew: all of it or nothing. @param replace  false leaves one that is there as it is */
int luff_ingest_write_small(struct luff_folder *f, const char *name, const char *text, bool replace,
			    struct luff_error *err);

#endif
