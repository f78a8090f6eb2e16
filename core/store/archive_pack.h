/* Layers that are compressed on their way into a temporary file, where an archive comes but once and they are wanted so. */
#ifndef LUFF_STORE_ARCHIVE_PACK_H
#define LUFF_STORE_ARCHIVE_PACK_H

#include "luff.h"

#define LUFF_ARCHIVE_PACKS_MAX 128      /* of an archive, each an open file */
#define LUFF_ARCHIVE_PACK_MIN (1 << 20) /* bytes of a layer; what is smaller is not worth a file */

/* A member of the tar whose bytes are not in it, but here. */
struct luff_archive_pack {
	int64_t offset, size;           /* of what it is in the tar */
	struct luff_digest plain;       /* of that, as it went by */
	struct luff_descriptor becomes; /* digest and size of the gzip */
	int fd;                         /* a temporary file with it */
};

struct luff_archive_packs {
	struct luff_archive_pack list[LUFF_ARCHIVE_PACKS_MAX];
	int count;
};

void luff_archive_packs_release(struct luff_archive_packs *p);
/**
 * luff_spool_fill() for a tar. Where a layer would be that is a plain tar, the file has a hole, and *packs has it.
 *
 * @param least  bytes of a layer that is packed
 * @param packs  empty; what was packed is in it also where this fails
 */
int luff_archive_pack_fill(struct luff_archive_packs *packs, int fd, struct luff_reader *src, int64_t least,
			   struct luff_error *err);
/** Bytes of the tar that are one of its packs', unpacked. *out is NULL where they are none. */
int luff_archive_pack_open(struct luff_reader **out, const struct luff_archive_packs *packs, int64_t offset,
			   int64_t size, struct luff_error *err);

#endif
