/* See json.h: a scan before cJSON sees the text, and a look over the tree that it made. */
#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

static size_t digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - from);
}

/* Length of the number at p (RFC 8259 6); 0 if it is none. cJSON takes whatever strtod takes: 01, 1. and -.5 too. */
static size_t number(const char *p, const char *end)
{
	const char *from = p;
	size_t n;

	p += *p == '-';
	n = digits(p, end);
	if (n == 0 || (n > 1 && *p == '0'))
		return 0;
	p += n;
	if (p < end && *p == '.') {
		n = digits(p + 1, end);
		p += 1 + n;
	}
	if (n > 0 && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		p += p < end && (*p == '+' || *p == '-');
		n = digits(p, end);
		p += n;
	}
	return n > 0 ? (size_t)(p - from) : 0;
}

/* From behind a string's opening quote to behind its closing one. NULL, or what is wrong at *at. */
static const char *scan_string(const char **at, const char *end)
{
	for (const char *p = *at; p < end; p++) {
		size_t hex = 0;

		*at = p;
		if (*p == '"') {
			*at = p + 1;
			return NULL;
		}
		if ((unsigned char)*p < ' ')
			return "a control character in a string";
		if (*p != '\\')
			continue;
		if (++p == end)
			break;
		if (*p != 'u')
			continue;
		/* cJSON makes a NUL of digits that are none, and ends a string there: another reader would see another name */
		while (hex < 4 && p + 1 + hex < end && isxdigit((unsigned char)p[1 + hex]))
			hex++;
		if (hex < 4)
			return "an escape without four hex digits";
		if (memcmp(p + 1, "0000", 4) == 0)
			return "a NUL in a string";
		p += 4;
	}
	*at = end;
	return NULL;
}

/* Everything that cJSON is too kind about; what is left to it is how the parts stand together. */
int luff_json_scan(const char *text, size_t len, size_t values_max, const char *what, struct luff_error *err)
{
	const char *p = text, *end = text + len, *why = NULL;
	int depth = 0;
	size_t values = 1;

	while (p < end && !why) {
		if (*p == '"') {
			p++;
			why = scan_string(&p, end);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			size_t n = number(p, end);

			why = n ? NULL : "a number that is none";
			p += n;
		} else if ((unsigned char)*p > '~' || (*p < ' ' && *p != '\t' && *p != '\r' && *p != '\n')) {
			why = "a character that has no place";
		} else {
			depth += *p == '{' || *p == '[' ? 1 : *p == '}' || *p == ']' ? -1 : 0;
			values += *p == '{' || *p == '[' || *p == ',';
			/* cJSON recurses per level and its own limit of 1000 is deep for a small stack */
			if (depth > LUFF_JSON_DEPTH_MAX)
				return luff_fail(err, LUFF_EFORMAT, "%s: JSON is nested more than %d deep",
						 what, LUFF_JSON_DEPTH_MAX);
			if (values > values_max)
				return luff_fail(err, LUFF_ELIMIT, "%s: JSON has more than %zu values", what,
						 values_max);
			p++;
		}
	}
	return why ? luff_fail(err, LUFF_EFORMAT, "%s: JSON has %s (at byte %zu)", what, why,
			       (size_t)(p - text))
		   : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* RFC 7493 2.3: names within an object are unique. Two readers that pick different ones see different images. */
static int check_unique(const cJSON *object, const char *what, struct luff_error *err)
{
	LUFF_AUTO(text) memory = NULL;
	size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
	const char **names;
	const cJSON *member;

	memory = malloc((count + 1) * sizeof *names);
	if (!memory)
		return luff_fail_nomem(err);
	names = (const char **)(void *)memory;
	cJSON_ArrayForEach(member, object) names[i++] = member->string;
	qsort(names, count, sizeof *names, compare_names);
	for (i = 1; i < count; i++) {
		char word[64];

		if (strcmp(names[i - 1], names[i]) == 0)
			return luff_fail(err, LUFF_EFORMAT, "%s: JSON has \"%s\" twice in one object", what,
					 luff_text_printable(word, sizeof word, names[i]));
	}
	return 0;
}

static int check(const cJSON *tree, const char *what, struct luff_error *err)
{
	const cJSON *member;
	int rc = cJSON_IsObject(tree) ? check_unique(tree, what, err) : 0;

	if (cJSON_IsNumber(tree) && isinf(tree->valuedouble))
		return luff_fail(err, LUFF_EFORMAT, "%s: JSON has a number that is too large", what);
	cJSON_ArrayForEach(member, tree)
	{
		if (rc < 0)
			break;
		rc = check(member, what, err);
	}
	return rc;
}

int luff_json_parse(cJSON **out, const char *text, size_t len, const char *what, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const char *end = NULL;
	int rc;

	*out = NULL;
	if (!luff_text_utf8(text, len))
		return luff_fail(err, LUFF_EFORMAT, "%s: JSON is not UTF-8", what);
	rc = luff_json_scan(text, len, LUFF_JSON_VALUES_MAX, what, err);
	if (rc < 0)
		return rc;
	tree = cJSON_ParseWithLengthOpts(text, len, &end, false);
	if (!tree)
		return luff_fail(err, LUFF_EFORMAT, "%s: not JSON (at byte %zu of %zu)", what,
				 end ? (size_t)(end - text) : 0, len);
	while (end < text + len && strchr(" \t\r\n", *end) && *end)
		end++;
	if (end != text + len)
		return luff_fail(err, LUFF_EFORMAT, "%s: data after the JSON (at byte %zu of %zu)", what,
				 (size_t)(end - text), len);
	rc = check(tree, what, err);
	if (rc < 0)
		return rc;
	*out = luff_take(tree);
	return 0;
}

const cJSON *luff_json_get(const cJSON *object, const char *key)
{
	const cJSON *member = cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;

	return cJSON_IsNull(member) ? NULL : member;
}

const char *luff_json_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(luff_json_get(object, key));
}

