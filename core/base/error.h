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
/** True for an HTTP status that may be another one soon: 408, 425, 429 and the 5xx of servers that are busy or restart. */
bool luff_status_may_pass(int http_status);
/**
 * True for a failure that may not be there at the next try: a connection that was there and broke, a server that is busy. Nobody
 * listening, no such host or no trust do not pass by themselves.
 */
bool luff_error_may_pass(const struct luff_error *err);
/** Puts "context: " in front of the message that is there; returns err->code. Once, where the medium is known. */
int luff_fail_context(struct luff_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
