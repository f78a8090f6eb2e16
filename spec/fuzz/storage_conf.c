/* storage.conf: what is read of it are texts, or nothing is left. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mediums/storage/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_storage_conf conf;
	struct luff_error err = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (luff_storage_conf_parse(&conf, text, &err) < 0)
		assert(!conf.driver && !conf.graph_root && !conf.rootless_path);
	else if (conf.graph_root)
		assert(strlen(conf.graph_root) <= size);
	luff_storage_conf_release(&conf);
	free(text);
	return 0;
}
