/* See document.h. */
#include "ops/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

#define MEMBERS_MAX 4096 /* of one object whose order is kept: members are looked for one by one */

static bool order_like(cJSON *tree, const cJSON *old);

/* The same number, as it was written: 1.0 stays that. */
static bool spell_like(cJSON *number, const cJSON *old)
{
	char *text = cJSON_IsRaw(old) ? strdup(old->valuestring) : NULL;

	if (cJSON_IsRaw(old) && !text)
		return false;
	free(number->valuestring);
	number->valuestring = text;
	number->type = old->type;
	number->valueint = old->valueint;
	number->valuedouble = old->valuedouble;
	return true;
}

static bool order_members(cJSON *object, const cJSON *old)
{
	cJSON *sorted = cJSON_CreateObject(), *item;
	const cJSON *member;

	if (!sorted)
		return false;
	/* detached and added, an item keeps its name */
	cJSON_ArrayForEach(member, old)
	{
		item = cJSON_DetachItemFromObjectCaseSensitive(object, member->string);
		if (item)
			cJSON_AddItemToArray(sorted, item);
	}
	while ((item = object->child))
		cJSON_AddItemToArray(sorted, cJSON_DetachItemViaPointer(object, item));
	object->child = sorted->child;
	sorted->child = NULL;
	cJSON_Delete(sorted);
	cJSON_ArrayForEach(item, object)
	{
		if (!order_like(item, luff_json_get(old, item->string)))
			return false;
	}
	return true;
}

/* An item of a list is ordered as the one in its place, or the last. False: out of memory. */
static bool order_like(cJSON *tree, const cJSON *old)
{
	const cJSON *like = old ? old->child : NULL;
	cJSON *item;

	if (old && luff_json_same_number(tree, old))
		return spell_like(tree, old);
	if (!like || tree->type != old->type)
		return true;
	if (cJSON_IsObject(tree)) {
		if (cJSON_GetArraySize(tree) > MEMBERS_MAX || cJSON_GetArraySize(old) > MEMBERS_MAX)
			return true;
		return order_members(tree, old);
	}
	if (!cJSON_IsArray(tree))
		return true;
	cJSON_ArrayForEach(item, tree)
	{
		if (!order_like(item, like))
			return false;
		like = like->next ? like->next : like;
	}
	return true;
}

int luff_document_reprint(char **out, const char *text, const char *old, const char *what,
			  struct luff_error *err)
{
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(json) before = NULL;
	LUFF_AUTO(text) printed = NULL;
	LUFF_AUTO(text) same = NULL;
	struct luff_error ignored = {0};
	int rc = luff_json_parse(&tree, text, strlen(text), what, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (!cJSON_IsObject(tree))
		return luff_fail(err, LUFF_EFORMAT, "the %s is no JSON object", what);
	rc = luff_json_keep_numbers(tree, text, strlen(text), err);
	if (rc < 0)
		return rc;
	if (old && luff_json_parse(&before, old, strlen(old), what, &ignored) == 0) {
		rc = luff_json_keep_numbers(before, old, strlen(old), err);
		if (rc < 0)
			return rc;
		same = cJSON_PrintUnformatted(before);
		if (!same || !order_like(tree, before))
			return luff_fail_nomem(err);
	}
	printed = cJSON_PrintUnformatted(tree);
	if (!printed)
		return luff_fail_nomem(err);
	if (!same || strcmp(printed, same) != 0)
		*out = luff_take(printed);
	return 0;
}

int luff_document_describe(struct luff_descriptor *out, const char *text, size_t cap, const char *what,
			   const struct luff_digest *like, struct luff_error *err)
{
	size_t len = strlen(text);
	const char *algorithm = like->text[0] ? luff_algorithm_name(luff_digest_algorithm(like)) : "sha256";

	if (len > cap)
		return luff_fail(err, LUFF_ELIMIT, "the %s would have %zu bytes, more than %zu", what, len,
				 cap);
	out->size = (int64_t)len;
	return luff_digest_of(&out->digest, algorithm, text, len, err);
}