const cJSON *luff_json_object(const cJSON *object, const char *key)
{
	const cJSON *member = luff_json_get(object, key);

	return cJSON_IsObject(member) ? member : NULL;
}

const cJSON *luff_json_array(const cJSON *object, const char *key)
{
	const cJSON *member = luff_json_get(object, key);

	return cJSON_IsArray(member) ? member : NULL;
}

/* ---- Numbers, exactly ---- */

const char *luff_json_next_number(const char **at, const char *end, size_t *len)
{
	const char *p = *at, *found = NULL;

	while (p < end && !found) {
		if (*p == '"') {
			p++;
			scan_string(&p, end);
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			found = p;
			*len = number(p, end);
			p += *len;
		} else {
			p++;
		}
	}
	*at = p;
	return found;
}

bool luff_json_whole(int64_t *out, const char *number, size_t len)
{
	bool negative = len > 0 && *number == '-';
	size_t i = negative;
	int64_t n = 0;

	/* counted below zero, where there is one more */
	for (; i < len && number[i] >= '0' && number[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, number[i] - '0', &n))
			return false;
	}
	if (i < len || i == (size_t)negative || (!negative && n == INT64_MIN))
		return false;
	*out = negative ? n : -n;
	return true;
}

/* Whether cJSON prints the number as it stands. */
static bool prints_itself(const char *number, size_t len)
{
	int64_t n;

	return len <= 15 && luff_json_whole(&n, number, len) && !(n == 0 && *number == '-');
}

static int keep_numbers(cJSON *node, const char **at, const char *end, struct luff_error *err)
{
	cJSON *child;
	const char *text;
	size_t len = 0;
	int rc = 0;

	if (cJSON_IsNumber(node)) {
		text = luff_json_next_number(at, end, &len);
		if (!text || prints_itself(text, len))
			return 0;
		node->valuestring = strndup(text, len);
		if (!node->valuestring)
			return luff_fail_nomem(err);
		node->type = cJSON_Raw;
	}
	cJSON_ArrayForEach(child, node)
	{
		if (rc == 0)
			rc = keep_numbers(child, at, end, err);
	}
	return rc;
}

int luff_json_keep_numbers(cJSON *tree, const char *text, size_t len, struct luff_error *err)
{
	return keep_numbers(tree, &text, text + len, err);
}

static double value_of(const cJSON *number)
{
	return cJSON_IsRaw(number) ? strtod(number->valuestring, NULL) : number->valuedouble;
}

bool luff_json_same_number(const cJSON *a, const cJSON *b)
{
	int64_t x, y;

	if (!(cJSON_IsRaw(a) || cJSON_IsNumber(a)) || !(cJSON_IsRaw(b) || cJSON_IsNumber(b)))
		return false;
	if (cJSON_IsRaw(a) && cJSON_IsRaw(b) && luff_json_whole(&x, a->valuestring, strlen(a->valuestring)) &&
	    luff_json_whole(&y, b->valuestring, strlen(b->valuestring)))
		return x == y;
	return !(value_of(a) < value_of(b)) && !(value_of(a) > value_of(b));
}

bool luff_json_int64(int64_t *out, const cJSON *object, const char *key)
{
	const cJSON *member = luff_json_get(object, key);
	double n;

	if (!cJSON_IsNumber(member) && !cJSON_IsRaw(member))
		return false;
	n = value_of(member);
	if (!(fabs(n) < 9007199254740992.0) || n != floor(n))
		return false;
	*out = (int64_t)n;
	return true;
}
