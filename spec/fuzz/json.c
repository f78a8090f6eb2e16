/* Any bytes as JSON: what is accepted survives being printed and read again, and the getters read nothing else. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LUFF_AUTO(json) tree = NULL;
	LUFF_AUTO(json) again = NULL;
	struct luff_error err = {0};
	const cJSON *member;
	char *text;

	if (luff_json_parse(&tree, (const char *)data, size, "it", &err) < 0) {
		if (tree || !err.code || !err.msg[0])
			abort();
		return 0;
	}
	cJSON_ArrayForEach(member, tree)
	{
		int64_t n;

		if (member->string) {
			luff_json_string(tree, member->string);
			luff_json_object(tree, member->string);
			luff_json_array(tree, member->string);
			luff_json_int64(&n, tree, member->string);
		}
	}
	if (luff_json_keep_numbers(tree, (const char *)data, size, &err) < 0)
		abort();
	text = cJSON_PrintUnformatted(tree);
	if (!text || luff_json_parse(&again, text, strlen(text), "it", &err) < 0)
		abort();
	free(text);
	return 0;
}
