/* Any two texts as platforms: normal forms stay as they are, and each runs on itself. */
#include <stdlib.h>
#include <string.h>

#include "luff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *second, buf[LUFF_PLATFORM_TEXT_MAX], buf2[LUFF_PLATFORM_TEXT_MAX];
	struct luff_platform a, b, again;
	struct luff_error err = {0};

	memcpy(text, data, size);
	text[size] = '\0';
	second = strchr(text, ' ');
	if (second)
		*second++ = '\0';
	if (luff_platform_parse(&a, text, &err) == 0) {
		luff_platform_format(buf, &a);
		if (luff_platform_parse(&again, buf, &err) < 0 ||
		    strcmp(luff_platform_format(buf2, &again), buf) != 0 ||
		    luff_platform_match(&a, &again) != 100)
			abort();
		if (second && luff_platform_parse(&b, second, &err) == 0 && luff_platform_match(&a, &b) > 0 &&
		    (strcmp(a.os, b.os) != 0 || strcmp(a.arch, b.arch) != 0))
			abort();
	}
	free(text);
	return 0;
}
