/*
 * How to read little of a compressed layer that has no table of contents: a first pass through it leaves what it learned, its files and
 * where unpacking can begin (stream/points.h), in $XDG_CACHE_HOME/luff/layers, by the layer's digest. It counts only where all of
 * the layer was found right; what is read by it later, piece by piece, is checked against the digests of pieces that it holds. Layers
 * that are at hand are read as a whole.
 */
#ifndef LUFF_FS_SEEK_H
#define LUFF_FS_SEEK_H

#include "fs/listing.h"
#include "fs/pax.h"
#include "stream/points.h"

struct luff_seek;

struct luff_seek *luff_seek_ref(struct luff_seek *s);
void luff_seek_unref(struct luff_seek *s);
/** The layer's files: from what an earlier pass left, else from a pass, during which the sink (NULL: none) gets content. */
int luff_seek_list(struct luff_listing **out, struct luff_layer *layer, struct luff_sink *sink,
		   struct luff_error *err);
/**
 * The layer's tar from `offset` on.
 *
 * @param end  about as far as it will be read: more bytes than for that are not moved at once
 * @return 0; LUFF_EFORMAT, LUFF_EDIGEST: it does not fit the layer, see luff_seek_forget()
 */
int luff_seek_open(struct luff_reader **out, const struct luff_seek *s, struct luff_layer *layer,
		   int64_t offset, int64_t end, struct luff_error *err);
/** What is kept of the layer is no good. */
void luff_seek_forget(const struct luff_layer *layer);

/* ---- the file (seek_file.c) ---- */

#define LUFF_SEEK_FILE_MAX ((size_t)32 << 20)

/** What the file says of a layer that was read. LUFF_ELIMIT: it has too many files for that. */
int luff_seek_write(struct luff_buffer *out, const struct luff_points *points, const struct luff_listing *l,
		    const struct luff_descriptor *layer, struct luff_error *err);
/** Into points that are zero and a listing that is empty. LUFF_EFORMAT also for another layer's. */
int luff_seek_parse(struct luff_points *points, struct luff_listing *l, const struct luff_descriptor *layer,
		    const void *bytes, size_t len, struct luff_error *err);

#endif
