/* Where a containers/storage is: what a name says in brackets, else what this machine's settings say. */
#ifndef LUFF_STORAGE_SPOT_H
#define LUFF_STORAGE_SPOT_H

#include "luff.h"

struct luff_storage_spot {
	char *driver; /* malloc'ed; NULL: it is seen from the folder */
	char *root;   /* malloc'ed */
};

/**
 * "[overlay@/var/lib/containers/storage+/run/containers:options]" as skopeo has it, or nothing: storage.conf then says it
 * (containers-storage.conf(5): $CONTAINERS_STORAGE_CONF, the user's, /etc, /usr/share), else it is where podman has it.
 *
 * @param rest_out  what is behind it
 */
int luff_storage_spot_parse(struct luff_storage_spot *out, const char **rest_out, const char *text,
			    struct luff_error *err);
void luff_storage_spot_release(struct luff_storage_spot *s);

#endif
