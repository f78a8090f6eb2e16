/*
 * A registry that is the mirror of another one, its upstream: what is asked for and not here is fetched through the registry medium,
 * verified, kept, and given to all who wait for it while it still comes. What is here is given also when the upstream cannot be
 * reached. Tags are compared to the upstream's by a HEAD request, at most once a minute. Lists of tags
 * and referrers are the upstream's, and tell what is here when it cannot be asked; the catalog always tells what is here.
 */
#ifndef LUFF_SERVER_MIRROR_H
#define LUFF_SERVER_MIRROR_H

#include "server/call.h"

struct luff_mirror;

/**
 * @param out    NULL where the options name no upstream
 * @param scope  ends what is under way; borrowed
 * @return 0; LUFF_EINVAL for what is no upstream
 */
int luff_mirror_new(struct luff_mirror **out, const struct luff_server_options *options,
		    struct luff_repositories *repositories, struct luff_scope *scope, struct luff_error *err);
/** The scope is cancelled, and no call is there any more. NULL is fine. */
void luff_mirror_free(struct luff_mirror *mirror);
/**
 * Before an endpoint answers a GET or HEAD: brings what it is about, as far as the upstream has it, or makes the answer.
 *
 * @return 0, also where the answer is made (r->response); or fails as endpoints do
 */
int luff_mirror_prepare(struct luff_call *r, struct luff_mirror *mirror, struct luff_error *err);

#endif
