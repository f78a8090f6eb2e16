/*
 * Where an upload that was killed can be taken up by the next run: one small file for each, below $XDG_STATE_HOME/luff/uploads,
 * which is its user's alone, since the place of an upload is as good as a password for it. Nothing depends on it: where there
 * is no such folder, or a file is not as it should be, an upload starts from its first byte.
 */
#ifndef LUFF_REGISTRY_BOOKMARK_H
#define LUFF_REGISTRY_BOOKMARK_H

#include "luff.h"

struct luff_bookmark;

/**
 * @param host, repository, digest  what is uploaded, and where to
 * @return NULL where nothing can be kept, or another upload of the same is under way, in whatever process
 */
struct luff_bookmark *luff_bookmark_open(const char *host, const char *repository,
					 const struct luff_digest *digest);
/** The place that an earlier run left, not older than a week; free() it. NULL: none. */
char *luff_bookmark_read(const struct luff_bookmark *b);
void luff_bookmark_write(struct luff_bookmark *b, const char *url);
/** @param keep  for the next run; else the file is gone. NULL is fine. */
void luff_bookmark_close(struct luff_bookmark *b, bool keep);

#endif
