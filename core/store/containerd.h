/*
 * What containerd keeps on this machine: blobs in its content store, and the names of one namespace in its database. Read
 * alone, whether containerd runs or not.
 */
#ifndef LUFF_STORE_CONTAINERD_H
#define LUFF_STORE_CONTAINERD_H

#include "store/store.h"

/** @param root  "/var/lib/containerd" */
int luff_store_open_containerd(struct luff_store **out, const char *root, const char *name_space,
			       struct luff_error *err);

#endif
