/*
 * Entries of a tar as they come: ustar, pax and GNU tar, sparse files of both, and what came before ustar. Where formats leave
 * room, it reads what Go's archive/tar reads, as the engines that run images do: who is asked what is in a layer must not see
 * other files than who runs it. Names are as they stand there: path.h makes them safe.
 */
#ifndef LUFF_FS_TAR_H
#define LUFF_FS_TAR_H

#include "base/cleanup.h"
#include "luff.h"

struct luff_tar;

/** Takes `in` over, also when it fails. Reads nothing yet. */
int luff_tar_open(struct luff_tar **out, struct luff_reader *in, struct luff_error *err);
/**
 * The next entry, past what was not read of the last one.
 *
 * @param out  borrowed until the next call; NULL at the end, which comes after all of `in` was read and found right
 * @return 0; LUFF_EFORMAT for what is no tar or is cut off, LUFF_ELIMIT for headers beyond the caps, what `in` returns
 */
int luff_tar_next(const struct luff_entry **out, struct luff_tar *tar, struct luff_error *err);
/** Content of the entry, as luff_reader_read(); zeros where a sparse file has holes. */
int luff_tar_read(size_t *n_out, struct luff_tar *tar, void *buf, size_t len, struct luff_error *err);
/** Where in the tar the entry's first header begins. */
int64_t luff_tar_offset(const struct luff_tar *tar);
/** Closes what it reads, too. NULL is fine. */
void luff_tar_close(struct luff_tar *tar);

LUFF_DEFINE_AUTO(tar, struct luff_tar *, luff_tar_close);

#endif
