/* Files below a folder that somebody else may have filled: whatever links are in it, no path leads out. */
#ifndef LUFF_STORE_INSIDE_H
#define LUFF_STORE_INSIDE_H

#include "luff.h"

/** As openat(), mode 0644. Links may point elsewhere in the folder, never out of it: that is EXDEV. */
int luff_inside_open(int dir, const char *path, int flags);
/** The failure for EXDEV; never returns 0. */
int luff_inside_leads_out(const char *what, struct luff_error *err);
/** A regular file and its size. @param what  goes into the message */
int luff_inside_open_file(int *fd_out, int64_t *size_out, int dir, const char *path, const char *what,
			  struct luff_error *err);
/** All of a small file, NUL-terminated; free() it. LUFF_ELIMIT beyond `cap` bytes. */
int luff_inside_read(char **out, size_t *len_out, int dir, const char *name, size_t cap,
		     struct luff_error *err);

#endif
