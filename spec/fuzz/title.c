/* Any text as the title of a file in an artifact: what is accepted is a path that stays in its folder, and means itself. */
#include <stdlib.h>
#include <string.h>

#include "ops/artifact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[LUFF_PATH_MAX + 1], again[LUFF_PATH_MAX + 1];
	struct luff_error err = {0};

	memcpy(text, data, size);
	text[size] = '\0';
	if (luff_artifact_title(path, text, &err) == 0) {
		for (const char *p = path;; p++) {
			size_t n = strcspn(p, "/");

			if (n == 0 || (n <= 2 && strspn(p, ".") == n))
				abort();
			p += n;
			if (!*p)
				break;
		}
		if (luff_artifact_title(again, path, &err) < 0 || strcmp(path, again) != 0)
			abort();
	} else if (err.code != LUFF_EFORMAT && err.code != LUFF_ELIMIT) {
		abort();
	}
	free(text);
	return 0;
}
