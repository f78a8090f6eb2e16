/*
 * A layer as containers/storage has it: its files in a folder, and beside them a record (tar-split) of all bytes of its tar that are no
 * file's content. Both together give the tar again, byte by byte; whoever reads it checks its digest.
 */
#ifndef LUFF_MEDIUMS_STORAGE_SPLIT_H
#define LUFF_MEDIUMS_STORAGE_SPLIT_H

#include "luff.h"

#define LUFF_SPLIT_LINE_MAX                                                                                  \
	(16 << 20) /* bytes of a line of the record: what stands between two files, as base64 */

/**
 * @param record  lines of JSON, gzip or plain; taken over, also on failure
 * @param folder  of the files; a descriptor, taken over, also on failure. No path in the record leads out of it
 */
int luff_split_open(struct luff_reader **out, struct luff_reader *record, int folder, struct luff_error *err);

#endif
