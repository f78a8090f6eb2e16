/* An archive that goes to the daemon, as `docker load` sends it. */
#ifndef LUFF_DAEMON_LOAD_H
#define LUFF_DAEMON_LOAD_H

#include "mediums/daemon/client.h"

/**
 * @param fd  a complete tar of `size` bytes, borrowed
 * @return 0 where the daemon says that it has all of it; LUFF_EHTTP with its words
 */
int luff_load(struct luff_client *client, int fd, int64_t size, struct luff_error *err);

#endif
