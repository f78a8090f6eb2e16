/* Unpacking in two steps: files as layers are read, then all the rest, once it is known what stays where. */
#ifndef LUFF_FS_EXTRACT_H
#define LUFF_FS_EXTRACT_H

#include "fs/tree.h"

struct luff_unpacking;

/** The folder is made where it is missing; LUFF_EEXISTS where it has something in it. */
int luff_unpacking_open(struct luff_unpacking **out, const char *folder, size_t layers, bool keep_owner,
			struct luff_error *err);
/** For the pass over the layers, each of which gets all its files unpacked. */
struct luff_sink luff_unpacking_sink(struct luff_unpacking *x);
/**
 * Puts everything in its place.
 *
 * @param out   may be NULL
 * @param tree  of the listings that were made with the sink
 */
int luff_unpacking_finish(struct luff_extract_result *out, struct luff_unpacking *x, struct luff_tree *tree,
			  struct luff_error *err);
/** Without luff_unpacking_finish(), the folder is as it was. */
void luff_unpacking_close(struct luff_unpacking *x);

LUFF_DEFINE_AUTO(unpacking, struct luff_unpacking *, luff_unpacking_close);

#endif
