/* A scan before cJSON sees the text: cJSON accepts duplicate keys, trailing data and broken UTF-8 (see json.h). */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/*
 * Counts brackets outside of strings, since cJSON recurses per level and its own limit of 1000 is deep for a small stack, and
 * refuses an escaped NUL, at which cJSON would end a string: another reader would see another name.
 */
static int scan(const char *text, size_t len, const char *what, struct luff_error *err)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\' && len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
				return luff_fail(err, LUFF_EFORMAT, "%s: JSON has a NUL in a string (at byte %zu)", what, i);
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LUFF_JSON_DEPTH_MAX)
				return luff_fail(err, LUFF_EFORMAT, "%s: JSON is nested more than %d deep", what,
						 LUFF_JSON_DEPTH_MAX);
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* RFC 7493 2.3: names within an object are unique. Two readers that pick different ones see different images. */
static int check_unique(const cJSON *tree, const char *what, struct luff_error *err)
{
	LUFF_AUTO(text) memory = NULL;
	const cJSON *member;
	size_t count = 0, i = 0;
	const char **names;

	cJSON_ArrayForEach(member, tree)
	{
		if (cJSON_IsObject(member) || cJSON_IsArray(member)) {
			int rc = check_unique(member, what, err);

			if (rc < 0)
				return rc;
		}
		count++;
	}
	if (!cJSON_IsObject(tree) || count < 2)
		return 0;
	memory = malloc(count * sizeof *names);
	if (!memory)
		return luff_fail_nomem(err);
	names = (const char **)(void *)memory;
	cJSON_ArrayForEach(member, tree) names[i++] = member->string;
	qsort(names, count, sizeof *names, compare_names);
	for (i = 1; i < count; i++) {
		char word[64];

		if (strcmp(names[i - 1], names[i]) == 0)
			return luff_fail(err, LUFF_EFORMAT, "%s: JSON has \"%s\" twice in one object", what,
					 luff_text_printable(word, sizeof word, names[i]));
	}
	return 0;
}

int luff_json_parse(cJSON **out, const char *text, size_t len, const char *what, struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	const char *end = NULL;
	int rc;

	*out = NULL;
	if (!luff_text_utf8(text, len))
		return luff_fail(err, LUFF_EFORMAT, "%s: JSON is not UTF-8", what);
	rc = scan(text, len, what, err);
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
	rc = check_unique(tree, what, err);
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

bool luff_json_int64(int64_t *out, const cJSON *object, const char *key)
{
	const cJSON *member = luff_json_get(object, key);
	double n;

	if (!cJSON_IsNumber(member))
		return false;
	n = member->valuedouble;
	if (!(fabs(n) <= 9007199254740992.0) || n != floor(n))
		return false;
	*out = (int64_t)n;
	return true;
}
