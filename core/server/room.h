/* How much a mirror in a folder of layouts holds: of its large blobs, what was not asked for the longest goes. */
#ifndef LUFF_SERVER_ROOM_H
#define LUFF_SERVER_ROOM_H

#include "server/repositories.h"

struct luff_room;

/**
 * Makes room at once.
 *
 * @param repositories  borrowed
 * @param root          their folder; NULL: they are in memory
 * @param cap           bytes of large blobs
 * @return 0; LUFF_EINVAL for a root from which nothing goes
 */
int luff_room_open(struct luff_room **out, struct luff_repositories *repositories, const char *root,
		   int64_t cap, struct luff_error *err);
/** A blob came. NULL is fine. */
void luff_room_take(struct luff_room *room, int64_t bytes);
/** NULL is fine. */
void luff_room_close(struct luff_room *room);

#endif
