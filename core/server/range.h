/* Byte ranges: of a blob that is asked for (RFC 9110 14.2), of a chunk that is uploaded (distribution-spec, end-5). */
#ifndef LUFF_SERVER_RANGE_H
#define LUFF_SERVER_RANGE_H

#include "luff.h"

enum luff_range {
	LUFF_RANGE_WHOLE, /* no range, several, or none that can be understood: all of it is sent */
	LUFF_RANGE_PART,
	LUFF_RANGE_UNSATISFIABLE
};

/** A Range header ("bytes=2-5", "bytes=2-", "bytes=-5") over `size` bytes; first and last are inclusive. */
enum luff_range luff_range_parse(int64_t *first_out, int64_t *last_out, const char *text, int64_t size);
/** The Content-Range of a chunk, "0-99" as the spec has it or "bytes 0-99/100" as HTTP has it; false for anything else. */
bool luff_range_parse_chunk(int64_t *first_out, int64_t *last_out, const char *text);

#endif
