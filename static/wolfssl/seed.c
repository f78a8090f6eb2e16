/* See options.h. */
#include <sys/random.h>

#include "options.h"

int luff_wolfssl_seed(unsigned char *out, unsigned int len)
{
	while (len > 0) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0)
			return -1; /* none of wolfSSL's */
		out += n;
		len -= (unsigned int)n;
	}
	return 0;
}
