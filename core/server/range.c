/* See range.h. Pure functions over text from outside. */
#include "server/range.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Digits at *at, and on behind them. */
static bool take_number(int64_t *out, const char **at)
{
	char digits[20];
	size_t len = strspn(*at, "0123456789");

	if (len == 0 || len >= sizeof digits)
		return false;
	memcpy(digits, *at, len);
	digits[len] = '\0';
	*at += len;
	return luff_text_int64(out, digits);
}

enum luff_range luff_range_parse(int64_t *first_out, int64_t *last_out, const char *text, int64_t size)
{
	const char *at = text + 6;
	int64_t first = 0, last = size - 1, suffix;

	if (strncasecmp(text, "bytes=", 6) != 0)
		return LUFF_RANGE_WHOLE;
	if (*at == '-') {
		at++;
		if (!take_number(&suffix, &at) || *at)
			return LUFF_RANGE_WHOLE;
		if (suffix == 0 || size == 0)
			return LUFF_RANGE_UNSATISFIABLE;
		first = suffix < size ? size - suffix : 0;
	} else {
		if (!take_number(&first, &at) || *at++ != '-' || (*at && !take_number(&last, &at)) || *at)
			return LUFF_RANGE_WHOLE;
		/* one that runs backwards could be overlooked (RFC 9110 14.1.1), but the conformance suite wants it refused */
		if (first >= size || last < first)
			return LUFF_RANGE_UNSATISFIABLE;
		last = last < size ? last : size - 1;
	}
	*first_out = first;
	*last_out = last;
	return LUFF_RANGE_PART;
}

bool luff_range_parse_chunk(int64_t *first_out, int64_t *last_out, const char *text)
{
	const char *at = text;
	int64_t total;

	if (strncasecmp(at, "bytes ", 6) == 0 || strncasecmp(at, "bytes=", 6) == 0)
		at += 6;
	if (!take_number(first_out, &at) || *at++ != '-' || !take_number(last_out, &at) ||
	    *last_out < *first_out || *last_out == INT64_MAX)
		return false;
	if (*at == '/') {
		at++;
		if (*at == '*')
			at++;
		else if (!take_number(&total, &at))
			return false;
	}
	return *at == '\0';
}
