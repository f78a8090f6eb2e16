/* What the values of a server's headers say. Pure parsers: whatever does not fit the grammar is false or empty, never a guess. */
#ifndef LUFF_REGISTRY_HEADER_H
#define LUFF_REGISTRY_HEADER_H

#include "luff.h"

/* One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1). What it does not say is "". */
struct luff_challenge {
	char scheme[16]; /* lower case: "basic", "bearer" */
	char realm[2048];
	char service[256];
	char scope[2048];
	char error[64];
};

/**
 * The next challenge of a header's value, which may hold several; `*at` starts at its first byte.
 *
 * @return false at the end, or where nothing can be understood any more. A challenge with a value that is too long for its
 *         field or has control characters is left out.
 */
bool luff_header_challenge(struct luff_challenge *out, const char **at);

/** The target of rel="next" in a Link header (RFC 8288); false if there is none or it does not fit. */
bool luff_header_next_link(char *buf, size_t size, const char *value);

/** "bytes 10-19/20" (RFC 9110, 14.4); *total_out is -1 for "*". */
bool luff_header_content_range(int64_t *first_out, int64_t *last_out, int64_t *total_out, const char *value);

/** The 9 of "0-9", the Range of an upload (distribution-spec, "Pushing a blob in chunks"), also of "bytes=0-9". */
bool luff_header_upload_range(int64_t *last_out, const char *value);

/** Type and subtype of a Content-Type, in lower case and without parameters; "" where there is none. */
void luff_header_media_type(char buf[LUFF_MEDIA_TYPE_MAX + 1], const char *value);

/**
 * The text of the next warning for people in a Warning header (distribution-spec, "Warnings": 299 - "text"), of whose value
 * `*at` starts at the first byte. Cut at size - 1, without control characters; others than these are passed over.
 */
bool luff_header_warning(char *buf, size_t size, const char **at);

/** "100;w=21600" or "100, 10;w=1": the first number and the seconds of its window, -1 where it names none. */
bool luff_header_rate(int64_t *count_out, int64_t *window_out, const char *value);

#endif
