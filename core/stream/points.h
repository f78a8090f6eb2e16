/*
 * Where one can begin in the middle of something compressed: made on the way while it is unpacked as a whole. A member (a frame, a
 * stream) begins anew; within a member of gzip, a block can be unpacked with the 32 KiB that come before it.
 */
#ifndef LUFF_STREAM_POINTS_H
#define LUFF_STREAM_POINTS_H

#include "base/buffer.h"
#include "base/hash.h"

#define LUFF_POINTS_CHUNK ((int64_t)64 << 10) /* bytes as stored, whose digest is kept */
#define LUFF_POINTS_WINDOW ((size_t)32 << 10)
#define LUFF_POINTS_WINDOW_MAX (LUFF_POINTS_WINDOW + 512) /* deflated */
#define LUFF_POINTS_WINDOWS_MAX 256                       /* fewer points than that have one */
#define LUFF_POINTS_SIZE_MAX ((int64_t)16 << 30)          /* of what has points */

struct luff_point {
	int64_t packed, plain;     /* bytes before it, as stored and unpacked */
	int bits;                  /* of the byte before `packed` that are the block's; -1: a member begins */
	size_t window, window_len; /* in the windows: the plain bytes before it, deflated */
};

struct luff_chunk {
	unsigned char sha256[32];
	int64_t plain; /* what the bytes up to its end unpack to; may say too little */
};

struct luff_points {
	int64_t packed, plain; /* all there is */
	struct luff_point *list;
	size_t count, room;
	struct luff_chunk *chunks;
	size_t chunk_count, chunk_room;
	struct luff_buffer windows;
};

void luff_points_release(struct luff_points *points);
/** The last one at or before a place in the plain bytes; NULL: none. Borrowed. */
const struct luff_point *luff_points_before(const struct luff_points *points, int64_t plain);
/** How many of the stored bytes, in whole chunks, will do up to there. */
int64_t luff_points_until(const struct luff_points *points, int64_t plain);
/** The plain bytes before the point; LUFF_EFORMAT. */
int luff_points_window(unsigned char out[LUFF_POINTS_WINDOW], size_t *len_out,
		       const struct luff_points *points, const struct luff_point *point,
		       struct luff_error *err);

typedef struct luff_points luff_auto_type_points;
static inline void luff_auto_points(struct luff_points *points)
{
	luff_points_release(points);
}

/* ---- making them; a maker that lacks memory makes none, and harms nobody ---- */

struct luff_points_maker;

/** @param size  of all that is stored; NULL when out of memory, or there is too much */
struct luff_points_maker *luff_points_maker_new(int64_t size);
/** Stored bytes, in their order, before they are unpacked. */
void luff_points_maker_take(struct luff_points_maker *m, const void *bytes, size_t len);
/** A member begins. */
void luff_points_maker_begin(struct luff_points_maker *m, int64_t packed, int64_t plain);
/** Whether the beginning of a block is of interest. */
bool luff_points_maker_asks(const struct luff_points_maker *m, int64_t packed);
/** Plain bytes came out, of stored ones up to `packed`. */
void luff_points_maker_pass(struct luff_points_maker *m, int64_t packed, const void *bytes, size_t len);
/** Behind them a block begins, `bits` before `packed` * 8. */
void luff_points_maker_block(struct luff_points_maker *m, int64_t packed, int bits);
/** All went by. True: *out, which was zero, has points. */
bool luff_points_maker_finish(struct luff_points *out, struct luff_points_maker *m);
void luff_points_maker_free(struct luff_points_maker *m);

#endif
