/* Readers over readers, and readers over bytes and files. Each takes ownership of what it wraps, also when it fails. */
#ifndef LUFF_STREAM_STREAMS_H
#define LUFF_STREAM_STREAMS_H

#include "base/hash.h"
#include "medium.h"

struct luff_point;
struct luff_points;
struct luff_points_maker;

/**
 * Size and digest are checked in place of the end.
 *
 * @param owner  the medium that the bytes come from: kept while the reader lives, and named in messages; may be NULL
 */
int luff_reader_open_verify(struct luff_reader **out, struct luff_reader *inner, struct luff_medium *owner,
			    const struct luff_digest *digest, int64_t size, struct luff_error *err);
/** True if r checks just this digest and size and nothing was read from it: who gets it need not hash again. */
bool luff_reader_verifies(const struct luff_reader *r, const struct luff_digest *digest, int64_t size);
/** For a reader that hands on the bytes of `inner` as they are: what inner checks, r checks. */
void luff_reader_inherit(struct luff_reader *r, const struct luff_reader *inner);
/** Exactly `size` bytes: one more is LUFF_ESIZE, an end before is LUFF_EFORMAT. */
int luff_reader_open_exact(struct luff_reader **out, struct luff_reader *inner, struct luff_medium *owner,
			   int64_t size, struct luff_error *err);
/** `size` bytes from `offset` on, and no look at what follows them; LUFF_EFORMAT where inner ends before. */
int luff_reader_open_part(struct luff_reader **out, struct luff_reader *inner, int64_t offset, int64_t size,
			  struct luff_error *err);
/** The bytes as they are, which go into `hash` on the way; it is whole at the end. Borrowed while the reader lives. */
int luff_reader_open_hash(struct luff_reader **out, struct luff_reader *inner, struct luff_hash *hash,
			  struct luff_error *err);
/** The reader's bytes are read in a thread of its own, up to 256 KiB ahead. */
int luff_reader_open_ahead(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err);
/** What was read can be read again, once: see luff_reader_rewind(). */
int luff_reader_open_replay(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err);
/** To the beginning, for the last time. LUFF_ENOTSUP where something was read of what can be read once only. */
int luff_reader_rewind(struct luff_reader *r, struct luff_error *err);
/** Calls fn with the number of bytes of each read, without those that were read before. */
int luff_reader_open_count(struct luff_reader **out, struct luff_reader *inner,
			   void (*fn)(void *arg, size_t n), void *arg, struct luff_error *err);
/** Tells whoever listens (struct luff_scope) how far the reading is. Takes `inner` over, also where it fails. */
int luff_reader_open_told(struct luff_reader **out, struct luff_reader *inner,
			  const struct luff_descriptor *d, struct luff_error *err);
/** Plain bytes of gzip, zstd, xz, bzip2 (all members) or none of them, found by magic number; within luff_limits_set(). */
int luff_reader_open_inflate(struct luff_reader **out, struct luff_reader *inner, struct luff_error *err);
/** The same, and `maker` (borrowed; NULL: nobody) learns where one can begin; see points.h. */
int luff_reader_open_inflate_making(struct luff_reader **out, struct luff_reader *inner,
				    struct luff_points_maker *maker, struct luff_error *err);
/** Plain bytes from a point on. `inner` begins with the byte before point->packed where that has bits > 0, else with the one there. */
int luff_reader_open_inflate_at(struct luff_reader **out, struct luff_reader *inner,
				const struct luff_points *points, const struct luff_point *point,
				struct luff_error *err);
/**
 * The bytes compressed: the same bytes always, however many processors help.
 *
 * @param zstd  zstd -3; else gzip -1, in members of 512 KiB
 */
int luff_reader_open_deflate(struct luff_reader **out, struct luff_reader *inner, bool zstd,
			     struct luff_error *err);
/** Bytes at hand; borrowed while the reader lives. */
int luff_reader_open_bytes(struct luff_reader **out, const void *bytes, size_t len, struct luff_error *err);
/** The same for bytes (malloc'ed) that it takes over. */
int luff_reader_open_owned(struct luff_reader **out, char *bytes, size_t len, struct luff_error *err);
/** From `offset` of a regular file to its end. Takes the descriptor over. */
int luff_reader_open_fd(struct luff_reader **out, int fd, int64_t offset, struct luff_error *err);
/**
 * Goes back to what was read before, also after a failure: the next byte is the one that came after the first `offset`. What a
 * reader checks it goes on to check, over the same bytes.
 *
 * @param offset  at most as far as r ever came
 * @return 0; LUFF_ENOTSUP if r or one that it wraps can be read once only; r has failed then, as after any other failure
 */
int luff_reader_seek(struct luff_reader *r, int64_t offset, struct luff_error *err);
/** `size` bytes from `offset` of a regular file on, which must be there: LUFF_EFORMAT where the file ends before. Takes fd over. */
int luff_reader_open_range(struct luff_reader **out, int fd, int64_t offset, int64_t size,
			   struct luff_error *err);
/** What comes through a pipe, to its end. Takes the descriptor over. */
int luff_reader_open_pipe(struct luff_reader **out, int fd, struct luff_error *err);
/** Reads to the end, checking all there is to check, and keeps nothing. */
int luff_reader_drain(struct luff_reader *r, struct luff_error *err);
/** All `size` bytes, which are few, NUL-terminated, and the end that checks them; free() it. LUFF_ESIZE for more or fewer. */
int luff_reader_read_all(char **out, struct luff_reader *r, int64_t size, struct luff_error *err);

/* ---- spools: what waits on disk, in $TMPDIR or /var/tmp, in a file without a name ---- */

int luff_spool_open(int *fd_out, struct luff_error *err);
/** luff_write_at() in one, which says where it is when the disk is full. */
int luff_spool_write(int fd, const void *bytes, size_t len, int64_t offset, struct luff_error *err);
/** All that src yields, from the file's beginning; LUFF_ELIMIT over LUFF_SPOOL_MAX. Does not close src. */
int luff_spool_fill(int64_t *size_out, int fd, struct luff_reader *src, struct luff_error *err);
/** The same, and the digest of it. */
int luff_spool_fill_hashed(struct luff_digest *out, int64_t *size_out, int fd, struct luff_reader *src,
			   struct luff_error *err);
/** All of the bytes, from their place in the file. LUFF_EFORMAT where it ends before. */
int luff_read_at(int fd, void *buf, size_t len, int64_t offset, struct luff_error *err);
/** All of the bytes, at their place in the file. */
int luff_write_at(int fd, const void *bytes, size_t len, int64_t offset, struct luff_error *err);

#endif
