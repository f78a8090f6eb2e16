/* What luff.h leaves out of entries. */
#ifndef LUFF_FS_ENTRIES_H
#define LUFF_FS_ENTRIES_H

#include "fs/tar.h"

/** The entries of the layer's plain tar, which is at hand and taken over. */
int luff_entries_open_plain(struct luff_entries **out, struct luff_layer *layer, struct luff_reader *plain,
			    struct luff_error *err);
/** Content of the entry that came last, as a reader; to be closed before the next one is asked for. */
int luff_entries_content(struct luff_reader **out, struct luff_entries *entries, struct luff_error *err);

/** Where in the layer's tar the first header of the last entry begins. */
int64_t luff_entries_offset(const struct luff_entries *entries);

LUFF_DEFINE_AUTO(entries, struct luff_entries *, luff_entries_close);

#endif
