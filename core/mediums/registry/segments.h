/*
 * A large blob over several connections at a time. Many a store of blobs gives each connection so much and no more, and then
 * several are faster than one. Each has a segment of the blob in memory; whoever reads gets the segments in their order.
 */
#ifndef LUFF_REGISTRY_SEGMENTS_H
#define LUFF_REGISTRY_SEGMENTS_H

#include "mediums/registry/download.h"

#define LUFF_SEGMENT_SIZE ((int64_t)2 << 20)
#define LUFF_SEGMENTS_MAX 4 /* connections of one blob; twice as many of the process */

/**
 * Begins to fetch the bytes of d from an offset on. Nothing is tried again: who reads goes on in another way.
 *
 * @param out   NULL where it is not worth it, or no connection or thread is free
 * @param most  connections that the registry may get for it
 */
int luff_segments_open(struct luff_reader **out, struct luff_medium *m, const struct luff_descriptor *d,
		       int64_t offset, int most, luff_download_ask *ask, struct luff_error *err);

#endif
