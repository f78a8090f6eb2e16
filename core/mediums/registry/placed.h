/*
 * Which repository of a host has a blob, as far as this process has put it there. Whoever needs it in another repository has it
 * taken over from there, wherever it came from.
 */
#ifndef LUFF_REGISTRY_PLACED_H
#define LUFF_REGISTRY_PLACED_H

#include "mediums/registry/host.h"

/** Best effort: what cannot be remembered is not. */
void luff_placed_add(struct luff_host *h, const struct luff_digest *digest, const char *repository);
/** The repository; free() it. NULL: none is known. */
char *luff_placed_find(struct luff_host *h, const struct luff_digest *digest);
/** Forgets all; part of freeing a host. */
void luff_placed_forget(struct luff_host *h);

#endif
