/*
 * Small files that one run leaves for the next, in folders that are their user's alone. Nothing depends on them: where there is no
 * place for such a folder, or it is somebody else's, nothing is kept.
 */
#ifndef LUFF_BASE_PRIVATE_H
#define LUFF_BASE_PRIVATE_H

#include "luff.h"

/**
 * A folder of XDG's base directories, made where it is missing; free() it.
 *
 * @param variable, fallback  "XDG_STATE_HOME", and "/.local/state", which is in $HOME where the variable is no absolute path
 * @param name                "luff/uploads"
 * @return NULL where there is no place for it
 */
char *luff_private_folder(const char *variable, const char *fallback, const char *name);
/**
 * Takes the files away whose names end in `suffix` and which are older than `age_max` seconds, then those that were used (written,
 * luff_private_touch()) longest ago, until they have at most `size_max` bytes together. 0: any age, any size.
 */
void luff_private_sweep(const char *folder, const char *suffix, int64_t age_max, int64_t size_max);
/** A regular file that nobody else reads or writes. */
bool luff_private_is_ours(int fd);
void luff_private_touch(int fd);

#endif
