/*
 * What a script that somebody else wrote may reach: once the fence stands, this process opens no place but repositories in registries
 * that a list names, and writes only to those of a second list. It stands for good.
 */
#ifndef LUFF_BASE_FENCE_H
#define LUFF_BASE_FENCE_H

#include "luff.h"

#define LUFF_FENCE_MAX 256 /* entries of a list */

/**
 * @param read, write  NULL-ended lists: "ghcr.io", "ghcr.io/org", "ghcr.io/org/app", or "*". What is below is meant, too; who may
 *                     write may read
 * @return 0; LUFF_EINVAL for an entry that is none of these, or where the fence stands already
 */
int luff_fence_raise(const char *const *read, const char *const *write, struct luff_error *err);
bool luff_fence_stands(void);
/** LUFF_EDENIED for a place that is not a registry's: "oci:./dir", "a URL". */
int luff_fence_local(const char *place, struct luff_error *err);
/** The same for a repository ("ghcr.io/org/app") that is not to be read. @param writable_out  may it be written to? */
int luff_fence_repository(bool *writable_out, const char *place, struct luff_error *err);
/** The same for a registry as a whole, its list of repositories. */
int luff_fence_registry(const char *host, struct luff_error *err);

#endif
