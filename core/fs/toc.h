/*
 * Tables of contents that some layers carry beside their tar: eStargz's (containerd's stargz-snapshotter) and zstd:chunked's
 * (containers/storage). With one, the files of a layer are listed and read without the rest of it. A table counts only where the
 * image's manifest names its digest, and content is checked against the digest in the table.
 */
#ifndef LUFF_FS_TOC_H
#define LUFF_FS_TOC_H

#include "fs/listing.h"

#define LUFF_TOC_MAX ((int64_t)64 << 20) /* bytes of a table */

/**
 * The layer's files from its table.
 *
 * @param out  NULL: it has none that counts, and its tar is to be read
 * @return 0; what fetching returns
 */
int luff_toc_list(struct luff_listing **out, struct luff_layer *layer, struct luff_error *err);
/** From its table, else from what an earlier pass left (seek.h), else from its tar. */
int luff_toc_list_any(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		      struct luff_error *err);

/* The content of one file, good without its listing. */
struct luff_placed {
	struct luff_place place;
	struct luff_digest digest;
	int64_t size;
};

/** Of a file with content, in such a listing. */
void luff_toc_place(struct luff_placed *out, const struct luff_listing *l, const struct luff_record *r);
/** Its bytes, checked. */
int luff_toc_open(struct luff_reader **out, struct luff_layer *layer, const struct luff_placed *file,
		  struct luff_error *err);

/**
 * Adds what a table says to an empty listing. LUFF_EFORMAT, LUFF_ELIMIT.
 *
 * @param end  of the part of the blob in which content may be
 */
int luff_toc_parse(struct luff_listing *l, const char *json, size_t len, int64_t end, struct luff_error *err);

#endif
