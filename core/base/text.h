/* Small text helpers that the C library lacks. */
#ifndef LUFF_BASE_TEXT_H
#define LUFF_BASE_TEXT_H

#include "luff.h"

/** Copies, cuts at size - 1, terminates; true if all of it fitted. */
bool luff_text_copy(char *buf, size_t size, const char *text);
/** 2 * len characters and a NUL. */
void luff_text_hex(char *buf, const unsigned char *bytes, size_t len);
bool luff_text_starts(const char *text, const char *prefix);
/** Decimal digits only, up to INT64_MAX; false for anything else, the empty text included. */
bool luff_text_int64(int64_t *out, const char *text);
/** RFC 3339 with its zone, "2026-05-06T07:08:09.5+02:00", as seconds since the epoch; false for anything else. */
bool luff_text_time(int64_t *out, const char *text);
/** Standard alphabet, padded; malloc'ed, NULL when out of memory. */
char *luff_text_base64(const void *bytes, size_t len);
/** Decodes standard base64; malloc'ed and NUL-terminated, NULL if it is none. */
char *luff_text_unbase64(size_t *len_out, const char *text);
/** "1.2 kB", "29.3 MB": decimal units, at most 16 characters with the NUL. Returns buf. */
const char *luff_text_size(char buf[16], int64_t bytes);
/** Well-formed UTF-8 (RFC 3629). */
bool luff_text_utf8(const char *text, size_t len);
/** Text from outside, fit for one line of a message: control characters and broken UTF-8 become '?'. Returns buf. */
const char *luff_text_printable(char *buf, size_t size, const char *text);

#endif
