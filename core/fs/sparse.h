/* Where the bytes of a sparse file go: GNU tar's old format and its three ways to say it in pax headers. */
#ifndef LUFF_FS_SPARSE_H
#define LUFF_FS_SPARSE_H

#include "luff.h"

#define LUFF_SPARSE_MAX 65536 /* pieces of one file */

struct luff_piece {
	int64_t offset, size;
};

struct luff_sparse {
	struct luff_piece *pieces;
	size_t count, room;
	bool odd; /* an offset was added, and its size was not */
};

void luff_sparse_release(struct luff_sparse *s);
/** One number more: offset and size in turns. LUFF_ELIMIT, LUFF_ENOMEM. */
int luff_sparse_add(struct luff_sparse *s, int64_t number, struct luff_error *err);
/** "0,512,1024,512" */
int luff_sparse_parse(struct luff_sparse *s, const char *text, struct luff_error *err);
/** Whether the pieces follow each other inside of a file of `size` bytes, `stored` of which are there; else LUFF_EFORMAT. */
int luff_sparse_check(const struct luff_sparse *s, int64_t size, int64_t stored, struct luff_error *err);

#endif
