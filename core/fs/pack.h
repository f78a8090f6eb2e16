/*
 * A folder as a tar. What makes the same content the same bytes goes in: names in order, types, modes, links; not times, owners
 * and extended attributes, which differ from one checkout to the next.
 */
#ifndef LUFF_FS_PACK_H
#define LUFF_FS_PACK_H

#include "luff.h"

/**
 * @param fd      of the folder; borrowed
 * @param prefix  "" or "name/": what is in front of all names
 */
int luff_pack_folder(int fd, const char *prefix, luff_write_fn write, void *arg, struct luff_error *err);

#endif
