/* Any bytes as YAML: what is accepted holds no more than the caps let it, and every node has its place in the text. */
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks what it unfolds to. */
static size_t count(const struct luff_yaml_node *n, int depth)
{
	size_t all = 1;

	if (depth > LUFF_YAML_DEPTH_MAX + 1 || n->line < 1 || n->column < 1)
		abort();
	if (n->kind == LUFF_YAML_TEXT && strlen(n->text) > n->text_len)
		abort();
	for (size_t i = 0; i < n->count; i++) {
		if ((n->kind == LUFF_YAML_MAP) != (n->items[i].key != NULL))
			abort();
		all += count(n->items[i].value, depth + 1);
	}
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LUFF_AUTO(yaml) doc = NULL;
	struct luff_error err = {0};

	if (luff_yaml_parse(&doc, (const char *)data, size, "it", &err) < 0) {
		if (doc || !err.code || !err.msg[0])
			abort();
		return 0;
	}
	if (count(luff_yaml_root(doc), 0) > LUFF_YAML_VALUES_MAX + 1)
		abort();
	return 0;
}
