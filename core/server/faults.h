/*
 * A registry that misbehaves on purpose (struct luff_fault in luff.h), and what it remembers of the requests that came in.
 * Both are the same watch over a call; without faults and records there is none, and nothing here runs.
 */
#ifndef LUFF_SERVER_FAULTS_H
#define LUFF_SERVER_FAULTS_H

#include "server/call.h"

struct luff_faults; /* of a server */
struct luff_watch;  /* of one call */

/**
 * @param out      NULL where the options ask for nothing of it
 * @param options  their faults are borrowed while *out lives
 * @param address  of the server, borrowed; where it hands out tokens
 * @param scope    ends stalls; borrowed
 * @return 0; LUFF_EINVAL for a fault that makes no sense
 */
int luff_faults_new(struct luff_faults **out, const struct luff_server_options *options, const char *address,
		    struct luff_scope *scope, struct luff_error *err);
void luff_faults_free(struct luff_faults *faults);
/** The requests so far, oldest first, which the caller owns. */
struct luff_server_request *luff_faults_take_requests(struct luff_faults *faults);

/** @param uri  as the request line has it. NULL when out of memory. */
struct luff_watch *luff_watch_new(struct luff_faults *faults, const char *uri);
/** NULL is fine. */
void luff_watch_free(struct luff_watch *w);

/* ---- What the server asks of a call's watch (r->watch), which must be there ---- */

/** The headers are there. May make the answer, which stands then; false: the connection is to be closed. */
bool luff_watch_begin(struct luff_call *r);
/** The answer is made and about to go out. */
void luff_watch_answer(struct luff_call *r);
/** No answer will go out any more. Nothing, where one did. */
void luff_watch_end(struct luff_call *r);

/* ---- The same for how answers are made; a call without a watch is fine ---- */

/** True if the body of the answer has to pass luff_watch_body(). */
bool luff_watch_bends(const struct luff_call *r);
/**
 * Puts the fault between a body and the answer. Takes *body over, also when it fails.
 *
 * @param size  of the body; then what the answer is to claim, -1: nothing
 */
int luff_watch_body(struct luff_reader **body, int64_t *size, const struct luff_call *r,
		    struct luff_error *err);
/** What the answer to HEAD is to claim in place of `size`; -1: nothing. */
int64_t luff_watch_size(const struct luff_call *r, int64_t size);
/** True if the server's own header of that name stays away. */
bool luff_watch_hides(const struct luff_call *r, const char *name);
/** True if the request's header of that name is overlooked. */
bool luff_watch_overlooks(const struct luff_call *r, const char *name);

#endif
