/* Any text as a name: what is accepted fits its fields, holds nothing that has a meaning in a URL, and means itself. */
#include <stdlib.h>
#include <string.h>

#include "luff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), canonical[1200], second[1200];
	struct luff_reference ref, again;
	struct luff_error err = {0};

	memcpy(text, data, size);
	text[size] = '\0';
	if (luff_reference_parse(&ref, text, &err) == 0) {
		luff_reference_format(canonical, sizeof canonical, &ref);
		if (strpbrk(canonical, " %?#\\\n\"") || strstr(canonical, "//") ||
		    strstr(ref.repository, "..") || strstr(ref.registry, "..") ||
		    strlen(ref.repository) + 1 + strlen(ref.registry) > LUFF_NAME_MAX)
			abort();
		if (luff_reference_parse(&again, canonical, &err) < 0 ||
		    !luff_digest_equal(&ref.digest, &again.digest) ||
		    strcmp(luff_reference_format(second, sizeof second, &again), canonical) != 0)
			abort();
	} else {
		for (const char *p = err.msg; *p; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				abort();
		}
	}
	free(text);
	return 0;
}
