/* Time that only goes forward, for durations and time limits. */
#ifndef LUFF_BASE_CLOCK_H
#define LUFF_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds since some moment in the past. */
int64_t luff_clock_ms(void);
/**
 * How long to wait before another try: half of `first` ms to all of it, doubled for each try before (nth of them). By chance, so
 * that many who failed together do not come back together.
 */
int64_t luff_clock_backoff(int64_t first, int nth);

#endif
