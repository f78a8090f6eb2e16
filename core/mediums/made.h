/* Images that nobody wrote: archives in the manner of docker save, made in a temporary file when they are asked for. */
#ifndef LUFF_MEDIUMS_MADE_H
#define LUFF_MEDIUMS_MADE_H

#include "luff.h"

/** "rootfs:": a folder, or a tar of any compression, as an image of one layer. The same content is the same image. */
int luff_rootfs_make(int *fd_out, const char *path, struct luff_error *err);
/** "random:": "layers=3,size=100000,seed=7", each of which may be missing. */
int luff_random_make(int *fd_out, const char *text, struct luff_error *err);

/* ---- for those two ---- */

struct luff_made {
	int fd;
	int64_t end;   /* of what is written */
	int64_t layer; /* where the layer that is being written begins */
	struct luff_digest diff_ids[128];
	int layers;
};

int luff_made_begin(struct luff_made *made, struct luff_error *err);
/** What is written from made->end on is a layer, until luff_made_end_layer(). */
void luff_made_begin_layer(struct luff_made *made);
int luff_made_append(struct luff_made *made, const void *bytes, size_t len, struct luff_error *err);
int luff_made_end_layer(struct luff_made *made, struct luff_error *err);
/** The config and the rest. *fd_out is the caller's; luff_made_release() whatever happened. */
int luff_made_end(int *fd_out, struct luff_made *made, const struct luff_platform *platform,
		  const char *created_by, struct luff_error *err);
void luff_made_release(struct luff_made *made);

#endif
