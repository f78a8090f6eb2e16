/*
 * JSON from outside, over cJSON: strict about what cJSON lets pass (depth, duplicate keys, trailing data, invalid UTF-8),
 * with getters that check types and ranges. Documents keep their bytes; the tree is only for reading, so unknown
 * members and their order survive.
 */
#ifndef LUFF_BASE_JSON_H
#define LUFF_BASE_JSON_H

#include <cjson/cJSON.h>

#include "base/cleanup.h"
#include "luff.h"

#define LUFF_JSON_DEPTH_MAX 64

LUFF_DEFINE_AUTO(json, cJSON *, cJSON_Delete); /* LUFF_AUTO(json) doc = NULL; */

/** RFC 8259 text of `len` bytes; what: goes into the message ("manifest"). LUFF_EFORMAT. cJSON_Delete() the tree. */
int luff_json_parse(cJSON **out, const char *text, size_t len, const char *what, struct luff_error *err);
/** Member of an object, exact case; NULL if absent, null, or `object` is NULL or no object. */
const cJSON *luff_json_get(const cJSON *object, const char *key);
/** NULL if absent or of another type. */
const char *luff_json_string(const cJSON *object, const char *key);
const cJSON *luff_json_object(const cJSON *object, const char *key);
const cJSON *luff_json_array(const cJSON *object, const char *key);
/** A whole number in ±2^53; false if absent or anything else. */
bool luff_json_int64(int64_t *out, const cJSON *object, const char *key);

#endif
