/*
 * JSON from outside, over cJSON: strict about what cJSON lets pass (depth, duplicate keys, trailing data, invalid UTF-8,
 * control characters, numbers like 01), with getters that check types and ranges. Documents keep their bytes; the tree is
 * only for reading, so unknown members and their order survive.
 */
#ifndef LUFF_BASE_JSON_H
#define LUFF_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/cleanup.h"
#include "luff.h"

#define LUFF_JSON_DEPTH_MAX 64
#define LUFF_JSON_VALUES_MAX (1 << 20) /* of which each takes 64 bytes and more */

LUFF_DEFINE_AUTO(json, cJSON *, cJSON_Delete); /* LUFF_AUTO(json) doc = NULL; */

/**
 * RFC 8259 text of `len` bytes, which no NUL needs to end.
 *
 * @param out   the tree; cJSON_Delete() it
 * @param what  goes into the message: "manifest"
 * @return 0; LUFF_EFORMAT, LUFF_ELIMIT (over LUFF_JSON_VALUES_MAX)
 */
int luff_json_parse(cJSON **out, const char *text, size_t len, const char *what, struct luff_error *err);
/**
 * A look at the text before a tree is made of it, which takes many times the memory; for who wants fewer values than
 * luff_json_parse() lets pass, or will write what somebody has to parse again.
 *
 * @return 0, which does not yet say that it is JSON; LUFF_ELIMIT (over values_max), LUFF_EFORMAT
 */
int luff_json_scan(const char *text, size_t len, size_t values_max, const char *what, struct luff_error *err);
/**
 * The next number of a text that luff_json_parse() took: where it begins, or NULL.
 *
 * @param at   from where on, in front of a value or between two; moves behind the number
 * @param len  out: its length
 */
const char *luff_json_next_number(const char **at, const char *end, size_t *len);
/** Whether a number of JSON is a whole one without a point or exponent, within 64 bits. */
bool luff_json_whole(int64_t *out, const char *number, size_t len);
/**
 * The numbers of a tree print as they stand in the text that it was parsed from: cJSON keeps no more than a double. Those that would
 * print otherwise are cJSON_Raw from then on; luff_json_int64() knows them.
 *
 * @return 0; LUFF_ENOMEM
 */
int luff_json_keep_numbers(cJSON *tree, const char *text, size_t len, struct luff_error *err);
/** Whether both are numbers, of whatever spelling, and the same. */
bool luff_json_same_number(const cJSON *a, const cJSON *b);
/** Member of an object, exact case; NULL if absent, null, or `object` is NULL or no object. */
const cJSON *luff_json_get(const cJSON *object, const char *key);
/** NULL if absent or of another type. */
const char *luff_json_string(const cJSON *object, const char *key);
const cJSON *luff_json_object(const cJSON *object, const char *key);
const cJSON *luff_json_array(const cJSON *object, const char *key);
/** A whole number within ±(2^53 - 1); false if absent or anything else. */
bool luff_json_int64(int64_t *out, const cJSON *object, const char *key);

#endif
