/* A reader that is a script's for as long as its push runs. */
#ifndef LUFF_BINDINGS_LENT_H
#define LUFF_BINDINGS_LENT_H

#include "bind.h"
#include "medium.h"

struct luff_lent;

/** Lends `src`, which stays the caller's, of `size` bytes; NULL: out of memory. */
struct luff_lent *luff_lend(struct luff_reader *src, int64_t size);
struct luff_lent *luff_lent_ref(struct luff_lent *l);
/** NULL is fine. */
void luff_lent_unref(struct luff_lent *l);
/** After the script's push, which gave rc and *err: the push is right if all was read, and was right. Unrefs l. */
int luff_lent_take_back(struct luff_lent *l, int rc, struct luff_error *err);
/** As a Reader. [-0, +1] */
void luff_lent_push(lua_State *L, struct luff_lent *l);

#endif
