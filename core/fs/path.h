/* Names of files in layers, made safe, and patterns for them. */
#ifndef LUFF_FS_PATH_H
#define LUFF_FS_PATH_H

#include "luff.h"

/**
 * "./a//b/../c/" is "a/c", "/" is "".
 *
 * @param out  room for LUFF_PATH_MAX + 1
 * @return 0; LUFF_EFORMAT for a name that leads above the root, LUFF_ELIMIT
 */
int luff_path_clean(char *out, const char *path, struct luff_error *err);
/** Whether a clean path fits a pattern: "*", "?" and "[a-z]" within a name, "**" any number of folders, none too. */
bool luff_path_match(const char *pattern, const char *path);

#endif
