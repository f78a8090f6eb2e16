/* Files of a folder on disk, as entries of a layer: in the order of their names, hard links as such. */
#ifndef LUFF_FS_GATHER_H
#define LUFF_FS_GATHER_H

#include "luff.h"

/**
 * @param e   as the disk has it, owner, times and all; extended attributes that layers carry (user.*, security.capability)
 * @param fd  of a file's content, at its beginning; else -1. Borrowed
 */
typedef int (*luff_gather_fn)(void *arg, const struct luff_entry *e, int fd, struct luff_error *err);

/**
 * Calls fn for a file, and for all that is below it where it is a folder. No link is followed but one that `path` itself is,
 * where what is in it is wanted. Sockets are left out.
 *
 * @param as  what the file is called in the layer; "" or with a slash at its end: it is a folder, and what is in it goes there
 */
int luff_gather(const char *path, const char *as, luff_gather_fn fn, void *arg, struct luff_error *err);
/** Of an open folder, which is borrowed, all that is in it. `prefix` is in front of all paths: "" or "name/". */
int luff_gather_folder(int fd, const char *prefix, luff_gather_fn fn, void *arg, struct luff_error *err);

#endif
