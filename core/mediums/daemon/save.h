/* An image as the daemon gives it out: the archive of `docker save`, which luff reads as any other. */
#ifndef LUFF_DAEMON_SAVE_H
#define LUFF_DAEMON_SAVE_H

#include "mediums/daemon/client.h"

/**
 * The archive, which is asked for with the first read.
 *
 * @param client    the reader takes a reference
 * @param platform  of an image of several, only this one; NULL: all of it
 */
int luff_save_open(struct luff_reader **out, struct luff_client *client, const struct luff_digest *id,
		   const struct luff_platform *platform, struct luff_error *err);

#endif
