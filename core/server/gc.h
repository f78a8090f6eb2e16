/*
 * Garbage collection: what no tag, index or referrer of a repository reaches goes. Any process may do it while servers and
 * others write to the same layouts, and nobody waits for it. Why nothing goes that is needed:
 *
 * - A blob's age counts from when it came in, was mounted, or somebody was told that it is there (luff_store_keep): whoever is
 *   about to name a blob makes it new first. Only what was older than the grace at the moment that index.json was read goes. So
 *   whoever takes less time than the grace from asking or pushing to naming loses nothing: his name was there to be read, or
 *   his blobs are too new.
 * - Between the look at an age and the removal nobody can make the blob new (luff_store_reap): he finds it gone, and sends it.
 * - What is new is kept with all that it lists, as if it had a name: whoever asks for a manifest alone relies on its layers.
 *   For the same reason what lists others goes before them: if it became new in the meantime, they stay with it.
 * - A document counts as listing whatever it calls a "digest", also one of a kind that is not known here. One that cannot be
 *   read, or has not the bytes that its digest says, ends the collection of its repository.
 *
 * Tools that write to a layout without luff do not make old blobs new that they find there and reuse. They are safe with what
 * they bring along, if they name it before its grace ends; with a grace of 0, nobody is who writes.
 */
#ifndef LUFF_SERVER_GC_H
#define LUFF_SERVER_GC_H

#include "base/scope.h"
#include "server/repositories.h"

/** All of them; one that fails does not keep the others from it. The first failure is what it returns. */
int luff_gc_repositories(struct luff_gc_result *out, struct luff_repositories *table,
			 const struct luff_gc_options *options, struct luff_error *err);

struct luff_gc_timer;

/** Collects at once, and then each hour, or each `grace` seconds if that is sooner. @param scope  ends it; borrowed */
int luff_gc_timer_start(struct luff_gc_timer **out, struct luff_repositories *table, int64_t grace,
			struct luff_scope *scope, struct luff_error *err);
/** The scope was cancelled. NULL is fine. */
void luff_gc_timer_stop(struct luff_gc_timer *timer);

#endif
