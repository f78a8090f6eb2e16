/* See clock.h. */
#include "base/clock.h"

#include <time.h>

int64_t luff_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t luff_clock_backoff(int64_t first, int nth)
{
	int64_t ms = first << (nth < 20 ? nth : 20);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ms / 2 + now.tv_nsec / 1000 % (ms / 2 + 1);
}
