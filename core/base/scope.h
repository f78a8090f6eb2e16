/* The scope that the calling thread runs under (struct luff_scope in luff.h). */
#ifndef LUFF_BASE_SCOPE_H
#define LUFF_BASE_SCOPE_H

#include "luff.h"

/** NULL where none was entered. */
struct luff_scope *luff_scope_current(void);
/** For a worker thread that takes over work: makes `scope` (or none) current and returns what was before. */
struct luff_scope *luff_scope_swap(struct luff_scope *scope);
/** LUFF_ECANCELED if the current scope or one around it was cancelled. Whatever waits asks this 10 times a second. */
int luff_scope_check(struct luff_error *err);
/** Waits; LUFF_ECANCELED as soon as the scope is cancelled. */
int luff_scope_sleep(int64_t ms, struct luff_error *err);
/** One line of trace, where somebody listens. */
void luff_scope_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool luff_scope_logs(void);
/** Who hears what moves: the calling thread's scope or one around it; NULL: nobody. */
const struct luff_scope *luff_scope_hearer(void);
/** @param to  NULL is fine */
void luff_scope_tell(const struct luff_scope *to, const struct luff_progress *event);
/**
 * A scope that is about to be entered tells nobody what moves; returns the one around it that does (NULL: none), for who
 * tells it himself.
 */
const struct luff_scope *luff_scope_hush(struct luff_scope *scope);

#endif
