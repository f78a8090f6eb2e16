/* Files of logins: whatever they hold, what is found is text, and nothing where the file cannot be understood. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct luff_error err = {0};
	struct luff_credentials c;
	char *basic = NULL, *helper;
	int rc = luff_credentials_parse(&c, &helper, (const char *)data, size, "docker.io", "library/app",
					&err);

	assert(rc == 0 || (luff_credentials_empty(&c) && !helper));
	assert(!c.user == !c.password);
	if (c.user && luff_credentials_basic(&basic, &c, &err) == 0)
		assert(strncmp(basic, "Basic ", 6) == 0);
	free(basic);
	free(helper);
	luff_credentials_release(&c);
	return 0;
}
