/* Extended headers (POSIX.1-2017, pax "Extended Header"), as far as they say something of a file. */
#ifndef LUFF_FS_PAX_H
#define LUFF_FS_PAX_H

#include "fs/sparse.h"

#define LUFF_XATTR_MAX 1024 /* of one file */

/* What the records say. Text is borrowed from the header's bytes. */
struct luff_pax {
	const char *path, *link, *user, *group; /* NULL: not said */
	bool has_size, has_uid, has_gid, has_mtime;
	int64_t size, uid, gid, mtime;
	int32_t mtime_ns;
	struct luff_xattr *xattrs;
	size_t xattr_count, xattr_room;
	bool is_sparse, sparse_in_data; /* the map begins the content (GNU.sparse 1.0) */
	int64_t sparse_size;
	const char *sparse_name;
	struct luff_sparse sparse;
};

/** Zeroes it, and keeps what was allocated. */
void luff_pax_reset(struct luff_pax *pax);
void luff_pax_release(struct luff_pax *pax);
/** Reads the records in text[0, len), which it changes: they become C strings. */
int luff_pax_parse(struct luff_pax *pax, char *text, size_t len, struct luff_error *err);

#endif
