/* Failing with a message. struct luff_error itself is in luff.h. */
#ifndef LUFF_BASE_ERROR_H
#define LUFF_BASE_ERROR_H

#include "luff.h"

/** Fills in err and returns code: `return luff_fail(err, LUFF_ENOTFOUND, "no blob %s", hex);` */
int luff_fail(struct luff_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** The same with the system's word for `sys_errno`, as LUFF_EIO; ENOENT is LUFF_ENOTFOUND, ENOMEM is LUFF_ENOMEM. */
int luff_fail_errno(struct luff_error *err, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Out of memory. */
int luff_fail_nomem(struct luff_error *err);
/** Puts "context: " in front of the message that is there; returns err->code. Once, where the medium is known. */
int luff_fail_context(struct luff_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
